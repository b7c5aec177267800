"""Examples in docstrings print what they say."""

import doctest
from types import ModuleType

import pytest

import baselines.cpml
import pfml.energy
import pfml.loss
import pfml.potential


@pytest.mark.parametrize("module", [pfml.energy, pfml.loss, pfml.potential, baselines.cpml], ids=lambda m: m.__name__)
def test_examples(module: ModuleType) -> None:
    found = doctest.testmod(module)
    assert found.attempted > 0
    assert found.failed == 0

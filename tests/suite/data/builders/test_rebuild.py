"""Each data set built anew from its sources, where PFML_SOURCES names a folder that holds them."""

import importlib
import os
from pathlib import Path

import pytest

from suite.data.builders.versions import differences
from suite.data.catalog import EMBEDDED
from suite.errors import SuiteError
from suite.hashing import sha256_file


@pytest.mark.parametrize("name", list(EMBEDDED))
def test_rebuild_gives_the_stored_bytes(tmp_path, name):
    sources = os.environ.get("PFML_SOURCES")
    if not sources:
        pytest.skip("PFML_SOURCES names no folder of source packages")
    builder = importlib.import_module(f"suite.data.builders.{name}")
    if changed := differences(builder.BUILT_WITH):
        pytest.skip(f"other library versions than the stored build's: {'; '.join(changed)}")
    if name == "furniture" and (renderer := _renderer()) != builder.RENDERER:
        pytest.skip(f"OpenGL renderer is {renderer!r}, the stored build's {builder.RENDERER!r}")
    builder.build(tmp_path / "built.parquet", Path(sources))
    assert sha256_file(tmp_path / "built.parquet") == EMBEDDED[name].sha256


def _renderer():
    from suite.data.builders.furniture_render import Stage

    stage = Stage(8)
    renderer = stage.capabilities()
    stage.close()
    return renderer


def test_differences_name_package_and_versions():
    from importlib.metadata import version

    assert differences({"numpy": version("numpy")}) == []
    assert differences({"numpy": "0.1"}) == [f"numpy: {version('numpy')}, stored data set built with 0.1"]
    with pytest.raises(SuiteError, match=r"needs no-such-package==1\.0, which is not installed: pip install"):
        differences({"no-such-package": "1.0"})

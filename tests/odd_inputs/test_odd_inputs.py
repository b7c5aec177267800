"""More than a hundred odd inputs: each ends in one clear line and leaves everything as it was, or it works."""

import shutil
from pathlib import Path

import pytest

from suite.data import catalog
from suite.hashing import sha256_file
from tests.odd_inputs.cases import CASES
from tests.odd_inputs.project import tree

RENEWED = ("user/", "user_data/")
"""What `suite plan` renews before it checks anything else."""


def test_there_are_more_than_a_hundred():
    assert len(CASES) >= 100
    assert len({case.name for case in CASES}) == len(CASES)
    assert sum(not case.words for case in CASES) > 15


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_it_ends_in_one_line_or_works(project, command, monkeypatch, one_worker, case):
    shutil.copytree(project, Path(), symlinks=True, dirs_exist_ok=True)
    monkeypatch.setitem(
        catalog.EMBEDDED, "emoji", catalog.EmbeddedDataset(sha256_file(project / "data/emoji.parquet"), "")
    )
    case.spoil()
    before = tree()
    status, out, err = command(*case.typed.split())
    assert "Traceback" not in out + err
    assert not [name for name in tree() if name.endswith(".tmp")]
    if not case.words:
        assert status == 0, err
        return
    assert status == 2, (out[-300:], err)
    told = [text for text in err.splitlines() if not text.startswith(("... further lines", "line "))]
    assert len(told) == 1, err
    assert told[0].startswith("error: ")
    assert len(told[0]) < 1300
    assert [word for word in case.words if word not in told[0]] == [], told[0]
    assert "pydantic.dev" not in told[0]
    after = tree()
    assert {name: after.get(name) for name in before if not name.startswith("user/")} == {
        name: content for name, content in before.items() if not name.startswith("user/")
    }
    assert [name for name in after if name not in before and not name.startswith(RENEWED)] == []

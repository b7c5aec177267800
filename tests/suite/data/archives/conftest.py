"""Walking ``suite data add`` in an empty folder."""

import pytest

from suite.data.archives.cache import open_cache
from tests.suite.data.archives import factory


@pytest.fixture
def add(workplace, command, one_worker):
    """Run ``suite data add DATASET FILES`` with editions that fit; ``published`` files have the right MD5 (default: all)."""

    def run(dataset, files, *options, published=None, track=False, **counts):
        editions = factory.write_editions(
            workplace / "editions.yaml", files if published is None else published, **counts
        )
        arguments = ["data", "add", dataset, *map(str, files), "--editions", str(editions), *options]
        return command(*arguments, *([] if track else ["--no-track"]))

    return run


@pytest.fixture
def added(add):
    """The cache that ``suite data add`` makes, which must succeed."""

    def run(dataset, files, *options, **settings):
        walk = add(dataset, files, *options, **settings)
        assert walk.status == 0, walk.err
        return open_cache(dataset)

    return run


@pytest.fixture
def refused(add, workplace):
    """The message of an ``add`` that must fail with one line and leave nothing that counts as done."""

    def run(dataset, files, *options, **settings):
        walk = add(dataset, files, *options, **settings)
        assert walk.status == 2
        assert walk.err.count("\n") == 1
        assert walk.err.startswith("error: ")
        assert not list(workplace.rglob("meta.json"))
        assert not list(workplace.rglob("*.tmp"))
        return walk.err

    return run

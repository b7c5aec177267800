"""A real cluster, and the features that plans of the tests name; without Dask there is nothing to test."""

from importlib.util import find_spec

import pytest

from suite.data.features import save_features
from tests.helpers.dask_cluster import DaskCluster
from tests.helpers.synthetic import features_path, make_features

collect_ignore_glob = [] if find_spec("distributed") else ["test_*.py"]


@pytest.fixture(scope="session")
def dask(tmp_path_factory):
    """A scheduler and two workers."""
    cluster = DaskCluster(tmp_path_factory.mktemp("dask"))
    yield cluster
    cluster.close()


@pytest.fixture(autouse=True)
def _short_wait_for_a_scheduler(monkeypatch):
    monkeypatch.setattr("suite.training.cluster.connection._CONNECT_SECONDS", 3.0)


@pytest.fixture
def features(workplace):
    """Features in an empty folder."""
    save_features(features_path(), make_features(classes=60))

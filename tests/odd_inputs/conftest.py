"""The command line in an empty folder, as for the tests of the suite, and a project to put there."""

import os
from pathlib import Path

import pytest

from tests.helpers.synthetic import silent
from tests.odd_inputs.cases import photos
from tests.odd_inputs.project import write_project
from tests.suite.conftest import command, one_worker, workplace

__all__ = ["command", "one_worker", "workplace"]


@pytest.fixture(scope="session")
def project(tmp_path_factory):
    """A project as the pipeline leaves it, made once."""
    from suite.report.claims import write_claims
    from suite.report.leaderboard import write_leaderboard
    from suite.report.site.write import write_site
    from suite.settings.params import load_settings
    from suite.training.planner import write_plans
    from suite.training.tuning.resolve import resolve_hyperparameters

    folder, before = tmp_path_factory.mktemp("project"), Path.cwd()
    os.chdir(folder)
    try:
        with pytest.MonkeyPatch.context() as patch:
            write_project(patch)
            photos()
            write_plans(load_settings())
            resolve_hyperparameters("emoji", "mine", silent())
            write_leaderboard(load_settings())
            write_claims(load_settings())
            write_site(load_settings())
    finally:
        os.chdir(before)
    return folder

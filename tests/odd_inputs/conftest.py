"""The command line in an empty folder, as for the tests of the suite."""

from tests.suite.conftest import command, one_worker, workplace

__all__ = ["command", "one_worker", "workplace"]

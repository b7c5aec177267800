"""The leaderboard's tables in the README."""

import pytest

from suite.errors import SuiteError
from suite.leaderboard.readme import with_tables
from suite.leaderboard.render import DETAILS

BOARD = "# Leaderboard\n\n## emoji\n\n| loss |\n"


def test_tables_stand_between_the_markers():
    readme = "# Title\n\n<!-- leaderboard -->\nold\n<!-- end of leaderboard -->\n\nMore\n"
    updated = with_tables(readme, BOARD)
    assert updated == (
        "# Title\n\n<!-- leaderboard -->\n\n### emoji\n\n| loss |\n\n<!-- end of leaderboard -->\n\nMore\n"
    )
    assert with_tables(updated, BOARD) == updated


def test_the_details_stay_in_the_results():
    updated = with_tables("<!-- leaderboard --><!-- end of leaderboard -->", f"{BOARD}{DETAILS}\n## Track\n")
    assert updated == "<!-- leaderboard -->\n\n### emoji\n\n| loss |\n\n<!-- end of leaderboard -->"


def test_a_readme_without_markers_is_refused():
    with pytest.raises(SuiteError, match=r"README\.md lacks a marker"):
        with_tables("# Title\n", BOARD)

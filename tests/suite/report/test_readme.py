"""Results in the README: the leaderboard's glance and the verdicts, between their markers."""

import json

import pytest

from suite.errors import SuiteError
from suite.report.leaderboard.render import DETAILS
from suite.report.readme import with_results

BOARD = "# Leaderboard\n\n## emoji\n\n| loss |\n"
README = (
    "# Title\n\n<!-- leaderboard -->\nold\n<!-- end of leaderboard -->\n\nMore\n\n"
    "<!-- claims -->\nold\n<!-- end of claims -->\nLast\n"
)


def line(dataset, verdict, *, counts=True):
    return {"dataset": dataset, "part": None, "verdict": verdict, "counts": counts}


CLAIMS = json.dumps(
    {
        "claims_sha256": "abc",
        "claims": [
            {
                "statement": "A | beats B.",
                "verdict": "inconclusive",
                "flips": ["without seed 1"],
                "lines": [line("emoji", "supported"), line("typefaces", "not run")],
            },
            {"statement": "Rows of a table.", "verdict": "not run", "flips": [], "lines": [line("cub", "not run")]},
            {
                "statement": "C is near D.",
                "verdict": "premise not met",
                "flips": [],
                "lines": [line("emoji", "premise not met"), line("emoji", "contradicted", counts=False)],
            },
        ],
    }
)
GLANCE = (
    "3 claims: 1 inconclusive, 1 premise not met, 1 not run; 1 fragile. Claim files: sha256 abc.\n\n"
    "| claim | emoji | typefaces | everywhere |\n| --- | --- | --- | --- |\n"
    "| A \\| beats B. | supported | not run | inconclusive (fragile) |\n"
    "| C is near D. | premise not met | – | premise not met |\n"
)


def test_results_stand_between_the_markers():
    updated = with_results(README, BOARD, CLAIMS)
    assert updated == (
        "# Title\n\n<!-- leaderboard -->\n\n### emoji\n\n| loss |\n\n<!-- end of leaderboard -->\n\nMore\n\n"
        f"<!-- claims -->\n\n{GLANCE}\n<!-- end of claims -->\nLast\n"
    )
    assert with_results(updated, BOARD, CLAIMS) == updated


def test_the_details_stay_in_the_results():
    assert "Track" not in with_results(README, f"{BOARD}{DETAILS}\n## Track\n", CLAIMS)


@pytest.mark.parametrize("part", ["leaderboard", "claims"])
def test_a_readme_without_markers_is_refused(part):
    with pytest.raises(SuiteError, match=rf"README\.md lacks a marker; it must hold <!-- {part} -->"):
        with_results(README.replace(f"<!-- end of {part} -->", ""), BOARD, CLAIMS)

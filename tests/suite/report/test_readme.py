"""Results in the README: sentences and one table that follow from the results, between their markers."""

import pandas as pd
import pytest

from suite.errors import SuiteError
from suite.files import write_json, write_text
from suite.judging.leaderboard.table import leaderboard
from suite.judging.leaderboard.verdicts import verdicts
from suite.report.readme import compact_table, found_of_claims, found_on_board, update_readme, with_results
from tests.helpers.paths import ROOT
from tests.helpers.records import frozen, table
from tests.suite.report.test_families import REPORT

README = (
    "# Title\n\n<!-- found -->\nstale\n<!-- end of found -->\n\nMore\n\n"
    "<!-- table -->\nstale\n<!-- end of table -->\nLast\n"
)


def results(pfml=0.40, *, track="tuned"):
    """Records of two losses at three levels on one data set."""
    seeds = [0, 0.001, 0.002]
    return table(
        *(("pfml", level, [pfml - level / 10 + seed for seed in seeds]) for level in (0, 0.2, 0.4)),
        *(("cpml", level, [0.50 - level / 10 - seed for seed in seeds]) for level in (0, 0.2, 0.4)),
        track=track,
    )


def board_and_verdicts(records):
    return leaderboard(records, frozen(0.3)), verdicts(records, [])


def test_results_stand_between_the_markers_and_can_be_renewed():
    board, judged = board_and_verdicts(results())
    updated = with_results(README, board, judged, REPORT)
    assert updated.startswith(f"# Title\n\n<!-- found -->\n{found_on_board(board, judged)}\n")
    assert f"<!-- table -->\n{compact_table(board)}\n<!-- end of table -->\nLast\n" in updated
    assert "stale" not in updated
    assert with_results(updated, board, judged, REPORT) == updated


def test_the_first_sentence_follows_from_the_verdicts_against_the_best_baseline():
    board, judged = board_and_verdicts(results())
    told = found_on_board(board, judged)
    assert told == (
        "**Where an embedding layer learns on frozen features, PFML does not win:** it is ahead of the best baseline in "
        "0 of 3 comparisons of R@1, behind it in 3, and not told apart from it in 0 (1 data set, 3 levels of label noise, "
        "3 seeds, tuned with equal budgets)."
    )
    won = found_on_board(*board_and_verdicts(results(0.6)))
    assert "PFML wins:** it is ahead of the best baseline in 3 of 3 comparisons" in won


def test_the_second_sentence_counts_the_claims_of_the_regime_that_were_run():
    assert found_of_claims(REPORT, "frozen") == (
        "On what the paper says, 6 results in this regime, a claim on a data set each: 2 supported, "
        "1 not found on frozen features, 1 equivalent, 1 inconclusive, 1 not run; 1 of 6 fragile."
    )
    own = {"claims": [*REPORT["claims"], REPORT["claims"][3] | {"said_by": "suite"}]}
    assert found_of_claims(own, "frozen").endswith(
        " On what the suite has carried on, 1 result in this regime, a claim on a data set each: 1 equivalent; "
        "0 of 1 fragile."
    )


def test_the_table_shows_the_least_and_the_greatest_noise_and_the_best_loss_first():
    lines = compact_table(board_and_verdicts(results())[0]).splitlines()
    assert lines[0] == "| R@1, % | emoji, noise 0 | emoji, noise 0.4 |"
    assert [line.split(" | ")[0] for line in lines[2:]] == ["| cpml", "| pfml", "| frozen backbone"]
    assert lines[2].startswith("| cpml | **49.90 ± 0.25** |")
    assert lines[4] == "| frozen backbone | 30.00 | 30.00 |"


def test_other_tracks_and_regimes_are_not_mixed_in():
    mine = results()
    others = pd.concat(
        [mine, results(0.9, track="paper_values"), results(0.9).assign(regime="finetuned")], ignore_index=True
    )
    assert with_results(README, *board_and_verdicts(others), REPORT) == with_results(
        README, *board_and_verdicts(mine), REPORT
    )


@pytest.mark.parametrize("part", ["found", "table"])
def test_a_readme_without_markers_is_refused(part):
    with pytest.raises(SuiteError, match=rf"README\.md lacks a marker; it must hold <!-- {part} -->"):
        with_results(README.replace(f"<!-- end of {part} -->", ""), *board_and_verdicts(results()), REPORT)


def test_it_reads_the_files_of_a_folder(workplace):
    board, judged = board_and_verdicts(results())
    folder = workplace / "results"
    write_text(folder / "leaderboard.json", board.to_json(orient="records"))
    write_text(folder / "verdicts.csv", judged.to_csv(index=False))
    write_text(workplace / "README.md", README)
    with pytest.raises(SuiteError, match=r"results/claims\.json is missing; run: dvc repro"):
        update_readme(folder, workplace / "README.md")
    assert (workplace / "README.md").read_text() == README
    write_json(folder / "claims.json", REPORT)
    update_readme(folder, workplace / "README.md")
    assert (workplace / "README.md").read_text() == with_results(README, board, judged, REPORT)


def test_the_repositorys_readme_is_a_landing_page():
    text = (ROOT / "README.md").read_text()
    before_links = text[: text.index("\n## More\n")].splitlines()
    assert len(before_links) <= 90
    order = ["<!-- found -->", "![", "<!-- table -->", "dvc repro", "tox", "## Add", "## Use", "## Cite"]
    places = [text.index(part) for part in order]
    assert places == sorted(places)

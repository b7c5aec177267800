"""Results in the README: sentences and one table that follow from the results, between their markers."""

import pandas as pd
import pytest

from suite.errors import SuiteError
from suite.files import write_json, write_text
from suite.judging.leaderboard.table import leaderboard
from suite.judging.leaderboard.verdicts import verdicts
from suite.report.finding import findings
from suite.report.readme import compact_table, update_readme, with_results
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
    (found,) = findings(board, judged, REPORT)
    assert updated.startswith(f"# Title\n\n<!-- found -->\n{found.markdown()}\n<!-- end of found -->")
    outcome, noisy, counts, weakened = found.markdown().splitlines()
    assert outcome == f"**{found.outcome}** {found.comparisons}"
    assert (noisy, counts, weakened) == (found.under_noise, found.by_verdict, found.claims[-1])
    assert f"<!-- table -->\n{compact_table(board)}\n<!-- end of table -->\nLast\n" in updated
    assert "stale" not in updated
    assert with_results(updated, board, judged, REPORT) == updated


def test_the_table_shows_the_least_and_the_greatest_noise_and_the_best_loss_first():
    lines = compact_table(board_and_verdicts(results())[0]).splitlines()
    assert lines[0] == "| R@1, % | emoji, noise 0 | emoji, noise 0.4 |"
    assert [line.split(" | ")[0] for line in lines[2:]] == ["| cpml", "| pfml", "| frozen backbone"]
    assert lines[2].startswith("| cpml | **49.90 ± 0.25** |")
    assert lines[4] == "| frozen backbone | 30.00 | 30.00 |"


def test_other_tracks_are_not_mixed_in_and_another_regime_has_sentences_of_its_own():
    mine = results()
    others = [mine, results(0.9, track="paper_values"), results(0.9).assign(regime="finetuned")]
    before = with_results(README, *board_and_verdicts(mine), REPORT)
    after = with_results(README, *board_and_verdicts(pd.concat(others, ignore_index=True)), REPORT)
    learns = "the backbone's last stages learn too, with fine-tuning on embedded data"
    added = f"\n\n**Where {learns}, PFML (Bhatnagar & Ahuja, CVPR 2025) wins:** it is ahead"
    assert after.count(added) == 1
    start = after.index(added)
    assert after[:start] + after[after.index("\n<!-- end of found -->") :] == before


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


def test_it_reads_the_results_of_other_regimes_below_the_folder(workplace):
    folder = workplace / "results"
    write_json(folder / "claims.json", REPORT)
    write_text(workplace / "README.md", README)
    for place, records in ((folder, results()), (folder / "finetuned", results(0.6).assign(regime="finetuned"))):
        board, judged = board_and_verdicts(records)
        write_text(place / "leaderboard.json", board.to_json(orient="records"))
        write_text(place / "verdicts.csv", judged.to_csv(index=False))
    update_readme(folder, workplace / "README.md")
    text = (workplace / "README.md").read_text()
    assert "on frozen features, PFML (Bhatnagar & Ahuja, CVPR 2025) does not win:" in text
    assert "learn too, with fine-tuning on embedded data, PFML (Bhatnagar & Ahuja, CVPR 2025) wins:" in text


def test_losses_that_the_grid_does_not_run_stand_on_the_leaderboard_alone():
    board, judged = board_and_verdicts(results())
    assert "| cpml |" in with_results(README, board, judged, REPORT)
    marked = board.assign(extended=board["loss"] == "cpml")
    text = with_results(README, marked, judged, REPORT)
    assert "| pfml |" in text
    assert "| cpml |" not in text


def test_the_repositorys_readme_is_a_landing_page():
    text = (ROOT / "README.md").read_text()
    before_links = text[: text.index("\n## More\n")].splitlines()
    assert len(before_links) <= 90
    order = ["<!-- found -->", "![", "<!-- table -->", "dvc repro", "tox", "## Add", "## Use", "## Cite"]
    places = [text.index(part) for part in order]
    assert places == sorted(places)

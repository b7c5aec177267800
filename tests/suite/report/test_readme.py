"""Results in the README: sentences and one table that follow from the results, between their markers."""

import pandas as pd
import pytest

from suite.errors import SuiteError
from suite.files import write_json, write_text
from suite.judging.leaderboard.table import leaderboard
from suite.judging.leaderboard.verdicts import verdicts
from suite.report.finding import findings
from suite.report.readme import _leader_and_pfml, compact_table, found_text, update_readme, with_results
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
    found = findings(board, judged, REPORT)
    assert updated.startswith(f"# Title\n\n<!-- found -->\n{found_text(found)}\n<!-- end of found -->")
    assert f"<!-- table -->\n{compact_table(board)}\n<!-- end of table -->\nLast\n" in updated
    assert "stale" not in updated
    assert with_results(updated, board, judged, REPORT) == updated


def test_what_was_found_is_said_in_bold_then_in_a_table_then_claim_by_claim():
    found = findings(*board_and_verdicts(results()), REPORT)
    learns = "Where an embedding layer learns on frozen features (`frozen`)"
    ahead = "ahead of the best baseline in 0 of 3 comparisons of R@1, and behind it in 3"
    most_noise = "cpml 45.90 (shown to be the best); pfml 36.10, place 2 of 2 (shown to be worse)"
    extent = (
        "1 data set, their stored class split, 3 levels of label noise, 3 runs a loss, values from an unknown number of"
    )
    assert found_text(found).splitlines() == [
        f"**{learns}, PFML (Bhatnagar & Ahuja, CVPR 2025) is {ahead}.**",
        "",
        "| R@1, % | `frozen`, tuned on true labels |",
        "|---|---|",
        "| PFML against the best baseline | ahead in 0, behind in 3 (on emoji), not told apart in 0, of 3 |",
        "| some other loss is ahead of PFML, by tests of that loss alone | in 3 of 3 |",
        "| PFML's mean is above the frozen backbone's | in 3 of 3 |",
        f"| highest mean with 40 % wrong labels, emoji | {most_noise} |",
        f"| rests on | {extent} trials |",
        "",
        "| results of claims | `frozen` |",
        "|---|---|",
        *(f"| {subject} | {counts} |" for subject, counts in found[0].by_subject.items()),
        f"| how firm | {found[0].claims[-1]} |",
    ]
    (unclaimed,) = findings(*board_and_verdicts(results()), None)
    assert found_text([unclaimed]).endswith(" |")
    assert found_text([]) == ""


def test_what_was_found_has_a_column_for_each_regime_and_track_and_a_row_for_each_data_set():
    tables = [
        results(),
        results(0.6, track="tuned_under_noise"),
        results(0.6).assign(regime="finetuned", dataset="furniture"),
    ]
    every = pd.concat(tables, ignore_index=True)
    every = every[~((every["track"] == "tuned_under_noise") & (every["noise_level"] == 0))]
    frozen_on_both = pd.concat([frozen(0.3), frozen(0.3, "furniture")], ignore_index=True)
    text = found_text(findings(leaderboard(every, frozen_on_both), verdicts(every, []), None))
    assert text.splitlines()[0].endswith(
        " (`finetuned`), it is ahead of the best baseline in 3 of 3, and behind it in 0.**"
    )
    heads = [
        "`frozen`, tuned on true labels",
        "`frozen`, tuned under label noise",
        "`finetuned`, tuned on true labels",
    ]
    cells = [line.strip("| ").split(" | ") for line in text.splitlines() if line.startswith("| ")]
    assert cells[0] == ["R@1, %", *heads]
    told = {name: rest for name, *rest in cells[1:]}
    assert [each.split(", ")[0] for each in told["PFML against the best baseline"]] == [
        "ahead in 0",
        "ahead in 2 (on emoji)",
        "ahead in 3 (on furniture)",
    ]
    assert told["some other loss is ahead of PFML, by tests of that loss alone"] == [
        "in 3 of 3",
        "in 0 of 2",
        "in 0 of 3",
    ]
    assert told["highest mean with 40 % wrong labels, emoji"] == [
        "cpml 45.90 (shown to be the best); pfml 36.10, place 2 of 2 (shown to be worse)",
        "pfml 56.10 (shown to be the best)",
        "–",
    ]
    assert told["highest mean with 40 % wrong labels, furniture"] == ["–", "–", "pfml 56.10 (shown to be the best)"]
    assert [each.rpartition(", ")[2] for each in told["rests on"]] == ["values from an unknown number of trials"] * 3


def test_losses_with_equal_means_share_the_first_place():
    runs = [("pfml", 0.4, [0.4, 0.46, 0.41]), ("cpml", 0.4, [0.44, 0.4, 0.45]), ("triplet", 0.4, [0.4, 0.45, 0.44])]
    told = _leader_and_pfml(leaderboard(table(*runs), frozen(0.3)).query("runs > 0"))
    assert told == "cpml and triplet 43.00; pfml 42.33, place 3 of 3"
    runs[0] = ("pfml", 0.4, [0.45, 0.44, 0.4])
    assert (
        _leader_and_pfml(leaderboard(table(*runs), frozen(0.3)).query("runs > 0")) == "cpml and pfml and triplet 43.00"
    )


def test_a_highest_mean_that_is_not_shown_to_be_the_best_is_not_said_to_be():
    level = table(
        *(("pfml", noise, [0.40, 0.46, 0.41]) for noise in (0, 0.4)),
        *(("cpml", noise, [0.44, 0.40, 0.45]) for noise in (0, 0.4)),
    )
    text = found_text(findings(leaderboard(level, frozen(0.3)), verdicts(level, []), None))
    assert "| cpml 43.00; pfml 42.33, place 2 of 2 |" in text
    above_it_alone = found_text(findings(leaderboard(level, frozen(0.425)), verdicts(level, []), None))
    assert "| cpml 43.00; pfml 42.33, place 2 of 2 |" in above_it_alone
    failed = results()
    failed.loc[(failed["loss"] == "pfml") & (failed["noise_level"] == 0.4) & (failed["seed"] == 1), "status"] = "failed"
    text = found_text(findings(leaderboard(failed, frozen(0.3)), verdicts(failed, []), None))
    assert "; pfml 36.10, place 2 of 2 (1 run failed) |" in text


def test_a_loss_that_is_ahead_of_pfml_and_not_the_best_baseline_counts_and_so_does_the_frozen_backbone():
    runs = table(
        ("pfml", 0, [0.4, 0.401, 0.402]),
        ("cpml", 0, [0.45, 0.452, 0.454]),
        ("triplet", 0, [0.4, 0.6, 0.5]),
    )
    text = found_text(findings(leaderboard(runs, frozen(0.5)), verdicts(runs, []), None))
    assert "| ahead in 0, behind in 0, not told apart in 1, of 1 |" in text
    assert "| some other loss is ahead of PFML, by tests of that loss alone | in 1 of 1 |" in text
    assert "| PFML's mean is above the frozen backbone's | in 0 of 1 |" in text


def test_what_no_test_judged_is_counted_in_the_table():
    one = results()
    (found,) = findings(*board_and_verdicts(one[one["seed"] == 0]), None)
    assert "| ahead in 0, behind in 0, not told apart in 0, 3 not judged on one seed, of 3 |" in found_text([found])
    clean = results()
    (without,) = findings(*board_and_verdicts(clean[clean["noise_level"] == 0]), None)
    assert "highest mean" not in found_text([without])


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
    assert after.count(f" Where {learns} (`finetuned`), it is ahead of the best baseline in 3 of 3,") == 1
    heads = next(line for line in after.splitlines() if line.startswith("| R@1, % | `"))
    assert heads == "| R@1, % | `frozen`, tuned on true labels | `finetuned`, tuned on true labels |"
    firsts = [["|".join(line.split("|")[:3]) for line in text.splitlines()[5:10]] for text in (before, after)]
    assert firsts[0] == firsts[1]
    last = "<!-- end of found -->"
    assert after[after.index(last) :] == before[before.index(last) :]


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
    assert "(`frozen`), PFML (Bhatnagar & Ahuja, CVPR 2025) is ahead of the best baseline in 0 of 3 comparisons" in text
    assert (
        "learn too, with fine-tuning on embedded data (`finetuned`), it is ahead of the best baseline in 3 of 3" in text
    )


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

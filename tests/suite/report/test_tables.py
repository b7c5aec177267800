"""The leaderboard as Markdown and as LaTeX."""

import re
from typing import get_args

import pandas as pd
import pytest

from suite.judging.leaderboard.table import FROZEN, leaderboard
from suite.judging.leaderboard.verdicts import verdicts
from suite.report.tables import EXPLANATION, REGIMES, TRACKS, leaderboard_latex, leaderboard_page
from suite.settings.plans import Regime, Track
from tests.helpers.records import frozen, table

NONE = verdicts(table(("pfml", 0, [0.5])), [])


def markdown(*conditions, **options):
    return leaderboard_page(leaderboard(table(*conditions, **options), frozen(0.4)), NONE)


def lines(text):
    """Cells of the tables' rows by their first two cells."""
    split = [line.strip("| ").split(" | ") for line in text.splitlines() if line.startswith("| ")]
    return {cells[0]: cells[1:] for cells in split}


def glance(*conditions, **options):
    return lines(markdown(*conditions, **options).split(EXPLANATION)[0])


def details(*conditions, **options):
    text = markdown(*conditions, **options).split(EXPLANATION)[1]
    split = [line.strip("| ").split(" | ") for line in text.splitlines() if line.startswith("| ")]
    return {(cells[2].strip("*"), cells[0]): cells for cells in split}


def test_at_a_glance_there_is_one_row_a_loss_and_one_column_a_noise_level():
    found = glance(("pfml", 0, [0.5, 0.52]), ("pfml", 0.2, [0.45, 0.47]))
    assert found["loss"] == ["noise 0", "noise 0.2"]
    # Half width t(1 df) * 1.414 / sqrt(2) = 12.706.
    assert found["pfml"] == ["**51.00 ± 12.71**", "**46.00 ± 12.71**"]
    assert found[FROZEN] == ["40.00", "40.00"]


def test_the_tie_group_is_bold_at_each_level():
    first, second = [0.50, 0.51, 0.52], [0.45, 0.4601, 0.4699]
    found = glance(("a", 0, first), ("b", 0, second), ("a", 0.2, second), ("b", 0.2, [0.44, 0.47, 0.46]))
    assert ["**" in cell for cell in found["a"]] == [True, True]
    assert ["**" in cell for cell in found["b"]] == [False, True]


def test_a_loss_that_learned_nothing_is_not_bold_for_its_scatter():
    """Its runs scatter so that it is told apart from none; its mean is the frozen backbone's, 40, or below it."""
    for mean, bold in ((0.41, True), (0.4, False), (0.38, False)):
        runs = ("a", 0.4, [0.50, 0.51, 0.52]), ("wide", 0.4, [mean - 0.3, mean, mean + 0.3])
        assert ["**" in glance(*runs)[loss][0] for loss in ("a", "wide")] == [True, bold]
        assert details(*runs)["wide", "0.4"][1:3] == ["1–2", "**wide**" if bold else "wide"]


def test_details_have_one_row_a_loss_and_noise_level():
    found = details(("a", 0, [0.50, 0.52]), ("a", 0.2, [0.45, 0.47]), ("b", 0, [0.40, 0.42]), ("b", 0.2, [0.45, 0.47]))
    assert found["loss", "noise"] == [
        "noise",
        "rank",
        "loss",
        "R@1 ± runs",
        "± classes",
        "behind the best",
        "MAP@R ± runs",
        "over frozen",
        "drop from clean",
        "failed runs",
    ]
    # Paired differences without scatter rule nothing out; classes: shares .02 apart as in records.py, t(3 df) = 3.182.
    cells = ["0", "1–2", "**a**", "51.00 ± 12.71", "2.60", "–", "51.00 ± 12.71", "+11.00", "–", "0 of 2"]
    assert found["a", "0"] == cells
    assert found["b", "0"][1:6] == ["1–2", "**b**", "41.00 ± 12.71", "2.60", "–"]
    assert found["a", "0.2"][1:3] == ["1–2", "**a**"]
    assert found["a", "0.2"][7:9] == ["+6.00", "5.00"]
    assert found[FROZEN, "0"] == ["0", "–", FROZEN, "40.00", "–", "–", "40.00", "–", "–", "–"]


def test_tracks_follow_each_other_and_the_glance_is_of_the_first():
    records = [table(("a", 0, [0.5, 0.52]), track=track) for track in ("paper_values", "tuned")]
    records[0][["recall_at_1"]] = 0.3
    text = leaderboard_page(leaderboard(pd.concat(records), frozen(0.2)), NONE)
    heads = ("## Regime `frozen`, tuning track `tuned`", "### emoji, frozen, tuned", "tuning track `paper_values`")
    places = [text.index(head) for head in heads]
    assert places == sorted(places)
    assert "30.00" not in text.split(EXPLANATION)[0]
    assert "held-out training classes" in text.split(EXPLANATION)[0]
    assert "values of each loss's paper" in text
    only = markdown(("a", 0, [0.5, 0.52]), track="paper_values")
    assert "51.00" in only.split(EXPLANATION)[0]
    assert "tuned" not in only


def test_a_regime_has_tables_of_its_own():
    parts = [table(("a", 0, [0.5, 0.52])), table(("a", 0, [0.3, 0.32])).assign(regime="finetuned")]
    text = leaderboard_page(leaderboard(pd.concat(parts), frozen(0.2)), NONE)
    assert text.index("### emoji, frozen, tuned") < text.index("### emoji, finetuned, tuned")
    assert "31.00" not in text.split(EXPLANATION)[0]
    assert REGIMES["frozen"] in text.split(EXPLANATION)[0]


def test_every_regime_and_track_has_a_sentence():
    assert list(REGIMES) == list(get_args(Regime))
    assert list(TRACKS) == list(get_args(Track))


def test_a_metric_that_was_not_measured_says_so():
    old = table(("a", 0, [0.5, 0.52]))
    old["map_at_r"] = float("nan")
    both = pd.concat([old, table(("a", 0.2, [0.5, 0.52]), ("dead", 0.2, [None, None]))])
    text = leaderboard_page(leaderboard(both, frozen(0.4)), NONE).split(EXPLANATION)[1]
    cells = [line.strip("| ").split(" | ") for line in text.splitlines() if line.startswith("| 0")]
    shown = {(row[0], row[2].strip("*")): row[6] for row in cells}
    assert shown["0", "a"] == "not measured"
    assert shown["0.2", "a"] == "51.00 ± 12.71"
    assert shown["0.2", "dead"] == "–"


def test_every_row_has_the_width_of_its_head():
    text = markdown(("a", 0, [0.5, 0.5]), ("b", 0, [0.6, 0.4]), ("a", 0.2, [0.5, None]), ("b", 0.2, [None, None]))
    for part in text.split(EXPLANATION):
        assert len({line.count("|") for line in part.splitlines() if line.startswith("|")}) == 1
    assert "nan" not in text
    assert "<NA>" not in text


def test_a_loss_that_lacks_a_noise_level_has_a_gap():
    assert glance(("a", 0, [0.5, 0.6]), ("a", 0.2, [0.5, 0.6]), ("b", 0.2, [0.4, 0.5]))["b"][0] == "–"


def test_two_kinds_of_noise_are_two_columns():
    parts = [table(("a", 0.2, [0.5, 0.6])), table(("a", 0.2, [0.4, 0.4])).assign(noise_kind="small_cluster")]
    found = lines(leaderboard_page(leaderboard(pd.concat(parts), frozen()), NONE).split(EXPLANATION)[0])
    assert found["loss"] == ["small_cluster 0.2", "symmetric 0.2"]


def test_names_are_escaped():
    text = markdown(("a|b<script>", 0, [0.3, 0.3]), hyperparameter_source="defaults")
    assert "| a\\|b&lt;script> | " in text
    assert "a\\|b&lt;script> does not beat" in text
    assert "class defaults: a\\|b&lt;script>." in text
    assert "<script" not in text


def test_a_loss_that_does_not_beat_the_frozen_backbone_is_remarked():
    text = markdown(("good", 0, [0.5, 0.5]), ("bad", 0, [0.39, 0.38]), ("equal", 0, [0.4, 0.4]))
    assert "\nbad does not beat the frozen backbone without noise (-1.50 points).\n" in text
    assert "\nequal does not beat the frozen backbone without noise (+0.00 points).\n" in text
    assert "good does not" not in text
    assert f"{FROZEN} does not" not in text


def test_failed_runs_are_counted_where_the_mean_stands():
    text = markdown(("frail", 0, [0.5, None, 0.6]), ("dead", 0, [None, None, None]), ("whole", 0, [0.42, 0.42, 0.42]))
    found = lines(text.split(EXPLANATION)[0])
    assert found["frail"] == ["55.00 ± 63.53 (2 of 3 runs)"]
    assert found["dead"] == ["– (0 of 3 runs)"]
    assert found["whole"] == ["**42.00**"]
    assert "\ndead finished no run without noise.\n" in text


@pytest.mark.parametrize(("recalls", "failed"), [([0.5, None, 0.6], "1 of 3"), ([None] * 3, "3 of 3")])
def test_details_say_how_many_runs_failed(recalls, failed):
    row = details(("frail", 0, recalls), ("whole", 0, [0.1, 0.1, 0.1]))["frail", "0"]
    assert (row[1], row[5], row[-1]) == ("2", "–", failed)


def test_losses_without_a_tuned_recipe_are_named():
    assert "\nNot tuned, values set by hand or class defaults: a, b.\n" in markdown(
        ("b", 0, [0.5]), ("a", 0, [0.5]), hyperparameter_source="defaults"
    )
    assert "Not tuned" not in markdown(("b", 0, [0.5]))
    assert "Not tuned" not in markdown(("b", 0, [0.5]), track="paper_values", hyperparameter_source="defaults")


def test_without_clean_runs_there_is_no_drop():
    assert details(("a", 0.2, [0.5, 0.6]))["a", "0.2"][8] == "–"


CONDITIONS = [
    ("proxy_anchor", 0, [0.50, 0.52]),
    ("proxy_anchor", 0.2, [0.45, 0.47]),
    ("50%&more$", 0, [0.40, 0.42]),
    ("50%&more$", 0.2, [0.45, None]),
]


def latex(*tracks):
    parts = [table(*CONDITIONS, dataset=name, track=track) for track in tracks for name in ("emoji", "typefaces")]
    return leaderboard_latex(
        leaderboard(pd.concat(parts), pd.concat([frozen(dataset="emoji"), frozen(dataset="typefaces")]))
    )


def body(text):
    """Cells of each row between the rules, the data set's own cell left out."""
    rows = [line.removesuffix(r" \\").split(" & ") for line in text.splitlines() if line.count(" & ") == 3]
    return {cells[1]: cells[2:] for cells in rows}


def test_rows_of_latex_are_losses_and_columns_noise_levels():
    found = body(latex("tuned"))
    assert found[r"proxy\_anchor"] == [r"\textbf{51.00 $\pm$ 12.71}", r"\textbf{46.00 $\pm$ 12.71}"]
    assert found["frozen backbone"] == ["40.00", "40.00"]


def test_names_are_escaped_and_failures_told_in_latex():
    found = body(latex("tuned"))
    assert found[r"50\%\&more\$"] == [r"\textbf{41.00 $\pm$ 12.71}", "45.00 (1 of 2 runs)"]


def test_latex_is_well_formed():
    text = latex("tuned", "paper_values")
    for name in ("table", "tabular"):
        assert text.count(rf"\begin{{{name}}}") == text.count(rf"\end{{{name}}}") == 2
    assert text.count("{") == text.count("}")
    assert text.count(r"\midrule") == 4
    assert r"\cline" not in text
    assert r"\label{tab:leaderboard-frozen-paper_values}" in text
    assert text.isascii()
    assert latex("tuned", "paper_values") == text


def test_names_of_losses_in_the_caption_are_escaped():
    found = leaderboard(table(*CONDITIONS), frozen())
    text = leaderboard_latex(found.assign(trials=[20, 20, 10, 10, *[20] * (len(found) - 4)]))
    (caption,) = re.findall(r"\\caption\{(.*)\}", text)
    assert "unequal numbers of trials" in caption
    assert r"proxy\_anchor" in caption
    assert not re.search(r"(?<!\\)[_%]", caption)


def test_one_seed_has_no_interval_and_no_bold():
    text = markdown(("a", 0, [0.5]), ("b", 0, [0.4]))
    assert "of one seed: it has no interval, and nothing is told apart." in text
    assert "1 seeds" not in text
    assert "**a**" not in text
    assert "**50.00**" not in text

"""Two losses side by side."""

import math

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from suite.errors import SuiteError
from suite.judging.leaderboard.contrast import as_text, contrast, select, sentence
from tests.helpers.records import table

A, B = [0.50, 0.61, 0.55, 0.58], [0.45, 0.55, 0.50, 0.53]
RECORDS = table(("a", 0, A), ("b", 0, B), ("c", 0, A), ("a", 0.2, B), ("b", 0.2, [0.44, 0.57, 0.52, 0.50]))
PAIR = ("a", "b")


def compared(records=RECORDS, losses=PAIR, **choice):
    return contrast(select(records, losses, **choice), losses)


def test_the_difference_is_a_paired_t_test():
    row = compared(noise_level=0.0).iloc[0]
    oracle = stats.ttest_rel(100 * np.array(A), 100 * np.array(B))
    interval = oracle.confidence_interval()
    found = row["difference"], row["low"], row["high"], row["p"], row["p_adjusted"], row["pairs"]
    assert found == pytest.approx((5.25, interval.low, interval.high, oracle.pvalue, oracle.pvalue, 4))
    assert (row["first"], row["second"]) == pytest.approx((56, 50.75))


def test_the_other_way_round_changes_signs_alone():
    there, back = compared().iloc[0], compared(losses=("b", "a")).iloc[0]
    assert (back["low"], back["high"], back["p"]) == pytest.approx((-there["high"], -there["low"], there["p"]))
    assert (there["verdict"], back["verdict"]) == ("ahead", "behind")


def test_several_rows_are_adjusted_together():
    found = compared()
    assert found["noise_level"].tolist() == [0, 0.2]
    assert found["p_adjusted"].tolist() == pytest.approx([2 * found["p"][0], found["p"][1]])
    assert found["verdict"].tolist() == ["ahead", "not told apart"]


def test_a_difference_that_holds_alone_may_not_hold_among_many():
    weak = table(("a", 0, [0.50, 0.52, 0.55, 0.53]), ("b", 0, [0.49, 0.505, 0.53, 0.52]))
    many = pd.concat([weak.assign(dataset=name) for name in "uvwxyz"])
    assert set(compared(weak)["verdict"]) == {"ahead"}
    assert set(compared(many)["verdict"]) == {"not told apart"}


def test_other_metrics():
    records = RECORDS.assign(map_at_r=1 - RECORDS["recall_at_1"])
    assert contrast(records[records["loss"].isin(PAIR)], PAIR, "map_at_r")["difference"][0] == pytest.approx(-5.25)
    assert "by MAP@R" in sentence(contrast(select(records, PAIR), PAIR, "map_at_r"), PAIR, "map_at_r")


def test_failed_runs_are_not_judged():
    records = table(("a", 0, [0.9, 0.91, 0.92, None]), ("b", 0, B))
    row = compared(records).iloc[0]
    assert (row["verdict"], row["failures"], row["pairs"]) == ("not judged for failed runs", 1, 3)
    assert math.isnan(row["p"])
    assert math.isnan(row["low"])
    assert "not judged on emoji at noise 0 (frozen, tuned): 1 of their runs failed." in sentence(
        compared(records), PAIR
    )
    dead = table(("a", 0, [None] * 4), ("b", 0, B))
    assert "–" in as_text(compared(dead), PAIR)


def test_one_seed_is_not_judged():
    row = compared(table(("a", 0, [0.9]), ("b", 0, [0.1])))
    assert row["verdict"].tolist() == ["not judged on one seed"]
    assert sentence(row, PAIR).endswith("one seed has no interval.")


def test_sentences():
    assert sentence(compared(noise_level=0.0), PAIR) == (
        "a is ahead of b on emoji at noise 0 (frozen, tuned): +5.25 points of R@1, "
        "95 % interval +4.45 to +6.05, p = 0.00024, 4 seeds."
    )
    assert sentence(compared(losses=("b", "a"), noise_level=0.0), ("b", "a")).startswith("b is behind a on emoji")
    assert sentence(compared(noise_level=0.2), PAIR).startswith("a and b cannot be told apart on emoji at noise 0.2")
    assert sentence(compared(), PAIR) == (
        "In 2 comparisons by R@1, a against b is ahead in 1, not told apart in 1 "
        "(paired t-tests, at most 5 % error for all together by Holm)."
    )


def test_the_text_has_a_line_a_row():
    text = as_text(compared(), PAIR).splitlines()
    heads = [
        "regime",
        "track",
        "data set",
        "noise",
        "a",
        "b",
        "difference",
        "low",
        "high",
        "p (Holm)",
        "pairs",
        "verdict",
    ]
    assert text[0].split() == " ".join(heads).split()
    assert text[1].split()[:9] == ["frozen", "tuned", "emoji", "0", "56.00", "50.75", "5.25", "4.45", "6.05"]
    assert len(text) == 3
    assert "Holm" not in as_text(compared(noise_level=0.0), PAIR)


@pytest.mark.parametrize(
    ("losses", "choice", "message"),
    [
        (("a", "d"), {}, "loss 'd' is not in the records; allowed: a, b, c"),
        (("a", "a"), {}, "a cannot be compared with itself; allowed: b, c"),
        (PAIR, {"dataset": "cub"}, "dataset 'cub' is not in the records; allowed: emoji"),
        (PAIR, {"noise_level": 0.3}, r"noise_level 0\.3 is not in the records; allowed: 0\.0, 0\.2"),
        (PAIR, {"track": "paper_values"}, "track 'paper_values' is not in the records; allowed: tuned"),
        (PAIR, {"metric": "seed"}, "metric 'seed' is unknown; allowed: recall_at_1, recall_at_2"),
        (("a", "c"), {"noise_level": 0.2}, "a and c have no table in common among those asked for"),
    ],
)
def test_unknown_names_are_refused(losses, choice, message):
    with pytest.raises(SuiteError, match=message):
        select(RECORDS, losses, **choice)


def test_tables_with_one_of_the_two_are_left_out():
    assert compared(losses=("a", "c"))["noise_level"].tolist() == [0]


def test_a_metric_that_was_not_measured_is_not_judged():
    records = RECORDS.copy()
    records.loc[records["noise_level"] == 0.2, "r_precision"] = float("nan")
    found = contrast(select(records, PAIR, metric="r_precision"), PAIR, "r_precision")
    assert found["verdict"].tolist() == ["ahead", "not measured"]
    assert found["p_adjusted"].tolist() == pytest.approx([found["p"][0], math.nan], nan_ok=True)
    assert "not measured in 1" in sentence(found, PAIR, "r_precision")
    assert as_text(found, PAIR).splitlines()[2].endswith("not measured")
    alone = contrast(select(records, PAIR, noise_level=0.2), PAIR, "recall_at_1000")
    assert alone["verdict"].tolist() == ["not measured"]
    assert sentence(alone, PAIR, "recall_at_1000").endswith("(frozen, tuned): R@1000 was not measured.")


def test_some_unmeasured_runs_are_enough_not_to_judge():
    records = RECORDS.copy()
    records.loc[(records["loss"] == "a") & (records["seed"] == 1), "map_at_r"] = float("nan")
    assert set(contrast(select(records, PAIR), PAIR, "map_at_r")["verdict"]) == {"not measured"}


def test_a_regime_is_a_table_of_its_own():
    other = table(("a", 0, B), ("b", 0, A), regime="finetuned")
    found = contrast(select(pd.concat([RECORDS, other]), PAIR, noise_level=0.0), PAIR)
    assert dict(zip(found["regime"], found["verdict"], strict=True)) == {"frozen": "ahead", "finetuned": "behind"}
    assert len(select(pd.concat([RECORDS, other]), PAIR, regime="finetuned")) == 8
    assert "(finetuned, tuned)" in sentence(compared(other), PAIR)

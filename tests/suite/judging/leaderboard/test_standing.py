"""The file of pairwise differences."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from suite.judging.leaderboard.table import comparisons
from tests.helpers.records import QUERIES, table

A, B, C = [0.50, 0.60, 0.55, 0.58], [0.47, 0.58, 0.53, 0.55], [0.40, 0.52, 0.44, 0.50]


def test_every_pair_of_every_table_is_there_once():
    records = pd.concat(
        [table(("a", 0, A), ("b", 0, B), ("c", 0, C), ("a", 0.2, B), ("b", 0.2, C), dataset=d) for d in "xy"]
    )
    found = comparisons(records)
    places = list(zip(found["dataset"], found["noise_level"], found["loss"], found["other"], strict=True))
    one = [(0, "a", "b"), (0, "a", "c"), (0, "b", "c"), (0.2, "a", "b")]
    assert places == [(dataset, *rest) for dataset in "xy" for rest in one]


def test_a_pair_equals_the_paired_test_of_scipy():
    row = comparisons(table(("a", 0, A), ("b", 0, B), ("c", 0, C))).set_index(["loss", "other"]).loc["a", "c"]
    oracle = stats.ttest_rel(100 * np.array(A), 100 * np.array(C))
    interval = oracle.confidence_interval(1 - 0.05 / 3)
    assert (row["difference"], row["low"], row["high"]) == pytest.approx((8 + 5 / 4 + 0, *interval), abs=1e-4)
    assert (row["p"], row["p_adjusted"]) == pytest.approx((oracle.pvalue, 3 * oracle.pvalue), rel=0.01)
    assert row["seeds"] == 4


def test_the_error_over_classes_is_that_of_the_difference():
    records = table(("a", 0, A), ("b", 0, B))
    means = records.groupby("loss")["class_hits"].agg(lambda rows: np.mean(rows.tolist(), axis=0))
    row = comparisons(records).iloc[0]
    assert row["class_error"] == pytest.approx(100 * stats.sem((means["a"] - means["b"]) / QUERIES), abs=1e-4)
    # What makes a class hard for both drops out.
    assert row["class_error"] < 0.1


def test_a_loss_with_failed_runs_is_compared_with_nobody():
    found = comparisons(table(("a", 0, A), ("b", 0, [*B[:3], None]), ("c", 0, C)))
    assert list(zip(found["loss"], found["other"], strict=True)) == [("a", "c")]
    assert comparisons(table(("a", 0, A), ("b", 0, [None] * 4))).empty


def test_pairs_of_a_loss_with_failed_runs_count():
    found = comparisons(table(("a", 0, A), ("b", 0, [*B[:3], None]), ("c", 0, C))).iloc[0]
    oracle = stats.ttest_rel(100 * np.array(A), 100 * np.array(C))
    assert found["p_adjusted"] == pytest.approx(3 * oracle.pvalue, rel=0.01)
    assert (found["low"], found["high"]) == pytest.approx(tuple(oracle.confidence_interval(1 - 0.05 / 3)), abs=1e-4)


def test_one_seed_gives_a_difference_without_an_interval():
    row = comparisons(table(("a", 0, A[:1]), ("b", 0, B[:1]))).iloc[0]
    assert row["difference"] == pytest.approx(3)
    assert row[["low", "high", "p", "p_adjusted"]].isna().all()

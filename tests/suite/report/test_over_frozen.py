"""What the network's learning adds to each loss: paired by seed, told loss by loss, and where it adds nothing."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from suite.evaluation.tables import to_table
from suite.report.over_frozen import GAINS, NO_GAIN, NOT_COMPARED, NOT_SHOWN, gains_over_frozen, gains_section
from tests.helpers.records import runs

FROZEN = (("a", 0, [0.5, 0.52, 0.54]), ("b", 0, [0.51, 0.53, 0.55]), ("c", 0, [0.5, 0.52, 0.54]), ("a", 0.2, [0.9] * 3))
LEARNS = (
    ("a", 0, [0.6, 0.61, 0.66]),
    ("b", 0, [0.5, 0.53, 0.54]),
    ("c", 0, [0.5, 0.58, 0.541]),
    ("a", 0.2, [0.1] * 3),
)


def gains(learns=LEARNS, frozen=FROZEN, **options):
    mine = to_table(runs(*learns, regime="finetuned", **options))
    return gains_over_frozen(mine, None if frozen is None else to_table(runs(*frozen)))


def rows(found, metric="recall_at_1"):
    return found[found["metric"] == metric].set_index("loss")


def test_differences_are_paired_by_seed_without_noise():
    found = rows(gains())
    assert list(found.index) == ["a", "b", "c"]
    differences = np.array([10, 9, 12])
    half = stats.t.ppf(0.975, 2) * differences.std(ddof=1) / np.sqrt(3)
    row = found.loc["a"]
    assert row[["frozen", "learns", "difference"]].tolist() == pytest.approx([52, 187 / 3, 31 / 3])
    assert row[["low", "high"]].tolist() == pytest.approx([31 / 3 - half, 31 / 3 + half])
    assert row[["pairs", "units"]].tolist() == [3, 3]


def test_each_loss_is_said_to_gain_or_not():
    found = gains()
    assert rows(found)["verdict"].tolist() == [GAINS, NO_GAIN, NOT_SHOWN]
    assert rows(found, "map_at_r")["verdict"].tolist() == [GAINS, NO_GAIN, NOT_SHOWN]
    text = gains_section(found)
    assert "By R@1: gains 1, no gain 1, not shown 1, not compared 0." in text
    assert "| emoji | b | 53.00 | 52.33 | -0.67 [-2.10, +0.77] | **no gain** | 53.00 | 52.33 |" in text
    assert "over 3 units" in text
    assert "**gains**" not in text


def test_no_difference_at_all_is_no_gain():
    assert rows(gains(FROZEN)).loc["a", "verdict"] == NO_GAIN


def test_searches_are_the_units():
    def searched(conditions, regime):
        return to_table(
            record.model_copy(update={"search": record.seed % 2}) for record in runs(*conditions, regime=regime)
        )

    learns = (("a", 0, [0.6, 0.5, 0.62, 0.54]),)
    found = gains_over_frozen(searched(learns, "finetuned"), searched([("a", 0, [0.5] * 4)], "frozen"))
    assert rows(found).loc["a", ["units", "difference"]].tolist() == [2, pytest.approx(6.5)]
    half = stats.t.ppf(0.975, 1) * 4.5  # means 11 and 2
    assert rows(found).loc["a", "low"] == pytest.approx(6.5 - half)
    assert rows(found).loc["a", "verdict"] == NOT_SHOWN


@pytest.mark.parametrize(
    "frozen",
    [
        None,
        [("a", 0, [0.5, 0.5])],  # a seed is missing
        [("a", 0, [0.5, None, 0.5])],
        [("b", 0, [0.5] * 3)],
        [("a", 0.2, [0.5] * 3)],
    ],
)
def test_runs_without_a_partner_are_not_compared(frozen):
    row = rows(gains(LEARNS[:1], frozen)).loc["a"]
    assert row["verdict"] == NOT_COMPARED
    assert pd.isna(row["difference"])
    assert "| – | not compared |" in gains_section(gains(LEARNS[:1], frozen))


def test_a_failed_run_and_other_images_are_not_compared():
    assert rows(gains((("a", 0, [0.6, None, 0.6]),))).loc["a", "verdict"] == NOT_COMPARED
    assert rows(gains(data_sha256="other"))["verdict"].tolist() == [NOT_COMPARED] * 3


def test_without_runs_there_is_no_section():
    assert gains_section(gains((("a", 0.2, [0.5] * 3),))) == ""

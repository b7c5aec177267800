"""The spot check: what is drawn, and what a few reruns say."""

import pandas as pd
import pytest

from suite.judging.spot_check import draw, judge_reruns
from suite.judging.verify import RerunOutcome


def records(*values):
    """Rows of runs with these R@1; None for a failed one."""
    rows = [{"recall_at_1": value, "status": "failed" if value is None else "ok"} for value in values]
    return pd.DataFrame(rows).astype({"recall_at_1": float})


def test_what_is_drawn_depends_on_the_seed_alone():
    table = records(*(i / 100 for i in range(100)))
    first = draw(table, 4, 0)
    assert len(first) == 4
    assert first.index.is_monotonic_increasing
    assert first.index.is_unique
    assert list(draw(table, 4, 0).index) == list(first.index)
    assert list(draw(table, 4, 1).index) != list(first.index)
    assert len(draw(table, 1000, 0)) == 100
    drawn = [index for seed in range(200) for index in draw(table, 4, seed).index]
    assert len(set(drawn)) > 95


@pytest.mark.parametrize(
    ("committed", "fresh", "outcome", "told"),
    [
        ((0.5, 0.6, None), (0.5, 0.6, None), RerunOutcome.REPRODUCED, "all 3 runs gave the same values"),
        ((0.5, 0.6), (0.5, None), RerunOutcome.NOT_REPRODUCED, "a run failed in the records or here"),
        ((0.5, None), (0.5, 0.6), RerunOutcome.NOT_REPRODUCED, "a run failed in the records or here"),
        (
            (0.5, 0.6, 0.7, 0.4),
            (0.501, 0.599, 0.702, 0.4),
            RerunOutcome.REPRODUCED,
            "3 of 4 runs differ, at most 0.20 points; mean +0.05, margin 1, TOST p 0.00",
        ),
        ((0.5, 0.6, 0.7, 0.4), (0.55, 0.65, 0.752, 0.45), RerunOutcome.NOT_REPRODUCED, "mean +5.05"),
        ((0.5, 0.6, 0.7, 0.4), (0.51, 0.59, 0.72, 0.4), RerunOutcome.CANNOT_TELL, "3 of 4 runs differ"),
        ((0.5,), (0.51,), RerunOutcome.CANNOT_TELL, "one run cannot tell chance from a fault"),
    ],
)
def test_the_verdict(committed, fresh, outcome, told):
    found, text = judge_reruns(records(*committed), fresh, 1.0)
    assert found == outcome
    assert told in text

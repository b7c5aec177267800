"""Each loss against pfml and the best baseline."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats.multitest import multipletests

from suite.errors import SuiteError
from suite.judging.leaderboard.table import leaderboard
from suite.judging.leaderboard.verdicts import (
    BEST,
    METHOD,
    VERDICT_COLUMNS,
    as_cells,
    as_text,
    sentence,
    to_section,
    verdicts,
    verdicts_on,
)
from tests.helpers.records import frozen, table

MINE = [0.60, 0.612, 0.631, 0.605]
PFML = [0.50, 0.515, 0.53, 0.501]
STRONG = [0.64, 0.653, 0.669, 0.645]
WEAK = [0.59, 0.61, 0.62, 0.61]
USERS = ("mine", "other")
LOSSES = ("mine", "pfml", "cpml")
RECORDS = table(("mine", 0, MINE), ("pfml", 0, PFML), ("triplet", 0, WEAK), ("cpml", 0, STRONG))


def row(found, loss="mine", against=BEST):
    (only,) = found[(found["loss"] == loss) & (found["against"] == against)].to_dict("records")
    return only


def test_p_is_holms_over_pfml_and_all_baselines_of_the_table():
    found = verdicts(RECORDS, USERS)
    p = [stats.ttest_rel(MINE, other).pvalue for other in (PFML, WEAK, STRONG)]
    adjusted = multipletests(p, method="holm")[1]
    against_pfml, against_best = row(found, against=METHOD), row(found)
    assert [against_pfml["p_adjusted"], against_best["p_adjusted"]] == pytest.approx([adjusted[0], adjusted[2]])
    assert (against_pfml["other"], against_best["other"]) == ("pfml", "cpml")
    assert (against_pfml["verdict"], against_best["verdict"]) == ("ahead", "behind")
    interval = stats.ttest_rel(100 * np.array(MINE), 100 * np.array(STRONG)).confidence_interval()
    shown = [against_best[name] for name in ("difference", "low", "high")]
    assert shown == pytest.approx([100 * np.mean(np.subtract(MINE, STRONG)), interval.low, interval.high])


def test_built_in_losses_are_compared_with_the_others():
    found = verdicts(RECORDS, USERS)
    assert list(found.columns) == list(VERDICT_COLUMNS)
    others = {loss: rows.set_index("against")["other"].to_dict() for loss, rows in found.groupby("loss")}
    assert others["pfml"] == {BEST: "cpml"}
    assert others["cpml"] == {METHOD: "pfml", BEST: "triplet"}
    assert others["triplet"] == {METHOD: "pfml", BEST: "cpml"}


def test_losses_of_the_user_are_no_baselines():
    best = table(("mine", 0, MINE), ("other", 0, [0.9] * 4), ("triplet", 0, WEAK))
    found = verdicts(best, USERS)
    assert row(found)["other"] == row(found, "other")["other"] == "triplet"
    assert set(found["against"]) == {BEST}
    assert verdicts(table(("mine", 0, MINE), ("other", 0, PFML)), USERS).empty


def test_tables_are_judged_apart():
    weak = table(("mine", 0, [0.50, 0.52, 0.55, 0.53]), ("pfml", 0, [0.49, 0.505, 0.53, 0.52]))
    many = pd.concat([weak.assign(dataset=name) for name in "uvwxyz"])
    found = verdicts(many, USERS)
    assert set(found[found["loss"] == "mine"]["verdict"]) == {"ahead"}


def test_a_baseline_with_failed_runs_is_the_best_only_where_all_have_some():
    failing = table(("mine", 0, MINE), ("cpml", 0, [0.9, 0.9, 0.9, None]), ("triplet", 0, WEAK))
    assert row(verdicts(failing, USERS))["other"] == "triplet"
    only = row(verdicts(failing[failing["loss"] != "triplet"], USERS))
    assert (only["other"], only["verdict"], only["failures"]) == ("cpml", "not judged for failed runs", 1)
    dead = table(("mine", 0, [None] * 4), ("pfml", 0, PFML), ("triplet", 0, WEAK))
    found = verdicts(dead, USERS)
    assert row(found)["verdict"] == "not judged for failed runs"
    assert row(found, "pfml")["verdict"] != "not judged for failed runs"


def test_a_baseline_with_failed_runs_counts_among_the_tests():
    """Ahead by two tests, not told apart by three: that the third loss fails must not decide about the first."""
    close = np.subtract(MINE, [0.010, 0.004, 0.011, 0.006]).tolist()
    cells = [("mine", 0, MINE), ("pfml", 0, close), ("cpml", 0, WEAK)]
    p = [stats.ttest_rel(MINE, other).pvalue for other in (close, WEAK)]
    for more, tested, verdict in (
        ([], p, "ahead"),
        ([("triplet", 0, [0.4, 0.4, None, 0.4])], [*p, 1.0], "not told apart"),
    ):
        found = row(verdicts(table(*cells, *more), USERS), against=METHOD)
        assert found["p_adjusted"] == pytest.approx(multipletests(tested, method="holm")[1][0])
        assert found["verdict"] == verdict


@settings(deadline=None, max_examples=25)
@given(st.lists(st.lists(st.integers(0, 10_000), min_size=3, max_size=3), min_size=3, max_size=3), st.randoms())
def test_the_order_of_records_does_not_matter(values, random):
    cells = [(name, 0, [value / 10_000 for value in by_seed]) for name, by_seed in zip(LOSSES, values, strict=True)]
    records = table(*cells)
    order = list(range(len(records)))
    random.shuffle(order)
    columns = ["loss", "against"]
    there = verdicts(records, USERS).sort_values(columns).reset_index(drop=True)
    back = verdicts(records.iloc[order].reset_index(drop=True), USERS).sort_values(columns).reset_index(drop=True)
    pd.testing.assert_frame_equal(there, back)


def test_the_text_says_what_was_found():
    records = pd.concat([RECORDS, table(("mine", 0.2, [0.5, 0.51, 0.53, 0.502]), ("pfml", 0.2, PFML))])
    mine = verdicts_on("mine", records, USERS)
    assert sentence(mine) == (
        "mine in 2 tables: against pfml ahead in 1, not told apart in 1; against the best baseline behind in 1."
    )
    lines = as_text(mine).splitlines()
    assert lines[0].split("  ")[0] == "data set noise"
    assert lines[2].split()[:5] == ["emoji", "0", "cpml", "(best", "baseline)"]
    assert "behind" in lines[2]
    assert len(lines) == 4


def test_a_loss_may_be_bold_and_behind_and_the_section_says_why():
    """Six losses make fifteen pairs, of which a verdict is about five."""
    others = {name: [value - 0.2 for value in PFML] for name in ("triplet", "proxy_anchor", "hist")}
    close = [value - step for value, step in zip(STRONG, (0.004, 0.011, 0.006, 0.014), strict=True)]
    records = table(("mine", 0, close), ("cpml", 0, STRONG), ("pfml", 0, PFML), *((k, 0, v) for k, v in others.items()))
    found = verdicts(records, USERS)
    assert row(found)["verdict"] == "behind"
    assert leaderboard(records, frozen()).set_index("loss")["ties_best"]["mine"]
    assert "a loss may be bold there and behind here" in to_section(found, ["mine"])


def test_the_section_is_of_the_losses_asked_for_on_the_tuned_track():
    text = to_section(verdicts(RECORDS, USERS), ["mine"])
    assert text.startswith("## Verdicts\n\nMean differences in points of R@1")
    assert "### mine against pfml and the best baseline\n\nmine in 1 table: against pfml ahead in 1;" in text
    assert "| emoji | 0 | cpml (best baseline) | -" in text
    assert "### cpml" not in text
    assert to_section(verdicts(RECORDS, USERS), []) == ""
    assert to_section(verdicts(RECORDS.assign(track="paper_values"), USERS), ["mine"]) == ""


def test_a_hostile_name_is_text():
    records = RECORDS.replace({"loss": {"mine": "<b>|"}})
    text = to_section(verdicts(records, ["<b>|"]), ["<b>|"])
    assert "<b>" not in text
    assert "&lt;b>\\| in 1 table" in text


def test_a_loss_that_cannot_be_judged_is_told():
    with pytest.raises(SuiteError, match="loss 'none' is not in the records; allowed: cpml, mine, pfml, triplet"):
        verdicts_on("none", RECORDS, USERS)
    with pytest.raises(SuiteError, match=r"mine shares no table with pfml or a baseline; .* suite compare mine OTHER"):
        verdicts_on("mine", RECORDS[RECORDS["loss"] == "mine"], USERS)


def test_what_differs_between_rows_is_shown():
    finetuned = table(("mine", 0, PFML), ("pfml", 0, MINE), regime="finetuned")
    mine = verdicts_on("mine", pd.concat([RECORDS, finetuned]), USERS)
    heads, cells = as_cells(mine)
    assert heads[:3] == ["regime", "data set", "noise"]
    assert {cell[0] for cell in cells} == {"frozen", "finetuned"}
    assert as_cells(verdicts_on("mine", finetuned, USERS))[0][:2] == ["data set", "noise"]

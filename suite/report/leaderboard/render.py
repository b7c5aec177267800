"""The leaderboard as Markdown: a glance at the first track, then every number.

The part before ``DETAILS`` is what the README shows.
"""

from typing import Any

import pandas as pd

from suite.judging.leaderboard.cells import NOTHING, escaped, finished, gap, number, span, with_half_width
from suite.judging.leaderboard.table import FROZEN

DETAILS = "<!-- details -->"
SETTING = {
    "tuned": "Hyper-parameters: the best of equally many trials for every loss, by MAP@R on held-out training classes "
    "with true labels.",
    "published": "Hyper-parameters: the values of each loss's paper as they stand.",
}
LEGEND = (
    "R@1 on test classes in percent, mean ± half-width of the 95 % t-interval over {seeds} seeds. **Bold**: cannot be told "
    "apart from the best at its noise level, with at most 5 % error for the {count} losses together."
)
EXPLANATION = """Each noise level of each data set is a table of its own. What it says about order holds with
95 % probability for all its losses together:

- *rank*: the ranks that the paired differences leave open; the loss is **bold** if rank 1 is among them;
- *behind the best*: by how many points its R@1 lies behind the best loss's, at least and at most.

± seeds: half-width of the 95 % t-interval when training is repeated. ± classes: the same when other test classes are drawn.
Drop: R@1 without noise less R@1 with it, paired by seed. A loss with failed runs is ranked behind all others; its means are
over the runs that finished. All pairwise differences: [comparisons.csv](comparisons.csv).
"""


def to_markdown(board: pd.DataFrame, verdicts: str = "") -> str:
    """The tables of all tracks, and a section of verdicts; the same leaderboard gives the same text."""
    first = board["track"].iloc[0]
    parts = [
        "# Leaderboard\n",
        glance(board[board["track"] == first]),
        DETAILS,
        f"\n{EXPLANATION}",
        *([verdicts] if verdicts else []),
    ]
    for track, rows in board.groupby("track", sort=False):
        parts.append(f"## Track `{track}`\n\n{SETTING[str(track)]}\n")
        parts += [f"### {dataset}, {track}\n\n{_table(mine)}" for dataset, mine in rows.groupby("dataset", sort=False)]
    return "\n".join(parts)


def glance(rows: pd.DataFrame) -> str:
    """One track: a table for each data set, losses down, noise levels across, and remarks."""
    track = rows["track"].iloc[0]
    trained = rows[rows["loss"] != FROZEN]
    legend = LEGEND.format(seeds=trained["runs"].max(), count=trained["loss"].nunique())
    parts = [f"{legend} {SETTING[track]}\n"]
    for dataset, mine in rows.groupby("dataset", sort=False):
        parts.append(f"## {dataset}\n\n{_across(mine)}{_remarks(mine)}")
    return "\n".join(parts)


def columns_of(rows: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """The tables of a data set side by side: head of the column, and its rows by loss."""
    kinds = len(set(rows["noise_kind"])) > 1
    return {
        f"{kind if kinds else 'noise'} {level:g}": mine.set_index("loss")
        for (kind, level), mine in rows.groupby(["noise_kind", "noise_level"], sort=False)
    }


def losses_of(rows: pd.DataFrame) -> list[str]:
    """Losses of a data set in the order of its first noise level; those that are not there come last."""
    return list(dict.fromkeys(rows.sort_values("noise_level", kind="stable")["loss"]))


def _across(rows: pd.DataFrame) -> str:
    columns = columns_of(rows)
    lines = [_line(["loss", *columns]), "|---|" + "---:|" * len(columns)]
    for loss in losses_of(rows):
        cells = [_share(mine.loc[loss]) if loss in mine.index else NOTHING for mine in columns.values()]
        lines.append(_line([escaped(loss), *cells]))
    return "\n".join(lines) + "\n"


def _share(row: pd.Series) -> str:
    text = with_half_width(row, "recall_at_1", "recall_at_1_low", "recall_at_1_high") + finished(row)
    return f"**{text}**" if row["ties_best"] else text


_HEADS = {
    "noise": "---:",
    "rank": ":---:",
    "loss": "---",
    "R@1 ± seeds": "---:",
    "± classes": "---:",
    "behind the best": "---:",
    "MAP@R ± seeds": "---:",
    "drop from clean": "---:",
    "failed runs": "---:",
}


def _table(rows: pd.DataFrame) -> str:
    lines = [_line(list(_HEADS)), "|" + "|".join(_HEADS.values()) + "|"]
    lines += [_line(_cells(row)) for _, row in rows.iterrows()]
    return "\n".join(lines) + "\n"


def _cells(row: pd.Series) -> list[str]:
    name = escaped(row["loss"])
    drop = with_half_width(row, "drop_from_clean", "drop_low", "drop_high") if row["noise_level"] else NOTHING
    return [
        f"{row['noise_level']:g}",
        span(row["rank_low"], row["rank_high"]),
        f"**{name}**" if row["ties_best"] else name,
        with_half_width(row, "recall_at_1", "recall_at_1_low", "recall_at_1_high"),
        number((row["class_high"] - row["class_low"]) / 2),
        gap(row["behind_low"], row["behind_high"]),
        with_half_width(row, "map_at_r", "map_at_r_low", "map_at_r_high"),
        drop,
        NOTHING if row["loss"] == FROZEN else f"{row['failures']} of {row['runs']}",
    ]


def _line(cells: list[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def _remarks(rows: pd.DataFrame) -> str:
    trained = rows[rows["loss"] != FROZEN]
    remarks = [
        f"{escaped(row.loss)} {_shortfall(row)}."
        for row in trained[trained["noise_level"] == 0].itertuples()
        if not row.gain_over_frozen > 0
    ]
    untuned = sorted(set(trained[(trained["track"] == "tuned") & ~trained["tuned"].astype(bool)]["loss"]))
    if untuned:
        remarks.append(f"Not tuned, class defaults: {', '.join(map(escaped, untuned))}.")
    return "".join(f"\n{remark}\n" for remark in remarks)


def _shortfall(row: Any) -> str:
    if row.failures == row.runs:
        return "finished no run without noise"
    return f"does not beat the frozen backbone without noise ({row.gain_over_frozen:+.2f} points)"

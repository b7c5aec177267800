"""The leaderboard as Markdown: for each data set one table, losses down, noise levels across."""

import math

import pandas as pd

from suite.leaderboard.table import FROZEN


def to_markdown(board: pd.DataFrame) -> str:
    """Tables of R@1 with 95 % t-intervals, best clean loss first, and remarks on failures and untuned losses."""
    parts = ["# Leaderboard\n"]
    for dataset, rows in board.groupby("dataset", sort=False):
        parts.append(f"## {dataset}\n\n{_table(rows)}\n{_remarks(rows)}")
    return "\n".join(parts)


def _table(rows: pd.DataFrame) -> str:
    levels = sorted(rows["noise_level"].unique())
    heads = [f"noise {level:g}: R@1 (95 % interval)" for level in levels]
    drops = [f"drop at {level:g}" for level in levels if level > 0 and levels[0] == 0]
    lines = [
        "| loss | " + " | ".join([*heads, *drops, f"MAP@R at {levels[0]:g}", "failed runs"]) + " |",
        "|---|" + "---:|" * (len(heads) + len(drops) + 2),
    ]
    for loss in rows[rows["noise_level"] == levels[0]]["loss"]:
        mine = rows[rows["loss"] == loss].set_index("noise_level")
        cells = [_interval(mine.loc[level], loss) for level in levels]
        cells += [_number(mine.loc[level, "drop_from_clean"]) for level in levels if level > 0 and levels[0] == 0]
        cells += [_number(mine.loc[levels[0], "map_at_r"]), _failures(mine, loss)]
        lines.append(f"| {_escaped(loss)} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def _interval(row: pd.Series, loss: str) -> str:
    if loss == FROZEN or math.isnan(row["recall_at_1_low"]):
        return _number(row["recall_at_1"])
    half = (row["recall_at_1_high"] - row["recall_at_1_low"]) / 2
    return f"{_number(row['recall_at_1'])} ± {half:.2f}"


def _number(value: float) -> str:
    return "–" if math.isnan(value) else f"{value:.2f}"


def _failures(mine: pd.DataFrame, loss: str) -> str:
    return "–" if loss == FROZEN else f"{int(mine['failures'].sum())} of {int(mine['runs'].sum())}"


def _remarks(rows: pd.DataFrame) -> str:
    trained = rows[rows["loss"] != FROZEN]
    clean = trained[trained["noise_level"] == trained["noise_level"].min()]
    remarks = [
        f"{_escaped(row.loss)} {_shortfall(row.gain_over_frozen)}."
        for row in clean.itertuples()
        if row.noise_level == 0 and not row.gain_over_frozen > 0
    ]
    untuned = sorted(set(trained[~trained["tuned"].astype(bool)]["loss"]))
    if untuned:
        remarks.append(f"Not tuned, class defaults: {', '.join(map(_escaped, untuned))}.")
    return "".join(f"\n{remark}\n" for remark in remarks)


def _shortfall(gain: float) -> str:
    if math.isnan(gain):
        return "finished no run without noise"
    return f"does not beat the frozen backbone without noise ({gain:+.2f} points)"


def _escaped(name: str) -> str:
    return name.replace("<", "&lt;").replace("|", "\\|")

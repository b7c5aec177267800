r"""The leaderboard as LaTeX tables, one a track, for ``\input`` in a paper that loads ``booktabs`` and ``multirow``."""

from typing import Any

import pandas as pd

from suite.judging.leaderboard.cells import finished, with_half_width
from suite.judging.leaderboard.table import FROZEN
from suite.report.leaderboard.render import columns_of, losses_of

_CAPTION = {
    "tuned": "R@1 in percent, mean and half-width of the 95 % t-interval over seeds; hyper-parameters tuned "
    "with equal budgets. Bold: cannot be told apart from the best of its column and data set (5 % for all losses together).",
    "published": "As before, with the hyper-parameters of each loss's paper.",
}


def to_latex(board: pd.DataFrame) -> str:
    """Tables with a row for each data set and loss and a column for each noise level."""
    return "\n".join(_table(str(track), rows) for track, rows in board.groupby("track", sort=False))


def _table(track: str, rows: pd.DataFrame) -> str:
    shares, bold = {}, {}
    for dataset, mine in rows.groupby("dataset", sort=False):
        for head, column in columns_of(mine).items():
            for loss in losses_of(mine):
                if loss in column.index:
                    row = column.loc[loss]
                    shares[(dataset, loss), head] = _share(row)
                    bold[(dataset, loss), head] = "textbf: --rwrap;" if row["ties_best"] else ""
    table, looks = _unstacked(shares), _unstacked(bold)
    style = table.style.format(escape="latex").format_index(escape="latex", axis=0).format_index(escape="latex", axis=1)
    latex: str = style.apply(lambda _: looks, axis=None).to_latex(
        hrules=True,
        clines="skip-last;data",
        column_format="ll" + "r" * len(table.columns),
        multirow_align="t",
        position="t",
        position_float="centering",
        caption=_CAPTION[track].replace("%", r"\%"),
        label=f"tab:leaderboard-{track}",
    )
    last = rf"\cline{{1-{2 + len(table.columns)}}}" + "\n"
    latex = latex.replace(last + r"\bottomrule", r"\bottomrule").replace(last, r"\midrule" + "\n")
    return latex.replace("±", r"$\pm$").replace("–", "--")


def _unstacked(cells: dict[tuple[tuple[Any, str], str], str]) -> pd.DataFrame:
    rows = list(dict.fromkeys(place for place, _ in cells))
    heads = list(dict.fromkeys(head for _, head in cells))
    index = pd.MultiIndex.from_tuples(rows, names=[None, None])
    return pd.DataFrame([[cells.get((row, head), "") for head in heads] for row in rows], index=index, columns=heads)


def _share(row: pd.Series) -> str:
    text = with_half_width(row, "recall_at_1", "recall_at_1_low", "recall_at_1_high")
    return text if row.name == FROZEN else text + finished(row)

r"""The leaderboard as Markdown: a glance at the first regime and track, then every number; and as LaTeX tables.

LaTeX tables, one for each regime and track, are for ``\input`` in a paper that loads ``booktabs`` and ``multirow``.
"""

from collections.abc import Collection
from typing import Any

import pandas as pd

from suite.evaluation.retrieval import MAIN_METRIC, METRICS
from suite.judging.handed_in.folder import CHECK, MARK, VERSION
from suite.judging.leaderboard.contrast import number
from suite.judging.leaderboard.table import FROZEN
from suite.judging.leaderboard.verdicts import to_section
from suite.report.budgets import of_trials
from suite.report.text import (
    NOTHING,
    escaped,
    finished_runs,
    gap,
    is_bold,
    markdown_table,
    metric_text,
    span,
    with_half_width,
)

REGIMES = {
    "frozen": "An embedding layer learns on frozen features.",
    "finetuned": "The backbone's last stages learn too, with fine-tuning on embedded data.",
    "published": "The whole network learns by a paper's recipe.",
}
"""What learns, in a sentence."""
TRACKS = {
    "tuned": "Hyper-parameters: the best of {trials}, by MAP@R on held-out training classes with true labels.",
    "tuned_under_noise": "Hyper-parameters: the best of {trials}, trained with wrong labels and "
    "chosen by MAP@R on held-out training classes with true labels.",
    "tuned_with_noisy_validation": "Hyper-parameters: the best of {trials}, trained and chosen with wrong labels.",
    "paper_values": "Hyper-parameters: the values of each loss's paper, unchanged.",
    "ablation": "Hyper-parameters: one value varied around the tuned ones.",
}
"""How values were chosen, in a sentence; ``trials`` is what ``of_trials`` says."""
LEGEND = (
    "R@1 on test classes in percent, mean ± half-width of the 95 % t-interval over {units}. **Bold**: cannot be told "
    "apart from the best at its noise level, with at most 5 % error for all losses of a table together, and lies above the "
    "frozen backbone."
)
ONE_SEED = "R@1 on test classes in percent, of one seed: it has no interval, and nothing is told apart."
EXPLANATION = """Each noise level of each data set is a table of its own. What it says about order holds with
95 % probability for all its losses together:

- *rank*: the ranks that the paired differences leave open; the loss is **bold** if rank 1 is among them and its mean lies
  above the frozen backbone: one that learned nothing and scatters widely is told apart from none;
- *behind the best*: by how many points its R@1 lies behind the best loss's, at least and at most.

± runs: half-width of the 95 % t-interval when training is repeated, over searches where a loss has several, else over
seeds. ± classes: the same when other test classes are drawn.
Drop: R@1 without noise less R@1 with it, paired by seed; where values were chosen under noise, runs without it have those
chosen on true labels. A loss that learns little has little to lose, so its gain over the frozen backbone, which no label
noise reaches, stands beside it (*over frozen*). A loss with failed runs is ranked behind all
others; its means are over the runs that finished. All pairwise differences: [comparisons.csv](comparisons.csv).
"""
_HAND_INS = """Records that others have handed in, checked and not computed here. *not rerun*: their code was not run here.
*spot-checked*: some runs, drawn at random, were computed anew and are reproduced. *not reproduced*: they are not.
*undecided*: some differ, and too few to tell chance from a fault. A mark is of its regime and tuning track."""
OF_STUDY = "extended"
"""Column of the leaderboard: whether a loss is of the study of this name; only where there is one."""
EXTENDED_LOSSES = """Losses marked *extended* are not run with the grid: their records are those in git, of the study
`extended`. They have ranks and verdicts like the others, and are no baselines: which losses would be was set before any
result of theirs, and docs/protocol.md tells when PRISM and Sub-center ArcFace became some.
"""
_SHOWN = (MAIN_METRIC, "map_at_r")


def leaderboard_page(board: pd.DataFrame, verdicts: pd.DataFrame, user: Collection[str] = ()) -> str:
    """The tables of all regimes and tracks, and a section of verdicts; the same leaderboard gives the same text.

    Args:
        board: the leaderboard.
        verdicts: each loss against pfml and the best baseline.
        user: losses that the section of verdicts is about.
    """
    parts = ["# Leaderboard\n", _glance(_first_part(board)), EXPLANATION]
    parts += [EXTENDED_LOSSES + _lacking(board)] if OF_STUDY in board else []
    parts += [section for section in (_handed_in(board), to_section(verdicts, user)) if section]
    for (regime, track), rows in board.groupby(["regime", "track"], sort=False):
        parts.append(f"## Regime `{regime}`, tuning track `{track}`\n\n{REGIMES[str(regime)]} {_chosen(rows)}\n")
        parts += [
            f"### {dataset}, {regime}, {track}\n\n{_details(mine)}"
            for dataset, mine in rows.groupby("dataset", sort=False)
        ]
    return "\n".join(parts)


def _lacking(board: pd.DataFrame) -> str:
    """On which data sets of the board losses of the study ``extended`` have no records; empty where they have all."""
    there = board[board[OF_STUDY].astype(bool)].groupby("loss", sort=False)["dataset"].agg(set)
    names = list(dict.fromkeys(board["dataset"]))
    told = [
        f"{escaped(loss)} on {', '.join(gaps)}"
        for loss, has in there.items()
        if (gaps := [name for name in names if name not in has])
    ]
    return f"There are none of {'; '.join(told)}.\n" if told else ""


def shown_name(rows: pd.DataFrame, loss: str) -> str:
    """A loss as tables name it: with a mark where it was handed in, or where the grid does not run it."""
    mine = rows[rows["loss"] == loss].iloc[0]
    if MARK in rows and mine[MARK]:
        return f"{loss} (handed in, {mine[MARK]})"
    return f"{loss} (extended)" if OF_STUDY in rows and mine[OF_STUDY] else loss


def _handed_in(board: pd.DataFrame) -> str:
    """A section on losses that were handed in; empty without any."""
    if MARK not in board:
        return ""
    rows = board[board[MARK] != ""].drop_duplicates(["loss", "regime", "track"]).sort_values("loss", kind="stable")
    cells = [
        [
            escaped(row["loss"]),
            f"{row['regime']}, {row['track']}",
            row[MARK],
            row[VERSION] or "this one",
            escaped(row[CHECK]) or NOTHING,
        ]
        for row in rows.to_dict("records")
    ]
    shown = markdown_table(["loss", "regime, tuning track", "mark", "suite", "spot check"], cells, ["---"] * 5)
    return f"## Handed in\n\n{_HAND_INS}\n\n{shown}"


def _first_part(board: pd.DataFrame) -> pd.DataFrame:
    """Rows of the first regime and track."""
    first = board.iloc[0]
    return board[(board["regime"] == first["regime"]) & (board["track"] == first["track"])]


def _glance(rows: pd.DataFrame) -> str:
    """One regime and track: a table for each data set, losses down, noise levels across, and remarks."""
    first, trained = rows.iloc[0], rows[rows["loss"] != FROZEN]
    seeds = trained["runs"].max()
    legend = LEGEND.format(units=_units(trained)) if seeds > 1 else ONE_SEED
    parts = [f"{REGIMES[first['regime']]} {legend} {_chosen(rows)}\n"]
    for dataset, mine in rows.groupby("dataset", sort=False):
        parts.append(f"## {dataset}, {first['regime']}\n\n{across(mine)}{_remarks(mine)}")
    return "\n".join(parts)


def _units(trained: pd.DataFrame) -> str:
    """What intervals are over: searches where every loss has several, else seeds."""
    searches = int(trained["searches"].min()) if "searches" in trained else 0
    return f"{searches} searches" if searches > 1 else f"{trained['runs'].max()} seeds"


def _chosen(rows: pd.DataFrame) -> str:
    """How the values of one regime and track were chosen."""
    return TRACKS[str(rows["track"].iloc[0])].format(trials=of_trials(rows))


def across(rows: pd.DataFrame, *, name_kinds: bool = False) -> str:
    """A table of one data set, losses down, noise across, its kinds by name where they are several or this is asked for."""
    columns = _columns_of(rows, name_kinds=name_kinds)
    cells = [
        [
            escaped(shown_name(rows, loss)),
            *(share(mine.loc[loss]) if loss in mine.index else NOTHING for mine in columns.values()),
        ]
        for loss in losses_of(rows)
    ]
    return markdown_table(["loss", *columns], cells, ["---", *["---:"] * len(columns)])


def share(row: pd.Series) -> str:
    """R@1 of a row of the leaderboard, bold as ``is_bold`` says, with the number of finished runs where some failed."""
    text = with_half_width(row, MAIN_METRIC, f"{MAIN_METRIC}_low", f"{MAIN_METRIC}_high") + finished_runs(row)
    return f"**{text}**" if is_bold(row) else text


def _columns_of(rows: pd.DataFrame, *, name_kinds: bool = False) -> dict[str, pd.DataFrame]:
    """The tables of a data set side by side: head of the column, and its rows by loss."""
    kinds = name_kinds or len(set(rows["noise_kind"])) > 1
    return {
        f"{kind if kinds else 'noise'} {level:g}": mine.set_index("loss", drop=False)
        for (kind, level), mine in rows.groupby(["noise_kind", "noise_level"], sort=False)
    }


def losses_of(rows: pd.DataFrame) -> list[str]:
    """Losses of a data set in the order of its first noise level; those that are not there come last."""
    return list(dict.fromkeys(rows.sort_values("noise_level", kind="stable")["loss"]))


_DETAILS = {
    "noise": "---:",
    "rank": ":---:",
    "loss": "---",
    f"{METRICS[_SHOWN[0]].label} ± runs": "---:",
    "± classes": "---:",
    "behind the best": "---:",
    f"{METRICS[_SHOWN[1]].label} ± runs": "---:",
    "over frozen": "---:",
    "drop from clean": "---:",
    "failed runs": "---:",
}


def _details(rows: pd.DataFrame) -> str:
    cells = [_cells(row, escaped(shown_name(rows, row["loss"]))) for _, row in rows.iterrows()]
    return markdown_table(list(_DETAILS), cells, list(_DETAILS.values()))


def _cells(row: pd.Series, name: str) -> list[str]:
    drop = with_half_width(row, "drop_from_clean", "drop_low", "drop_high") if row["noise_level"] else NOTHING
    return [
        f"{row['noise_level']:g}",
        span(row["rank_low"], row["rank_high"]),
        f"**{name}**" if is_bold(row) else name,
        metric_text(row, _SHOWN[0]),
        number((row["class_high"] - row["class_low"]) / 2),
        gap(row["behind_low"], row["behind_high"]),
        metric_text(row, _SHOWN[1]),
        NOTHING if row["loss"] == FROZEN or pd.isna(row["gain_over_frozen"]) else f"{row['gain_over_frozen']:+.2f}",
        drop,
        NOTHING if row["loss"] == FROZEN else f"{row['failures']} of {row['runs']}",
    ]


def _remarks(rows: pd.DataFrame) -> str:
    trained = rows[rows["loss"] != FROZEN]
    remarks = [
        f"{escaped(row.loss)} {_shortfall(row)}."
        for row in trained[trained["noise_level"] == 0].itertuples()
        if not row.gain_over_frozen > 0
    ]
    untuned = sorted(set(trained[(trained["track"] == "tuned") & ~trained["tuned"].astype(bool)]["loss"]))
    if untuned:
        remarks.append(f"Not tuned, values set by hand or class defaults: {', '.join(map(escaped, untuned))}.")
    return "".join(f"\n{remark}\n" for remark in remarks)


def _shortfall(row: Any) -> str:
    if row.failures == row.runs:
        return "finished no run without noise"
    return f"does not beat the frozen backbone without noise ({row.gain_over_frozen:+.2f} points)"


def leaderboard_latex(board: pd.DataFrame) -> str:
    """LaTeX tables with a row for each data set and loss and a column for each noise level."""
    parts = board.groupby(["regime", "track"], sort=False)
    return "\n".join(_latex_table(str(regime), str(track), rows) for (regime, track), rows in parts)


def _latex_table(regime: str, track: str, rows: pd.DataFrame) -> str:
    shares, bold = {}, {}
    for dataset, mine in rows.groupby("dataset", sort=False):
        for head, column in _columns_of(mine).items():
            for loss in losses_of(mine):
                if loss in column.index:
                    row = column.loc[loss]
                    place = dataset, shown_name(mine, loss)
                    shares[place, head] = share(row).strip("*")
                    bold[place, head] = "textbf: --rwrap;" if is_bold(row) else ""
    table, looks = _unstacked(shares), _unstacked(bold)
    style = table.style.format(escape="latex").format_index(escape="latex", axis=0).format_index(escape="latex", axis=1)
    latex: str = style.apply(lambda _: looks, axis=None).to_latex(
        hrules=True,
        clines="skip-last;data",
        column_format="ll" + "r" * len(table.columns),
        multirow_align="t",
        position="t",
        position_float="centering",
        caption=_caption(regime, _chosen(rows)).replace("%", r"\%").replace("_", r"\_"),
        label=f"tab:leaderboard-{regime}-{track}",
    )
    last = rf"\cline{{1-{2 + len(table.columns)}}}" + "\n"
    latex = latex.replace(last + r"\bottomrule", r"\bottomrule").replace(last, r"\midrule" + "\n")
    return latex.replace("±", r"$\pm$").replace("–", "--")


def _caption(regime: str, chosen: str) -> str:
    return (
        "R@1 in percent, mean and half-width of the 95 % t-interval over runs. Bold: cannot be told apart from the best of "
        f"its column and data set (5 % for all losses together), and above the frozen backbone. {REGIMES[regime]} {chosen}"
    )


def _unstacked(cells: dict[tuple[tuple[Any, str], str], str]) -> pd.DataFrame:
    rows = list(dict.fromkeys(place for place, _ in cells))
    heads = list(dict.fromkeys(head for _, head in cells))
    index = pd.MultiIndex.from_tuples(rows, names=[None, None])
    return pd.DataFrame([[cells.get((row, head), "") for head in heads] for row in rows], index=index, columns=heads)

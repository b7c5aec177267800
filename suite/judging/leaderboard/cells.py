"""How values are written in the leaderboard's tables."""

import math

import pandas as pd

NOTHING = "–"


def number(value: float) -> str:
    """Two decimals; a dash for NaN."""
    return NOTHING if math.isnan(value) else f"{value:.2f}"


def with_half_width(row: pd.Series, value: str, low: str, high: str, sign: str = "±") -> str:
    """A mean with the half-width of its interval, where it has one."""
    half = (row[high] - row[low]) / 2
    return number(row[value]) if math.isnan(half) else f"{number(row[value])} {sign} {half:.2f}"


def span(low: object, high: object) -> str:
    """A rank interval: one number if nothing is left open."""
    if pd.isna(low):
        return NOTHING
    return f"{low}" if low == high else f"{low}–{high}"


def gap(low: float, high: float) -> str:
    """Points behind the best, at least to at most; 0 if no other loss can be the best."""
    if math.isnan(high):
        return NOTHING
    return f"{low:.2f} to {high:.2f}" if high > 0 else "0"


def finished(row: pd.Series) -> str:
    """How many runs a mean is over, where it is not all."""
    return f" ({row['runs'] - row['failures']} of {row['runs']} runs)" if row["failures"] else ""


def escaped(name: str) -> str:
    """A loss's name in Markdown."""
    return name.replace("<", "&lt;").replace("|", "\\|")

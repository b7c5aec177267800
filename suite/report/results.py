"""Reads back what stages wrote into ``results/``, checked: what is damaged or incomplete is one line with its cure."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from suite.errors import SuiteError, allowed
from suite.files import read_json
from suite.judging.leaderboard.verdicts import VERDICT_COLUMNS
from suite.settings.paths import BENCHMARK_RESULTS, BOARD_FILE, CLAIMS_FILE, FINETUNED_RESULTS, VERDICTS_FILE

_BOARD = ("regime", "track", "dataset", "noise_kind", "noise_level", "loss", "runs", "failures", "recall_at_1")
_CLAIM = ("family", "regime", "verdict", "flips", "lines")
_LINE = ("counts", "verdict")
TIMES_COLUMNS = ("name", "dataset", "loss", "runs", "seconds", "mean_seconds")


def read_boards(results: Path) -> pd.DataFrame:
    """Rows of the leaderboards of all regimes in ``results/`` and below it; empty if there are none.

    Raises:
        SuiteError: one of them is damaged, or lacks a column.
    """
    found = [read_board(path) for path in _of_regimes(results, BOARD_FILE.name)]
    board = pd.concat(found, ignore_index=True) if found else pd.DataFrame()
    return (
        board.assign(extended=board["extended"].isin([True])) if "extended" in board else board
    )  # not all regimes have it


def read_verdict_files(results: Path) -> pd.DataFrame | None:
    """The verdicts on losses beside these leaderboards; None if there are none.

    Raises:
        SuiteError: one of the files is damaged, or lacks a column.
    """
    found = [read_verdicts(path) for path in _of_regimes(results, VERDICTS_FILE.name)]
    return pd.concat(found, ignore_index=True) if found else None


def read_claim_files(results: Path) -> dict[str, dict[str, Any]]:
    """Reports on claims in ``results/`` and below it, by the name of their folder; an empty name is ``results/`` itself.

    Raises:
        SuiteError: one of them is damaged, or lacks something.
    """
    paths = _of_regimes(results, CLAIMS_FILE.name)
    return {"" if path.parent == results else path.parent.name: read_claims(path) for path in paths}


def joined(reports: Mapping[str, Mapping[str, Any]]) -> dict[str, Any] | None:
    """The claims of several reports in one, each in its own regime; None if there are none."""
    return {"claims": [claim for report in reports.values() for claim in report["claims"]]} if reports else None


def _of_regimes(results: Path, name: str) -> list[Path]:
    """Files of this name, of each regime that has one."""
    folders = (results, results / FINETUNED_RESULTS.name, results / BENCHMARK_RESULTS.name)
    return [folder / name for folder in folders if (folder / name).is_file()]


def read_board(path: Path) -> pd.DataFrame:
    """Rows of ``leaderboard.json``.

    Raises:
        SuiteError: it is damaged, or lacks a column.
    """
    cure = "make it anew: suite leaderboard"
    found = _with_columns(pd.DataFrame(_mappings(read_json(path, cure), path, cure)), path, _BOARD, cure)
    return found.astype({column: float for column in found if found[column].isna().all()})  # not None, but not a number


def read_verdicts(path: Path) -> pd.DataFrame:
    """Rows of ``verdicts.csv``.

    Raises:
        SuiteError: it is damaged, or lacks a column.
    """
    return read_csv(path, VERDICT_COLUMNS, "make it anew: suite leaderboard")


def read_claims(path: Path) -> dict[str, Any]:
    """What ``claims.json`` holds.

    Raises:
        SuiteError: it is damaged, or lacks something.
    """
    cure = "make it anew: suite claims"
    found = read_json(path, cure)
    if not isinstance(found, dict) or "claims" not in found:
        raise SuiteError(f"{path} is no report on claims; {cure}")
    for claim in _mappings(found["claims"], path, cure):
        lines = claim.get("lines", [])
        missing = [name for name in _CLAIM if name not in claim]
        missing += [name for line in _mappings(lines, path, cure) for name in _LINE if name not in line]
        if missing:
            raise SuiteError(f"{path}: claim {claim.get('id', '?')} lacks {allowed(dict.fromkeys(missing))}; {cure}")
    return found


def read_csv(path: Path, columns: Sequence[str], cure: str) -> pd.DataFrame:
    """A CSV file with at least these columns.

    Raises:
        SuiteError: it is damaged, or lacks a column.
    """
    try:
        return _with_columns(pd.read_csv(path, keep_default_na=False, na_values=[""]), path, columns, cure)
    except ValueError as error:  # no CSV, no UTF-8, or empty
        raise SuiteError(f"{path} is not valid CSV: {error}; {cure}") from error


def _mappings(found: Any, path: Path, cure: str) -> list[dict[str, Any]]:
    if not isinstance(found, list) or not all(isinstance(entry, dict) for entry in found):
        raise SuiteError(f"{path} is damaged: allowed is a list of mappings; {cure}")
    return found


def _with_columns(table: pd.DataFrame, path: Path, columns: Sequence[str], cure: str) -> pd.DataFrame:
    missing = [column for column in columns if column not in table]
    if missing:
        raise SuiteError(f"{path} lacks {allowed(missing)}; {cure}")
    return table

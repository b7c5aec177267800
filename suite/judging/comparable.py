"""Which records of a study in git began where the grid's runs did, and a line on those that did not."""

from collections import defaultdict
from collections.abc import Hashable, Iterable, Sequence
from pathlib import Path

from suite.evaluation.records import Record

_WORDS = {
    "backbone": "another backbone",
    "data_sha256": "other data",
    "views_sha256": "other views",
    "class_queries": "other test classes",
}
_DIGEST, _SHOWN = 64, 8


def comparable(
    grid: Sequence[Record], study: Sequence[Record], fields: Iterable[str] = tuple(_WORDS)
) -> tuple[list[Record], list[str]]:
    """Records of a study that began as the grid's runs of the data set did, and a line on those that did not.

    A file counts as a whole, its failed runs with it: a failure on other data says nothing here. So does a data set, where
    its test classes are others. Where the grid has no run of a data set, nothing is left out.

    Args:
        grid: runs that the study is compared with.
        study: records of it.
        fields: of a record: which must be as in the grid.
    """
    reasons: dict[Hashable, str] = {}
    for field in fields:
        ours, theirs = _by_dataset(grid, field), _by_dataset(study, field)
        for record in study:
            mine = theirs.get(record.dataset) if field == "class_queries" else getattr(record, field)
            wanted = ours.get(record.dataset, mine)
            all_failed = field == "class_queries" and mine is None  # then the data must do
            if mine != wanted and not all_failed:
                reasons.setdefault(_file(record), f"are of {_WORDS[field]}{_told(field, mine, wanted)}")
    kept = [record for record in study if _file(record) not in reasons]
    return kept, left_out((record, reasons[_file(record)]) for record in study if _file(record) in reasons)


def left_out(reasons: Iterable[tuple[Record, str]]) -> list[str]:
    """A line on the records of each folder and data set that are left out for one reason."""
    losses: dict[tuple[str, str, str], dict[str, None]] = defaultdict(dict)
    for record, reason in reasons:
        losses[Path(record.file).parent.as_posix(), record.dataset, reason][record.loss] = None
    return [
        f"{folder}: runs of {', '.join(names)} on {dataset} {reason}"
        for (folder, dataset, reason), names in losses.items()
    ]


def _file(record: Record) -> Hashable:
    return record.file, record.dataset


def _by_dataset(records: Sequence[Record], field: str) -> dict[str, object]:
    """Value of a field by data set; failed runs have no test classes."""
    return {record.dataset: value for record in reversed(records) if (value := getattr(record, field))}


def _told(field: str, mine: object, wanted: object) -> str:
    """Both values of a field; digests by how they start, and numbers of test images not at all."""
    if field == "class_queries":
        return ""
    return f" ({field} {_short(mine)}; that of the grid is {_short(wanted)})"


def _short(value: object) -> str:
    text = str(value)
    return text[:_SHOWN] if len(text) == _DIGEST else text

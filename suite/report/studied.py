"""Records of studies, as they stand in git, that stand on the leaderboard beside those of the grid."""

from collections.abc import Callable, Hashable, Iterable, Sequence

from suite.evaluation.records import TABLE, Record, read_records
from suite.settings.paths import EXTENDED, PAPER_VALUES, STUDIES_FOLDER

_SEARCHED = ("learning_rate", "proxy_learning_rate", "epochs")
"""Parts of a recipe that differ from loss to loss."""


def with_studies(records: list[Record]) -> list[Record]:
    """Records of the grid with those of the studies ``paper_values`` and ``extended`` that can be compared with them.

    Both kinds are left out on data sets on which backbone, data or test classes are others now, failed runs with them: a
    failure on other data says nothing here.

    Raises:
        SuiteError: a record of a study is malformed.
    """
    return [*records, *_at_paper_values(records), *_extended(records)]


def _at_paper_values(records: Sequence[Record]) -> list[Record]:
    """Of the losses and the kinds and levels of noise that the grid has."""
    conditions = {(record.loss, record.noise_kind, record.noise_level) for record in records}
    return [
        record
        for record in _alike(PAPER_VALUES, records)
        if (record.loss, record.noise_kind, record.noise_level) in conditions
    ]


def _extended(records: Sequence[Record]) -> list[Record]:
    """Of losses that the grid does not run, where they can be paired with it: by its recipe, on its seeds and noise."""
    own = {record.loss for record in records}
    grid = _draws(records, _place)
    runs = [record for record in _alike(EXTENDED, records) if record.loss not in own]
    theirs = _draws(runs, lambda record: (record.loss, _place(record)))
    return [record for record in runs if theirs[record.loss, _place(record)] == grid.get(_place(record))]


def _place(record: Record) -> Hashable:
    """The table of a run, and how all losses of the table were trained."""
    shared = tuple(sorted((name, value) for name, value in record.recipe.items() if name not in _SEARCHED))
    return (*(getattr(record, name) for name in TABLE), shared)


def _draws(records: Iterable[Record], place: Callable[[Record], Hashable]) -> dict[Hashable, set[tuple[int, str]]]:
    """Seeds and digests of noisy labels of the runs of each place."""
    found: dict[Hashable, set[tuple[int, str]]] = {}
    for record in records:
        found.setdefault(place(record), set()).add((record.seed, record.noise_sha256))
    return found


def _alike(study: str, records: Sequence[Record]) -> list[Record]:
    """Records of a study on the data sets that are as those of the grid."""
    paths = sorted((STUDIES_FOLDER / study).glob("*.jsonl"))
    others = read_records(paths) if paths else []
    datasets = {record.dataset for record in others}
    alike = {name for name in datasets if _same_tests(_of(others, name), _of(records, name))}
    return [record for record in others if record.dataset in alike]


def _of(records: Iterable[Record], dataset: str) -> list[Record]:
    return [record for record in records if record.dataset == dataset]


def _same_tests(these: Sequence[Record], those: Sequence[Record]) -> bool:
    """Whether runs on one data set, each checked by ``read_records``, had the same backbone, data and test classes."""
    if not these or not those:
        return False
    for field in ("backbone", "data_sha256"):
        if getattr(these[0], field) != getattr(those[0], field):
            return False
    classes = [[record.class_queries for record in runs if record.status == "ok"] for runs in (these, those)]
    # Failed runs have none; where all have failed, the data must do.
    return not all(classes) or classes[0][0] == classes[1][0]

"""Records of studies, as they stand in git, that stand on the leaderboard beside those of the grid."""

from collections.abc import Iterable, Sequence

from suite.evaluation.records import TABLE, Record, read_records
from suite.judging.extended import beside
from suite.settings.paths import EXTENDED, PAPER_VALUES
from suite.settings.plans import studies_of


def with_studies(records: list[Record]) -> list[Record]:
    """Records of the grid with those of the studies ``paper_values`` and ``extended`` that can be compared with them.

    Both kinds are left out on data sets on which backbone, data, views or test classes are others now, failed runs with
    them: a failure on other data says nothing here.

    Args:
        records: of one regime; at least one.

    Raises:
        SuiteError: a record of a study is malformed.
    """
    return [*records, *_at_paper_values(records), *_extended(records)]


def under_other_kinds(records: Sequence[Record]) -> list[Record]:
    """Records of the study ``extended`` under kinds of label noise that the grid does not have, of any loss.

    Args:
        records: of the grid, of one regime; at least one.

    Raises:
        SuiteError: a record of the study is malformed.
    """
    kinds = {record.noise_kind for record in records}
    return [record for record in beside(records, _alike(EXTENDED, records)) if record.noise_kind not in kinds]


def _at_paper_values(records: Sequence[Record]) -> list[Record]:
    """Of the losses and the kinds and levels of noise that the grid has."""
    conditions = {(record.loss, record.noise_kind, record.noise_level) for record in records}
    return [
        record
        for record in _alike(PAPER_VALUES, records)
        if (record.loss, record.noise_kind, record.noise_level) in conditions
    ]


def _extended(records: Sequence[Record]) -> list[Record]:
    """Of losses that the grid does not run, at the kinds and levels of noise that it has."""
    losses = {record.loss for record in records}
    tables = {tuple(getattr(record, name) for name in TABLE) for record in records}
    return [
        record
        for record in beside(records, _alike(EXTENDED, records))
        if record.loss not in losses and tuple(getattr(record, name) for name in TABLE) in tables
    ]


def _alike(study: str, records: Sequence[Record]) -> list[Record]:
    """Records of a study on the data sets that are as those of the grid."""
    paths = sorted((studies_of(records[0].regime) / study).glob("*.jsonl"))
    others = read_records(paths) if paths else []
    datasets = {record.dataset for record in others}
    alike = {name for name in datasets if _same_tests(_of(others, name), _of(records, name))}
    return [record for record in others if record.dataset in alike]


def _of(records: Iterable[Record], dataset: str) -> list[Record]:
    return [record for record in records if record.dataset == dataset]


def _same_tests(these: Sequence[Record], those: Sequence[Record]) -> bool:
    """Whether runs on one data set, each checked by ``read_records``, were of the same images, views and test classes."""
    if not these or not those:
        return False
    for field in ("backbone", "data_sha256", "views_sha256"):
        if getattr(these[0], field) != getattr(those[0], field):
            return False
    classes = [[record.class_queries for record in runs if record.status == "ok"] for runs in (these, those)]
    # Failed runs have none; where all have failed, the data must do.
    return not all(classes) or classes[0][0] == classes[1][0]

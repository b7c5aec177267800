"""``suite submit``: all that a loss left in this project goes into a bundle, which is checked before it is there."""

import json
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from suite.data.catalog import EMBEDDED, verified
from suite.errors import SuiteError, allowed, shortened
from suite.evaluation.records import Record, read_records
from suite.files import read_json, replacing
from suite.hashing import sha256_file
from suite.judging.handed_in.bundle import (
    DEEPEST,
    MEMBER,
    SETTINGS,
    STUDIES,
    licence_of,
    processor_told,
    read_bundle,
    search_member,
    write_bundle,
)
from suite.judging.handed_in.check import check_bundle, shared_settings
from suite.judging.handed_in.code import files_of
from suite.judging.handed_in.protocol import REGIMES, protocol, suite_version
from suite.judging.handed_in.versions import SEARCHER, versions_of
from suite.losses.registry import target_of
from suite.settings.params import Settings
from suite.settings.paths import (
    FEATURES,
    FOUND_RECIPE,
    PARAMS_FILE,
    RECORDS_NAME,
    RUNS_FOLDER,
    STUDIES_FOLDER,
    TIMES_FOLDER,
)
from suite.settings.plans import folder_of, tuned_plan_path
from suite.settings.tuned_recipes import load_tuned, tuned_path


def submit(loss: str, settings: Settings, licence: str, output: Path, author: str = "", citation: str = "") -> Path:
    """Write the bundle of a loss; nothing is there if a check refuses it.

    Args:
        loss: name of a loss of ``params.yaml``.
        settings: of the project.
        licence: of the loss's code and of the records, an expression of SPDX.
        output: the file to write.
        author: who hands it in.
        citation: what to cite for the loss.

    Raises:
        SuiteError: no such loss, no licence, records that are missing, or what ``check_bundle`` refuses.
    """
    if output.is_dir():
        raise SuiteError(f"--output {output} is a folder; allowed: the name of a file, e.g. {loss}.zip")
    if loss not in settings.losses:
        raise SuiteError(f"{PARAMS_FILE}: losses has no {loss}; allowed: {allowed(settings.losses)}")
    try:
        licence = licence_of(licence)
    except ValueError as error:
        raise SuiteError(f"--licence {licence!r}: {error}") from error
    records = dict(_records(loss, settings))
    datasets = sorted({name.split("/")[-1].removesuffix(".jsonl") for name in records})
    searches = dict(_searches(loss, records))
    shared = shared_settings(
        settings.losses[loss],
        settings,
        datasets,
        finetuned=any(name.startswith("records/finetuned") for name in records),
    )
    target = target_of(loss, settings.losses[loss])
    setting = f"{PARAMS_FILE}: losses.{loss}.target"
    code = files_of(target, setting)
    for name in code:
        check_code_name(name, setting)
    members = {
        SETTINGS: _as_json(shared.as_dict()),
        **{name: _as_lines(each) for name, each in records.items()},
        **{name: _as_json(recipe.model_dump(mode="json")) for name, recipe in searches.items()},
        **{f"code/{name}": content for name, content in code.items()},
    }
    manifest = {
        "format": 1,
        "loss": loss,
        "licence": licence,
        "author": author,
        "citation": citation,
        "suite_version": suite_version(),
        "protocol": protocol().model_dump(mode="json"),
        "data_sha256": {name: verified(name).sha256 for name in datasets},
        "features_sha256": {name: _features_sha256(name) for name in datasets},
        "versions": versions_of(record for each in records.values() for record in each)
        | ({SEARCHER: version(SEARCHER)} if searches else {}),
        "hardware": sorted(set(_processors(loss, datasets))),
    }
    with replacing(output) as temporary:
        write_bundle(temporary, manifest, members)
        check_bundle(read_bundle(temporary, str(output)), settings)
    return output


def check_code_name(name: str, setting: str) -> None:
    """Refuse a file of code that a bundle cannot hold under its name.

    Args:
        name: from the project's folder.
        setting: what names it, for the message.

    Raises:
        SuiteError: it cannot.
    """
    if not MEMBER.fullmatch(f"code/{name}"):
        raise SuiteError(
            f"{setting}: a bundle cannot hold {shortened(repr(name), 200)}; allowed: up to {DEEPEST} folders, names of up "
            "to 100 letters from A to z, digits, _, - and ., which begin with a letter, a digit or _"
        )


def _records(loss: str, settings: Settings) -> Iterator[tuple[str, list[Record]]]:
    """Records of all kinds that are there, by member, on data sets that come with the suite: others have no other images."""
    for dataset in (name for name in settings.datasets if name in EMBEDDED):
        for regime in REGIMES:
            path = folder_of(regime) / RUNS_FOLDER / f"{dataset}-{loss}" / RECORDS_NAME
            if path.is_file() or regime == "frozen":
                yield f"records/{regime}/{dataset}.jsonl", read_records([path])
        for kind in STUDIES:
            path = STUDIES_FOLDER / kind / f"{dataset}-{loss}.jsonl"
            if path.is_file():
                yield f"records/{kind}/{dataset}.jsonl", read_records([path])


def _searches(loss: str, records: dict[str, list[Record]]) -> Iterator[tuple[str, BaseModel]]:
    """What was found for records whose values were searched, by member: in git, or else beside the plan."""
    tuned = [record for name, each in records.items() if name.split("/")[1] in REGIMES for record in each]
    for record in (record for record in tuned if record.search is not None):
        number = record.search or 0
        beside = tuned_plan_path(record.dataset, loss, record.regime)
        paths = (
            tuned_path(record.dataset, loss, record.track, number, record.regime),
            beside.with_name(FOUND_RECIPE.format(track=record.track, number=number)),
        )
        path = next((path for path in paths if path.is_file()), paths[1])
        yield search_member(record.regime, record.track, record.dataset, number), load_tuned(path)


def _processors(loss: str, datasets: list[str]) -> Iterator[str]:
    """Kinds of processor that runs were computed on."""
    for regime in REGIMES:
        for dataset in datasets:
            path = folder_of(regime) / TIMES_FOLDER / f"{dataset}-{loss}.json"
            if path.is_file():
                kinds = read_json(path).get("processors", {}).values()
                yield from filter(None, (processor_told(str(kind)) for kind in kinds if kind))


def _features_sha256(dataset: str) -> str:
    """Digest of a data set's feature file.

    Raises:
        SuiteError: it is missing.
    """
    path = Path(FEATURES.format(dataset=dataset))
    if not path.is_file():
        raise SuiteError(f"feature file {path} is missing; compute it with: dvc repro features@{path.stem}")
    return sha256_file(path)


def _as_json(value: dict[str, Any]) -> bytes:
    return json.dumps(value, indent=2).encode() + b"\n"


def _as_lines(records: list[Record]) -> bytes:
    rows: list[Any] = [record.model_dump(mode="json") for record in records]
    return "".join(json.dumps(row) + "\n" for row in rows).encode()

"""A bundle: one zip file with all that a loss left on somebody's board, as plain data.

======================================  ==============================================================================
manifest.json                           what it is, and the SHA-256 of every other member
settings.json                           what its runs had in common with those of a board, and the loss's own entry
records/KIND/DATASET.jsonl              records; KIND is a regime or a study
searches/REGIME/TRACK/DATASET-N.json    what search N found, with all its trials
code/FILE.py                            the loss's file and those beside it that it imports
======================================  ==============================================================================

Reading a bundle runs nothing of it, and writes nothing of it anywhere. All text in it is refused that a page, a table or
a terminal could take for something else.
"""

import json
import re
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from packaging.licenses import InvalidLicenseExpression, canonicalize_license_expression
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from suite.data.archives.small_zip import Limits, read_small_zip
from suite.errors import SuiteError, allowed, shortened
from suite.evaluation.records import Record, records_in
from suite.files import replacing
from suite.hashing import sha256_bytes
from suite.judging.handed_in.protocol import REGIMES, Protocol
from suite.settings.finetuned import FinetunedSettings
from suite.settings.params import (
    BackboneSettings,
    DatasetSettings,
    LossSettings,
    NoiseSettings,
    Recipe,
    TuningSettings,
)
from suite.settings.paths import FRESH_SEEDS, GEOMETRY, PAPER_VALUES, SPLITS
from suite.settings.plans import Regime
from suite.settings.reading import Name, Seeds, Strict, explain_first
from suite.settings.tuned_recipes import TunedRecipe

LIMITS = Limits(file=20_000_000, members=500, member=10_000_000, total=50_000_000)
MANIFEST, SETTINGS = "manifest.json", "settings.json"
STUDIES = (PAPER_VALUES, GEOMETRY, SPLITS, FRESH_SEEDS)
"""Kinds of records besides those of the regimes."""
_NAME = "[A-Za-z][A-Za-z0-9_]{0,63}"
_PART, DEEPEST = "[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}", 9
"""Name of a file of code or of a folder, and how many folders there may be."""
MEMBER = re.compile(
    rf"manifest\.json|settings\.json|records/({'|'.join((*REGIMES, *STUDIES))})/{_NAME}\.jsonl"
    rf"|searches/({'|'.join(REGIMES)})/{_NAME}/{_NAME}-[0-9]+\.json|code/({_PART}/){{0,{DEEPEST}}}{_PART}\.py"
)
_CURE = "allowed: a bundle as suite submit writes it"
_MARKUP = re.compile(r"[<>\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]|^\s*[=+@-]")
"""What starts a tag, a formula of a spreadsheet or a sequence of a terminal, turns the direction of text, or is none."""
_LONGEST = 2000
"""Characters of a text in a bundle."""
_DATE = (1980, 1, 1, 0, 0, 0)
"""Of every member, so that the same results give the same bytes."""


def licence_of(text: str) -> str:
    """A licence expression of SPDX in its canonical form, e.g. ``MIT OR Apache-2.0``.

    Raises:
        ValueError: it is none.
    """
    try:
        return str(canonicalize_license_expression(text))
    except InvalidLicenseExpression as error:
        raise ValueError(f"{error}; allowed: an expression of SPDX, e.g. MIT") from error


Sha256 = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
Version = Annotated[str, Field(pattern=r"^[0-9][0-9A-Za-z.+!_-]{0,40}$")]
Licence = Annotated[str, AfterValidator(licence_of)]


class Shared(Strict):
    """What the runs of a bundle had in common with those of a board."""

    loss: LossSettings
    """The loss's entry in ``params.yaml``."""
    datasets: dict[Name, DatasetSettings]
    backbone: BackboneSettings
    noise: NoiseSettings
    seeds: Seeds
    recipe: Recipe
    tuning: TuningSettings
    finetuned: FinetunedSettings | None = None
    """Of the regime in which the network learns, where it was run."""

    def as_dict(self) -> dict[str, Any]:
        """Plain data for JSON, which reads back the same."""
        values = self.model_dump(mode="json")
        sets = {name: entry.model_dump(mode="json", exclude_defaults=True) for name, entry in self.datasets.items()}
        levels = [level or 0 for level in self.noise.levels]  # 0.0 is not allowed where names of files follow from it
        return values | {"datasets": sets, "noise": values["noise"] | {"levels": levels}}


class Manifest(Strict):
    """What a bundle is."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    format: Literal[1] = 1
    """Of the bundle's files."""
    loss: Name
    """Name of the loss."""
    licence: Licence
    """Of the loss's code and of the records."""
    suite_version: Version
    """Version of the suite that computed the runs."""
    protocol: Protocol
    """That of the suite that computed the runs."""
    data_sha256: dict[Name, Sha256]
    """Digest of what each data set's runs learned from, by its name."""
    versions: dict[str, str]
    """Of Python and the libraries that the runs were computed with."""
    hardware: list[str]
    """Kinds of processor that they were computed on."""
    members: dict[str, Sha256]
    """Digest of every other file of the bundle, by its name."""


@dataclass(frozen=True)
class Bundle:
    """A bundle that has been read: every member is one of those that there may be, and has its digest.

    Attributes:
        name: what to call it in messages.
        sha256: digest of the file.
        manifest: what it is.
        shared: settings.
        records: by member.
        searches: by member.
        code: source files by their names without ``code/``.
    """

    name: str
    sha256: str
    manifest: Manifest
    shared: Shared
    records: dict[str, list[Record]]
    searches: dict[str, TunedRecipe]
    code: dict[str, bytes]

    @property
    def loss(self) -> str:
        """Name of the loss."""
        return self.manifest.loss

    @property
    def regimes(self) -> set[Regime]:
        """Regimes of which it holds runs of the tuning tracks."""
        return {regime for regime in REGIMES if self.records_of(regime)}

    def records_of(self, kind: str) -> dict[str, list[Record]]:
        """Records of a kind by data set."""
        start = f"records/{kind}/"
        return {
            name[len(start) : -len(".jsonl")]: each for name, each in self.records.items() if name.startswith(start)
        }

    def refuse(self, member: str, why: str) -> SuiteError:
        """The error that names the bundle and its member."""
        return SuiteError(f"{self.name}: {member}: {why}")


def search_member(regime: str, track: str, dataset: str, number: int) -> str:
    """The member of a bundle that says what a search has found."""
    return f"searches/{regime}/{track}/{dataset}-{number}.json"


def write_bundle(path: Path, manifest: Mapping[str, Any], members: Mapping[str, bytes]) -> None:
    """Write a bundle; the same content gives the same bytes.

    Args:
        path: the file.
        manifest: fields of ``Manifest`` without ``members``.
        members: all other members.
    """
    digests = {name: sha256_bytes(content) for name, content in sorted(members.items())}
    first = json.dumps({**manifest, "members": digests}, indent=2).encode() + b"\n"
    with (
        replacing(path) as temporary,
        zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive,
    ):
        for name, content in {MANIFEST: first, **dict(sorted(members.items()))}.items():
            archive.writestr(zipfile.ZipInfo(name, _DATE), content, zipfile.ZIP_DEFLATED)


def read_bundle(path: Path, name: str = "") -> Bundle:
    """Read a bundle.

    Args:
        path: the file.
        name: what to call it in messages; by default its path.

    Raises:
        SuiteError: it is missing, damaged, too large or unsafe, holds a member that may not be there or is not what the
            manifest says, or text that could be taken for something else.
    """
    name = name or str(path)
    members = read_small_zip(path, LIMITS, name)
    for member in members:
        if not MEMBER.fullmatch(member):
            raise SuiteError(f"{name}: {shortened(repr(member), 200)} may not be there; {_CURE}")
    for needed in (MANIFEST, SETTINGS):
        if needed not in members:
            raise SuiteError(f"{name}: {needed} is missing; {_CURE}")
    manifest = _model(Manifest, name, MANIFEST, members.pop(MANIFEST))
    _check_members(name, manifest, members)
    return Bundle(
        name=name,
        sha256=sha256_bytes(path.read_bytes()),
        manifest=manifest,
        shared=_model(Shared, name, SETTINGS, members[SETTINGS]),
        records={member: _records(name, member, text) for member, text in members.items() if member[:8] == "records/"},
        searches={
            member: _model(TunedRecipe, name, member, text)
            for member, text in members.items()
            if member.startswith("searches/")
        },
        code={member.removeprefix("code/"): text for member, text in members.items() if member.startswith("code/")},
    )


def _check_members(name: str, manifest: Manifest, members: Mapping[str, bytes]) -> None:
    for member in sorted(manifest.members.keys() | members.keys()):
        if member not in members:
            raise SuiteError(f"{name}: {shortened(repr(member), 200)} is missing, and {MANIFEST} names it; {_CURE}")
        if manifest.members.get(member) != sha256_bytes(members[member]):
            raise SuiteError(f"{name}: {member} has not the SHA-256 that {MANIFEST} names; {_CURE}")


def _records(name: str, member: str, content: bytes) -> list[Record]:
    text = _decoded(name, member, content)
    with suppress(ValueError, RecursionError):  # what is no JSON is told with its line, below
        for line in text.splitlines():
            _check_text(name, member, json.loads(line))
    return records_in(text, Path(f"{name}: {member}"), _CURE)


M = TypeVar("M", bound=BaseModel)


def _model(model: type[M], name: str, member: str, content: bytes) -> M:
    text = _decoded(name, member, content)
    try:
        values = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise SuiteError(f"{name}: {member} is not valid JSON: {error}; {_CURE}") from error
    _check_text(name, member, values)
    try:
        return model.model_validate(values)
    except ValidationError as error:
        raise SuiteError(f"{explain_first(error, model, Path(f'{name}: {member}'))}; {_CURE}") from error


def _decoded(name: str, member: str, content: bytes) -> str:
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise SuiteError(
            f"{name}: {member} is not UTF-8 text ({error.reason} at byte {error.start}); {_CURE}"
        ) from error


def _check_text(name: str, member: str, value: Any) -> None:
    try:
        texts = list(_texts(value))
    except RecursionError as error:
        raise SuiteError(f"{name}: {member} is nested too deeply; {_CURE}") from error
    for text in texts:
        if _MARKUP.search(text) or len(text) > _LONGEST:
            shown = shortened(repr(text), 80)
            raise SuiteError(
                f"{name}: {member} holds the text {shown}; allowed: up to {_LONGEST:,} characters without < and >, "
                f"without control characters, and none of {allowed('=+-@')} in front"
            )


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for key, inner in value.items():
            yield key
            yield from _texts(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _texts(inner)

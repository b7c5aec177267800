"""A bundle: one zip file with all that a loss left on somebody's board, as plain data.

======================================  ==============================================================================
manifest.json                           what it is, and the SHA-256 of every other member
settings.json                           what its runs had in common with those of a board, and the loss's own entry
records/KIND/DATASET.jsonl              records; KIND is a regime, or paper_values
searches/REGIME/TRACK/DATASET-N.json    what search N found, with all its trials
code/FILE.py                            the loss's file and those beside it that it imports
======================================  ==============================================================================

Reading a bundle runs nothing of it, and writes nothing of it anywhere. All text in it is refused that a page, a table or
a terminal could take for something else.
"""

import json
import re
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from packaging.licenses import InvalidLicenseExpression, canonicalize_license_expression
from pydantic import AfterValidator, ConfigDict, Field

from suite.data.archives.small_zip import Limits, read_small_zip
from suite.errors import SuiteError, shortened
from suite.evaluation.records import Record
from suite.files import replacing
from suite.hashing import sha256_bytes
from suite.judging.handed_in.plain import CURE, model_of_member, records_of_member
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
from suite.settings.paths import PAPER_VALUES
from suite.settings.plans import Regime
from suite.settings.reading import Name, Seeds, Strict
from suite.settings.tuned_recipes import TunedRecipe

LIMITS = Limits(file=20_000_000, members=500, member=10_000_000, total=50_000_000)
MANIFEST, SETTINGS = "manifest.json", "settings.json"
_MOST = {MANIFEST: 200_000, SETTINGS: 50_000, "searches/": 100_000}
"""Bytes of members of which pages show something, by the beginning of their names."""
STUDIES = (PAPER_VALUES,)
"""Kinds of records besides those of the regimes: what a board shows. Other studies stay with whoever made them."""
_NAME = "[A-Za-z][A-Za-z0-9_]{0,63}"
_PART, DEEPEST = "[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}", 9
"""Name of a file of code or of a folder, and how many folders there may be."""
MEMBER = re.compile(
    rf"manifest\.json|settings\.json|records/({'|'.join((*REGIMES, *STUDIES))})/{_NAME}\.jsonl"
    rf"|searches/({'|'.join(REGIMES)})/{_NAME}/{_NAME}-[0-9]+\.json|code/({_PART}/){{0,{DEEPEST}}}{_PART}\.py"
)
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


def _like(pattern: str, told: str) -> AfterValidator:
    """Refuses a text that is not of a pattern, and tells what is allowed."""

    def check(text: str) -> str:
        if not re.fullmatch(pattern, text):
            raise ValueError(f"allowed: {told}")
        return text

    return AfterValidator(check)


def _shown(pattern: str) -> Any:
    """The pattern in the schema."""
    return Field(json_schema_extra={"pattern": f"^{pattern}$"})


Sha256 = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
_VERSION = "[0-9][0-9A-Za-z.+!_-]{0,40}"
_SEVERAL = rf"{_VERSION}(, {_VERSION}){{0,9}}"
_LIBRARY = "[a-z][a-z0-9-]{0,40}"
_PROCESSOR = "[A-Za-z0-9][A-Za-z0-9 ()@.,:/+_-]{0,99}"
Version = Annotated[str, _like(_VERSION, "a version, e.g. 2.4.1"), _shown(_VERSION)]
Versions = Annotated[str, _like(_SEVERAL, "a version, e.g. 2.4.1, or several with commas"), _shown(_SEVERAL)]
Library = Annotated[str, _like(_LIBRARY, "names of libraries"), _shown(_LIBRARY)]
Processor = Annotated[str, _like(_PROCESSOR, "names of processors of up to 100 letters of ASCII"), _shown(_PROCESSOR)]
Licence = Annotated[str, Field(max_length=200), AfterValidator(licence_of)]


def processor_told(kind: str) -> str:
    """A kind of processor as a bundle names it: in letters of ASCII, up to 100."""
    return re.sub("[^A-Za-z0-9 ()@.,:/+_-]", "", kind).strip()[:100]


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
    """The number of this schema."""
    loss: Name
    """Its name on boards."""
    licence: Licence
    """Of the loss's code and of the records."""
    author: Annotated[str, Field(max_length=200)] = ""
    """Who hands it in."""
    citation: Annotated[str, Field(max_length=500)] = ""
    """What to cite for the loss."""
    suite_version: Version
    """Of the suite that made the bundle."""
    protocol: Protocol
    """What must be the same for its rows to stand on another board."""
    data_sha256: dict[Name, Sha256]
    """Of the images of each data set."""
    features_sha256: dict[Name, Sha256]
    """Of the feature files that its runs on frozen features read."""
    versions: Annotated[dict[Library, Versions], Field(max_length=20)]
    """Of Python and the libraries that the runs were computed with; ``optuna`` made its searches."""
    hardware: Annotated[list[Processor], Field(max_length=20)]
    """Kinds of processor that they were computed on."""
    members: dict[str, Sha256]
    """Of every other file in the bundle."""


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
            raise SuiteError(f"{name}: {shortened(repr(member), 200)} may not be there; {CURE}")
        most = next((most for start, most in _MOST.items() if member.startswith(start)), LIMITS.member)
        if len(members[member]) > most:
            raise SuiteError(f"{name}: {member} has {len(members[member]):,} bytes; allowed: up to {most:,}")
    for needed in (MANIFEST, SETTINGS):
        if needed not in members:
            raise SuiteError(f"{name}: {needed} is missing; {CURE}")
    manifest = model_of_member(Manifest, name, MANIFEST, members.pop(MANIFEST))
    _check_members(name, manifest, members)
    return Bundle(
        name=name,
        sha256=sha256_bytes(path.read_bytes()),
        manifest=manifest,
        shared=model_of_member(Shared, name, SETTINGS, members[SETTINGS]),
        records={
            member: records_of_member(name, member, text)
            for member, text in members.items()
            if member[:8] == "records/"
        },
        searches={
            member: model_of_member(TunedRecipe, name, member, text)
            for member, text in members.items()
            if member.startswith("searches/")
        },
        code={member.removeprefix("code/"): text for member, text in members.items() if member.startswith("code/")},
    )


def _check_members(name: str, manifest: Manifest, members: Mapping[str, bytes]) -> None:
    for member in sorted(manifest.members.keys() | members.keys()):
        if member not in members:
            raise SuiteError(f"{name}: {shortened(repr(member), 200)} is missing, and {MANIFEST} names it; {CURE}")
        if manifest.members.get(member) != sha256_bytes(members[member]):
            raise SuiteError(f"{name}: {member} has not the SHA-256 that {MANIFEST} names; {CURE}")

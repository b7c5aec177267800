"""Preregistration: what was fixed before a confirmatory run, and what has become of it since.

``claims/frozen.json`` holds the digest of every claim file, date, the commit of the working tree, and for each regime
digests of all search spaces, recipes, budget, seeds, noise and studies. It is written once, before runs on fresh seeds; a
claim then stands as preregistered, was changed since, or came after. Claims, losses and studies that come later are added
under dates of their own; what stands already stays as it is. "Frozen" is what a backbone is, so texts say "preregistered".
"""

import subprocess
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from suite.errors import SuiteError
from suite.files import read_json, shown, write_json
from suite.judging.claims.design import Design
from suite.judging.claims.load import ClaimFile
from suite.settings.params import Settings
from suite.settings.paths import BOARD_FILE, CLAIMS_FOLDER, RESULTS_OF
from suite.settings.reading import explain_first

FROZEN_NAME = "frozen.json"
PREREGISTERED, CHANGED, CAME_AFTER = "as preregistered", "changed since", "came after"
Standing = Literal["as preregistered", "changed since", "came after"]


class Preregistered(BaseModel):
    """What was fixed on one date; digests are SHA-256."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    date: datetime
    commit: str | None
    """Of the working tree, with ``+`` where files were not committed; None outside of git."""
    claims: dict[str, str]
    """Digest of each claim's file, by id."""
    designs: dict[str, Design]
    """By regime."""
    anew: tuple[str, ...] = ()
    """Regimes whose design takes the place of an earlier one, by which nothing was run."""


class Frozen(Preregistered):
    """What ``claims/frozen.json`` holds."""

    later: tuple[Preregistered, ...] = ()
    """What was added, each without what stood there before."""

    def standing_of(self, file: ClaimFile) -> Standing:
        """Whether a claim stands as it was preregistered."""
        digest = self.all_claims.get(file.claim.id)
        if digest is None:
            return "came after"
        return "as preregistered" if digest == file.sha256 else "changed since"

    def changes(self, settings: Settings, regime: str = "frozen") -> list[str]:
        """What else is other than it was, a phrase each: search spaces, recipes, budget, seeds, noise, studies."""
        design = self.all_designs.get(regime)
        return [f"regime {regime}: came after"] if design is None else design.changes(Design.of(settings))

    @property
    def all_claims(self) -> dict[str, str]:
        """Digests of claims, of all dates."""
        return {name: digest for each in (self, *self.later) for name, digest in each.claims.items()}

    @property
    def all_designs(self) -> dict[str, Design]:
        """Designs of all dates, joined."""
        found = dict(self.designs)
        for each in self.later:
            for regime, design in each.designs.items():
                joins = regime in found and regime not in each.anew
                found[regime] = found[regime].joined(design) if joins else design
        return found


def freeze(
    files: Iterable[ClaimFile], settings: Mapping[str, Settings], *, renew: bool = False, folder: Path = CLAIMS_FOLDER
) -> Path:
    """Write ``frozen.json`` into the folder of claims; gives its path.

    Args:
        files: all claims.
        settings: of each regime, by its name.
        renew: whether to preregister anew what was preregistered before.
        folder: where the claims are.

    Raises:
        SuiteError: the claims are not of the current folder, something was preregistered before, or a loss cannot be found.
    """
    path = _own(folder)
    if path.exists() and not renew:
        date = f" on {before.date:%Y-%m-%d}" if (before := _readable(path)) else ""
        raise SuiteError(
            f"{shown(path)} was written{date}; a second preregistration hides what has changed since; "
            "to add what has come since: suite claims freeze --add; to begin anew: suite claims freeze --renew"
        )
    designs = {regime: Design.of(mine) for regime, mine in settings.items()}
    claims = {file.claim.id: file.sha256 for file in files}
    return _written(Frozen(date=_now(), commit=_commit(folder), claims=claims, designs=designs), path)


def add_later(files: Iterable[ClaimFile], settings: Mapping[str, Settings], folder: Path = CLAIMS_FOLDER) -> Path:
    """Add to ``frozen.json`` what it lacks, under today's date: further claims, losses, data sets and kinds of studies.

    What stands there stays, so that what has changed since is still told.

    Args:
        files: all claims.
        settings: of each regime, by its name.
        folder: where the claims are.

    Raises:
        SuiteError: the claims are not of the current folder, nothing was preregistered yet, there is nothing to add, or a
            loss cannot be found.
    """
    path, before = _own(folder), load_frozen(folder)
    if before is None:
        raise SuiteError(f"{shown(path)} is missing: there is nothing to add to; run: suite claims freeze")
    known, designs = before.all_designs, dict[str, Design]()
    for regime, mine in settings.items():
        design = Design.of(mine)
        new = design.beyond(known[regime]) if regime in known else design
        if not new.is_empty:
            designs[regime] = new
    claims = {file.claim.id: file.sha256 for file in files if file.claim.id not in before.all_claims}
    if not claims and not designs:
        raise SuiteError(f"{shown(path)} lacks nothing: no claim, loss, data set or kind of study has come since")
    added = Preregistered(date=_now(), commit=_commit(folder), claims=claims, designs=designs)
    return _written(before.model_copy(update={"later": (*before.later, added)}), path)


def design_anew(regime: str, settings: Settings, folder: Path = CLAIMS_FOLDER) -> Path:
    """Put the design of a regime that has no results yet in the place of the earlier one, under today's date.

    The earlier one stays in the file.

    Args:
        regime: name of the regime.
        settings: of the regime.
        folder: where the claims are.

    Raises:
        SuiteError: the claims are not of the current folder, nothing was preregistered yet, the regime has results, its
            design is the same, or a loss cannot be found.
    """
    path, before = _own(folder), load_frozen(folder)
    if before is None:
        raise SuiteError(f"{shown(path)} is missing: there is no design to replace; run: suite claims freeze")
    results = RESULTS_OF[regime] / BOARD_FILE.name
    if results.exists():
        raise SuiteError(f"regime {regime} has results, {shown(results)}; a design is replaced before there are any")
    design = Design.of(settings)
    if before.all_designs.get(regime) == design:
        raise SuiteError(f"{shown(path)} has the design of regime {regime} as it is now")
    added = Preregistered(date=_now(), commit=_commit(folder), claims={}, designs={regime: design}, anew=(regime,))
    return _written(before.model_copy(update={"later": (*before.later, added)}), path)


def _own(folder: Path) -> Path:
    """The file of a folder of claims.

    Raises:
        SuiteError: the folder is not of the current one.
    """
    path = folder / FROZEN_NAME
    if not path.resolve().is_relative_to(Path.cwd()):
        raise SuiteError(f"{path} is not of the current folder, {Path.cwd()}; run it in {folder.parent}")
    return path


def _now() -> datetime:
    return datetime.now(UTC).replace(microsecond=0)


def _written(frozen: Frozen, path: Path) -> Path:
    write_json(path, frozen.model_dump(mode="json"))
    return path


def load_frozen(folder: Path = CLAIMS_FOLDER) -> Frozen | None:
    """What was preregistered; None where nothing was.

    Raises:
        SuiteError: the file is no JSON, or does not hold what a freeze writes.
    """
    path = folder / FROZEN_NAME
    if not path.exists():
        return None
    cure = f"restore it: git checkout {shown(path)}, or preregister anew: suite claims freeze --renew"
    found = read_json(path, cure)
    if not isinstance(found, dict):
        raise SuiteError(f"{shown(path)} holds no preregistered claims; {cure}")
    try:
        return Frozen.model_validate(found)
    except ValidationError as error:
        raise SuiteError(f"{explain_first(error, Frozen, path)}; {cure}") from error


def _readable(path: Path) -> Frozen | None:
    try:
        return load_frozen(path.parent)
    except SuiteError:
        return None


def _commit(folder: Path) -> str | None:
    """Commit of the working tree that a folder lies in."""
    try:
        head, status = (
            subprocess.run(["git", *words], cwd=folder, capture_output=True, text=True, check=False)
            for words in (("rev-parse", "HEAD"), ("status", "--porcelain", "--untracked-files=no"))
        )
    except OSError:  # no git
        return None
    if head.returncode or status.returncode:
        return None
    return head.stdout.strip() + ("+" if status.stdout.strip() else "")

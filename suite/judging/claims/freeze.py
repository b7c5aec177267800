"""Preregistration: what was fixed before a confirmatory run, and what has become of it since.

``claims/frozen.json`` holds the digest of every claim file, date, the commit of the working tree, and for each regime
digests of all search spaces, recipes, budget, seeds, noise and studies. It is written once, before runs on fresh seeds; a
claim then stands as preregistered, was changed since, or came after. "Frozen" is what a backbone
is, so texts say "preregistered".
"""

import subprocess
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from suite.errors import SuiteError
from suite.files import read_json, shown, write_json
from suite.hashing import sha256_value
from suite.judging.claims.load import ClaimFile
from suite.losses.registry import find_loss
from suite.settings.params import Settings
from suite.settings.paths import CLAIMS_FOLDER
from suite.settings.reading import explain_first
from suite.training.search_space import declared_space, space_on

FROZEN_NAME = "frozen.json"
_STUDIES = {"ablation", "crossed", "splits", "fresh_seeds", "geometry"}
PREREGISTERED, CHANGED, CAME_AFTER = "as preregistered", "changed since", "came after"
Standing = Literal["as preregistered", "changed since", "came after"]


class Design(BaseModel):
    """What is fixed of a regime besides the claims; digests are SHA-256."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    search_spaces: dict[str, str]
    """Digest of what a search of each loss varies."""
    recipes: dict[str, dict[str, Any]]
    """How each data set is trained on."""
    budget: dict[str, Any]
    """``tuning`` without its losses: trials, folds, searches, tracks, noise, shared space."""
    seeds: int
    noise: dict[str, Any]
    studies: dict[str, Any]
    """``ablation``, ``crossed``, ``splits``, ``fresh_seeds`` and ``geometry``."""

    @classmethod
    def of(cls, settings: Settings) -> "Design":
        """What settings fix.

        Raises:
            SuiteError: a loss cannot be found, or its search space is none.
        """
        return cls(
            search_spaces={name: sha256_value(_spaces(name, settings)) for name in settings.all_losses},
            recipes={name: settings.recipe_of(name).model_dump(mode="json") for name in settings.datasets},
            budget=settings.tuning.model_dump(mode="json", exclude={"also"}),
            seeds=settings.seeds,
            noise=settings.noise.model_dump(mode="json"),
            studies=settings.model_dump(mode="json", include=_STUDIES),
        )

    def changes(self, now: "Design") -> list[str]:
        """What is other now, a phrase each."""
        told = [
            f"{what} {name}: {'changed' if name in was else 'came after'}"
            for what, was, value in (
                ("search space of", self.search_spaces, now.search_spaces),
                ("recipe on", self.recipes, now.recipes),
            )
            for name in value
            if was.get(name) != value[name]
        ]
        for name, was, value in (
            *((f"tuning.{key}", self.budget.get(key), now.budget[key]) for key in now.budget),
            *((f"noise.{key}", self.noise.get(key), now.noise[key]) for key in now.noise),
            *((key, self.studies.get(key), now.studies[key]) for key in now.studies),
            ("seeds", self.seeds, now.seeds),
        ):
            if was != value:
                told.append(f"{name}: {was} then, {value} now")
        return told


class Frozen(BaseModel):
    """What ``claims/frozen.json`` holds; digests are SHA-256."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    date: datetime
    commit: str | None
    """Of the working tree, with ``+`` where files were not committed; None outside of git."""
    claims: dict[str, str]
    """Digest of each claim's file, by id."""
    designs: dict[str, Design]
    """By regime."""

    def standing_of(self, file: ClaimFile) -> Standing:
        """Whether a claim stands as it was preregistered."""
        digest = self.claims.get(file.claim.id)
        if digest is None:
            return "came after"
        return "as preregistered" if digest == file.sha256 else "changed since"

    def changes(self, settings: Settings, regime: str = "frozen") -> list[str]:
        """What else is other than it was, a phrase each: search spaces, recipes, budget, seeds, noise, studies."""
        if regime not in self.designs:
            return [f"regime {regime}: came after"]
        return self.designs[regime].changes(Design.of(settings))


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
    path = folder / FROZEN_NAME
    if not path.resolve().is_relative_to(Path.cwd()):
        raise SuiteError(f"{path} is not of the current folder, {Path.cwd()}; run it in {folder.parent}")
    if path.exists() and not renew:
        date = f" on {before.date:%Y-%m-%d}" if (before := _readable(path)) else ""
        raise SuiteError(
            f"{shown(path)} was written{date}; a second preregistration hides what has changed since; "
            "to begin anew: suite claims freeze --renew"
        )
    frozen = Frozen(
        date=datetime.now(UTC).replace(microsecond=0),
        commit=_commit(folder),
        claims={file.claim.id: file.sha256 for file in files},
        designs={regime: Design.of(mine) for regime, mine in settings.items()},
    )
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


def _spaces(loss: str, settings: Settings) -> dict[str, Any]:
    """What a search of a loss varies on each data set."""
    entry = settings.all_losses[loss]
    space = declared_space(find_loss(loss, entry), entry, settings.tuning.space)
    return {name: space_on(name, dataset.limits, space) for name, dataset in settings.datasets.items()}


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

"""Preregistration: what was fixed before a confirmatory run, and what has become of it since.

``claims/frozen.json`` holds the digest of every claim file and of every search space, budget, seeds, noise, studies, date,
and the commit of the working tree. It is written once, before runs on fresh seeds; a claim then stands as frozen, was
changed since, or came after.
"""

import subprocess
from collections.abc import Iterable
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
from suite.training.search_space import declared_space

FROZEN_NAME = "frozen.json"
_STUDIES = {"ablation", "crossed", "splits", "fresh_seeds", "geometry"}
AS_FROZEN, CHANGED, CAME_AFTER = "as frozen", "changed since", "came after"
Standing = Literal["as frozen", "changed since", "came after"]


class Frozen(BaseModel):
    """What ``claims/frozen.json`` holds; digests are SHA-256."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    date: datetime
    commit: str | None
    """Of the working tree, with ``+`` where files were not committed; None outside of git."""
    claims: dict[str, str]
    """Digest of each claim's file, by id."""
    search_spaces: dict[str, str]
    """Digest of what a search of each loss varies."""
    budget: dict[str, Any]
    """``tuning`` of ``params.yaml`` without its losses: trials, folds, searches, tracks, noise, shared space."""
    seeds: int
    noise: dict[str, Any]
    studies: dict[str, Any]
    """``ablation``, ``crossed``, ``splits``, ``fresh_seeds`` and ``geometry`` of ``params.yaml``."""

    def standing_of(self, file: ClaimFile) -> Standing:
        """Whether a claim stands as it was frozen."""
        digest = self.claims.get(file.claim.id)
        if digest is None:
            return "came after"
        return "as frozen" if digest == file.sha256 else "changed since"

    def changes(self, settings: Settings) -> list[str]:
        """What else is other than it was, a phrase each: search spaces, budget, seeds, noise, studies."""
        now = design_of(settings)
        told = [
            f"search space of {loss}: {'changed' if loss in self.search_spaces else 'came after'}"
            for loss, digest in now["search_spaces"].items()
            if self.search_spaces.get(loss) != digest
        ]
        for name, was, value in (
            *((f"tuning.{key}", self.budget.get(key), now["budget"][key]) for key in now["budget"]),
            *((f"noise.{key}", self.noise.get(key), now["noise"][key]) for key in now["noise"]),
            *((key, self.studies.get(key), now["studies"][key]) for key in now["studies"]),
            ("seeds", self.seeds, now["seeds"]),
        ):
            if was != value:
                told.append(f"{name}: {was} then, {value} now")
        return told


def design_of(settings: Settings) -> dict[str, Any]:
    """What is fixed besides the claims: digests of search spaces, budget, seeds, noise and studies, as plain values.

    Raises:
        SuiteError: a loss cannot be found, or its search space is none.
    """
    spaces = {
        name: sha256_value(declared_space(find_loss(name, entry), entry, settings.tuning.space))
        for name, entry in settings.all_losses.items()
    }
    budget = settings.tuning.model_dump(mode="json", exclude={"also"})
    return {
        "search_spaces": spaces,
        "budget": budget,
        "seeds": settings.seeds,
        "noise": settings.noise.model_dump(mode="json"),
        "studies": settings.model_dump(mode="json", include=_STUDIES),
    }


def freeze(
    files: Iterable[ClaimFile], settings: Settings, *, renew: bool = False, folder: Path = CLAIMS_FOLDER
) -> Path:
    """Write ``frozen.json`` into the folder of claims; gives its path.

    Args:
        files: all claims.
        settings: what ``params.yaml`` holds.
        renew: whether to freeze anew what was frozen before.
        folder: where the claims are.

    Raises:
        SuiteError: the claims are not of the current folder, something was frozen before, or a loss cannot be found.
    """
    path = folder / FROZEN_NAME
    if not path.resolve().is_relative_to(Path.cwd()):
        raise SuiteError(f"{path} is not of the current folder, {Path.cwd()}; run it in {folder.parent}")
    if path.exists() and not renew:
        date = f" on {before.date:%Y-%m-%d}" if (before := _readable(path)) else ""
        raise SuiteError(
            f"{shown(path)} was written{date}; a second freeze hides what has changed since; "
            "to begin anew: suite claims freeze --renew"
        )
    claims = {file.claim.id: file.sha256 for file in files}
    frozen = Frozen(
        date=datetime.now(UTC).replace(microsecond=0), commit=_commit(folder), claims=claims, **design_of(settings)
    )
    write_json(path, frozen.model_dump(mode="json"))
    return path


def load_frozen(folder: Path = CLAIMS_FOLDER) -> Frozen | None:
    """What was frozen; None where nothing was.

    Raises:
        SuiteError: the file is no JSON, or does not hold what a freeze writes.
    """
    path = folder / FROZEN_NAME
    if not path.exists():
        return None
    cure = f"restore it: git checkout {shown(path)}, or freeze anew: suite claims freeze --renew"
    found = read_json(path, cure)
    if not isinstance(found, dict):
        raise SuiteError(f"{shown(path)} holds no frozen claims; {cure}")
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

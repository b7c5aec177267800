"""Reads the claim files: one claim a file, checked, and their common hash."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from suite.errors import SuiteError, allowed, several
from suite.files import shown
from suite.hashing import sha256_file, sha256_value
from suite.judging.claims.parts import DATASET, LOSS
from suite.judging.claims.schema import CLAIM_KINDS, Claim, ClaimOnRecords
from suite.settings.paths import CLAIMS_FOLDER
from suite.settings.plans import Regime
from suite.settings.reading import explain
from suite.settings.yaml_files import read_yaml


@dataclass(frozen=True, slots=True)
class ClaimFile:
    """A claim and the file that it stands in.

    Attributes:
        claim: the claim.
        path: its file, relative to the folder of claims.
        sha256: digest of the file's bytes.
    """

    claim: Claim
    path: Path
    sha256: str

    def within(self, regime: Regime) -> "ClaimFile | None":
        """The same claim about another regime; None where it is about none, or about the published benchmarks.

        A claim that names ``finetuned`` in its file stays as it is.
        """
        claim = self.claim
        if not isinstance(claim, ClaimOnRecords) or claim.regime == "published":
            return None
        return replace(self, claim=claim.model_copy(update={"regime": regime}))


def load_claims(
    user_losses: Iterable[str] = (), user_datasets: Iterable[str] = (), folder: Path = CLAIMS_FOLDER
) -> list[ClaimFile]:
    """All claims of a folder and the folders in it, by path.

    Args:
        user_losses: losses beyond the suite's that claims may name.
        user_datasets: data sets beyond the suite's that claims may name.
        folder: where to look.

    Raises:
        SuiteError: a file is no YAML, leaves something out, names something unknown or repeats an id; or there is no file.
    """
    names = {LOSS: tuple(user_losses), DATASET: tuple(user_datasets)}
    found = [_load(path, folder, names) for path in sorted(folder.rglob("*.yaml"))]
    if not found:
        raise SuiteError(f"folder {shown(folder)} holds no claim; allowed: one or more *.yaml")
    seen: dict[str, Path] = {}
    for entry in found:
        if entry.claim.id in seen:
            raise SuiteError(
                f"{shown(folder / entry.path)}: id = {entry.claim.id!r} is the id of {seen[entry.claim.id]} too; "
                "rename one of the files"
            )
        seen[entry.claim.id] = entry.path
    return found


def claims_hash(claims: Iterable[ClaimFile]) -> str:
    """SHA-256 over the names and bytes of all claim files."""
    return sha256_value([(entry.path.as_posix(), entry.sha256) for entry in claims])


def _load(path: Path, folder: Path, names: dict[str, Any]) -> ClaimFile:
    values = read_yaml(path)
    if not isinstance(values, dict):
        raise SuiteError(
            f"{shown(path)} holds no fields; write one field a line, such as `kind: superiority`. A complete example: "
            f"{CLAIMS_FOLDER.name}/above-cpml-noise-0.yaml"
        )
    kind = values.get("kind")
    if not isinstance(kind, str) or kind not in CLAIM_KINDS:
        raise SuiteError(f"{shown(path)}: kind = {kind!r}; allowed: {allowed(CLAIM_KINDS)}")
    try:
        claim = CLAIM_KINDS[kind].model_validate(values, context=names)
    except ValidationError as error:
        raise several(explain(error, CLAIM_KINDS[kind], path)) from error
    if claim.id != path.stem:
        raise SuiteError(f"{shown(path)}: id = {claim.id!r}; allowed: the name of the file, {path.stem}")
    return ClaimFile(claim, path.relative_to(folder), sha256_file(path))

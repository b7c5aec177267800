"""Versions of Python and libraries: each record has those that its runs write, the manifest those of all records."""

import re
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, metadata, requires

from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.version import InvalidVersion, Version

from suite.errors import SuiteError, allowed, shortened
from suite.evaluation.records import Record
from suite.judging.handed_in.bundle import MANIFEST, Bundle
from suite.judging.handed_in.protocol import DISTRIBUTION
from suite.training.cache import VERSIONED
from suite.training.finetuned.stage import VERSIONED as OF_VIEWS

SEARCHER = "optuna"
"""The library that searches; no record has its version."""


def versions_of(records: Iterable[Record]) -> dict[str, str]:
    """Of Python and libraries, as the records have them; several where runs had several."""
    found: dict[str, set[str]] = {}
    for record in records:
        for name, value in record.versions.items():
            found.setdefault(name, set()).add(value)
    return {name: allowed(sorted(values)) for name, values in sorted(found.items())}


def check_versions(bundle: Bundle) -> None:
    """Check the versions of a bundle against each other and against those that the suite runs with.

    Raises:
        SuiteError: a record lacks one or has another library's, the suite does not run with one, or the manifest has others
            than the records.
    """
    needed = _needed()
    for record in (record for records in bundle.records.values() for record in records):
        names = {"python", *VERSIONED, *(OF_VIEWS if record.regime == "finetuned" else ())}
        if record.versions.keys() != names:
            told = shortened(allowed(sorted(record.versions)) or "none", 200)
            raise SuiteError(f"{record.where}: versions of {told}; allowed: of {allowed(sorted(names))}")
        for name, version in record.versions.items():
            if wrong := _wrong(version, needed.get(name)):
                raise SuiteError(f"{record.where}: versions.{name} = {shortened(repr(version), 80)}; allowed: {wrong}")
    given = dict(bundle.manifest.versions)
    searcher = given.pop(SEARCHER, None)
    if (searcher is not None) != bool(bundle.searches) or (searcher and _wrong(searcher, needed.get(SEARCHER))):
        wanted = needed.get(SEARCHER, "a version") if bundle.searches else "none, as nothing was searched"
        raise bundle.refuse(MANIFEST, f"versions.{SEARCHER} = {searcher!r}; allowed: {wanted}")
    wanted_ = versions_of(record for records in bundle.records.values() for record in records)
    for name in sorted(given.keys() | wanted_.keys()):
        if given.get(name) != wanted_.get(name):
            told = f"versions.{name} = {given.get(name)!r}; allowed: {wanted_.get(name)!r}, as in the records"
            raise bundle.refuse(MANIFEST, told)


def _wrong(version: str, needed: SpecifierSet | None) -> str:
    """What is allowed in place of a version; empty if it is."""
    try:
        fits = needed is None or needed.contains(Version(version), prereleases=True)
    except InvalidVersion:
        return "a version, e.g. 2.4.1"
    return "" if fits and len(version) <= 40 else f"{needed}, as the suite needs it"


def _needed() -> dict[str, SpecifierSet]:
    """The versions that the suite runs with, where its installation tells them."""
    found: dict[str, SpecifierSet] = {}
    try:
        told = [Requirement(line) for line in requires(DISTRIBUTION) or ()]
        found["python"] = SpecifierSet(metadata(DISTRIBUTION)["Requires-Python"] or "")
    except (PackageNotFoundError, InvalidRequirement, InvalidSpecifier, KeyError):
        return found
    return found | {re.sub("[-_.]+", "-", each.name).lower(): each.specifier for each in told if each.specifier}

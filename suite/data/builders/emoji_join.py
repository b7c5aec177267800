"""Joining the drawings of several vendors into emoji classes.

A vendor's set is the icon data of an @iconify-json package: drawings under names, aliases of those names, code points
for some sets, and categories. Two drawings show the same emoji where a name, an alias or a code-point sequence is
common to both, directly or through other vendors. Skin-tone variants, flags, withdrawn ("hidden") drawings and mirror
images of another drawing are left out, and so is a class for which one vendor has two drawings: such a join cannot be
trusted.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from scipy.cluster.hierarchy import DisjointSet

VARIATION_SELECTOR = "fe0f"
_TONE_SUFFIX = re.compile(r"-(?:light|medium-light|medium|medium-dark|dark)$")


@dataclass(frozen=True, slots=True, order=True)
class Drawing:
    """One vendor's drawing: the vendor's prefix and the drawing's own name in that set."""

    vendor: str
    name: str


@dataclass(frozen=True, slots=True)
class VendorSet:
    """What one package says about its drawings.

    Attributes:
        vendor: prefix of the set.
        icons: drawings by name.
        aliases: further names; each has a "parent", and a transformation where the picture is a mirror image.
        code_points: name by code-point sequence, such as "1f468-200d-1f373"; empty where the set gives none.
        flags: names that the set lists as flags.
    """

    vendor: str
    icons: Mapping[str, Mapping[str, Any]]
    aliases: Mapping[str, Mapping[str, Any]]
    code_points: Mapping[str, str]
    flags: frozenset[str]


def is_skin_tone(name: str, names: Iterable[str] | Mapping[str, Any]) -> bool:
    """Tell whether a name is a skin-tone variant of another name of the same set.

    Args:
        name: name of a drawing.
        names: all names of the set. "police-car-light" is no variant: there is no "police-car-medium-dark".

    Returns:
        True for names that say "skin-tone" or "tone1" .. "tone5", and for names ending in a tone whose stem has the
        tone "medium-dark" too.
    """
    if "skin-tone" in name or re.search(r"-tone[1-5]$", name):
        return True
    match = _TONE_SUFFIX.search(name)
    return match is not None and f"{name[: match.start()]}-medium-dark" in names


def is_flag(name: str, flags: frozenset[str]) -> bool:
    """Tell whether a name is a flag: the set lists it so, or it starts with "flag-for-" (sets without categories)."""
    return name in flags or name.startswith("flag-for-")


def resolve(name: str, aliases: Mapping[str, Mapping[str, Any]]) -> str | None:
    """Follow aliases to the drawing; None where the way leads over a mirror image or a rotation."""
    while name in aliases:
        alias = aliases[name]
        if set(alias) != {"parent"}:
            return None
        name = alias["parent"]
    return name


def keys_of(vendor_set: VendorSet) -> dict[str, set[str]]:
    """Collect what each drawing of a set is known under.

    Args:
        vendor_set: one vendor's set.

    Returns:
        For each drawing kept, its name, its aliases and its code points as "U+..." without variation selectors.
        A drawing is left out where it is hidden, a skin-tone variant, or known under the name of a flag.
    """
    icons, aliases = vendor_set.icons, vendor_set.aliases
    keys: dict[str, set[str]] = {
        name: {name} for name, icon in icons.items() if not icon.get("hidden") and not is_skin_tone(name, icons)
    }
    for alias in aliases:
        target = resolve(alias, aliases)
        if target in keys and not is_skin_tone(alias, icons):
            keys[target].add(alias)
    for sequence, name in vendor_set.code_points.items():
        target = resolve(name, aliases)
        if target in keys:
            parts = [part for part in sequence.split("-") if part != VARIATION_SELECTOR]
            keys[target].add("U+" + "-".join(parts))
    return {name: known for name, known in keys.items() if not any(is_flag(key, vendor_set.flags) for key in known)}


def join(sets: Sequence[VendorSet], minimum: int) -> dict[str, list[Drawing]]:
    """Join drawings into classes.

    Args:
        sets: the vendors' sets; a class takes its name from the first set that draws it.
        minimum: least number of vendors of a class.

    Returns:
        Drawings of each class in the order of `sets`, classes by name. A class for which a vendor has two drawings is
        left out, and so is one in which any name of any vendor is a flag.
    """
    groups: DisjointSet = DisjointSet()
    members: list[Drawing] = []
    for vendor_set in sets:
        for name, keys in keys_of(vendor_set).items():
            drawing = Drawing(vendor_set.vendor, name)
            members.append(drawing)
            groups.add(drawing)
            for key in keys:
                groups.add(key)
                groups.merge(drawing, key)
    flags = frozenset[str]().union(*(vendor_set.flags for vendor_set in sets))
    found: dict[Any, list[Drawing]] = defaultdict(list)
    for drawing in members:
        found[groups[drawing]].append(drawing)
    classes: dict[str, list[Drawing]] = {}
    for drawings in found.values():
        vendors = {drawing.vendor for drawing in drawings}
        if len(drawings) != len(vendors) or len(vendors) < minimum:
            continue
        if not any(is_flag(drawing.name, flags) for drawing in drawings):
            classes[drawings[0].name] = drawings
    return dict(sorted(classes.items()))

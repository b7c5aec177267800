"""What the site says of a loss that somebody handed in: where its results come from, and how far they were checked."""

from typing import Any

from suite.judging.handed_in.code import text_of
from suite.judging.handed_in.folder import bundle_path
from suite.judging.handed_in.standing import HandedIn, shown_records
from suite.losses.registry import target_of


def about(handed_in: HandedIn) -> dict[str, Any]:
    """What its page shows: where its results come from, and how far each regime and tuning track was checked."""
    bundle, manifest = handed_in.bundle, handed_in.bundle.manifest
    places = dict.fromkeys((record.regime, record.track) for record in shown_records(bundle))
    checks = []
    for regime, track in places:
        standing = handed_in.standing(regime, track)
        checks.append([f"{regime}, {track}", standing.mark, standing.told or "none of its runs were computed here"])
    target = target_of(bundle.loss, bundle.shared.loss)
    texts = {name: text_of(target, bundle.code, bundle.name, name) for name in ("formula", "source")}
    return {
        **texts,
        "marks": list(dict.fromkeys(check[1] for check in checks)),
        "facts": [
            ("Author", manifest.author or "not told"),
            ("To cite", manifest.citation or "not told"),
            ("Licence", manifest.licence),
            ("Version of the suite", manifest.suite_version),
            ("Processors", ", ".join(manifest.hardware) or "not told"),
            ("Libraries", ", ".join(f"{name} {version}" for name, version in manifest.versions.items())),
            ("Code", ", ".join(bundle.code) or "none of its own"),
            ("Bundle", bundle_path(bundle.loss).as_posix()),
            ("SHA-256 of the bundle", bundle.sha256),
        ],
        "checks": checks,
        "target": target,
    }

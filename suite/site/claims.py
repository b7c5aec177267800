"""placeholder"""

from typing import Any


def summary(claims: Any) -> list[dict[str, Any]]:
    return []


def write_claims(pages: Any, claims: Any) -> None:
    pages.write("claims.html", "claims", "Claims", claims=[])

"""Where studies leave their records: DVC's outputs, and their copies in git."""

from pathlib import Path

PUBLISHED_FOLDER = Path("paper_values")
ABLATIONS_FOLDER = Path("ablations")
GEOMETRY_FOLDER = Path("geometry")
STUDIES_FOLDER = Path("results/studies")
"""Records of studies as git keeps them, a folder a kind."""

"""The measured part of a data sheet: counts, and what retrieval reaches before anything is trained."""

from pathlib import Path

import numpy as np
from rich.console import Console

from suite.data.catalog import verified
from suite.data.features import Features, load_features
from suite.data.split import num_training_classes
from suite.data.table import ImageTable, read_table
from suite.errors import SuiteError
from suite.evaluation.frozen import baseline_table
from suite.files import write_text
from suite.settings.feature_paths import features_path

SHEETS_FOLDER = Path("docs/data")
MARKER = "<!-- baselines -->"
END_MARKER = "<!-- end of baselines -->"


def update_sheet(dataset: str, console: Console) -> str:
    """Measure a data set, put the result between the markers of ``docs/data/DATASET.md``, and give it.

    Features are taken from the pipeline's file where it covers the whole data set, and computed otherwise.

    Raises:
        SuiteError: the data file or the sheet is missing, or the sheet lacks the marker.
    """
    data = verified(dataset)
    table = read_table(data.path)
    sheet = SHEETS_FOLDER / f"{dataset}.md"
    text = sheet.read_text(encoding="utf-8") if sheet.is_file() else ""
    if MARKER not in text:
        raise SuiteError(f"data sheet {sheet} lacks the line {MARKER}")
    measured = describe(dataset, table, _features(dataset, table, data.sha256, console))
    before, rest = text.split(MARKER, 1)
    after = rest.split(END_MARKER, 1)[1] if END_MARKER in rest else rest
    write_text(sheet, f"{before}{MARKER}\n{measured}{END_MARKER}{after}")
    return measured


def _features(dataset: str, table: ImageTable, data_sha256: str, console: Console) -> Features:
    path = features_path(dataset)
    if path.is_file():
        stored = load_features(path)
        if stored.data_sha256 == data_sha256 and np.array_equal(stored.labels, table.labels):
            return stored
    from suite.training.features import extract  # with the backbone's library, which the pages do not need

    return Features(extract(table, dataset, console), table.labels, data_sha256)


def describe(dataset: str, table: ImageTable, features: Features) -> str:
    """Counts and untrained R@1 of a data set as Markdown."""
    test = table.labels >= num_training_classes(table.num_classes)
    counts = np.bincount(table.labels)
    lines = [
        f"Printed by `suite data sheet {dataset}`:",
        "",
        "| | training classes | test classes |",
        "|---|---:|---:|",
        f"| classes | {len(np.unique(table.labels[~test]))} | {len(np.unique(table.labels[test]))} |",
        f"| images | {int((~test).sum())} | {int(test.sum())} |",
    ]
    for name, parts in baseline_table(table, features).items():
        lines.append(f"| R@1 of {name} (%) | " + " | ".join(f"{value:.1f}" for value in parts.values()) + " |")
    lines += ["", f"Images a class: {counts.min()} to {counts.max()}, median {int(np.median(counts))}.", ""]
    return "\n".join(lines)

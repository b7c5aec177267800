"""Reading data sets and splitting classes, on the stored data themselves."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from suite.data import catalog
from suite.data.split import cut_classes, num_training_classes
from suite.data.table import read_table
from suite.errors import SuiteError


@pytest.mark.parametrize("name", list(catalog.EMBEDDED))
def test_stored_data_are_what_the_catalog_says(data_folder, name):
    table = read_table(catalog.verified(name, data_folder).path)
    assert len(set(table.class_names)) == table.num_classes
    assert np.bincount(table.labels).min() >= 2
    assert len(table.images) == len(table.labels) == len(table.licences) == len(table.sources)
    pixels = table.decode(np.array([0, len(table.labels) - 1]))
    assert pixels.dtype == np.uint8
    assert pixels.shape[1] == pixels.shape[2] >= 64


def test_a_cut_keeps_both_halves(data_folder):
    path = data_folder / "emoji.parquet"
    whole, cut = read_table(path), read_table(path, 20)
    half = num_training_classes(whole.num_classes)
    assert cut.num_classes == 20
    assert cut.class_names == whole.class_names[:10] + whole.class_names[half : half + 10]
    assert cut.images[0] == whole.images[0]


def test_cut_of_more_classes_than_there_are():
    assert cut_classes(9, 100).tolist() == [0, 1, 2, 3, 4, 5, 6, 7]


def test_altered_and_missing_files_are_refused(data_folder, tmp_path):
    altered = bytearray((data_folder / "emoji.parquet").read_bytes())
    altered[1000] ^= 1
    (tmp_path / "emoji.parquet").write_bytes(altered)
    with pytest.raises(SuiteError, match=r"emoji\.parquet was altered: its sha256 is .*, allowed is"):
        catalog.verified("emoji", tmp_path)
    with pytest.raises(SuiteError, match=r"furniture\.parquet is missing; fetch it with: dvc pull data\.dvc"):
        catalog.verified("furniture", tmp_path)


def test_unknown_data_set():
    with pytest.raises(SuiteError, match="unknown data set 'birds'; allowed: emoji, furniture, typefaces"):
        catalog.verified("birds")


def test_labels_with_a_gap_are_refused(tmp_path):
    count = 6
    columns = {"image": [b""] * count, "label": [0, 1, 2, 3, 5, 5], "class_name": ["x"] * count}
    pq.write_table(pa.table(columns | {"source": ["s"] * count, "licence": ["l"] * count}), tmp_path / "gap.parquet")
    with pytest.raises(SuiteError, match="labels must be 0 to C - 1"):
        read_table(tmp_path / "gap.parquet")
    pq.write_table(pa.table({"image": [b""]}), tmp_path / "columns.parquet")
    with pytest.raises(SuiteError, match="lacks column label"):
        read_table(tmp_path / "columns.parquet")

"""Files are replaced whole or not at all."""

import shutil

import pytest
from safetensors import SafetensorError

from suite.files import clear, read_lines, replacing, write_json, write_lines, write_text


def test_an_interrupted_write_leaves_the_old_file(tmp_path):
    path = tmp_path / "folder" / "a.json"
    write_json(path, {"a": 1})

    def interrupted():
        with replacing(path) as temporary:
            temporary.write_text("half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert path.read_text() == '{\n  "a": 1\n}\n'
    assert [file.name for file in path.parent.iterdir()] == ["a.json"]


@pytest.mark.parametrize(
    "error",
    [
        OSError(28, "No space left on device"),
        OSError("Error writing bytes to file. Detail: [errno 28] No space left on device"),
        SafetensorError("Error while serializing: I/O error: No space left on device (os error 28)"),
    ],
)
def test_what_the_system_refuses_names_the_file_whichever_library_met_it(tmp_path, error):
    with pytest.raises(OSError, match="No space left on device") as caught, replacing(tmp_path / "a.json"):
        raise error
    assert (caught.value.errno, caught.value.filename) == (28, str(tmp_path / "a.json"))


def test_an_error_about_another_file_stays_what_it_is(tmp_path):
    with pytest.raises(FileNotFoundError) as caught, replacing(tmp_path / "a.json") as temporary:
        shutil.copyfile(tmp_path / "gone", temporary)
    assert str(caught.value.filename) == str(tmp_path / "gone")
    with pytest.raises(SafetensorError, match="odd"), replacing(tmp_path / "a.json"):
        raise SafetensorError("odd")


def test_rows_round_trip(tmp_path):
    rows = [{"a": 0.1, "b": None}, {"a": 1e-300, "b": "é"}]
    write_lines(tmp_path / "a.jsonl", rows)
    assert read_lines(tmp_path / "a.jsonl") == rows
    write_lines(tmp_path / "a.jsonl", [])
    assert read_lines(tmp_path / "a.jsonl") == []


def test_clearing_leaves_what_is_somebody_else_s(tmp_path):
    folder = tmp_path / "runs"
    for name in ("records.jsonl", "embeddings-0.safetensors", "mine.txt"):
        write_text(folder / name, "x")
    clear(folder, "records.jsonl", "embeddings-*.safetensors")
    assert [path.name for path in folder.iterdir()] == ["mine.txt"]
    (folder / "mine.txt").unlink()
    clear(folder, "*")
    assert not folder.exists()
    clear(folder, "*")

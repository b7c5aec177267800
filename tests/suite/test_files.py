"""Files are replaced whole or not at all."""

import pytest

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

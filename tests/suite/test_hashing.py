"""Digests of files, source trees and values."""

import hashlib

from suite.hashing import sha256_file, sha256_source, sha256_value


def test_a_file_has_the_digest_of_its_bytes(tmp_path):
    path = tmp_path / "a.py"
    path.write_bytes(b"abc")
    assert sha256_file(path) == sha256_source(path) == hashlib.sha256(b"abc").hexdigest()


def test_a_source_tree_is_its_python_files_and_their_names(tmp_path):
    (tmp_path / "inner").mkdir()
    (tmp_path / "inner/a.py").write_text("a = 1\n")
    first = sha256_source(tmp_path)
    (tmp_path / "inner/notes.txt").write_text("not code")
    assert sha256_source(tmp_path) == first
    (tmp_path / "inner/a.py").write_text("a = 2\n")
    second = sha256_source(tmp_path)
    (tmp_path / "inner/a.py").rename(tmp_path / "inner/b.py")
    assert len({first, second, sha256_source(tmp_path)}) == 3


def test_a_value_does_not_depend_on_the_order_of_keys():
    assert sha256_value({"a": 1, "b": [1, 2]}) == sha256_value({"b": [1, 2], "a": 1})
    assert sha256_value({"a": 1, "b": [1, 2]}) != sha256_value({"a": 1, "b": [2, 1]})

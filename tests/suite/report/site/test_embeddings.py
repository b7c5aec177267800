"""Neighbours against a slow loop, draws that no result can sway, maps that come out the same."""

import numpy as np
import pytest
from safetensors.numpy import save_file

from suite.errors import SuiteError
from suite.report.site.embeddings import (
    MAP_CLASSES,
    QUERIES,
    Embeddings,
    choose_classes,
    choose_queries,
    in_plane,
    load_embeddings,
    nearest_neighbours,
    shared_by_all,
)

RNG = np.random.default_rng(0)


def test_neighbours_are_those_of_a_slow_loop_with_ties_by_index():
    vectors = RNG.integers(-2, 3, (40, 3)).astype(np.float32) + np.float32(0.5)
    queries = np.array([0, 7, 39])
    units = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    for query, found in zip(queries, nearest_neighbours(vectors, queries, 6), strict=True):
        similarity = units[query] @ units.T
        order = sorted((i for i in range(40) if i != query), key=lambda i: (-similarity[i], i))
        assert found.tolist() == order[:6]


def test_a_query_is_never_its_own_neighbour_even_among_copies():
    vectors = np.ones((5, 2), dtype=np.float32)
    assert nearest_neighbours(vectors, np.array([2]), 9).tolist() == [[0, 1, 3, 4]]


def test_queries_are_of_different_classes_with_more_than_one_image():
    labels = np.repeat(np.arange(30), 3)
    labels = np.append(labels, 30)
    queries = choose_queries("emoji", labels)
    assert len(queries) == len(set(labels[queries])) == QUERIES
    assert 30 not in labels[queries]
    assert queries.tolist() == choose_queries("emoji", labels).tolist()
    assert queries.tolist() != choose_queries("furniture", labels).tolist()


@pytest.mark.parametrize(("each", "classes"), [(7, MAP_CLASSES), (40, 7), (4000, 2)])
def test_a_map_has_as_many_classes_as_give_enough_points(each, classes):
    assert len(choose_classes("emoji", np.repeat(np.arange(50), each))) == classes


def test_a_map_comes_out_the_same_and_keeps_groups_together():
    vectors = np.repeat(np.eye(3, 8), 12, axis=0) + 0.02 * RNG.normal(size=(36, 8))
    plane = in_plane(vectors.astype(np.float32))
    assert np.array_equal(plane, in_plane(vectors.astype(np.float32)))
    assert np.abs(plane).max() == 1
    distances = np.linalg.norm(plane[:, None] - plane[None], axis=2)
    np.fill_diagonal(distances, np.inf)
    assert (distances.argmin(axis=1) // 12 == np.arange(36) // 12).all()


def test_embeddings_of_other_rows_are_refused():
    one = Embeddings(np.ones((2, 2), np.float32), np.array([0, 1]), np.array([4, 5]))
    other = Embeddings(one.vectors, one.labels, np.array([4, 6]))
    with pytest.raises(SuiteError, match="emoji: embeddings of b and a are of different rows"):
        shared_by_all({"a": one, "b": other}, "emoji")


def test_arrays_that_do_not_fit_are_refused(tmp_path):
    path = tmp_path / "emoji-pfml-0.safetensors"
    save_file({"embeddings": np.ones((3, 2), np.float16), "labels": np.arange(2), "rows": np.arange(3)}, path)
    with pytest.raises(SuiteError, match="do not fit; allowed are"):
        load_embeddings(path)
    path.write_bytes(b"no tensors")
    with pytest.raises(SuiteError, match="is damaged"):
        load_embeddings(path)

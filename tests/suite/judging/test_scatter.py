"""Sources of scatter: which of them records tell apart, and by how much."""

import numpy as np
import pytest

from suite.judging.scatter import same_values, scatter_of
from suite.judging.statistics.variance import nested_components
from suite.losses.code_changes import CODE_DIGESTS
from tests.helpers.records import record

VALUES = np.random.default_rng(0).integers(4000, 6000, size=(3, 4)) / 10_000
"""R@1 by search and seed within it."""


def searched(level=0.0, **more):
    """Seed s takes the values of search s modulo 3."""
    return [record("pfml", level, seed, VALUES[seed % 3, seed // 3], search=seed % 3, **more) for seed in range(12)]


def test_seeds_are_nested_in_searches():
    (found,) = scatter_of(searched())
    assert found.place == ("frozen", "tuned", "emoji", "pfml", "none", 0.0)
    assert (found.runs, found.remark) == (12, "")
    oracle = nested_components(100 * VALUES)
    assert found.variance == {"search": pytest.approx(oracle[0]), "seed": pytest.approx(oracle[1])}


def test_searches_are_nested_in_splits_of_the_classes():
    first = searched()
    second = [each.model_copy(update={"split": 1}) for each in searched()]
    (found,) = scatter_of([*first, *second])
    oracle = nested_components(100 * np.stack([VALUES, VALUES]))
    assert found.variance == dict(zip(("class split", "search", "seed"), map(pytest.approx, oracle), strict=True))


def test_a_mask_of_one_seed_is_not_told_from_it_and_a_shared_one_is():
    (found,) = scatter_of(searched(0.2))
    assert set(found.variance) == {"search", "seed"}
    assert found.remark == "the seed's holds the noise mask's"
    shared = [record("pfml", 0.2, s, VALUES[s % 3, s // 3], noise_sha256=f"mask {s % 3}") for s in range(12)]
    (found,) = scatter_of(shared)
    oracle = nested_components(100 * VALUES)
    assert found.variance == {"noise mask": pytest.approx(oracle[0]), "seed": pytest.approx(oracle[1])}


def test_one_search_leaves_the_seed_alone_and_one_seed_each_the_search():
    alone = [record("pfml", 0, seed, 0.5 + seed / 100, search=0) for seed in range(3)]
    assert scatter_of(alone)[0].variance == {"seed": pytest.approx(1.0)}
    each = [record("pfml", 0, seed, 0.5 + seed / 100, search=seed) for seed in range(3)]
    (found,) = scatter_of(each)
    assert found.variance == {"search": pytest.approx(1.0)}
    assert found.remark == "one run each: the last of these holds the seed's"


def test_a_split_with_one_search_holds_what_the_search_scatters():
    runs = [
        record("pfml", 0, seed, VALUES[split, seed], search=0, split=split) for split in (1, 2) for seed in range(4)
    ]
    (found,) = scatter_of(runs)
    oracle = nested_components(100 * VALUES[1:])
    assert found.variance == {"class split": pytest.approx(oracle[0]), "seed": pytest.approx(oracle[1])}
    assert found.remark == "the class split's holds the search's"


def test_further_runs_count_where_they_have_the_values_of_a_first_one():
    first = [record("pfml", 0, seed, 0.5, search=seed, hyperparameters={"alpha": seed}) for seed in (0, 1)]
    fresh = [record("pfml", 0, 2 + seed, 0.5, search=seed, hyperparameters={"alpha": seed}) for seed in (0, 1)]
    others = [fresh[0].model_copy(update={"hyperparameters": {"alpha": 3}}), fresh[1].model_copy(update={"search": 2})]
    others += [fresh[0].model_copy(update={name: "other"}) for name in ("data_sha256", "loss_sha256", "track", "loss")]
    others += [fresh[0].model_copy(update={"recipe": fresh[0].recipe | {"epochs": 99}})]
    assert same_values(first, [*fresh, *others]) == fresh
    before, *_, after = CODE_DIGESTS["pfml"]
    first, fresh = (
        [each.model_copy(update={"loss_sha256": code}) for each in runs]
        for runs, code in ((first, after), (fresh, before))
    )
    assert same_values(first, fresh) == fresh


def test_what_is_not_balanced_says_so():
    (found,) = scatter_of(searched()[:-1])
    assert (found.variance, found.remark) == ({}, "not balanced: failed runs, or other numbers of runs in a search")
    (found,) = scatter_of([record("pfml", 0, 0, 0.5), record("pfml", 0, 1, None)])
    assert found.variance == {}


def test_studies_and_single_runs_have_none():
    point = {"axis": "alpha", "value": 1.0}
    study = [record("pfml", 0, s, 0.5, track="ablation", ablation=point) for s in range(3)]
    assert scatter_of([*study, record("pfml", 0, 0, 0.5)]) == []

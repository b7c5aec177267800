"""Claim files: what the repository holds, and what is refused."""

import subprocess

import pytest
import yaml

from suite.errors import SuiteError
from suite.judging.claims.load import CLAIMS_FOLDER, claims_hash, load_claims
from suite.judging.claims.schema import KINDS, Reproduction
from suite.judging.claims.vocabulary import LOSSES
from tests.suite.judging.claims.synthetic import EXAMPLES, values_of

TABLE = {  # shared rows of the paper's tables, R@1 first
    ("resnet50_512", "pfml", "cub", 0): (73.4, 82.4, 88.8),
    ("resnet50_512", "pfml", "sop", 0): (82.9, 92.5, 96.8),
    ("resnet50_512", "hist", "cars", 0): (89.6, 93.9, 96.4),
    ("resnet50_512", "cpml", "cub", 0): (68.3, 78.7, 86.2),
    ("bn_inception_512", "multi_similarity", "sop", 0): (78.2,),
    ("dino_vits16_384", "pfml", "cars", 0): (94.7, 96.5, 97.8),
    ("vits16_384", "hier", "cub", 0): (85.7,),
    ("resnet50_512", "proxy_nca", "cars", 0.2): (74.3, 82.4),
    ("resnet50_512", "pfml", "cub", 0.2): (66.7, 76.9),
}


def put(folder, values, name="example"):
    path = folder / f"{name}.yaml"
    path.write_text(yaml.safe_dump(values))
    return path


@pytest.mark.parametrize("kind", KINDS)
def test_a_complete_claim_of_each_kind_is_read(tmp_path, kind):
    put(tmp_path, values_of(kind))
    (found,) = load_claims(folder=tmp_path)
    assert isinstance(found.claim, KINDS[kind])


@pytest.mark.parametrize(
    ("kind", "field"), [(kind, field) for kind in KINDS for field in EXAMPLES[kind] if field not in {"track"}]
)
def test_an_incomplete_claim_is_refused(tmp_path, kind, field):
    values = values_of(kind)
    del values[field]
    if field == "datasets" and kind == "decay":
        return
    put(tmp_path, values)
    with pytest.raises(SuiteError, match=rf"example\.yaml: .*{field} is missing"):
        load_claims(folder=tmp_path)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"estimand": "accuracy"}, "estimand = 'accuracy'; allowed: 'recall_at_1'"),
        ({"datasets": ["birds"]}, "datasets.0 = 'birds'; allowed: 'emoji', 'furniture'"),
        (
            {"contrast": {"subject": "pfml", "reference": "magic"}},
            "contrast.reference = 'magic' is no known loss; allowed",
        ),
        ({"contrast": {"subject": "pfml", "reference": "pfml"}}, "allowed: a reference other than the subject"),
        ({"kind": "hunch"}, "kind = 'hunch'; allowed: superiority"),
        ({"minimum_seeds": 2}, "minimum_seeds = 2; allowed: numbers from 3"),
        ({"smallest_effect": {"value": 0, "because": "none"}}, "smallest_effect.value = 0; allowed: numbers above 0"),
        ({"colour": "red"}, "colour is not a setting; allowed"),
        ({"id": "other"}, "id = 'other'; allowed: the name of the file, example"),
    ],
)
def test_what_is_wrong_is_named_with_its_file(tmp_path, changes, message):
    put(tmp_path, values_of("superiority", **changes))
    with pytest.raises(SuiteError, match=r"example\.yaml") as caught:
        load_claims(folder=tmp_path)
    assert message in str(caught.value)


def test_a_loss_of_ones_own_may_be_named(tmp_path):
    put(tmp_path, values_of("superiority", contrast={"subject": "my_loss", "reference": "pfml"}))
    assert load_claims(["my_loss"], tmp_path)[0].claim.losses()["contrast.subject"] == "my_loss"


def test_a_folder_without_claims_is_refused(tmp_path):
    with pytest.raises(SuiteError, match="holds no claim"):
        load_claims(folder=tmp_path)


def test_the_hash_follows_every_byte(tmp_path):
    path = put(tmp_path, values_of("superiority"))
    before = claims_hash(load_claims(folder=tmp_path))
    path.write_text(path.read_text() + "# a remark\n")
    assert claims_hash(load_claims(folder=tmp_path)) != before


def test_all_claims_of_the_repository_are_complete():
    found = load_claims()
    assert len(found) == len(list(CLAIMS_FOLDER.rglob("*.yaml")))
    families = {}
    for entry in found:
        families.setdefault(entry.claim.family, set()).add(type(entry.claim))
    assert all(len(kinds) == 1 for kinds in families.values())  # a family answers one question


def test_every_loss_of_the_suite_may_be_named():
    from suite.losses.registry import BUILT_IN

    assert set(BUILT_IN) <= set(LOSSES)


def test_table_rows_hold_the_papers_numbers():
    found = {}
    for entry in load_claims():
        claim = entry.claim
        if isinstance(claim, Reproduction):
            key = (claim.backbone, claim.contrast.subject, claim.datasets[0], claim.noise.level)
            found[key] = tuple(claim.published[metric].value for metric in claim.estimand)
    assert len(found) == 53
    for key, values in TABLE.items():
        assert found[key] == values


def test_claims_are_packaged():
    listed = subprocess.run(
        ["git", "ls-files", "suite/claims"], cwd=CLAIMS_FOLDER.parents[1], capture_output=True, text=True, check=True
    )
    assert listed.stdout.count(".yaml") == len(list(CLAIMS_FOLDER.rglob("*.yaml")))

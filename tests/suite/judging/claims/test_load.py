"""Claim files: what the repository holds, and what is refused."""

import subprocess

import pytest
import yaml

from suite.data.catalog import EMBEDDED
from suite.data.noise import KINDS as NOISE_KINDS
from suite.errors import SuiteError
from suite.evaluation.retrieval import METRICS
from suite.judging.claims.load import CLAIMS_FOLDER, claims_hash, load_claims
from suite.judging.claims.schema import CLAIM_KINDS, ClaimOnRecords, Reproduction
from suite.losses.registry import BUILT_IN
from tests.suite.judging.claims.synthetic import EXAMPLES, claim, values_of

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


@pytest.mark.parametrize("kind", CLAIM_KINDS)
def test_a_complete_claim_of_each_kind_is_read(tmp_path, kind):
    put(tmp_path, values_of(kind))
    (found,) = load_claims(folder=tmp_path)
    assert isinstance(found.claim, CLAIM_KINDS[kind])


@pytest.mark.parametrize(
    ("kind", "field"), [(kind, field) for kind in CLAIM_KINDS for field in EXAMPLES[kind] if field not in {"track"}]
)
def test_an_incomplete_claim_is_refused(tmp_path, kind, field):
    values = values_of(kind)
    del values[field]
    put(tmp_path, values)
    with pytest.raises(SuiteError, match=rf"example\.yaml: .*{field} is missing"):
        load_claims(folder=tmp_path)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"estimand": "accuracy"}, "estimand = 'accuracy': unknown metric; allowed: recall_at_1, "),
        ({"datasets": ["birds"]}, "datasets.0 = 'birds': unknown data set; allowed: emoji, furniture, "),
        (
            {"contrast": {"subject": "pfml", "reference": "magic"}},
            "contrast.reference = 'magic': unknown loss; allowed: pfml, cpml, ",
        ),
        (
            {"noise": {"kind": "pink", "level": 0.2}},
            "noise.kind = 'pink': unknown noise kind; allowed: symmetric, asymmetric, small_cluster, feature_cluster",
        ),
        ({"reported": {"birds": 1.0}}, "reported.birds = 'birds': unknown data set; allowed: emoji, "),
        (
            {"track": "published"},
            (
                "track = 'published'; allowed: 'tuned', 'tuned_under_noise', 'tuned_with_noisy_validation' "
                "or 'paper_values'"
            ),
        ),
        ({"regime": "thawed"}, "regime = 'thawed'; allowed: 'frozen', 'finetuned' or 'published'"),
        ({"regime": "published"}, "regime = 'published' with data set emoji; allowed: frozen, finetuned"),
        (
            {"datasets": ["cub"], "regime": "frozen"},
            "regime = 'frozen' with data set cub; allowed: published",
        ),
        (
            {"datasets": ["cub"], "backbone": "resnet9000"},
            "backbone = 'resnet9000' in regime 'published'; allowed: tf_efficientnet_lite0, resnet50_512",
        ),
        ({"contrast": {"subject": "pfml", "reference": "pfml"}}, "allowed: a reference other than the subject"),
        ({"kind": "hunch"}, "kind = 'hunch'; allowed: superiority"),
        ({"minimum_seeds": 2}, "minimum_seeds = 2; allowed: whole numbers from 3"),
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


@pytest.mark.parametrize("text", ["", "a note", "- superiority\n- pfml\n"])
def test_a_file_without_fields_says_what_to_write(tmp_path, text):
    (tmp_path / "example.yaml").write_text(text)
    with pytest.raises(
        SuiteError, match=r"example\.yaml holds no fields; write one field a line, such as `kind: "
    ) as caught:
        load_claims(folder=tmp_path)
    example = str(caught.value).rsplit(" ", 1)[1]
    assert (CLAIMS_FOLDER.parent / example).is_file()


def test_an_unknown_axis_is_named(tmp_path):
    put(tmp_path, values_of("trend", contrast={"subject": "pfml", "axis": "reach"}))
    message = (
        "contrast.axis = 'reach': unknown ablation axis; allowed: proxies_per_class, alpha, delta, repulsion_margin"
    )
    with pytest.raises(SuiteError, match=message):
        load_claims(folder=tmp_path)


def test_a_loss_and_a_data_set_of_the_user_may_be_named(tmp_path):
    names = {"contrast": {"subject": "my_loss", "reference": "pfml"}, "datasets": ["birds"]}
    put(tmp_path, values_of("superiority", **names))
    (found,) = load_claims(["my_loss"], ["birds"], tmp_path)
    assert (found.claim.contrast.subject, found.claim.datasets, found.claim.regime) == ("my_loss", ("birds",), "frozen")
    with pytest.raises(SuiteError, match="unknown loss"):
        load_claims([], ["birds"], tmp_path)
    with pytest.raises(SuiteError, match="unknown data set"):
        load_claims(["my_loss"], [], tmp_path)


def test_the_regime_follows_from_the_data_sets_where_a_claim_does_not_say(tmp_path):
    assert claim("superiority").regime == "frozen"
    assert claim("superiority", datasets=["cub"], backbone="resnet50_512").regime == "published"
    assert claim("superiority", regime="finetuned").regime == "finetuned"
    put(tmp_path, values_of("superiority", datasets=["emoji", "cub"]))
    with pytest.raises(SuiteError, match="regime = 'published' with data set emoji; allowed: frozen, finetuned"):
        load_claims(folder=tmp_path)


@pytest.mark.parametrize(
    ("table", "name", "value", "changes"),
    [
        (METRICS, "purity", METRICS["map_at_r"], {"estimand": "purity"}),
        (NOISE_KINDS, "pink", NOISE_KINDS["symmetric"], {"noise": {"kind": "pink", "level": 0.2}}),
        (EMBEDDED, "birds", EMBEDDED["emoji"], {"datasets": ["birds"]}),
        (BUILT_IN, "magic", BUILT_IN["cpml"], {"contrast": {"subject": "pfml", "reference": "magic"}}),
    ],
)
def test_what_a_table_gains_a_claim_may_name(tmp_path, monkeypatch, table, name, value, changes):
    put(tmp_path, values_of("superiority", **changes))
    with pytest.raises(SuiteError, match=f"= '{name}': unknown"):
        load_claims(folder=tmp_path)
    monkeypatch.setitem(table, name, value)
    assert len(load_claims(folder=tmp_path)) == 1


def test_kinds_of_published_lists_are_for_claims_about_benchmarks(tmp_path):
    noise = {"kind": "prism_symmetric", "level": 0.2}
    put(tmp_path, values_of("superiority", noise=noise, datasets=["cub"], backbone="resnet50_512"))
    (found,) = load_claims(folder=tmp_path)
    assert found.claim.noise.kind == "prism_symmetric"
    put(tmp_path, values_of("superiority", noise=noise, datasets=["emoji"]))
    with pytest.raises(SuiteError, match=r"noise\.kind = 'prism_symmetric' in regime 'frozen'; allowed: symm"):
        load_claims(folder=tmp_path)


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


def test_claims_of_the_repository_are_of_the_regime_of_their_folder():
    for entry in load_claims():
        if isinstance(entry.claim, ClaimOnRecords):
            assert entry.claim.regime == ("published" if entry.path.parent.name == "benchmarks" else "frozen")


def test_table_rows_hold_the_papers_numbers():
    found = {}
    for entry in load_claims():
        claim = entry.claim
        if isinstance(claim, Reproduction):
            key = (claim.backbone, claim.contrast.subject, claim.datasets[0], claim.noise.level)
            found[key] = tuple(claim.reported[metric].value for metric in claim.estimand)
    assert len(found) == 53
    for key, values in TABLE.items():
        assert found[key] == values


def test_claims_are_in_git():
    listed = subprocess.run(
        ["git", "ls-files", "claims"], cwd=CLAIMS_FOLDER.parent, capture_output=True, text=True, check=True
    )
    assert listed.stdout.count(".yaml") == len(list(CLAIMS_FOLDER.rglob("*.yaml")))

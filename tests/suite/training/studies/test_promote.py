"""Promoting: what searches found becomes the recipes in git, what studies measured the records in git."""

import shutil
from pathlib import Path

import pytest

from suite.errors import SuiteError
from suite.evaluation.record_parts import AblationPoint, ProxyPlaces
from suite.evaluation.records import write_records
from suite.settings.tuned_recipes import Trial, TunedRecipe, load_tuned, save_tuned, tuned_path
from suite.training.studies.promote import promote
from tests.helpers.paths import ROOT
from tests.helpers.records import record

FOUND = Path("tuned/emoji-pfml/tuned-0.yaml")
SEARCHED = Path("searches/typefaces-triplet/tuned-0.yaml")


def recipe(dataset, loss, alpha=3.0):
    """A recipe of one trial."""
    return TunedRecipe(
        dataset=dataset,
        loss=loss,
        data_sha256="data",
        search_space={"alpha": {"low": 1.0, "high": 5.0}},
        folds=2,
        training={"epochs": 3},
        best={"alpha": alpha},
        best_map_at_r=0.5,
        best_fold_map_at_r=[0.4, 0.6],
        trial_quartiles=[0.5, 0.5, 0.5],
        failed_trials=0,
        validation_epoch=3,
        seconds=1.5,
        trials=[Trial(values={"alpha": alpha}, fold_map_at_r=[0.4, 0.6])],
    )


def test_recipes_of_both_kinds_of_search_are_promoted(workplace):
    mine, other = recipe("emoji", "pfml"), recipe("typefaces", "triplet")
    save_tuned(mine, FOUND)
    save_tuned(other, SEARCHED)
    Path("tuned/emoji-cpml").mkdir()
    Path("tuned/emoji-cpml/plan.json").write_text("{}")
    assert promote() == [tuned_path("emoji", "pfml"), tuned_path("typefaces", "triplet")]
    assert load_tuned(Path("recipes/tuned/emoji/pfml-0.yaml")) == mine
    assert Path("recipes/tuned/typefaces/triplet-0.yaml").read_bytes() == SEARCHED.read_bytes()
    assert len(list(Path("recipes").rglob("*.yaml"))) == 2


def test_recipes_that_were_not_searched_again_stay(workplace):
    kept = recipe("emoji", "cpml")
    save_tuned(kept, tuned_path("emoji", "cpml"))
    save_tuned(recipe("emoji", "pfml", 1.0), tuned_path("emoji", "pfml"))
    save_tuned(recipe("emoji", "pfml", 2.0), FOUND)
    promote()
    assert load_tuned(tuned_path("emoji", "cpml")) == kept
    assert load_tuned(tuned_path("emoji", "pfml")).best == {"alpha": 2.0}


def test_a_search_by_name_goes_before_that_of_a_missing_recipe(workplace):
    save_tuned(recipe("emoji", "pfml", 1.0), FOUND)
    save_tuned(recipe("emoji", "pfml", 2.0), Path("searches/emoji-pfml/tuned-0.yaml"))
    assert set(promote()) == {tuned_path("emoji", "pfml")}
    assert load_tuned(tuned_path("emoji", "pfml")).best == {"alpha": 2.0}


def test_records_of_finished_cells_are_kept_where_the_network_learns(workplace):
    path = Path("finetuned/runs/emoji-cpml/records.jsonl")
    write_records(path, [record("cpml", 0.2, 5, 0.5, regime="finetuned", views_sha256="v")])
    kept = Path("results/finetuned/runs/emoji-cpml/records.jsonl")
    assert promote() == [kept]
    assert kept.read_bytes() == path.read_bytes()
    path.write_text(path.read_text()[:-9])
    with pytest.raises(SuiteError, match=r"finetuned/runs/emoji-cpml/records\.jsonl"):
        promote()
    assert kept.read_bytes() != path.read_bytes()


def test_nothing_to_promote(workplace):
    pattern = (
        r"there is no finished search, study or run of the grid; run: dvc repro pipelines/tuning/dvc\.yaml, "
        r"or: .*/studies/dvc\.yaml"
    )
    with pytest.raises(SuiteError, match=pattern):
        promote()
    assert not Path("recipes").exists()


def test_a_damaged_one_stops_all(workplace):
    save_tuned(recipe("emoji", "pfml"), FOUND)
    save_tuned(recipe("typefaces", "triplet"), SEARCHED)
    SEARCHED.write_text(SEARCHED.read_text().replace("best:", "bset:"))
    pattern = r"typefaces-triplet/tuned-0\.yaml: best is missing; .*/tuned-0\.yaml: bset is not a setting"
    with pytest.raises(SuiteError, match=pattern):
        promote()
    assert not Path("recipes").exists()


STUDIES = {
    "ablations/furniture-alpha": record(
        "pfml", 0.0, 0, 0.5, dataset="furniture", track="ablation", ablation=AblationPoint(axis="alpha", value=1.0)
    ),
    "crossed/emoji-delta": record(
        "pfml", 0.2, 5, 0.5, track="ablation", ablation=AblationPoint(axis="delta", value=1.0, crossed=True)
    ),
    "fresh_seeds/emoji-cpml": record("cpml", 0.2, 5, 0.5),
    "geometry/emoji-cpml": record("cpml", 0.0, 0, None, proxies=ProxyPlaces(proxies_per_class=2)),
    "geometry/emoji-pfml": record(
        "pfml",
        0.0,
        0,
        None,
        track="ablation",
        ablation=AblationPoint(axis="delta", value=1.0),
        proxies=ProxyPlaces(proxies_per_class=2),
    ),
    "paper_values/emoji-pfml": record("pfml", 0.2, 0, 0.5, track="paper_values"),
    "splits/emoji-cpml": record("cpml", 0.2, 0, 0.5, split=2),
}
OUTPUTS, IN_GIT = Path("studies"), Path("results/studies")
FILES = [IN_GIT / f"{name}.jsonl" for name in STUDIES]


def save_studies(backbone):
    """Leave an outcome of each kind of study, as its stage does."""
    for name, found in STUDIES.items():
        write_records(OUTPUTS / f"{name}.jsonl", [found.model_copy(update={"backbone": backbone})])


def test_records_of_each_kind_of_study_are_copied_byte_by_byte(workplace):
    save_studies("ä")
    assert promote() == FILES
    for path in FILES:
        assert path.read_bytes() == (OUTPUTS / path.relative_to(IN_GIT)).read_bytes()
    assert not Path("recipes").exists()


def test_promoted_studies_are_replaced_and_others_stay(workplace):
    save_studies("first")
    promote()
    kept = IN_GIT / "paper_values/emoji-triplet.jsonl"
    kept.write_text("{}\n")
    save_studies("second")
    promote()
    assert all('"second"' in path.read_text() for path in FILES)
    assert kept.read_text() == "{}\n"


@pytest.mark.parametrize("name", STUDIES)
def test_a_damaged_study_stops_all_and_what_is_in_git_stays(workplace, name):
    shutil.copy(ROOT / "params.yaml", "params.yaml")
    save_studies("first")
    promote()
    path = OUTPUTS / f"{name}.jsonl"
    for content, told in (
        (path.read_text()[:-9], "not valid JSON"),
        ("", "holds no record"),
        ("[]\n", "holds list; allowed: a mapping"),
    ):
        save_studies("second")
        save_tuned(recipe("emoji", "pfml"), FOUND)
        path.write_text(content)
        with pytest.raises(SuiteError, match=f"{path}.*{told}"):
            promote()
        assert all('"first"' in each.read_text() for each in FILES)
        assert not Path("recipes").exists()


@pytest.mark.parametrize("name", STUDIES)
def test_a_study_of_another_place_stops_all(workplace, name):
    save_studies("first")
    path = OUTPUTS / f"{name}.jsonl"
    other = path.with_name("typefaces-pfml.jsonl")
    path.rename(other)
    with pytest.raises(SuiteError, match=rf"{other}, line 1: the run is of .*; allowed: runs of typefaces-pfml"):
        promote()
    another = OUTPUTS / ("splits" if "geometry" in name else "geometry") / path.name
    other.rename(another)
    with pytest.raises(SuiteError, match=rf"{another}, line 1: the run is none of studies/"):
        promote()
    assert not IN_GIT.exists()


def test_recipes_and_studies_are_promoted_together(workplace):
    save_tuned(recipe("emoji", "pfml"), FOUND)
    save_studies("first")
    assert promote() == [tuned_path("emoji", "pfml"), *FILES]


def test_a_damaged_recipe_stops_studies_too(workplace):
    save_tuned(recipe("emoji", "pfml"), FOUND)
    FOUND.write_text(FOUND.read_text().replace("best:", "bset:"))
    save_studies("first")
    with pytest.raises(SuiteError, match="best is missing"):
        promote()
    assert not IN_GIT.exists()

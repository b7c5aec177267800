"""Records that contradict each other or are malformed are refused, by file and field."""

from pathlib import Path

import pytest

from suite.errors import SuiteError
from suite.judging.claims.evidence import Verdict
from suite.judging.claims.read import read_measured
from tests.suite.judging.claims.synthetic import DATASETS, along, claim, judged, model, run, runs, write

pytestmark = pytest.mark.usefixtures("workplace")
LEARNING = Path("results/finetuned")
FIVE = [50.1, 50.2, 49.9, 50.0, 50.3]


def refused(*claims):
    with pytest.raises(SuiteError) as caught:
        judged(*claims)
    return str(caught.value)


def test_other_seeds_are_unpaired():
    write("runs", runs(FIVE))
    write("runs", [run(50, seed, loss="cpml") for seed in (0, 1, 2, 3, 7)])
    message = "runs/emoji-cpml/records.jsonl: seed: unpaired runs: [0, 1, 2, 3, 7] here"
    assert refused(claim("superiority")).startswith(message)


def test_other_noise_is_unpaired():
    write("runs", runs(FIVE) + [run(50, seed, loss="cpml", noise_sha256="other") for seed in range(5)])
    assert refused().startswith("noise_sha256 of runs/emoji-pfml/records.jsonl, line 1 differs from that of")


def test_noise_of_another_kind_is_unpaired():
    other = {"noise_sha256": "other", "noise_kind": "small_cluster"}
    write("runs", runs(FIVE) + [run(50, seed, loss="cpml", **other) for seed in range(5)])
    message = "runs/emoji-cpml/records.jsonl, line 1: noise_sha256 differs"
    assert refused(claim("superiority")).startswith(message)


def test_a_run_that_stands_twice():
    write("runs", runs(FIVE), "a")
    write("runs", runs(FIVE[:1]), "b")
    places = "(runs/a/records.jsonl, line 1; runs/b/records.jsonl, line 1)"
    assert refused().startswith("records hold a run twice: regime frozen, track tuned, dataset emoji, loss pfml, ")
    assert refused().endswith(places)


@pytest.mark.parametrize("kind", ["runs", "paper_values", "ablations", "geometry"])
def test_records_on_other_data(kind):
    write("runs", runs(FIVE), "a")
    other = {
        "runs": run(50, 9),
        "paper_values": run(50, 0, track="paper_values"),
        "ablations": along("alpha", {1: [50]})[0],
        "geometry": model(0),
    }[kind]
    path = write(kind, [other | {"data_sha256": "other"}], "b")
    assert f"data_sha256 of {path}, line 1 differs from that of runs/a/records.jsonl, line 1" in refused()


def test_studies_on_other_test_classes():
    write("runs", runs(FIVE))
    write("paper_values", [run(50, 0, track="paper_values", class_hits=[1, 1], class_queries=[2, 2])])
    assert refused().startswith("class_queries of results/studies/paper_values/some.jsonl, line 1 differs")


@pytest.mark.parametrize("kind", ["runs", "paper_values", "ablations", "geometry"])
def test_malformed_records_of_all_kinds_are_named_by_file_and_line(kind):
    path = write(kind, [run(50, 0), run(50, 1) | {"status": "fine"}], "a")
    cure = "delete it and run: dvc repro" if kind == "runs" else f"restore it with: git checkout {path}"
    assert refused() == f"{path}, line 2: status = 'fine'; allowed: 'ok' or 'failed'; {cure}"


def test_arrays_of_unequal_length():
    write("geometry", [model(0, w2=[0.5])])
    assert "w2 has 1 entries; allowed: one a class, 4 as in size" in refused()


def test_proxies_of_other_number_are_not_compared():
    write(
        "geometry",
        [model(s) for s in range(5)] + [model(s, loss="cpml", proxies_per_class=4) for s in range(5)],
    )
    assert "line 6: proxies_per_class = 4 for cpml; allowed: 2" in refused(claim("closeness"))


def test_a_premise_needs_its_delta():
    write("geometry", [model(s, delta=None) for s in range(5)] + [model(s, loss="cpml") for s in range(5)])
    assert "line 1: proxies.delta = null" in refused(claim("closeness"))


def test_other_classes_are_not_compared():
    rows = [model(s, loss="cpml", size=[9, 10, 10, 10]) for s in range(5)]
    write("geometry", [model(s) for s in range(5)] + rows)
    assert "size differs" in refused(claim("closeness"))


def test_data_sets_that_are_cut_down_are_not_run():
    write("runs", runs(FIVE) + runs(FIVE, loss="cpml"))
    from suite.judging.claims.judge import judge

    (found,) = judge([claim("superiority")], read_measured(DATASETS | {"emoji": True}))
    assert (found.verdict, found.result.reason) == (
        Verdict.NOT_RUN,
        "params.yaml cuts emoji down (datasets.emoji.max_classes)",
    )


def test_records_of_data_sets_that_are_not_asked_for_are_left_aside():
    write("runs", runs(FIVE, dataset="birds"))
    assert read_measured(DATASETS).runs == {}


def test_folders_of_losses_that_are_run_no_more_are_not_read():
    write("runs", [run(50, 0, loss="gone") | {"status": "old"}])
    write("runs", runs(FIVE))
    assert read_measured(DATASETS, losses=["pfml"]).counts() == {"records": 5, "ablations": 0, "geometry": 0}
    with pytest.raises(SuiteError, match=r"emoji-gone/records\.jsonl, line 1"):
        read_measured(DATASETS)


def test_records_that_are_not_in_the_grid_are_left_out():
    write("runs", runs(FIVE) + runs(FIVE, level=0.2))
    write("paper_values", runs(FIVE, level=0.2, track="paper_values"))
    found = read_measured(DATASETS, in_grid=lambda record: record.noise_level == 0)
    assert sorted({(each.track, each.noise_level) for each in found.runs}) == [("paper_values", 0.2), ("tuned", 0)]


def test_a_data_set_that_is_cut_down_has_other_test_classes_than_studies_in_git():
    write("runs", runs(FIVE))
    write("paper_values", [run(50, 0, track="paper_values", class_hits=[1, 1], class_queries=[2, 2])])
    assert read_measured(DATASETS | {"emoji": True}).cut == ("emoji",)


def test_records_of_the_extended_grid_stand_beside_those_of_the_grid():
    write("runs", runs(FIVE) + runs(FIVE, level=0.2))
    kind = {"level": 0.2, "noise_kind": "small_cluster"}
    others = runs(FIVE, loss="supcon") + runs(FIVE, loss="supcon", level=0.2)
    write("extended", runs(FIVE, **kind) + others)
    found = read_measured(DATASETS).runs
    assert sorted((each.loss, each.noise_kind, each.noise_level) for each in found) == [
        ("pfml", "none", 0),
        ("pfml", "small_cluster", 0.2),
        ("pfml", "symmetric", 0.2),
        ("supcon", "none", 0),
        ("supcon", "symmetric", 0.2),
    ]


@pytest.mark.parametrize(
    "other", [{"loss": "pfml", "level": 0.2}, {"loss": "supcon", "without": 1}], ids=["in the grid now", "other seeds"]
)
def test_those_that_the_grid_has_or_that_have_other_seeds_are_left_out(other):
    write("runs", runs(FIVE) + runs(FIVE, level=0.2))
    write("extended", runs(FIVE[other.get("without", 0) :], loss=other["loss"], level=other.get("level", 0)))
    assert {each.loss for each in read_measured(DATASETS).runs} == {"pfml"}


def test_where_the_network_learns_cells_kept_in_git_stand_for_runs_that_are_not_here(workplace):
    mine = [one | {"regime": "finetuned", "views_sha256": "v"} for one in runs(FIVE)]
    path = workplace / write("runs", mine)
    kept = workplace / "results/finetuned/runs/emoji-pfml/records.jsonl"
    kept.parent.mkdir(parents=True)
    path.rename(kept)
    (place,) = read_measured(DATASETS, regime="finetuned").runs
    assert (place.loss, place.regime) == ("pfml", "finetuned")
    assert not read_measured(DATASETS).runs


@pytest.fixture
def learning(monkeypatch):
    """Records are written where those of the regime finetuned are kept in git."""
    for name in ("runs", "studies"):
        monkeypatch.setattr(f"tests.suite.judging.claims.synthetic.{name.upper()}_FOLDER", LEARNING / name)


def of_views(sha256, records):
    return [one | {"regime": "finetuned", "views_sha256": sha256} for one in records]


def test_studies_of_other_views_are_left_out_and_named(learning):
    """Records of other views are not paired, be they of losses beyond the grid or at the paper's values."""
    write("runs", of_views("seen", runs(FIVE)))
    write("extended", of_views("other", runs(FIVE, loss="supcon")), "emoji-supcon")
    write("extended", of_views("seen", runs(FIVE, loss="circle")), "emoji-circle")
    write("paper_values", of_views("other", runs(FIVE, track="paper_values")))
    read = read_measured(DATASETS, regime="finetuned")
    assert {(each.loss, each.track) for each in read.runs} == {("pfml", "tuned"), ("circle", "tuned")}
    reason = "other views (views_sha256 other; that of the grid is seen)"
    assert read.left_out == (
        f"results/finetuned/studies/paper_values: runs of pfml on emoji are of {reason}",
        f"results/finetuned/studies/extended: runs of supcon on emoji are of {reason}",
    )


def test_runs_of_other_views_are_refused(learning):
    write("runs", of_views("seen", runs(FIVE)) + of_views("other", runs(FIVE, loss="cpml")))
    with pytest.raises(SuiteError) as caught:
        read_measured(DATASETS, regime="finetuned")
    first, second = (f"{LEARNING}/runs/emoji-{loss}/records.jsonl, line 1" for loss in ("cpml", "pfml"))
    wanted = f"views_sha256 of {second} differs from that of {first}: other views; run: suite train emoji pfml"
    assert str(caught.value) == f"{wanted} --regime finetuned"


def test_losses_that_cannot_be_paired_are_named_but_on_data_that_are_cut_down():
    write("runs", runs(FIVE))
    write("extended", runs(FIVE[1:], loss="supcon"))
    told = "results/studies/extended: runs of supcon on emoji have other seeds, noisy labels or training settings"
    assert read_measured(DATASETS).left_out == (f"{told} than those of the grid",)
    assert read_measured(DATASETS | {"emoji": True}).left_out == ()


def test_each_kind_of_record_is_counted():
    write("runs", runs(FIVE))
    write("ablations", along("alpha", {1: FIVE, 2: FIVE}))
    write("geometry", [model(s, loss=loss) for loss in ("pfml", "cpml") for s in range(3)])
    assert read_measured(DATASETS).counts() == {"records": 5, "ablations": 10, "geometry": 6}


def test_influence_curves_need_their_columns(workplace):
    path = workplace / "docs/figures/influence.csv"
    path.parent.mkdir(parents=True)
    path.write_text("loss,distance\npfml,1\n")
    assert refused() == "docs/figures/influence.csv lacks column pair, normalised; run: suite figures"

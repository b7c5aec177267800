"""Cells: fresh runs first, then those in git; they belong together."""

import shutil
from pathlib import Path

import pytest

from suite.errors import SuiteError
from suite.evaluation.cells import (
    cell_file,
    cell_files,
    cells_to_keep,
    check_cells,
    note_on_kept,
    note_on_views,
    record_files,
    whole_datasets,
)
from suite.evaluation.records import read_records, write_records
from suite.settings.params import load_settings
from tests.helpers.paths import ROOT
from tests.helpers.records import runs

FRESH, KEPT = Path("finetuned/runs/emoji-a/records.jsonl"), Path("results/finetuned/runs/emoji-a/records.jsonl")
LEVELS = (0, 0.2)


def cell(loss="a", dataset="emoji", views="v", seeds=2, levels=LEVELS, regime="finetuned"):
    conditions = [(loss, level, [0.5] * seeds) for level in levels]
    return runs(*conditions, dataset=dataset, regime=regime, views_sha256=views)


def check(*records):
    check_cells([record for each in records for record in each], 2, LEVELS, Path("params.yaml"))


@pytest.mark.parametrize("regime", ["frozen", "finetuned"])
def test_fresh_runs_come_before_those_in_git(workplace, regime):
    below = "" if regime == "frozen" else "finetuned"
    fresh, kept = (Path(root, below, "runs/emoji-a/records.jsonl") for root in ("", "results"))
    views = None if regime == "frozen" else "v"
    assert cell_file("emoji", "a", regime) is None
    write_records(kept, cell(regime=regime, views=views))
    assert cell_file("emoji", "a", regime) == kept
    assert cells_to_keep() == {}
    write_records(fresh, cell(regime=regime, views=views))
    assert cell_file("emoji", "a", regime) == fresh
    assert cells_to_keep() == {fresh: kept}


def test_a_cell_of_one_regime_is_none_of_the_other(workplace):
    write_records(KEPT, cell())
    assert cell_file("emoji", "a", "frozen") is None
    write_records(Path("results/runs/emoji-b/records.jsonl"), cell("b", regime="frozen", views=None))
    assert cell_file("emoji", "b", "finetuned") is None


def test_which_cells_of_the_grid_are_read_from_git_is_told(workplace):
    shutil.copy(ROOT / "params.yaml", "params.yaml")
    whole = load_settings()
    settings = whole.model_copy(
        update={
            "datasets": {"emoji": whole.datasets["emoji"]},
            "losses": {name: whole.losses[name] for name in ("triplet", "cpml")},
        }
    )
    first, second = Path("runs/emoji-triplet/records.jsonl"), Path("runs/emoji-cpml/records.jsonl")
    assert record_files(settings) == [first, second]
    assert note_on_kept(settings, "frozen") is None
    write_records("results" / second, cell("cpml", regime="frozen", views=None))
    write_records(first, cell("triplet", regime="frozen", views=None))
    assert record_files(settings) == [first, "results" / second]
    told = "1 of 2 cells are read from results/runs: this checkout has no runs of them"
    assert note_on_kept(settings, "frozen") == told
    write_records(second, cell("cpml", regime="frozen", views=None))
    assert note_on_kept(settings, "frozen") is None


def test_views_that_are_not_those_of_the_grid_are_told(workplace):
    assert note_on_views("emoji", "seen") is None
    write_records(Path("results/finetuned/runs/emoji-large-a/records.jsonl"), cell(dataset="emoji-large", views="a"))
    assert note_on_views("emoji", "seen") is None
    write_records(KEPT, cell(views="seen"))
    assert note_on_views("emoji", "seen") is None
    told = (
        f"these views of emoji have the digest others, those of the grid's runs seen ({KEPT}): board and claims leave"
    )
    assert note_on_views("emoji", "others").startswith(f"{told} out runs on them")
    write_records(FRESH, cell(views="others"))
    assert note_on_views("emoji", "others") is None


def test_names_may_stand_for_several_cells_below_any_folder(workplace):
    others = FRESH.parent.with_name("emoji-b") / FRESH.name
    for path in (FRESH, KEPT, others):
        write_records(Path("elsewhere") / path, cell())
    assert cell_files(["*"], "finetuned", Path("elsewhere")) == [Path("elsewhere") / path for path in (FRESH, others)]
    assert cell_files(["*"], "finetuned") == []


def test_a_data_set_is_whole_where_all_its_losses_have_run(workplace):
    write_records(KEPT, cell())
    write_records(FRESH.parent.with_name("emoji-b") / FRESH.name, cell("b"))
    write_records(FRESH.parent.with_name("birds-b") / FRESH.name, cell("b", "birds"))
    whole, notes = whole_datasets(["birds", "emoji"], ["a", "b"])
    assert whole == {"emoji": [KEPT, FRESH.parent.with_name("emoji-b") / FRESH.name]}
    assert notes == ["birds is left out: there are no runs yet of a."]


def test_cells_of_other_views_are_refused(workplace):
    check(cell(), cell("b"), cell("a", "birds", "w"))
    for path, views in ((KEPT, "v"), (FRESH.parent.with_name("emoji-b") / FRESH.name, "w")):
        write_records(path, cell(path.parent.name[-1], views=views))
    records = read_records([KEPT, FRESH.parent.with_name("emoji-b") / FRESH.name])
    with pytest.raises(SuiteError) as caught:
        check(records)
    assert str(caught.value) == (
        "views_sha256 of finetuned/runs/emoji-b/records.jsonl, line 1 differs from that of "
        "results/finetuned/runs/emoji-a/records.jsonl, line 1: other views; run: suite train emoji b --regime finetuned"
    )


@pytest.mark.parametrize("less", [{"seeds": 1}, {"levels": (0,)}])
def test_cells_of_fewer_runs_than_are_asked_for_are_refused(workplace, less):
    write_records(KEPT, cell(**less))
    with pytest.raises(
        SuiteError, match=rf"^{KEPT} lacks \d runs that params\.yaml asks for, noise .* seed \d among them;"
    ):
        check(read_records([KEPT]))

"""Cells of the regime in which the network learns: fresh runs first, then those in git; they belong together."""

from pathlib import Path

import pytest

from suite.errors import SuiteError
from suite.evaluation.cells import cell_file, cell_files, cells_to_keep, check_cells, whole_datasets
from suite.evaluation.records import read_records, write_records
from tests.helpers.records import runs

FRESH, KEPT = Path("finetuned/runs/emoji-a/records.jsonl"), Path("results/finetuned/runs/emoji-a/records.jsonl")
LEVELS = (0, 0.2)


def cell(loss="a", dataset="emoji", views="v", seeds=2, levels=LEVELS):
    conditions = [(loss, level, [0.5] * seeds) for level in levels]
    return runs(*conditions, dataset=dataset, regime="finetuned", views_sha256=views)


def check(*records):
    check_cells([record for each in records for record in each], 2, LEVELS, Path("params.yaml"))


def test_fresh_runs_come_before_those_in_git(workplace):
    assert cell_file("emoji", "a") is None
    write_records(KEPT, cell())
    assert cell_file("emoji", "a") == KEPT
    write_records(FRESH, cell())
    assert cell_file("emoji", "a") == FRESH
    assert cells_to_keep() == {FRESH: KEPT}


def test_names_may_stand_for_several_cells_below_any_folder(workplace):
    others = FRESH.parent.with_name("emoji-b") / FRESH.name
    for path in (FRESH, KEPT, others):
        write_records(Path("elsewhere") / path, cell())
    assert cell_files(["*"], Path("elsewhere")) == [Path("elsewhere") / path for path in (FRESH, others)]
    assert cell_files(["*"]) == []


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

"""Pages of the losses say of which regime, track and search their values are, and where records are that are not there."""

import json
import shutil
from pathlib import Path

import pytest
import yaml

from suite.evaluation.records import write_records
from suite.report.site.write import write_site
from tests.helpers.paths import ROOT
from tests.helpers.records import record
from tests.suite.report.site.project import row, settings, write_board, write_two_regimes

RECIPE = yaml.safe_load((ROOT / "recipes/tuned/emoji/pfml-0.yaml").read_text())


def page_of(loss, of=None):
    return write_site(of or settings()).with_name(f"loss-{loss}.html").read_text()


def write_searches(count, regime="frozen"):
    place = "" if regime == "frozen" else f"{regime}/"
    folder = Path(f"recipes/{place}tuned/shapes")
    folder.mkdir(parents=True)
    for number in range(count):
        values = RECIPE | {"regime": regime, "dataset": "shapes", "number": number}
        (folder / f"pfml-{number}.yaml").write_text(yaml.safe_dump(values))


def runs(regime, *rates):
    """A run of each search, with its learning rate."""
    return [
        record(
            "pfml",
            0,
            number,
            0.5,
            dataset="shapes",
            regime=regime,
            search=number,
            hyperparameters={"alpha": 2},
            recipe={"learning_rate": rate},
        )
        for number, rate in enumerate(rates)
    ]


def test_values_are_those_of_every_search_of_every_regime(workplace):
    write_board()
    write_records(Path("runs/shapes-pfml/records.jsonl"), runs("frozen", 0.003, 0.001))
    write_records(Path("results/finetuned/runs/shapes-pfml/records.jsonl"), runs("finetuned", 0.02, 0.02))
    page = page_of("pfml")
    assert page.count('<th scope="col">shapes, tuned, searches 0, 1</th>') == 2
    frozen, finetuned = page.split("<caption>Values that were run, regime ")[1:3]
    assert frozen.startswith("frozen<")
    assert '<th scope="row">learning_rate</th><td>0.003, 0.001</td>' in frozen
    assert '<th scope="row">alpha</th><td>2</td>' in frozen
    assert finetuned.startswith("finetuned<")
    assert '<th scope="row">learning_rate</th><td>0.02</td>' in finetuned


@pytest.mark.parametrize("regime", ["frozen", "finetuned"])
def test_trials_name_regime_track_and_search(workplace, regime):
    write_board()
    if regime == "finetuned":
        file = Path("pipelines/finetuned/params.yaml")
        file.parent.mkdir(parents=True)
        shutil.copy(ROOT / file, file)
    write_searches(3, regime)
    page = page_of("pfml")
    place = f"shapes, regime {regime}, track tuned, search 0 of 3"
    for told in (f"Searched on {place}: 20 trials", f"trials on {place}</summary>", f"<caption>Trials on {place}<"):
        assert told in page


def test_a_loss_of_another_regime_alone_is_not_called_not_run(workplace):
    write_two_regimes()
    shutil.rmtree("results/finetuned/runs", ignore_errors=True)
    for path in Path("results").glob("*.*"):
        path.unlink()
    page = page_of("pfml")
    assert "Regime finetuned, tuning track tuned" in page
    assert "No run of this loss has a record" not in page
    assert "The loss is on a leaderboard, and the records" in page


def test_a_loss_of_a_study_is_told_from_those_of_the_grid(workplace):
    """As in a fresh clone: records of the study are in git, those of the grid are not."""
    rows = [row("tuned", "shapes", loss, 0, 50.0) for loss in ("pfml", "triplet", "smooth_ap")]
    Path("results").mkdir()
    Path("results/leaderboard.json").write_text(json.dumps(rows))
    page = page_of("smooth_ap")
    assert "To make them, run <code>suite extended DATASET smooth_ap</code>, then <code>suite promote</code>." in page
    kept = record("smooth_ap", 0, 0, 0.5, dataset="shapes", recipe={"learning_rate": 0.007})
    write_records(Path("results/studies/extended/shapes-smooth_ap.jsonl"), [kept])
    page = page_of("smooth_ap")
    assert '<th scope="row">learning_rate</th><td>0.007</td>' in page
    assert "suite extended DATASET smooth_ap" in page
    for wrong in ("lie in <code>runs/</code>", "<code>dvc repro</code>", "suite figures", "suite times"):
        assert wrong not in page, wrong
    Path("results/leaderboard.json").write_text(json.dumps([each | {"regime": "finetuned"} for each in rows]))
    assert "<code>suite extended DATASET smooth_ap --regime finetuned</code>" in page_of("smooth_ap")
    Path("results/leaderboard.json").write_text(json.dumps(rows))
    page_of("smooth_ap")
    provenance = Path("results/site/provenance.html").read_text()
    assert "2 of 2 pairs of data set and loss of the grid" in provenance

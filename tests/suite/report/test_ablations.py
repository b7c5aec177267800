"""Ablations as tables: each value against the runs with the tuned one, paired by seed; what cannot be paired is left out."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from suite.errors import SuiteError
from suite.evaluation.records import write_records
from suite.evaluation.tables import to_table
from suite.report.ablations import ablation_table, write_ablations
from tests.helpers.paths import ROOT
from tests.helpers.records import record, runs

TUNED = [0.5, 0.52, 0.57]
LEFT_OUT = "Records of studies in git that cannot be compared with the runs of the grid:"
VARIED = {1.0: [0.49, 0.5, 0.58], 0.0: [0.4, 0.45, 0.44], 10.0: [0.3, None, 0.36]}


def ablation(values=VARIED, axis="alpha", crossed=False, **options):
    point = {"axis": axis, "crossed": crossed}
    return [
        record("pfml", 0, seed, recall, track="ablation", search=seed, ablation=point | {"value": value}, **options)
        for value, by_seed in values.items()
        for seed, recall in enumerate(by_seed)
    ]


def grid(tuned=TUNED, **options):
    of_losses = runs(("pfml", 0, tuned), ("pfml", 0.4, [0.1] * 3), ("triplet", 0, [0.9] * 3), **options)
    return [each.model_copy(update={"search": each.seed}) for each in of_losses]


def found(records, of_grid=None):
    return ablation_table(records, to_table(grid() if of_grid is None else of_grid))


def rows(table, metric="recall_at_1"):
    return table[table["metric"] == metric].set_index("value")


def interval(values):
    values = np.array(values)
    half = stats.t.ppf(0.975, len(values) - 1) * values.std(ddof=1) / np.sqrt(len(values))
    return [values.mean(), values.mean() - half, values.mean() + half]


def test_each_value_has_its_mean_and_its_difference_from_the_tuned_one_by_seed():
    table = rows(found(ablation()))
    assert list(table.index) == [0, 1, 10]
    row = table.loc[1]
    assert row[["mean", "low", "high"]].tolist() == pytest.approx(interval([49, 50, 58]))
    assert row["tuned"] == pytest.approx(53)
    assert row[["difference", "difference_low", "difference_high"]].tolist() == pytest.approx(interval([-1, -2, 1]))
    assert row[["runs", "failed", "units"]].tolist() == [3, 0, 3]


def test_a_failed_run_counts_in_no_mean_and_is_told():
    row = rows(found(ablation())).loc[10]
    assert row["mean"] == pytest.approx(33)
    assert row["difference"] == pytest.approx((-20 - 21) / 2)
    assert row[["runs", "failed", "units"]].tolist() == [3, 1, 2]


def test_every_metric_has_rows_of_its_own():
    metrics = {"map_at_r": 0.25}
    table = found(ablation({1.0: [0.5] * 3}, metrics=metrics), grid(metrics={"map_at_r": 0.2}))
    assert rows(table, "map_at_r").loc[1, ["mean", "tuned", "difference"]].tolist() == pytest.approx([25, 20, 5])


def test_seeds_with_the_values_of_one_search_are_one_unit():
    def halved(records):
        return [each.model_copy(update={"search": each.seed % 2}) for each in records]

    row = rows(found(halved(ablation({1.0: [0.49, 0.5, 0.58]})), halved(grid()))).loc[1]
    assert row[["mean", "low", "high"]].tolist() == pytest.approx(interval([(49 + 58) / 2, 50]))
    assert row[["difference", "difference_low", "difference_high"]].tolist() == pytest.approx(interval([0, -2]))
    assert row["units"] == 2


@pytest.mark.parametrize(
    "others",
    [
        ablation({2.0: [0.5] * 3}, data_sha256="other images"),
        ablation({2.0: [0.5] * 3}, dataset="furniture"),
        ablation({2.0: [0.5] * 3}, crossed=True),
        [each.model_copy(update={"seed": each.seed + 3}) for each in ablation({2.0: [0.5] * 3})],
        runs(("pfml", 0, [0.5] * 3)),
    ],
    ids=["other images", "a data set that is not run", "crossed", "other seeds", "no ablation"],
)
def test_what_the_grid_cannot_be_compared_with_is_left_out(others):
    assert set(found([*ablation(), *others])["value"]) == {0, 1, 10}
    assert found(others).empty


@pytest.mark.parametrize(
    ("regime", "results", "option"),
    [("frozen", "results", ""), ("finetuned", "results/finetuned", " --regime finetuned")],
)
def test_the_page_has_a_table_for_each_axis_and_what_searches_found(tmp_path, monkeypatch, regime, results, option):
    monkeypatch.chdir(tmp_path)
    write(results, ablation(regime=regime), regime=regime)
    margins = ablation({0.0: TUNED}, axis="repulsion_margin", regime=regime)
    write_records(Path(results, "studies/ablations/emoji-repulsion_margin.jsonl"), margins)
    recipes = ROOT / "recipes" / ("tuned" if regime == "frozen" else f"{regime}/tuned")
    folder = Path("recipes", *recipes.relative_to(ROOT / "recipes").parts, "emoji")
    folder.mkdir(parents=True)
    for number in (0, 1):
        (folder / f"pfml-{number}.yaml").write_text((recipes / "emoji" / f"pfml-{number}.yaml").read_text())
    write_ablations(regime)
    page = Path(results, "ablations.md").read_text()
    assert f"regime {regime}." in page
    assert f"`suite ablation-tables{option}`" in page
    head = "| value | R@1, % | - tuned [95 %] | MAP@R, % | - tuned [95 %] | runs |"
    alpha, margin = page.split("\n## emoji, ")[1:]
    assert alpha.startswith("alpha\n\nSearches found ")
    assert alpha.count(", ") >= 1
    assert head in alpha
    assert "| as tuned | 53.00 | – | 53.00 | – |  |\n| 0 | 43.00 ± 6.57 | -10.00 [" in alpha
    assert "| 10 | 33.00 ± 38.12 | -20.50 [-26.85, -14.15] | " in alpha
    assert "| 2 of 3, the others failed |" in alpha
    assert margin.startswith("repulsion_margin\n\nNo search varies it.\n\n" + head)
    assert "| 0 | 53.00 ± 8.96 | +0.00 |" in margin
    assert len(pd.read_csv(Path(results, "ablations.csv"))) == 2 * 4


def test_the_page_names_what_it_leaves_out(tmp_path, monkeypatch):
    """Data sets and seeds that the grid does not have."""
    monkeypatch.chdir(tmp_path)
    write("results", ablation())
    write_ablations("frozen")
    assert "## Left out" not in Path("results/ablations.md").read_text()
    write_records(Path("results/studies/ablations/furniture-alpha.jsonl"), ablation(dataset="furniture"))
    assert set(write_ablations("frozen")["dataset"]) == {"emoji"}
    reason = "have no run of the grid of the same images and seed"
    told = f"results/studies/ablations: runs of pfml on furniture along alpha {reason}"
    assert Path("results/ablations.md").read_text().endswith(f"{LEFT_OUT}\n\n- {told}\n")


def test_ablations_of_other_views_than_the_grids_are_left_out_and_named(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write("results/finetuned", ablation(regime="finetuned", views_sha256="other"), regime="finetuned")
    runs_of_grid = [each.model_copy(update={"views_sha256": "seen"}) for each in grid(regime="finetuned")]
    path = Path("results/finetuned/runs/emoji-pfml/records.jsonl")
    write_records(path, [each for each in runs_of_grid if each.loss == "pfml"])
    assert write_ablations("finetuned").empty
    reason = "are of other views (views_sha256 other; that of the grid is seen)"
    told = f"results/finetuned/studies/ablations: runs of pfml on emoji {reason}"
    page = Path("results/finetuned/ablations.md").read_text()
    assert page.endswith(f"## Left out\n\n{LEFT_OUT}\n\n- {told}\n")


def test_a_data_set_without_a_search_in_git_is_said_to_have_none(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write("results", ablation())
    write_ablations("frozen")
    page = Path("results/ablations.md").read_text()
    assert "## emoji, alpha\n\nThere is no search in git.\n\n| value |" in page


def test_without_records_the_page_says_how_to_make_some(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write("results", [])
    assert write_ablations("frozen").empty
    assert "`suite ablation DATASET AXIS`, then `suite promote`." in Path("results/ablations.md").read_text()
    assert list(pd.read_csv("results/ablations.csv")) == list(found(ablation()))


def test_without_runs_of_the_grid_nothing_is_written(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write("results", ablation())
    Path("results/records.csv").unlink()
    with pytest.raises(SuiteError, match=r"^results/records\.csv is missing; "):
        write_ablations("frozen")
    assert not list(Path("results").glob("ablations.*"))


def write(results, records, **options):
    folder = Path(results, "studies/ablations")
    folder.mkdir(parents=True)
    if records:
        write_records(folder / "emoji-alpha.jsonl", records)
    to_table(grid(**options)).drop(columns="file").to_csv(Path(results, "records.csv"), index=False)

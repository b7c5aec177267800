"""The results in git, computed once more from the records in git by numpy and scipy alone, without code of the suite.

Searches are the units: runs of one search are averaged, losses are paired by the search's number, and intervals are those of
Student's t over the searches. Effects under label noise hold what is lost from the values on true labels, which are those of
the track ``tuned``.
"""

import json
import re

import numpy as np
import pandas as pd
import pytest
import yaml
from scipy import stats

from tests.helpers.paths import ROOT

RESULTS = ROOT / "results"
BASE = ["track", "dataset", "loss", "noise_kind", "noise_level", "search"]


def of_study(name):
    files = sorted((RESULTS / "studies" / name).glob("*.jsonl"))
    rows = [json.loads(line) for path in files for line in path.read_text().splitlines()]
    return pd.DataFrame(
        [{key: row.get(key) for key in (*BASE, "split")} | {"value": row["metrics"]["recall_at_1"]} for row in rows]
    )


@pytest.fixture(scope="module")
def claims():
    """Claims of the frozen regime in which two losses are compared, each with its file."""
    found = json.loads((RESULTS / "claims.json").read_text())["claims"]
    return [
        (claim, yaml.safe_load((ROOT / "claims" / claim["file"]).read_text()))
        for claim in found
        if claim["kind"] in {"superiority", "robustness"} and claim["regime"] == "frozen"
    ]


def effects(frame, spec, dataset):
    """Of each search: the difference between two losses, or how it changes along a line from no noise to the most."""

    def difference(level):
        track, kind = (spec["track"], spec["noise"]["kind"]) if level else ("tuned", "symmetric")
        rows = frame[(frame.dataset == dataset) & (frame.track == track) & (frame.noise_kind == kind)]
        means = rows[rows.noise_level == level].groupby(["loss", "search"]).value.mean() * 100
        return (means[spec["contrast"]["subject"]] - means[spec["contrast"]["reference"]]).to_numpy()

    if "level" in spec["noise"]:
        return difference(spec["noise"]["level"])
    levels = np.array(spec["noise"]["levels"], float)
    values = np.array([difference(level) for level in levels])
    from_mean = levels - levels.mean()
    return (levels[-1] - levels[0]) * from_mean @ values / (from_mean @ from_mean)


def interval(values):
    half = stats.t.ppf(0.975, len(values) - 1) * values.std(ddof=1) / len(values) ** 0.5
    return [values.mean(), values.mean() - half, values.mean() + half]


@pytest.mark.parametrize("folder", ["", "finetuned"])
def test_the_table_of_runs_has_what_the_records_of_the_grid_say(folder):
    place, names = RESULTS / folder, ["track", "dataset", "loss", "noise_kind", "noise_level", "seed"]
    rows = [json.loads(line) for path in sorted((place / "runs").glob("*/*")) for line in path.read_text().splitlines()]
    of_grid = {(row["track"], row["loss"]) for row in rows}
    table = pd.read_csv(place / "records.csv").set_index(names)
    table = table[[(track, loss) in of_grid for track, _, loss, *_ in table.index]]
    assert len(rows) == len(table) > 200
    for row in rows:
        told, metrics = table.loc[tuple(row[name] for name in names)], row["metrics"]
        assert told["config_sha256"] == row["config_sha256"]
        assert [told["search"], told["status"], told["recall_at_1"], told["map_at_r"]] == pytest.approx(
            [row["search"], row["status"], metrics.get("recall_at_1", np.nan), metrics.get("map_at_r", np.nan)],
            nan_ok=True,
        )
        if metrics:
            hits, queries = sum(row["class_hits"]), sum(row["class_queries"])
            assert metrics["recall_at_1"] == pytest.approx(hits / queries)


@pytest.mark.parametrize("dataset", ["emoji", "furniture", "typefaces"])
def test_the_board_has_the_metrics_of_the_frozen_backbone(dataset):
    metrics = json.loads((RESULTS / f"frozen/{dataset}.json").read_text())["metrics"]
    board = pd.read_csv(RESULTS / "leaderboard.csv").query("loss == 'frozen backbone' and dataset == @dataset")
    assert len(board)
    for name in ("recall_at_1", "map_at_r"):
        np.testing.assert_allclose(board[name], 100 * metrics[name], atol=1e-4)


def test_effects_and_intervals_of_the_grid_and_the_extended_grid(claims):
    grid = pd.read_csv(RESULTS / "records.csv").rename(columns={"recall_at_1": "value"})
    frame = pd.concat([grid[[*BASE, "value"]], of_study("extended")[[*BASE, "value"]]])
    told = [(spec, line) for claim, spec in claims for line in claim["lines"] if line["effect"] is not None]
    assert len(told) > 100
    for spec, line in told:
        expected = interval(effects(frame, spec, line["dataset"]))
        assert [line["effect"], line["low"], line["high"]] == pytest.approx(expected, abs=1e-5), spec["id"]


def test_effects_and_intervals_on_fresh_seeds(claims):
    frame = of_study("fresh_seeds")
    told = [(spec, line) for claim, spec in claims for line in claim["lines"] if line.get("fresh_seeds")]
    assert len(told) > 50
    for spec, line in told:
        fresh, expected = line["fresh_seeds"], interval(effects(frame, spec, line["dataset"]))
        assert [fresh["effect"], fresh["low"], fresh["high"]] == pytest.approx(expected, abs=1e-5), spec["id"]


def test_effects_under_further_class_splits(claims):
    frame = of_study("splits")
    told = [(spec, line) for claim, spec in claims for line in claim["lines"] if line["splits"]]
    assert len(told) > 30
    for spec, line in told:
        for split, effect in line["splits"].items():
            expected = effects(frame[frame.split == int(split)], spec, line["dataset"]).mean()
            assert effect == pytest.approx(expected, abs=1e-5), spec["id"]


@pytest.mark.parametrize("folder", ["", "finetuned"])
def test_the_tables_of_ablations(folder):
    """Each value's mean and its difference from the tuned one, from the records as they stand in git."""
    place = RESULTS / folder
    grid = pd.read_csv(place / "records.csv").query("loss == 'pfml' and track == 'tuned' and noise_level == 0")
    tuned = grid.set_index(["dataset", "seed"])
    runs = []
    for path in sorted((place / "studies/ablations").glob("*.jsonl")):
        for row in map(json.loads, path.read_text().splitlines()):
            of_grid = tuned.loc[(row["dataset"], row["seed"])]
            assert of_grid["search"] == row["search"]
            for metric in ("recall_at_1", "map_at_r"):
                where = row["dataset"], row["ablation"]["axis"], row["ablation"]["value"], metric
                value = row["metrics"].get(metric, np.nan)
                runs.append((*where, row["search"], 100 * value, 100 * (value - of_grid[metric])))
    columns = ["dataset", "axis", "value", "metric", "search", "mean", "difference"]
    units = pd.DataFrame(runs, columns=columns).groupby(columns[:5]).mean().groupby(columns[:4])
    found = pd.read_csv(place / "ablations.csv").set_index(columns[:4]).sort_index()
    assert list(found.index) == list(units.groups)
    half = stats.t.ppf(0.975, units.count() - 1) * units.std(ddof=1) / np.sqrt(units.count())
    for name, ends in (("mean", ("low", "high")), ("difference", ("difference_low", "difference_high"))):
        middle, error = units.mean()[name], half[name].where(half[name] > 1e-9)  # equal values have no interval
        np.testing.assert_allclose(found[name], middle, rtol=1e-4, atol=1e-4)
        np.testing.assert_allclose(found[ends[0]], middle - error, rtol=1e-4, atol=1e-4)
        np.testing.assert_allclose(found[ends[1]], middle + error, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("folder", ["", "finetuned"])
def test_the_tables_of_where_proxies_lie(folder):
    """Means over runs of means over classes, from the records as they stand in git."""
    place, runs = RESULTS / folder, []
    for path in sorted((place / "studies/geometry").glob("*.jsonl")):
        for row in map(json.loads, path.read_text().splitlines()):
            assert row["status"] == "ok"
            places, held = row["proxies"], row["ablation"]["value"] if row["ablation"] else -1
            delta, spread = places["delta"], np.array(places["spread"])
            met = [*(places["minima_met"] or []), *(places["minima_unmet"] or [])]
            started, ended = np.array(met).reshape(-1, 2).sum(axis=0)
            runs.append(
                {
                    "dataset": row["dataset"],
                    "loss": row["loss"],
                    "held": held,
                    **{name: np.mean(places[name]) for name in ("spread", "w2", "nearest")},
                    "apart": np.mean(places["apart"]) if places.get("apart") else np.nan,
                    "delta": delta or np.nan,
                    "relative": spread.mean() / delta if delta else np.nan,
                    "wider_first": (places.get("wider_by_epoch") or [np.nan])[0],
                    "wider_last": (spread > delta).mean() if delta else np.nan,
                    "condition": np.average(places["condition"], weights=places["size"]) if delta else np.nan,
                    "flows": ended / started if delta else np.nan,
                }
            )
    expected = pd.DataFrame(runs).groupby(["dataset", "loss", "held"])
    found = pd.read_csv(place / "geometry.csv").fillna({"held": -1}).set_index(["dataset", "loss", "held"]).sort_index()
    assert list(found.index) == list(expected.groups)
    assert list(found["runs"]) == list(expected.size())
    for name in [*runs[0]][3:]:
        np.testing.assert_allclose(found[name], expected[name].mean(), rtol=1e-4, atol=1e-6)
        np.testing.assert_allclose(found[f"{name}_least"], expected[name].min(), rtol=1e-4, atol=1e-6)
        np.testing.assert_allclose(found[f"{name}_most"], expected[name].max(), rtol=1e-4, atol=1e-6)


def test_the_counts_that_the_readme_ends_its_finding_with():
    found = [each for each in json.loads((RESULTS / "claims.json").read_text())["claims"] if each["regime"] == "frozen"]
    shown = {"supported", "contradicted", "equivalent"}
    mine = [line | {"least": claim["smallest_effect"]} for claim in found for line in claim["lines"] if line["counts"]]
    lines = [line for line in mine if line["verdict"] != "not run"]
    definite = [line for line in lines if line["verdict"] in shown]
    open_ = [line for line in lines if line["verdict"] == "inconclusive"]
    power = [line["detectable"] > 2 * line["least"] for line in open_ if line["detectable"]]
    fresh = [line["fresh_seeds"]["verdict"] != line["verdict"] for line in definite if line.get("fresh_seeds")]
    late = [line["fresh_seeds"]["verdict"] in shown for line in open_ if line.get("fresh_seeds")]
    split = [
        np.array([*line["splits"].values()]) / line["effect"]
        for line in definite
        if line["splits"] and line["verdict"] != "equivalent"
    ]
    alone = [stats.ttest_1samp(each, 0, alternative="greater").pvalue < 0.025 for each in split]
    expected = [len(lines), len(definite), len(open_), sum(power), len(power)]
    expected += [sum(bool(line["flips"]) for line in definite)]
    expected += [sum(bool(shown & {*line["flips"].values()}) for line in open_)]
    expected += [sum(fresh), len(fresh), sum(late), len(late)]
    expected += [sum(min(each) <= 0 for each in split), len(split), sum(alone)]
    missing = len(mine) - len(lines)
    expected += [missing] if missing else []
    sentence, *_ = re.findall(r"Of .* results run .*", (ROOT / "README.md").read_text())  # of this regime, the first
    assert [int(number) for number in re.findall(r"\d+", sentence)][: len(expected)] == expected
    assert ("not run" in sentence.split(" | ")[0]) == bool(missing)

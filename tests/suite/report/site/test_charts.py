"""Charts: digits of numbers, forests without intervals, names that JavaScript knows."""

import csv
import io

import pandas as pd
import pytest
import vl_convert

from suite.judging.leaderboard.table import FROZEN
from suite.report.site.charts import CONFIG, forest_chart, inline, noise_chart, plane_chart
from suite.report.site.loss_charts import curves_chart, influence_chart, trials_chart
from suite.report.site.tuning import budget_chart
from suite.settings.tuned_recipes import load_tuned
from tests.helpers.paths import ROOT


def test_numbers_have_the_digits_that_a_chart_shows():
    rows = inline([{"value": 225.57639080545178, "seed": 123456789, "at": "0.123456789", "low": None}]).to_dict()
    assert rows["values"] == "value,seed,at,low\n225.58,123456789,0.123456789,\n"
    assert rows["format"]["parse"] == {"value": "number", "seed": "number", "at": "string", "low": "number"}


def test_names_are_read_back_as_they_are():
    names = ["2020", 'a "b", c', "x\ny", "<b>"]
    rows = inline([{"name": name} for name in names]).to_dict()
    assert list(csv.reader(io.StringIO(rows["values"]))) == [["name"], *([name] for name in names)]
    assert rows["format"]["parse"] == {"name": "string"}


def test_a_forest_without_intervals_draws_none():
    """Vega complains in the console of a scale of nothing."""
    row = {"name": "a", "effect": 0.2, "low": None, "high": None, "verdict": "supported", "shown": "0.2"}
    row |= {"smallest": 0.1, "least": -0.1}
    layers = [
        len(forest_chart(rows, "share", "t")["layer"]) for rows in ([row], [row, row | {"low": 0.1, "high": 0.3}])
    ]
    assert layers == [3, 4]


def charts_of(name):
    """Every chart in which a name that people choose can stand: of a loss, a data set, a class or a claim."""
    board = pd.DataFrame(
        [
            {"loss": loss, "noise_level": level, "track": "tuned", "recall_at_1": 50.0, "handed_in": told}
            for loss, told in ((name, "not rerun"), ("pfml", ""), (FROZEN, ""))
            for level in (0, 0.2)
        ]
    )
    recipe = load_tuned(ROOT / "recipes/tuned/emoji/pfml-0.yaml").model_copy(update={"dataset": name, "loss": name})
    both = [name, "pfml"]
    seen = pd.DataFrame(
        [{"loss": loss, "pair": "positive", "distance": d, "normalised": d} for loss in both for d in (0.1, 1.0)]
    )
    curve = pd.DataFrame([{"noise_level": 0, "seed": 0, "epoch": epoch, "value": 1 / epoch} for epoch in (1, 2)])
    row = {"name": f"{name}: all", "effect": 0.2, "low": 0.1, "high": 0.3, "verdict": "supported", "shown": "0.2"}
    points = [{"x": x, "y": x, "class": label, "row": 0} for x, label in enumerate(both)]
    return {
        "noise": noise_chart(board, f"{name}, symmetric noise, frozen", both),
        "influence": influence_chart(seen, name, ["pfml"], both, "positive"),
        "curves": curves_chart(curve, name, name),
        "trials": trials_chart(recipe),
        "budget": budget_chart({name: [recipe]}, f"{name}, tuned", both),
        "forest": forest_chart([row | {"smallest": 0.1, "least": -0.1}], name, name),
        "map": plane_chart(points, name, both, "{row}.webp"),
    }


def shapes(name):
    """Numbers of shapes in each chart, drawn by the libraries of the pages; an error of theirs is raised."""
    counts = {}
    for kind, spec in charts_of(name).items():
        fixed = {key: spec[key] for key in spec if key != "autosize"} | {"config": CONFIG, "width": 300}
        counts[kind] = vl_convert.vegalite_to_svg(fixed).count("<path")
    return counts


@pytest.fixture(scope="module")
def ordinary():
    return shapes("ordinary")


@pytest.mark.parametrize("name", ["constructor", "toString", "__proto__"])
def test_a_name_that_javascript_knows_is_a_name_like_another(name, ordinary):
    """Vega looks texts of expressions and titles up in plain objects, which know these."""
    assert min(ordinary.values()) > 5
    assert shapes(name) == ordinary

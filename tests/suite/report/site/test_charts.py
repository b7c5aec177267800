"""Charts: digits of numbers, and forests without intervals."""

import csv
import io

from suite.report.site.charts import forest_chart, inline


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

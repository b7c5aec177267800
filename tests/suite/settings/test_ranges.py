"""Every number of every file of settings has a range, and what lies outside is one line that names file and setting."""

import copy
import math
from itertools import pairwise
from pathlib import Path
from types import UnionType
from typing import Annotated, Union, get_args, get_origin

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError

from suite.settings.benchmarks import BenchmarkSettings
from suite.settings.finetuned import FinetunedSettings
from suite.settings.paper_recipes import RecipeSettings
from suite.settings.params import Settings
from suite.settings.paths import BENCHMARKS_FILE, FINETUNED_FILE, PARAMS_FILE
from suite.settings.reading import _constraints, explain
from tests.helpers.paths import ROOT

PAPER = Path("recipes/paper/proxy_anchor_resnet50.yaml")
FILES = {PARAMS_FILE: Settings, FINETUNED_FILE: FinetunedSettings, BENCHMARKS_FILE: BenchmarkSettings}
FILES |= {PAPER: RecipeSettings}
KEYS = {"datasets": "emoji", "losses": "pfml", "also": "hist", "ablation": "emoji", "benchmarks": "cub"}
"""Names of entries, by the settings that hold them; any other name does for others."""
FREE = ("params", "miner_params", "search", "space", "hyperparameters", "train_crop_scale")
"""What a loss is asked about; and a pair of shares, which has a test of its own."""
ODD = [math.nan, math.inf, -math.inf, True, "3", "1e999", [3], {"value": 3}, 10**400, "x" * 1000]


def numbers(annotation, place=()):
    """Places of numbers within an annotation."""
    arguments = get_args(annotation)
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        for name, field in annotation.model_fields.items():
            if name not in FREE:
                yield from numbers(field.annotation, (*place, name))
    elif get_origin(annotation) is Annotated:
        yield from numbers(arguments[0], place)
    elif get_origin(annotation) in (Union, UnionType):
        for each in arguments:
            yield from numbers(each, place)
    elif get_origin(annotation) is dict:
        yield from numbers(arguments[1], (*place, KEYS.get(place[-1], "any")))
    elif get_origin(annotation) in (tuple, list):
        yield from numbers(arguments[0], (*place, 0))
    elif annotation in (int, float):
        yield place


NUMBERS = [(file, place) for file, model in FILES.items() for place in dict.fromkeys(numbers(model))]


def put(values, place, value):
    """Settings with a value in a place."""
    changed = copy.deepcopy(values)
    inner = changed
    for name, following in pairwise(place):
        if following == 0:
            inner[name] = [value]
            return changed
        if inner.get(name) is None:
            inner[name] = {}
        inner = inner[name]
    inner[place[-1]] = value
    return changed


def outside(whole, bounds):
    """Values beyond the bounds, and those of other kinds."""
    low, high = bounds.get("ge", bounds.get("gt")), bounds.get("le", bounds.get("lt"))
    values = [st.sampled_from(ODD), st.integers(max_value=math.ceil(low) - 1)]
    values += [st.floats(max_value=low, exclude_max=True), *([st.just(low)] if "gt" in bounds else [])]
    if high is not None:
        values += [st.integers(min_value=math.floor(high) + 1), st.floats(min_value=high, exclude_min=True)]
        values += [st.just(high)] if "lt" in bounds else []
    return st.one_of(*values, *([st.just(low + 0.5)] if whole else []))


def test_all_files_have_numbers():
    names = {".".join(map(str, place)) for _, place in NUMBERS}
    assert {"seeds", "noise.levels.0", "recipe.epochs", "tuning.held_out", "ablation.emoji.delta.0"} <= names
    assert {"recipe.views", "recipe.backbone_rate", "datasets.emoji.colour"} <= names
    assert len(NUMBERS) > 40


@pytest.mark.parametrize(
    ("file", "place"), NUMBERS, ids=[f"{file.parent.name} {'.'.join(map(str, place))}" for file, place in NUMBERS]
)
def test_what_is_out_of_range_is_one_line(file, place):
    model, values = FILES[file], yaml.safe_load((ROOT / file).read_text())
    values = values["settings"] if file == PAPER else values
    whole, bounds = _constraints(model, list(place))
    assert bounds.keys() & {"ge", "gt"}
    assert bounds.keys() & {"le", "lt"}

    @settings(max_examples=12, deadline=None, derandomize=True)
    @given(outside(whole, bounds))
    def refused(value):
        with pytest.raises(ValidationError) as caught:
            model.model_validate(put(values, place, value))
        (line,) = explain(caught.value, model, file)
        setting = ".".join(map(str, place))
        assert line.startswith((f"{file}: {setting}", f"{file}: {setting.removesuffix('.0')}")), line
        assert "allowed: " in line, line
        assert len(line) < 300

    refused()

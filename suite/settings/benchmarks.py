"""``pipelines/benchmarks/params.yaml``: which networks are trained on CUB, Cars and SOP, by which recipes; their plans."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, TypeAdapter

from suite.errors import SuiteError, allowed
from suite.settings.paper_recipes import RecipeSettings, find_paper_recipe
from suite.settings.params import BenchmarkName, NoiseSettings
from suite.settings.paths import BENCHMARKS_FILE, BENCHMARKS_FOLDER
from suite.settings.plans import Plan
from suite.settings.reading import Filled, Name, Scalar, Seeds, Strict, read_settings


class Benchmark(Strict):
    """A row of the leaderboard: a recipe, and the loss if it is another one than the recipe's."""

    recipe: str
    """Name of a paper's recipe, or path of a .yaml file like those."""
    target: str | None = None
    """A loss in place of the recipe's: ``module:Class`` or ``path/file.py:Class``."""
    params: dict[str, Scalar] = Field(default_factory=dict)
    """Hyper-parameters of that loss, or those that differ from the recipe's."""


@dataclass(frozen=True, slots=True)
class WholeNetworkPlan(Plan[RecipeSettings]):
    """What the runs of one (data set, row) share.

    Attributes:
        recipe_name: name or path of the recipe.
        precision: of the network.
        noise_lists: digests of the labels of published lists, by noise level; empty where noise is drawn.
    """

    recipe: RecipeSettings
    recipe_name: str
    precision: Literal["bfloat16", "float32"]
    noise_lists: dict[str, str] = field(default_factory=dict)

    def listed(self, level: float) -> str | None:
        """Digest of the labels at a noise level, if they come from a list."""
        return self.noise_lists.get(f"{level:g}")

    @classmethod
    def from_dict(cls, value: dict[str, Any]) -> "WholeNetworkPlan":
        """The inverse of ``as_dict``; raises what is wrong of keys, types and values."""
        return TypeAdapter(cls).validate_json(json.dumps(value))


class BenchmarkSettings(Strict):
    """The whole of the file."""

    benchmarks: Annotated[dict[BenchmarkName, dict[Name, Benchmark]], Field(min_length=1), Filled]
    """By data set, by name on the leaderboard."""
    noise: NoiseSettings
    seeds: Seeds
    precision: Literal["bfloat16", "float32"]
    """Of the network; the loss is in float32 always."""

    def rows(self, dataset: str) -> dict[str, Benchmark]:
        """The rows of a data set by name.

        Raises:
            SuiteError: there is none.
        """
        for name, rows in self.benchmarks.items():
            if name == dataset and rows:
                return rows
        raise SuiteError(f"{BENCHMARKS_FILE}: benchmarks has no row for {dataset!r}; allowed: {allowed(self.datasets)}")

    def row(self, dataset: str, name: str) -> Benchmark:
        """One row.

        Raises:
            SuiteError: there is none.
        """
        rows = self.rows(dataset)
        if name not in rows:
            raise SuiteError(f"{BENCHMARKS_FILE}: benchmarks.{dataset} has no {name!r}; allowed: {allowed(rows)}")
        return rows[name]

    @property
    def datasets(self) -> list[str]:
        """Data sets with a row."""
        return [dataset for dataset, rows in self.benchmarks.items() if rows]

    @property
    def losses(self) -> list[str]:
        """Names of all rows."""
        return list(dict.fromkeys(name for _, name in self.named_rows))

    @property
    def named_rows(self) -> list[tuple[str, str]]:
        """(data set, name) of each row, in the order of the file."""
        return [(dataset, name) for dataset, rows in self.benchmarks.items() for name in rows]


def load_benchmarks(path: Path = BENCHMARKS_FILE) -> BenchmarkSettings:
    """Read and check the settings file.

    Raises:
        SuiteError: it is missing, no YAML, or a setting is unknown or out of range.
    """
    return read_settings(path, BenchmarkSettings, "settings file {} is missing; run from the project's root")


def benchmark_plan_path(dataset: str, row: str) -> Path:
    """Plan file of a row."""
    return BENCHMARKS_FOLDER / "plans" / f"{dataset}-{row}.json"


def user_rows(settings: BenchmarkSettings) -> list[str]:
    """Names of rows that are no baselines: those with a loss of their own, and further recipes of a loss.

    Raises:
        SuiteError: a recipe is missing.
    """
    rows = [(name, row) for mine in settings.benchmarks.values() for name, row in mine.items()]
    named = {
        name for name, row in rows if row.target is None and find_paper_recipe(row.recipe).settings.loss.name == name
    }
    return [name for name in settings.losses if name not in named]

"""Plans: what the runs of a (data set, loss) share, and the runs that follow from it, as plain files between the stages.

``plan/tuned/D-L.json`` says how a loss is to be run on a data set and, where no tuned recipe stands, what is to be searched
first. The plans in ``tuned/`` and ``plan/paper_values/`` are complete: a stage that trains depends on
such a file and on its data only, so it holds all else that its runs depend on, digests of code included. A file holds a plan
for each tuning track and each of its searches.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from functools import cache
from pathlib import Path
from typing import Annotated, Any, ClassVar, Generic, Literal, TypeVar, get_args

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from suite.errors import SuiteError
from suite.files import write_json
from suite.hashing import sha256_value
from suite.settings.finetuned import FinetunedRecipe
from suite.settings.params import Recipe, TuningTrack
from suite.settings.paths import FOLDERS, PLAN, RESULTS_OF, STUDIES, TUNED_PLAN
from suite.settings.reading import NoiseLevel, Seeds, damage

Hyperparameters = dict[str, Any]
Regime = Literal["frozen", "finetuned", "published"]
"""What learns: an embedding layer on frozen features; the last stages of the backbone; the network by a paper's recipe."""
Track = Literal[TuningTrack, "paper_values", "ablation"]
"""How hyper-parameters were chosen: with an equal budget; as the loss's paper has them; one varied around tuned ones."""
HyperparameterSource = Literal["search", "params.yaml", "defaults", "paper"]

_Number = Annotated[int, Field(ge=0)]
R_co = TypeVar("R_co", bound=BaseModel, covariant=True)


@dataclass(frozen=True, slots=True)
class Plan(Generic[R_co]):
    """What the runs of one (regime, track, data set, loss) share.

    Attributes:
        regime: what learns.
        track: how hyper-parameters were chosen.
        dataset: name of the data set.
        backbone: name of the network.
        loss: name of the loss.
        target: where its class is found.
        loss_sha256: digest of the code that defines it.
        code_sha256: digest of the code that trains and evaluates it.
        noise_kind: kind of label noise.
        noise_levels: levels of label noise.
        seeds: number of seeds.
        hyperparameter_source: where its hyper-parameters come from; "search" whether its recipe stands in git or was just
            found.
        hyperparameters: constructor arguments that differ from the class's defaults.
        recipe: training settings, learning rates resolved.
    """

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid", strict=True)
    """How a file of plans is checked."""

    regime: Regime
    track: Track
    dataset: str
    backbone: str
    loss: str
    target: str
    loss_sha256: str
    code_sha256: str
    noise_kind: str
    noise_levels: Annotated[tuple[NoiseLevel, ...], Field(min_length=1)]
    seeds: Seeds
    hyperparameter_source: HyperparameterSource
    hyperparameters: Hyperparameters
    recipe: R_co

    def as_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        plain = {field.name: getattr(self, field.name) for field in fields(self)}
        return plain | {
            "noise_levels": list(self.noise_levels),
            "hyperparameters": dict(sorted(self.hyperparameters.items())),
            "recipe": self.recipe.model_dump(mode="json"),
        }


@dataclass(frozen=True, slots=True)
class TunedPlan(Plan[R_co]):
    """A plan whose hyper-parameters may be searched.

    Attributes:
        validation_epoch: the epoch that was best on validation classes during the search, None if nothing was searched.
        search: number of the search that found the hyper-parameters, from 0; None if nothing was searched.
        searches: number of searches; the runs of seed s take the values of search s modulo this number.
        split: which half of the classes trains; 0 is the stored one.
    """

    validation_epoch: Annotated[int, Field(ge=1)] | None = None
    search: _Number | None = None
    searches: Annotated[int, Field(ge=1)] = 1
    split: _Number = 0


@dataclass(frozen=True, slots=True)
class FrozenPlan(TunedPlan[Recipe]):
    """A plan of embedding layers trained on frozen features."""

    recipe: Recipe


@dataclass(frozen=True, slots=True)
class FinetunedPlan(TunedPlan[FinetunedRecipe]):
    """A plan of late blocks of the backbone and embedding layers, trained on views."""

    recipe: FinetunedRecipe


P = TypeVar("P", bound=Plan[Any])
P_co = TypeVar("P_co", bound=Plan[Any], covariant=True)
SomePlan = TunedPlan[Recipe]
"""A plan of one of the regimes whose hyper-parameters are searched; each of their recipes is a ``Recipe``."""
PLANS: dict[Regime, tuple[type[SomePlan], type[Recipe]]] = {
    "frozen": (FrozenPlan, Recipe),
    "finetuned": (FinetunedPlan, FinetunedRecipe),
}
"""These regimes with the classes of their plans and recipes."""


def plan_from_dict(value: Any) -> SomePlan:
    """The inverse of ``as_dict``; raises what is wrong of keys, types and values."""
    plan: SomePlan = _adapter(value["regime"]).validate_json(json.dumps(value))
    return plan


@cache
def _adapter(regime: Regime) -> TypeAdapter[Any]:
    return TypeAdapter(PLANS[regime][0])


@dataclass(frozen=True, slots=True)
class Run(Generic[P_co]):
    """One (noise level, seed) of a plan.

    Attributes:
        plan: what is trained, and how.
        noise_level: label noise of the training labels.
        seed: from 0.
        keeps_embeddings: whether the embeddings of the test classes are kept.
        label: what tells it from other runs of its stage besides noise and seed, if anything.
    """

    plan: P_co
    noise_level: float
    seed: int
    keeps_embeddings: bool = False
    label: str = ""

    @property
    def group(self) -> str:
        """What the runs that differ in their seeds alone share, e.g. ``noise 0.2``."""
        track = self.plan.track
        told = f"{track} " if track in get_args(TuningTrack)[1:] else ""
        return self.label or f"{told}noise {self.noise_level:g}"

    @property
    def name(self) -> str:
        """A short name within its stage, e.g. ``noise 0.2 seed 3``."""
        return f"{self.group} seed {self.seed}"

    @property
    def config_sha256(self) -> str:
        """Digest of all settings that it depends on: how many other levels and seeds there are is none of them."""
        left_out = {"seeds", "noise_levels", "noise_lists", "hyperparameter_source", "search", "searches"}
        plan = {name: value for name, value in self.plan.as_dict().items() if name not in left_out}
        return sha256_value([plan, self.noise_level, self.seed])


def runs_of(plan: P, *, keep_embeddings: bool = False) -> list[Run[P]]:
    """All runs of a plan, seeds within noise levels; of each level of the track ``tuned`` seed 0 may keep its embeddings."""
    keep_embeddings &= plan.track == "tuned"
    return [
        Run(plan, level, seed, keep_embeddings and seed == 0) for level in plan.noise_levels for seed in seeds_of(plan)
    ]


def seeds_of(plan: Plan[Any]) -> range:
    """Seeds that run with the values of a plan: of n searches, each has every n-th."""
    if isinstance(plan, TunedPlan) and plan.search is not None:
        return range(plan.search, plan.seeds, plan.searches)
    return range(plan.seeds)


def fresh_seeds(plan: SomePlan, count: int) -> list[int]:
    """Of the ``count`` seeds that follow those of the grid, the ones that run with the values of a plan."""
    seeds = range(plan.seeds, plan.seeds + count)
    return [seed for seed in seeds if plan.search is None or seed % plan.searches == plan.search]


@dataclass(frozen=True, slots=True)
class Search:
    """One of several searches for hyper-parameters that differ in their random streams alone.

    Attributes:
        space: hyper-parameters to search, as declared.
        by_hand: values that are set and not searched, learning rates included.
        trials: number of trials.
        folds: number of folds of the training classes.
        noise: label noise of the classes that train.
        number: of the search, from 0.
        noisy_validation: whether the classes that validate have such noise, too.
        held_out: number of folds that validate, from the one of this number on; all of them if None.
    """

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid", strict=True)

    space: Annotated[dict[str, dict[str, Any]], Field(min_length=1)]
    by_hand: Hyperparameters
    trials: Annotated[int, Field(ge=1)]
    folds: Annotated[int, Field(ge=2)]
    noise: NoiseLevel = 0.0
    number: _Number = 0
    noisy_validation: bool = False
    held_out: Annotated[int, Field(ge=1)] | None = None

    def as_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return {name: value for name, value in asdict(self).items() if value is not None}


_SEARCH = TypeAdapter(Search)

Planned = tuple[SomePlan, Search | None]
"""A plan, and the search that comes before it."""


def folder_of(regime: Regime) -> Path:
    """What the plans, searches, runs and times of a regime lie in."""
    return FOLDERS.get(regime, Path())


def studies_of(regime: Regime) -> Path:
    """What the records of a regime's studies lie in, in git."""
    return RESULTS_OF[regime] / STUDIES


PlanKind = Literal["tuned", "searches", "paper_values", "extended"]


def plan_path(kind: PlanKind, dataset: str, loss: str, regime: Regime = "frozen") -> Path:
    """Plan file of a (data set, loss): before tuning, of a search that is run by its own command, or of a study."""
    return folder_of(regime) / PLAN.format(kind=kind, dataset=dataset, loss=loss)


def tuned_plan_path(dataset: str, loss: str, regime: Regime = "frozen") -> Path:
    """Plan file of the tuned track, complete."""
    return folder_of(regime) / TUNED_PLAN.format(dataset=dataset, loss=loss)


def write_plan_file(path: Path, planned: Sequence[Planned]) -> None:
    """Write a plan file."""
    write_json(path, [{"plan": plan.as_dict(), "search": search and search.as_dict()} for plan, search in planned])


def read_plan(path: Path) -> Planned:
    """The first plan of a plan file, as ``read_plan_file`` reads it: that of the track ``tuned``, of its first search."""
    return read_plan_file(path)[0]


def read_plan_file(path: Path) -> list[Planned]:
    """Read a plan file.

    Raises:
        SuiteError: it is missing or damaged.
    """
    regimes = [f" pipelines/{regime}/dvc.yaml" for regime, folder in FOLDERS.items() if folder in path.parents]
    again = f"dvc repro{''.join(regimes)}"
    if not path.is_file():
        sections = {"paper_values": "paper_values", "extended": "extended.losses and losses or tuning.also"}
        section = sections.get(path.parent.name, "losses")
        raise SuiteError(
            f"plan {path} is missing: name its data set under datasets and its loss under {section} in params.yaml, "
            f"then run: {again}"
        )
    cure = f"delete it, then run: {again}"
    try:
        plans = [_planned(value) for value in json.loads(path.read_text(encoding="utf-8"))]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        what = f": {damage(error)}" if isinstance(error, ValidationError) else ""
        raise SuiteError(f"plan {path} is damaged{what}; {cure}") from error
    if not plans:
        raise SuiteError(f"plan {path} is empty; {cure}")
    for plan, _ in plans:
        if f"{plan.dataset}-{plan.loss}" not in {path.stem, path.parent.name}:
            raise SuiteError(f"plan {path} is damaged: it is of {plan.loss} on {plan.dataset}; {cure}")
    return plans


def _planned(value: Any) -> Planned:
    search = None if value["search"] is None else _SEARCH.validate_json(json.dumps(value["search"]))
    return plan_from_dict(value["plan"]), search

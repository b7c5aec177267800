"""What settings fix of a regime before its runs, besides the claims."""

from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from suite.hashing import sha256_value
from suite.losses.registry import find_loss
from suite.settings.params import Settings
from suite.training.search_space import declared_space, space_on

_STUDIES = {"ablation", "crossed", "splits", "fresh_seeds", "extended", "geometry"}
_LOSSES = "losses"
"""Where a study names its losses."""


class Design(BaseModel):
    """What is fixed of a regime besides the claims; digests are SHA-256."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    search_spaces: dict[str, str]
    """Digest of what a search of each loss varies."""
    recipes: dict[str, dict[str, Any]]
    """How each data set is trained on."""
    budget: dict[str, Any]
    """``tuning`` without its losses: trials, folds, searches, tracks, noise, shared space."""
    seeds: int
    noise: dict[str, Any]
    studies: dict[str, Any]
    """``ablation``, ``crossed``, ``splits``, ``fresh_seeds``, ``extended`` and ``geometry``."""

    @classmethod
    def of(cls, settings: Settings) -> "Design":
        """What settings fix.

        Raises:
            SuiteError: a loss cannot be found, or its search space is none.
        """
        return cls(
            search_spaces={name: sha256_value(_spaces(name, settings)) for name in settings.all_losses},
            recipes={name: settings.recipe_of(name).model_dump(mode="json") for name in settings.datasets},
            budget=settings.tuning.model_dump(mode="json", exclude={"also"}),
            seeds=settings.seeds,
            noise=settings.noise.model_dump(mode="json"),
            studies=settings.model_dump(mode="json", include=_STUDIES, serialize_as_any=True),  # a regime adds to some
        )

    def beyond(self, before: "Design") -> "Design":
        """What an earlier design lacks: losses and their search spaces, recipes on further data sets, further studies."""
        new = {
            name: {key: value for key, value in getattr(self, name).items() if key not in getattr(before, name)}
            for name in ("search_spaces", "recipes", "studies")
        }
        for study, was in before.studies.items():
            further = {
                loss: value for loss, value in _losses(self.studies.get(study)).items() if loss not in _losses(was)
            }
            if further:
                new["studies"][study] = {_LOSSES: further}
        return self.model_copy(update=new | {"budget": {}, "noise": {}})

    def joined(self, later: "Design") -> "Design":
        """This design with what a later one had beyond it."""
        names = ("search_spaces", "recipes", "studies")
        joined = {name: getattr(later, name) | getattr(self, name) for name in names}
        for study, was in self.studies.items():
            if further := _losses(later.studies.get(study)):
                joined["studies"][study] = was | {_LOSSES: further | _losses(was)}
        return self.model_copy(update=joined)

    @property
    def is_empty(self) -> bool:
        """Whether nothing is beyond an earlier design."""
        return not (self.search_spaces or self.recipes or self.studies)

    def changes(self, now: "Design") -> list[str]:
        """What is other now, a phrase each."""
        told = [
            f"{what} {name}: {'changed' if name in was else 'came after'}"
            for what, was, value in (
                ("search space of", self.search_spaces, now.search_spaces),
                ("recipe on", self.recipes, now.recipes),
            )
            for name in value
            if was.get(name) != value[name]
        ]
        then = {key: _with_defaults(key, value) for key, value in self.studies.items()}
        for key, study in now.studies.items():
            was, value = _losses(then.get(key)), _losses(study)
            told += [
                f"{key}.{_LOSSES}.{name}: {_become(was.get(name), value.get(name))}"
                for name in dict.fromkeys([*was, *value])
                if then.get(key) and was.get(name) != value.get(name)
            ]
        for name, was, value in (
            *((f"tuning.{key}", self.budget.get(key), now.budget[key]) for key in now.budget),
            *((f"noise.{key}", self.noise.get(key), now.noise[key]) for key in now.noise),
            *((key, _but_losses(then.get(key)), _but_losses(now.studies[key])) for key in now.studies),
            ("seeds", self.seeds, now.seeds),
        ):
            if was != value:
                told.append(f"{name}: {was} then, {value} now")
        return told


def _losses(study: Any) -> dict[str, Any]:
    """The losses that a study names; none where it names none."""
    return study.get(_LOSSES, {}) if isinstance(study, dict) else {}


def _but_losses(study: Any) -> Any:
    """The other settings of a study, if it was there."""
    return {key: value for key, value in study.items() if key != _LOSSES} if isinstance(study, dict) else study


def _become(was: Any, now: Any) -> str:
    """What has become of a loss of a study."""
    return "came after" if was is None else "left out" if now is None else "changed"


def _with_defaults(study: str, was: Any) -> Any:
    """Settings of a study as they were, with those that have come since as they are where nobody sets them."""
    default = Settings.model_fields[study].get_default(call_default_factory=True)
    if not isinstance(default, BaseModel) or not was:
        return was
    try:
        return type(default).model_validate(was).model_dump(mode="json")
    except ValidationError:  # it had settings that there are no more
        return was


def _spaces(loss: str, settings: Settings) -> dict[str, Any]:
    """What a search of a loss varies on each data set."""
    mine, tuning = settings.all_losses[loss], settings.tuning
    entry = find_loss(loss, mine, settings.place_of(loss), settings.file_of(loss))
    space = declared_space(entry, mine, tuning.space, settings.recipe.file)
    return {name: space_on(name, dataset.limits, space) for name, dataset in settings.datasets.items()}

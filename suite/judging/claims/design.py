"""What settings fix of a regime before its runs, besides the claims."""

from typing import Any

from pydantic import BaseModel, ConfigDict

from suite.hashing import sha256_value
from suite.losses.registry import find_loss
from suite.settings.params import Settings
from suite.training.search_space import declared_space, space_on

_STUDIES = {"ablation", "crossed", "splits", "fresh_seeds", "extended", "geometry"}


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
            studies=settings.model_dump(mode="json", include=_STUDIES),
        )

    def beyond(self, before: "Design") -> "Design":
        """What an earlier design lacks: search spaces of further losses, recipes on further data sets, further studies."""
        names = ("search_spaces", "recipes", "studies")
        new = {
            name: {key: value for key, value in getattr(self, name).items() if key not in getattr(before, name)}
            for name in names
        }
        return self.model_copy(update=new | {"budget": {}, "noise": {}})

    def joined(self, later: "Design") -> "Design":
        """This design with what a later one had beyond it."""
        names = ("search_spaces", "recipes", "studies")
        return self.model_copy(update={name: getattr(later, name) | getattr(self, name) for name in names})

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
        for name, was, value in (
            *((f"tuning.{key}", self.budget.get(key), now.budget[key]) for key in now.budget),
            *((f"noise.{key}", self.noise.get(key), now.noise[key]) for key in now.noise),
            *((key, _with_defaults(key, self.studies.get(key)), now.studies[key]) for key in now.studies),
            ("seeds", self.seeds, now.seeds),
        ):
            if was != value:
                told.append(f"{name}: {was} then, {value} now")
        return told


def _with_defaults(study: str, was: Any) -> Any:
    """Settings of a study as they were, with those that have come since as they are where nobody sets them."""
    default = Settings.model_fields[study].get_default(call_default_factory=True)
    return default.model_dump(mode="json") | was if isinstance(default, BaseModel) and was else was


def _spaces(loss: str, settings: Settings) -> dict[str, Any]:
    """What a search of a loss varies on each data set."""
    entry = settings.all_losses[loss]
    space = declared_space(find_loss(loss, entry), entry, settings.tuning.space)
    return {name: space_on(name, dataset.limits, space) for name, dataset in settings.datasets.items()}

"""Hyper-parameters put into plans: most belong to the loss, learning rates and epochs to the recipe."""

from dataclasses import replace
from pathlib import Path

from pydantic import ValidationError

from suite.errors import several
from suite.losses.build import TRAINING_SETTINGS
from suite.losses.registry import Hyperparameters, entry_of
from suite.settings.params import Recipe
from suite.settings.plans import P
from suite.settings.reading import explain


def with_learning_rates(recipe: Recipe, values: Hyperparameters, where: str) -> Recipe:
    """The recipe with a loss's learning rates in place of the general ones.

    Args:
        recipe: the general one.
        values: hyper-parameters of the loss.
        where: what sets them, for messages: ``FILE: SETTING``.

    Raises:
        SuiteError: a learning rate is not a positive number.
    """
    rates = {name: values[name] for name in TRAINING_SETTINGS if name in values}
    try:
        return type(recipe).model_validate(recipe.model_dump() | rates)
    except ValidationError as error:
        file, _, setting = where.partition(": ")
        raise several(explain(error, type(recipe), Path(file), setting)) from error


def with_values(plan: P, values: Hyperparameters) -> P:
    """A plan with these hyper-parameters, learning rates included, on top of its own."""
    others = {name: value for name, value in values.items() if name not in TRAINING_SETTINGS}
    recipe = with_learning_rates(plan.recipe, values, f"{entry_of(plan.loss)}.params")
    return replace(plan, hyperparameters=plan.hyperparameters | others, recipe=recipe)

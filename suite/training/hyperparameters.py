"""Hyper-parameters put into plans: most belong to the loss, learning rates and epochs to the recipe."""

from dataclasses import replace

from pydantic import ValidationError

from suite.errors import several
from suite.losses.build import TRAINING_SETTINGS
from suite.losses.registry import Hyperparameters
from suite.settings.params import Recipe
from suite.settings.paths import PARAMS_FILE
from suite.settings.plans import P
from suite.settings.reading import explain


def with_learning_rates(recipe: Recipe, values: Hyperparameters, loss: str) -> Recipe:
    """The recipe with a loss's learning rates in place of the general ones.

    Raises:
        SuiteError: a learning rate is not a positive number.
    """
    rates = {name: values[name] for name in TRAINING_SETTINGS if name in values}
    try:
        return type(recipe).model_validate(recipe.model_dump() | rates)
    except ValidationError as error:
        raise several(explain(error, type(recipe), PARAMS_FILE, f"losses.{loss}.params")) from error


def with_values(plan: P, values: Hyperparameters) -> P:
    """A plan with these hyper-parameters, learning rates included, on top of its own."""
    others = {name: value for name, value in values.items() if name not in TRAINING_SETTINGS}
    recipe = with_learning_rates(plan.recipe, values, plan.loss)
    return replace(plan, hyperparameters=plan.hyperparameters | others, recipe=recipe)

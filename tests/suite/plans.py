"""Settled plans and features in the current folder, as the stages before a study leave them."""

from suite.settings.feature_paths import features_path

from suite.data.features import save_features
from suite.losses.registry import BUILT_IN, load_target
from suite.settings.plans import CellPlan, geometry_plan_path, tuned_plan_path, write_cell
from tests.suite.synthetic import RECIPE, make_features


def settled(loss: str, seeds: int = 2, recipe=RECIPE, **values) -> CellPlan:
    """A settled plan of a built-in loss on the data set emoji, written; ``values`` are its hyper-parameters."""
    plan = CellPlan(
        track="tuned",
        dataset="emoji",
        loss=loss,
        target=BUILT_IN[loss],
        loss_sha256=load_target(loss, BUILT_IN[loss]).loss_sha256,
        code_sha256="code",
        noise_kind="symmetric",
        seeds=seeds,
        origin="search",
        hyperparameters=values,
        recipe=recipe,
        validation_epoch=3,
    )
    for path in (tuned_plan_path, geometry_plan_path):
        write_cell(path("emoji", loss), plan)
    save_features(features_path("emoji"), make_features())
    return plan

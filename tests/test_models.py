"""The shipped networks do what their training scripts say."""

from __future__ import annotations

import numpy as np
import pytest

from splinecam_exact import from_torch, load
from splinecam_exact.models import path
from splinecam_exact.nodes import Affine, Max
from splinecam_exact.weights import Convolution


@pytest.mark.parametrize("file", ["digits.npz", "digits_cnn.json"])
def test_each_shipped_image_is_classified_as_its_label(file: str) -> None:
    net = load(path(file))
    with np.load(path("digits_images.npz")) as data:
        images, labels = data["images"], data["labels"]
    assert len(images) == 3
    for image, label in zip(images, labels, strict=True):
        outputs = net.evaluate(image)
        assert outputs.index(max(outputs)) == label


def test_the_star_has_an_inside_and_an_outside() -> None:
    net = load(path("sdf.npz"))
    assert net.evaluate([0.3, 0.1])[0] * net.evaluate([0.95, 0.95])[0] < 0


def test_the_convolutional_classifier_is_what_its_script_makes() -> None:
    """Its weights put into the script's torch module: read from there, it is the same network."""
    torch = pytest.importorskip("torch")
    from splinecam_exact.models.train_digits_cnn import classifier

    net = load(path("digits_cnn.json"))
    module = classifier().eval()
    affine = [node for node in net.nodes if isinstance(node, Affine)]
    layers = [layer for layer in module if hasattr(layer, "weight")]
    with torch.no_grad():
        for node, layer in zip(affine, layers, strict=True):
            (weight,) = node.weights
            stored = weight.kernel if isinstance(weight, Convolution) else weight
            layer.weight.copy_(torch.tensor(stored.floats).reshape(layer.weight.shape))
            repeats = len(node.bias.floats) // len(layer.bias)
            layer.bias.copy_(torch.tensor(node.bias.floats[::repeats].copy()))
    assert from_torch(module, (64,)) == net
    assert sum(isinstance(node, Max) for node in net.nodes) == 1

"""The shipped networks do what their training scripts say."""

from __future__ import annotations

import numpy as np

from splinecam_exact import load
from splinecam_exact.models import path


def test_each_shipped_image_is_classified_as_its_label() -> None:
    net = load(path("digits.npz"))
    with np.load(path("digits_images.npz")) as data:
        images, labels = data["images"], data["labels"]
    assert len(images) == 3
    for image, label in zip(images, labels, strict=True):
        outputs = net.evaluate(image)
        assert outputs.index(max(outputs)) == label


def test_the_star_has_an_inside_and_an_outside() -> None:
    net = load(path("sdf.npz"))
    assert net.evaluate([0.3, 0.1])[0] * net.evaluate([0.95, 0.95])[0] < 0

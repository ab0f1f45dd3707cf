"""Trains the demo's signed distance field on [-1, 1]^2, 2-24-24-24-1; writes sdf.npz.

    pip install 'splinecam-exact[train]'
    python -m splinecam_exact.models.train_sdf

The shape is a five-pointed star with a round hole; the field is negative inside it. Prints the error against the true
distance. Takes about half a minute.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from splinecam_exact.models._training import FOLDER, relu_network, save, seed, train

Floats = npt.NDArray[np.float64]

POINTS, OUTER, INNER, HOLE = 5, 0.85, 0.42, 0.2
"""Number of the star's points, the radii of its tips and of its notches, the radius of the hole."""


def signed_distance(points: Floats) -> Floats:
    """Distance of each point, shape (n, 2), to the shape's outline, negative inside the shape, shape (n,).

    >>> signed_distance(np.array([[0.0, 0.0], [0.0, 1.0], [0.0, 0.3]])).round(3)
    array([ 0.2 ,  0.15, -0.1 ])
    """
    angles = np.pi * (0.5 + np.arange(2 * POINTS) / POINTS)
    radii = np.where(np.arange(2 * POINTS) % 2 == 0, OUTER, INNER)
    corners = np.stack([radii * np.cos(angles), radii * np.sin(angles)], axis=1)
    sides = np.roll(corners, -1, axis=0) - corners
    offsets = points[:, None] - corners
    along = np.clip((offsets * sides).sum(2) / (sides**2).sum(1), 0, 1)
    to_star = np.linalg.norm(offsets - along[..., None] * sides, axis=2).min(1)

    # A point is inside when a ray to the right crosses an odd number of sides.
    above = points[:, None, 1] >= corners[:, 1]
    crosses = above != np.roll(above, -1, axis=1)
    left_of_side = (sides[:, 0] * offsets[..., 1] - sides[:, 1] * offsets[..., 0]) * sides[:, 1] > 0
    in_star = (crosses & left_of_side).sum(1) % 2 == 1

    radius = np.linalg.norm(points, axis=1)
    distance = np.minimum(to_star, abs(radius - HOLE))
    signed: Floats = np.where(in_star & (radius > HOLE), -distance, distance)
    return signed


def main() -> None:
    """Trains, saves, prints the errors."""
    import torch

    seed(4)
    network = relu_network([2, 24, 24, 24, 1])
    rng = np.random.default_rng(0)

    def batch() -> tuple[torch.Tensor, torch.Tensor]:
        points = rng.uniform(-1, 1, (2048, 2))
        return torch.tensor(points, dtype=torch.float32), torch.tensor(signed_distance(points)[:, None]).float()

    train(network, batch, torch.nn.L1Loss(), steps=8000)
    axis = np.linspace(-1, 1, 401)
    grid = np.stack(np.meshgrid(axis, axis), axis=-1).reshape(-1, 2)
    with torch.no_grad():
        error = abs(network(torch.tensor(grid, dtype=torch.float32)).numpy()[:, 0] - signed_distance(grid))
    print(f"distance off by {error.mean():.4f} on average, {error.max():.4f} at most")
    save(network, FOLDER / "sdf.npz")


if __name__ == "__main__":
    main()

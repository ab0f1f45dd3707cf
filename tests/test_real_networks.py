"""Real networks, and the benchmark workloads: partitioned exactly, certified, and checked.

They need the folder of real networks, named by the environment variable SPLINECAM_EXACT_DATA.
"""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

import pytest
from gmpy2 import mpq

import splinecam_exact as sx
from splinecam_exact.arrays import ExactArray
from splinecam_exact.importers.nnet import read_header
from splinecam_exact.nodes import Affine, Node

WORKLOADS = {
    "small": (178, 213, 390),
    "wide100": (2357, 2449, 4805),
    "digits50x3": (1721, 1808, 3528),
    "deep64x4": (7792, 7979, 15770),
    "sdf64x4": (9345, 9489, 18833),
}


class Plane(NamedTuple):
    """A slice of a network's input box: two coordinates, and the part of their ranges that is taken (0 to 1)."""

    axes: tuple[int, int]
    first: tuple[str, str] = ("0", "1")
    second: tuple[str, str] = ("0", "1")
    least: int = 1


PLANES: dict[str, Plane] = {}

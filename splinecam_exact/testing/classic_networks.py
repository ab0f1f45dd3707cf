"""Small networks on which other tools were seen to fail (measured, 2026-11), by category, as plain numbers.

(name, hidden layers, domain): each layer is a list of rows, a row its weights and, last, its bias. The domain is the
square [-1, 1]^2 where nothing else is said. No answers stand here: they come from the exact partition.
"""

from __future__ import annotations

import sys
from fractions import Fraction
from math import gcd

from splinecam_exact.testing.brute_force import Corners
from splinecam_exact.testing.constructing import SQUARE, TRIANGLE, UNIT_SQUARE

Layers = list[list[tuple[float, ...]]]
Classic = tuple[str, Layers, Corners]

ULP = 2.0**-52
X, Y = (1, 0, 0), (0, 1, 0)
BIG_SQUARE: Corners = tuple((2**20 * x, 2**20 * y) for x, y in SQUARE)
TINY_SQUARE: Corners = tuple((x / 2**40, y / 2**40) for x, y in SQUARE)
LEAST, NORMAL, LARGEST = 5e-324, 2.0**-1022, sys.float_info.max
"""The smallest float64, the smallest that is no denormal one, the largest."""
DENORMAL_SQUARE: Corners = tuple((x / 2**1060, y / 2**1060) for x, y in SQUARE)
THIN: Corners = tuple((x, y / 2**30) for x, y in SQUARE)
SHIFTED: Corners = tuple((x + Fraction(3, 4), y - Fraction(1, 4)) for x, y in SQUARE)


def _pencil(count: int) -> list[tuple[float, ...]]:
    """`count` lines through the origin."""
    slopes = sorted(((a, b) for a in range(-9, 10) for b in range(10) if gcd(a, b) == 1 and (b or a > 0)), key=_height)
    return [(a, b, 0) for a, b in slopes[:count]]


def _height(slope: tuple[int, int]) -> tuple[int, tuple[int, int]]:
    return abs(slope[0]) + slope[1], slope


CLASSICS: dict[str, tuple[Classic, ...]] = {
    "concurrent": (
        ("three_lines_at_a_third", [[(1, 2, -1), (2, 1, -1), (1, -1, 0)]], SQUARE),
        ("ten_lines", [_pencil(10)], SQUARE),
        ("sixty_four_lines", [_pencil(64)], SQUARE),
        ("at_a_vertex_of_the_first_layer", [[X, Y], [(1, 1, 0), (1, -1, 0), (-1, 2, 0)]], SHIFTED),
    ),
    "duplicate": (
        ("two_lines_one_doubled", [[X, Y, X]], SQUARE),
        ("five_times_the_same", [[(1, 2, -1)] * 5], SQUARE),
    ),
    "scaled_duplicate": (
        ("thrice_the_row", [[(1, 2, -0.5), (3, 6, -1.5), (1, -1, 0), (2, -2, 0), (5, 10, -2.5)]], SQUARE),
        ("a_seventh_part_of_a_third", [[(1, 1, -0.25), (7, 7, -1.75), (3, 3, -0.75), X]], SQUARE),
    ),
    "opposite": (
        ("absolute_value", [[X, (-1, 0, 0)]], SQUARE),
        (
            "l1_norm_off_centre",
            [[(1, 0, -0.25), (-1, 0, 0.25), (0, 1, 0.5), (0, -1, -0.5)], [(1, 1, 1, 1, -1)]],
            SQUARE,
        ),
    ),
    "through_corner": (
        ("one_corner", [[(1, -2, -1)]], SQUARE),
        ("three_through_one_corner", [[(1, -2, -1), (2, -1, 1), (1, -1, 0)]], SQUARE),
        ("triangle_halved", [[(1, -1, 0)]], TRIANGLE),
    ),
    "along_diagonal": (
        ("one_diagonal", [[(1, -1, 0)]], SQUARE),
        ("both_diagonals", [[(1, -1, 0), (1, 1, 0)]], SQUARE),
    ),
    "along_edge": (
        ("left_side", [[(1, 0, 1), Y]], SQUARE),
        ("all_sides", [[(1, 0, 0), (1, 0, -1), (0, 1, 0), (0, 1, -1), (1, -1, -0.25)]], UNIT_SQUARE),
        ("side_of_the_second_layer", [[X, Y], [(1, 1, -2), (0, 1, -1)]], SQUARE),
    ),
    "tangency": (
        ("touches_a_corner", [[(1, 2, -3), Y]], SQUARE),
        ("touches_from_outside", [[(-1, -1, 2), (1, -1, 0.5)]], SQUARE),
        ("touches_a_vertex_inside", [[X, (-1, 0, 0), Y, (0, -1, 0)], [(1, 1, 1, 1, 0)]], SQUARE),
    ),
    "identically_zero": (
        ("zero_on_a_quadrant", [[X, Y], [(1, 1, 0)]], SQUARE),
        ("zero_everywhere", [[X, (2, 0, 0), Y], [(2, -1, 0, 0), (0, 0, 1, -0.5)]], SQUARE),
        ("zero_where_both_are_on", [[X, Y, (1, 1, 0)], [(1, 1, -1, 0)]], SQUARE),
        ("minus_zero", [[(-0.0, -0.0, -0.0), X]], SQUARE),
    ),
    "dead_unit": (
        ("off_and_on", [[(1, 1, -3), (1, 1, 3), X]], SQUARE),
        ("all_dead", [[(1, 1, -3), (-1, 2, -4)]], SQUARE),
    ),
    "constant": (
        ("three_constants", [[(0, 0, 2), (0, 0, 0), (0, 0, -1), (1, 1, 0)]], SQUARE),
        ("nothing_else", [[(0, 0, 0)]], SQUARE),
    ),
    "same_line_two_layers": (
        ("the_first_line_again", [[(1, 1, 0), (-1, -1, 0), (1, -1, 0)], [(1, -1, 0, 0)]], SQUARE),
        ("part_of_a_line_again", [[X, Y, (1, 1, -0.5)], [(1, 0, 0, 0), (1, -1, 0, 0), (0, 0, 1, 0)]], SQUARE),
    ),
    "bias_free": (
        ("four_lines", [[(1, 2, 0), (2, 1, 0), (1, -1, 0), Y]], SQUARE),
        (
            "two_layers",
            [_pencil(6), [(1, -2, 1, 0.5, -1, 1, 0), (-1, 1, 2, -1, 0.25, -2, 0), (1, 1, -3, 1, 1, -1, 0)]],
            SQUARE,
        ),
    ),
    "near_parallel_ulp": (
        ("crossing_at_the_origin", [[(1, 1, 0), (1, 1 + ULP, 0)]], SQUARE),
        ("three_of_them", [[(1, 1, 0), (1, 1 + ULP, 0), (1 + ULP, 1, 0), X]], SQUARE),
    ),
    "one_ulp_apart": (
        ("three_lines", [[(1, 0, -0.5), (1, 0, -0.5 - ULP / 2), (1, 0, -0.5 + ULP / 4)]], SQUARE),
        ("float32_ulp", [[(1, 1, -0.5), (1, 1, -0.5 - 2.0**-24), (1, -1, 0)]], SQUARE),
    ),
    "sliver": (
        ("triangle_of_2e-60", [[X, Y, (1, 1, -(2.0**-60))]], SQUARE),
        ("strip_of_1e-9", [[X, (1, 0, -(2.0**-30))]], SQUARE),
        ("thin_domain", [[(1, 0, 0.25), (1, 2.0**30, 0), (0, 1, -(2.0**-31))]], THIN),
    ),
    "large_scale": (
        ("rows_of_all_sizes", [[(2.0**40, 0, 0), (0, 2.0**60, 2.0**59), (1, 1, 0)]], SQUARE),
        ("large_domain", [[(1, 2, -(2.0**18)), (2, 1, 3), (1, -1, 0)]], BIG_SQUARE),
        ("largest_rows", [[(LARGEST, LARGEST, -LARGEST), (LARGEST, -LARGEST, 0), (1, 0, 0.5)]], SQUARE),
        ("overflowing_products", [[(2.0**600, 0, 0), (0, 2.0**600, 0)], [(2.0**600, -(2.0**600), 0)]], SQUARE),
    ),
    "small_scale": (
        ("rows_of_all_sizes", [[(2.0**-40, 0, 0), (0, 2.0**-60, 2.0**-61), (1, 1, 0)]], SQUARE),
        ("tiny_domain", [[(1, 2, -(2.0**-42)), (2, 1, -(2.0**-41)), (1, -1, 0)]], TINY_SQUARE),
        ("denormal_rows", [[(LEAST, 0, 0), (NORMAL, -NORMAL, -NORMAL / 2), (1, 1, 0.25)]], SQUARE),
        ("denormal_domain", [[(1, 1, -(2.0**-1061)), (2, -1, 0)]], DENORMAL_SQUARE),
        ("underflowing_products", [[(2.0**-600, 0, 0), (0, 2.0**-600, 0)], [(2.0**-600, -(2.0**-600), 0)]], SQUARE),
    ),
}

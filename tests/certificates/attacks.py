"""False certificates made by hand: at least one against each step of the proof that a verified certificate is true.

Most are false in one respect only, so that a checker without that step would verify them. Cells are written with
their points, so that the geometry can be read.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from itertools import permutations
from typing import NamedTuple

from certificates.forge import (
    ALWAYS_ZERO,
    BUMP,
    CLIPPED,
    CORNERS,
    CROSS,
    FLAT,
    HALVES,
    QUADRANTS,
    SQUARE,
    TIE,
    TIE_CELLS,
    TRIANGLE,
    A,
    B,
    C,
    D,
    Domain,
    E,
    N,
    O,
    S,
    Tree,
    W,
    adjust,
    forge,
    honest,
    relu,
)

import splinecam_exact as sx
from splinecam_exact.nodes import Affine, Piecewise


class Attack(NamedTuple):
    """A false certificate, what it is about, and the place and reason (a part of it) of the refutation."""

    net: sx.Network
    dom: Domain
    tree: Tree
    place: str
    reason: str


ATTACKS: dict[str, Callable[[], Attack]] = {}


def attack(function: Callable[[], Attack]) -> Callable[[], Attack]:
    ATTACKS[function.__name__.replace("_", " ")] = function
    return function


# -- polygons ---------------------------------------------------------------------------------------------------------


@attack
def clockwise_polygon() -> Attack:
    return Attack(FLAT, SQUARE, forge(FLAT, SQUARE, [((), [D, C, B, A])]), "cells[0]", "does not turn left")


@attack
def polygon_that_is_not_convex() -> Attack:
    cells = [((0, 0), [A, S, B, E, O, N, D, W]), QUADRANTS[0]]
    return Attack(CROSS, SQUARE, forge(CROSS, SQUARE, cells), "cells[0]", "does not turn left at its corner 4")


@attack
def pentagram() -> Attack:
    """It turns left at every corner, and winds twice."""
    corners = [(0, 3), (-3, 1), (-2, -3), (2, -3), (3, 1)]
    domain = sx.Polygon(corners)
    star = [corners[2 * k % 5] for k in range(5)]
    return Attack(FLAT, domain, forge(FLAT, domain, [((), star)]), "cells[0]", "winds around more than once")


@attack
def polygon_with_a_spike() -> Attack:
    """Along the bottom side forth, back and forth again."""
    polygon = [A, ("1/2", -1), ("-1/2", -1), B, C, D]
    return Attack(FLAT, SQUARE, forge(FLAT, SQUARE, [((), polygon)]), "cells[0]", "does not turn left at its corner 1")


@attack
def polygon_without_area() -> Attack:
    cells = [((0,), [A, S, N, D]), ((2,), [S, B, C, N]), ((1,), [S, O, N])]
    return Attack(HALVES, SQUARE, forge(HALVES, SQUARE, cells), "cells[2]", "does not turn left")


# -- tiling -----------------------------------------------------------------------------------------------------------


@attack
def everything_covered_twice() -> Attack:
    cells = [*QUADRANTS, ((1, 1), [A, S, B, E, C, N, D, W])]
    return Attack(CROSS, SQUARE, forge(CROSS, SQUARE, cells), "cells[4]", "belongs to cells[")


@attack
def tile_upon_others() -> Attack:
    cells = [*QUADRANTS, ((1, 1), [("1/2", 0), (0, "1/2"), ("-1/2", 0), (0, "-1/2")])]
    return Attack(CROSS, SQUARE, forge(CROSS, SQUARE, cells), "cells[4]", "unit 0 is not in its state")


@attack
def gap_inside() -> Attack:
    tree = honest(TRIANGLE, SQUARE)
    hole = next(i for i, cell in enumerate(tree["cells"]) if cell[1] == [[0, 2], [1, 2]])
    vertices = sorted(tree["cells"].pop(hole)[2])
    adjust(tree, A=-1, L=-1, P=-1)
    return Attack(TRIANGLE, SQUARE, tree, f"vertices[{vertices[0]}]", "has no opposite")


@attack
def gap_that_touches_the_boundary() -> Attack:
    """A triangle that has its corners on the boundary is left out, and the cells are in the one order in which at each
    corner the edge along the boundary comes after the edge along the gap."""
    net = relu((1, -1, -1), (1, 4, -1), (3, 2, 2), (1, 1, -1))
    tree = honest(net, SQUARE)
    hole = next(i for i, cell in enumerate(tree["cells"]) if len(cell[2]) == 3 and is_inner(tree, cell[2]))
    gap = tree["cells"].pop(hole)[2]
    adjust(tree, A=-1, L=-1, P=-1, E=-2)
    edges = set(zip(gap[1:] + gap[:1], gap, strict=True))  # as the neighbours run along them
    for order in permutations(tree["cells"]):
        latest: dict[int, tuple[int, int]] = {}
        directed = [(u, v) for cell in order for u, v in zip(cell[2], cell[2][1:] + cell[2][:1], strict=True)]
        for u, v in directed:
            if (v, u) not in directed:
                latest[u] = u, v
        if not edges & set(latest.values()):
            tree["cells"] = list(order)
            break
    else:
        raise ValueError("there is no such order")
    return Attack(net, SQUARE, tree, "cells[1]", "two edges without an opposite leave")


def is_inner(tree: Tree, polygon: Sequence[int]) -> bool:
    """Whether a triangle's corners lie on three sides of the square."""
    points = [[Fraction(int(c), int(tree["vertices"][v][2])) for c in tree["vertices"][v][:2]] for v in polygon]
    return len({(k, p[k]) for p in points for k in (0, 1) if abs(p[k]) == 1}) == 3


@attack
def tile_outside_the_domain() -> Attack:
    net = relu((1, 0, -1))
    cells = [((0,), CORNERS), ((2,), [B, (2, -1), (2, 1), C])]
    return Attack(net, SQUARE, forge(net, SQUARE, cells), "vertices[4]", "leaves the boundary")


@attack
def edge_that_overshoots_a_corner() -> Attack:
    tree = forge(FLAT, SQUARE, [((), [A, (2, -1), C, D])])
    return Attack(FLAT, SQUARE, tree, "vertices", "corner 1 of the domain is not among them")


@attack
def corner_cut_off() -> Attack:
    tree = forge(FLAT, SQUARE, [((), [A, ("1/2", -1), C, D])])
    return Attack(FLAT, SQUARE, tree, "vertices", "corner 1 of the domain is not among them")


@attack
def side_that_bulges_out() -> Attack:
    cells = [((0,), [A, (0, -2), N, D]), ((2,), [(0, -2), B, C, N])]
    return Attack(HALVES, SQUARE, forge(HALVES, SQUARE, cells), "vertices[1]", "leaves the boundary")


@attack
def side_that_is_dented() -> Attack:
    cells = [((0,), [A, (0, "-1/2"), N, D]), ((2,), [(0, "-1/2"), B, C, N])]
    return Attack(HALVES, SQUARE, forge(HALVES, SQUARE, cells), "vertices[1]", "leaves the boundary")


@attack
def boundary_not_covered() -> Attack:
    tree = forge(CROSS, SQUARE, QUADRANTS[:3])
    return Attack(CROSS, SQUARE, tree, "vertices", "corner 1 of the domain is not among them")


@attack
def boundary_not_covered_between_corners() -> Attack:
    net = relu((1, 0, "1/2"), (1, 0, "-1/2"))
    left = ((0, 0), [A, ("-1/2", -1), ("-1/2", 1), D])
    right = ((2, 2), [("1/2", -1), B, C, ("1/2", 1)])
    return Attack(net, SQUARE, forge(net, SQUARE, [left, right]), "vertices[2]", "leaves the boundary")


@attack
def neighbours_corner_missing() -> Attack:
    """The left half as one cell, without the vertex where the quadrants on its right meet."""
    cells = [((0, 2), [A, S, N, D]), QUADRANTS[0], QUADRANTS[3]]
    return Attack(CROSS, SQUARE, forge(CROSS, SQUARE, cells), "cells[0]", "unit 1 is not in its state at vertex 0")


@attack
def neighbours_corner_on_a_side() -> Attack:
    """The same with that vertex: the tiling is right, one unit's state is not."""
    cells = [((0, 2), [A, S, O, N, D]), QUADRANTS[0], QUADRANTS[3]]
    return Attack(CROSS, SQUARE, forge(CROSS, SQUARE, cells), "cells[0]", "unit 1 is not in its state at vertex 0")


@attack
def straight_vertex_inside() -> Attack:
    cells = [((0,), [A, S, O, N, D]), ((2,), [S, B, C, N, O])]
    return Attack(HALVES, SQUARE, forge(HALVES, SQUARE, cells), "vertices[2]", "has degree 2")


@attack
def straight_vertex_on_the_boundary() -> Attack:
    return Attack(FLAT, SQUARE, forge(FLAT, SQUARE, [((), [A, S, B, C, D])]), "vertices[1]", "has degree 2")


@attack
def vertex_that_is_not_used() -> Attack:
    tree = forge(FLAT, SQUARE, [((), CORNERS)], extra=[O], E=4)
    return Attack(FLAT, SQUARE, tree, "vertices[4]", "is no cell's vertex")


@attack
def point_listed_twice() -> Attack:
    tree = forge(FLAT, SQUARE, [((), CORNERS)], V=5)
    tree["vertices"].append(tree["vertices"][2])
    return Attack(FLAT, SQUARE, tree, "vertices[4]", "is no cell's vertex")


@attack
def corner_as_two_vertices() -> Attack:
    """With an edge without length between them; every other step is content with that."""
    net = relu((1, 1, 0))
    tree = forge(net, SQUARE, [((0,), [A, B, D]), ((2,), [B, C, D])], V=5, E=6)
    tree["vertices"].append(tree["vertices"][2])
    tree["cells"][0][2] = [0, 1, 2, 4]
    return Attack(net, SQUARE, tree, "cells[0]", "the polygon has one point twice, at its corner 3")


# -- signs ------------------------------------------------------------------------------------------------------------


@attack
def cell_that_a_unit_cuts_marked_on() -> Attack:
    return Attack(HALVES, SQUARE, forge(HALVES, SQUARE, [((2,), CORNERS)]), "cells[0]", "unit 0 is not in its state")


@attack
def cell_that_a_unit_cuts_marked_off() -> Attack:
    return Attack(HALVES, SQUARE, forge(HALVES, SQUARE, [((0,), CORNERS)]), "cells[0]", "unit 0 is not in its state")


@attack
def cell_that_a_unit_cuts_at_one_corner() -> Attack:
    net = relu((1, 1, "3/2"))
    return Attack(net, SQUARE, forge(net, SQUARE, [((2,), CORNERS)]), "cells[0]", "unit 0 is not in its state")


@attack
def state_wrong_in_one_cell() -> Attack:
    cells = [*QUADRANTS[:3], ((2, 1), QUADRANTS[3][1])]
    return Attack(CROSS, SQUARE, forge(CROSS, SQUARE, cells), "cells[3]", "unit 1 is not in its state")


@attack
def states_of_two_cells_swapped() -> Attack:
    cells = [((0,), [S, B, C, N]), ((2,), [A, S, N, D])]
    return Attack(HALVES, SQUARE, forge(HALVES, SQUARE, cells), "cells[0]", "unit 0 is not in its state at vertex 1")


@attack
def unit_that_is_off_marked_zero() -> Attack:
    net = relu((1, 0, -5))
    return Attack(net, SQUARE, forge(net, SQUARE, [((1,), CORNERS)]), "cells[0]", "unit 0 is not in its state")


@attack
def unit_that_is_on_marked_zero() -> Attack:
    net = relu((1, 0, 5))
    return Attack(net, SQUARE, forge(net, SQUARE, [((1,), CORNERS)]), "cells[0]", "unit 0 is not in its state")


@attack
def unit_that_is_zero_on_one_side_marked_zero() -> Attack:
    net = relu((1, 0, -1))
    return Attack(net, SQUARE, forge(net, SQUARE, [((1,), CORNERS)]), "cells[0]", "unit 0 is not in its state")


@attack
def unit_that_is_zero_on_one_side_marked_on() -> Attack:
    net = relu((1, 0, -1))
    return Attack(net, SQUARE, forge(net, SQUARE, [((2,), CORNERS)]), "cells[0]", "unit 0 is not in its state")


@attack
def unit_that_is_zero_marked_on() -> Attack:
    tree = forge(ALWAYS_ZERO, SQUARE, [((0, 2), CORNERS)])
    return Attack(ALWAYS_ZERO, SQUARE, tree, "cells[0]", "unit 1 is at a breakpoint at every corner")


@attack
def unit_that_is_zero_marked_off() -> Attack:
    tree = forge(ALWAYS_ZERO, SQUARE, [((0, 0), CORNERS)])
    return Attack(ALWAYS_ZERO, SQUARE, tree, "cells[0]", "unit 1 is at a breakpoint at every corner")


@attack
def unit_in_the_middle_marked_below() -> Attack:
    cells = [((0,), [A, ("-1/2", -1), ("-1/2", 1), D]), ((1,), [("-1/2", -1), ("1/2", -1), ("1/2", 1), ("-1/2", 1)])]
    cells.append(((4,), [("1/2", -1), B, C, ("1/2", 1)]))
    return Attack(CLIPPED, SQUARE, forge(CLIPPED, SQUARE, cells), "cells[1]", "unit 0 is not in its state")


@attack
def two_pieces_as_one() -> Attack:
    cells = [((2,), [A, ("1/2", -1), ("1/2", 1), D]), ((4,), [("1/2", -1), B, C, ("1/2", 1)])]
    return Attack(CLIPPED, SQUARE, forge(CLIPPED, SQUARE, cells), "cells[0]", "unit 0 is not in its state at vertex 0")


@attack
def member_of_a_tie_missing() -> Attack:
    tree = forge(TIE, SQUARE, [((1,), [A, B, C]), TIE_CELLS[1]])
    return Attack(TIE, SQUARE, tree, "cells[0]", "unit 0 is at a breakpoint at every corner")


@attack
def member_too_many_in_a_tie() -> Attack:
    tree = forge(TIE, SQUARE, [((7,), [A, B, C]), TIE_CELLS[1]])
    return Attack(TIE, SQUARE, tree, "cells[0]", "unit 0 is not in its state at vertex 1")


@attack
def largest_members_of_two_cells_swapped() -> Attack:
    tree = forge(TIE, SQUARE, [((2,), [A, B, C]), ((5,), [A, C, D])])
    return Attack(TIE, SQUARE, tree, "cells[0]", "unit 0 is not in its state at vertex 1")


@attack
def no_largest_member_named() -> Attack:
    tree = forge(TIE, SQUARE, [((0,), [A, B, C]), TIE_CELLS[1]])
    return Attack(TIE, SQUARE, tree, "cells[0]", "unit 0 is not in its state at vertex 1")


@attack
def layers_in_another_order() -> Attack:
    """The patterns are those of the units numbered from the last layer on."""
    net = sx.from_layers([([[1, 0], [1, 1]], [0, 0]), ([[1, -1]], ["-1/4"]), ([[1]], [0])])
    tree = honest(net, SQUARE)
    for cell in tree["cells"]:
        cell[1] = sorted([2 - u, s] for u, s in cell[1])
    return Attack(net, SQUARE, tree, "cells[1]", "unit 2 is not in its state at vertex 2")


# -- patterns ---------------------------------------------------------------------------------------------------------


@attack
def one_pattern_for_two_cells() -> Attack:
    tree = forge(FLAT, SQUARE, [((), [A, B, C]), ((), [A, C, D])], L=1, P=1)
    return Attack(FLAT, SQUARE, tree, "cells[1]", "has the pattern of cells[0]")


@attack
def unit_that_does_not_exist() -> Attack:
    tree = forge(HALVES, SQUARE, [((0,), [A, S, N, D]), ((2, 2), [S, B, C, N])])
    return Attack(HALVES, SQUARE, tree, "cells[1]", "there is no unit 1: the network has 1")


@attack
def unit_of_a_network_without_units() -> Attack:
    tree = forge(FLAT, SQUARE, [((), [A, B, C]), ((2,), [A, C, D])], L=1, P=1)
    return Attack(FLAT, SQUARE, tree, "cells[1]", "there is no unit 0: the network has 0")


@attack
def state_that_a_relu_does_not_have() -> Attack:
    tree = forge(HALVES, SQUARE, [((0,), [A, S, N, D]), ((3,), [S, B, C, N])])
    return Attack(HALVES, SQUARE, tree, "cells[1]", "unit 0 has no state 3")


@attack
def state_that_a_hardtanh_does_not_have() -> Attack:
    return Attack(CLIPPED, SQUARE, forge(CLIPPED, SQUARE, [((5,), CORNERS)]), "cells[0]", "unit 0 has no state 5")


@attack
def member_that_a_maximum_does_not_have() -> Attack:
    tree = forge(TIE, SQUARE, [((8,), [A, B, C]), TIE_CELLS[1]])
    return Attack(TIE, SQUARE, tree, "cells[0]", "unit 0 has no state 8")


@attack
def state_that_spills_into_the_next_unit() -> Attack:
    """Bit 3 of the group's state is where the demand on the next unit, which is off, begins."""
    nodes = [*TIE.nodes, Affine((2,), ([[1]],), [-5]), Piecewise.relu(3)]
    net = sx.Network(2, nodes)
    cells = [((5 + 8, 0), [A, B, C]), ((2, 0), [A, C, D])]
    return Attack(net, SQUARE, forge(net, SQUARE, cells, L=1, P=1), "cells[0]", "unit 0 has no state 13")


@attack
def maximum_of_nothing() -> Attack:
    tree = forge(TIE, SQUARE, [*TIE_CELLS])
    tree["cells"][1] = [0, [[0, 0]], tree["cells"][1][2]]
    return Attack(TIE, SQUARE, tree, "cells[1]", "unit 0 has no state 0")


@attack
def change_that_changes_nothing() -> Attack:
    tree = forge(CROSS, SQUARE, QUADRANTS)
    tree["cells"][1] = [0, [[0, 0], [1, 2]], tree["cells"][1][2]]
    return Attack(CROSS, SQUARE, tree, "cells[1]", "unit 1 has state 2 in its base already")


@attack
def state_zero_written_out() -> Attack:
    tree = forge(CROSS, SQUARE, QUADRANTS)
    tree["cells"][1][1] = [[0, 0], [1, 2]]
    return Attack(CROSS, SQUARE, tree, "cells[1]", "unit 0 has state 0 in its base already")


# -- statement and counts ---------------------------------------------------------------------------------------------


@attack
def other_network() -> Attack:
    return Attack(HALVES, SQUARE, honest(CROSS, SQUARE), "network", CROSS.digest)


@attack
def other_network_under_this_ones_name() -> Attack:
    other = relu((1, 0, 0), (0, 1, "1/1000000007"))
    return Attack(CROSS, SQUARE, {**honest(other, SQUARE), "network": CROSS.digest}, "cells[2]", "unit 1 is not in its")


@attack
def other_network_with_the_same_cells() -> Attack:
    return Attack(HALVES, SQUARE, honest(relu((2, 0, 0)), SQUARE), "network", HALVES.digest)


@attack
def other_domain_with_the_same_corners() -> Attack:
    plane = sx.Slice([0, 0], [[1, 0], [0, 1]], SQUARE)
    return Attack(CROSS, plane, honest(CROSS, SQUARE), "domain", plane.digest)


@attack
def other_domain() -> Attack:
    return Attack(CROSS, sx.square(2), honest(CROSS, SQUARE), "domain", SQUARE.digest)


@attack
def smaller_domain_under_this_ones_name() -> Attack:
    domain = sx.square(2)
    return Attack(CROSS, domain, {**honest(CROSS, SQUARE), "domain": domain.digest}, "vertices", "corner 0")


@attack
def larger_domain_under_this_ones_name() -> Attack:
    tree = {**honest(CROSS, sx.square(2)), "domain": SQUARE.digest}
    return Attack(CROSS, SQUARE, tree, "vertices", "corner 0")


@attack
def other_conventions() -> Attack:
    tree = {**honest(CROSS, SQUARE), "conventions": ["rounded"]}
    return Attack(CROSS, SQUARE, tree, "conventions", "rounded")


@attack
def conventions_left_out() -> Attack:
    net = sx.Network(2, CROSS.nodes, ["rounded"])
    return Attack(net, SQUARE, {**honest(net, SQUARE), "conventions": []}, "conventions", "rounded")


@attack
def cells_too_many() -> Attack:
    return Attack(CROSS, SQUARE, forge(CROSS, SQUARE, QUADRANTS, A=5), "counts.A", "claims 5, but there are 4")


@attack
def every_cell_a_region() -> Attack:
    """The network is affine: x = relu(x) - relu(-x)."""
    net = sx.from_layers([([[1, 0], [-1, 0]], [0, 0]), ([[1, -1]], [0])])
    tree = forge(net, SQUARE, [((0, 2), [A, S, N, D]), ((2, 0), [S, B, C, N])], P=1)
    return Attack(net, SQUARE, tree, "counts.L", "claims 2, but there are 1")


@attack
def every_region_a_piece() -> Attack:
    tree = honest(BUMP, SQUARE)
    tree["counts"]["P"] = tree["counts"]["L"]
    return Attack(BUMP, SQUARE, tree, "counts.P", "claims 4, but there are 3")


@attack
def every_piece_a_region() -> Attack:
    tree = honest(BUMP, SQUARE)
    tree["counts"]["L"] = tree["counts"]["P"]
    return Attack(BUMP, SQUARE, tree, "counts.L", "claims 3, but there are 4")


@attack
def vertex_too_many() -> Attack:
    return Attack(CROSS, SQUARE, forge(CROSS, SQUARE, QUADRANTS, V=10, E=12), "counts.V", "claims 10, but there are 9")


@attack
def vertices_and_edges_swapped() -> Attack:
    return Attack(CROSS, SQUARE, forge(CROSS, SQUARE, QUADRANTS, V=12, E=9), "counts.V", "claims 12, but there are 9")


@attack
def edge_too_few() -> Attack:
    return Attack(CROSS, SQUARE, forge(CROSS, SQUARE, QUADRANTS, E=11), "counts.E", "claims 11, but there are 12")


@attack
def nothing_at_all() -> Attack:
    return Attack(FLAT, SQUARE, forge(FLAT, SQUARE, [], E=0), "vertices", "corner 0 of the domain is not among them")


@attack
def no_cells() -> Attack:
    return Attack(FLAT, SQUARE, forge(FLAT, SQUARE, [], CORNERS, E=0), "vertices[0]", "is no cell's vertex")

"""What a certificate says, read from its JSON tree, and every way to corrupt one of its parts.

It knows the format, but nothing of the package.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from fractions import Fraction
from itertools import combinations
from math import gcd
from typing import Any

Tree = dict[str, Any]
Mutant = tuple[str, Tree]


# -- what a certificate says, whatever its numbering ------------------------------------------------------------------


def patterns_of(tree: Tree) -> list[dict[int, int]]:
    """The nonzero states of each cell."""
    found: list[dict[int, int]] = []
    for base, changes, _ in tree["cells"]:
        found.append({**(found[base] if base >= 0 else {}), **dict(changes)})
    return [{u: s for u, s in sorted(pattern.items()) if s} for pattern in found]


def with_cells(tree: Tree, patterns: list[dict[int, int]], polygons: list[list[int]], vertices: Any = None) -> Tree:
    """The tree with these cells, every pattern written out."""
    cells = [[-1, [[u, s] for u, s in sorted(p.items()) if s], q] for p, q in zip(patterns, polygons, strict=True)]
    return {**tree, "vertices": tree["vertices"] if vertices is None else vertices, "cells": cells}


def polygons_of(tree: Tree) -> list[list[int]]:
    return [list(polygon) for _, _, polygon in tree["cells"]]


def meaning(tree: Tree) -> object:
    """Equal for certificates that say the same."""
    points = [tuple(v) for v in tree["vertices"]]
    cells = []
    for pattern, polygon in zip(patterns_of(tree), polygons_of(tree), strict=True):
        first = min(range(len(polygon)), key=lambda i, polygon=polygon: points[polygon[i]])
        cells.append((tuple(pattern.items()), tuple(points[v] for v in polygon[first:] + polygon[:first])))
    head = [tree[key] for key in ("format", "version", "network", "conventions", "domain")]
    return head, list(tree["counts"].items()), sorted(points), sorted(cells)


# -- corruptions ------------------------------------------------------------------------------------------------------

KINDS: dict[str, Callable[[Tree], Iterator[Mutant]]] = {}


def corruption(function: Callable[[Tree], Iterator[Mutant]]) -> Callable[[Tree], Iterator[Mutant]]:
    KINDS[function.__name__.replace("_", " ")] = function
    return function


def copied(tree: Tree) -> Tree:
    return json.loads(json.dumps(tree))


def edited(tree: Tree, edit: Callable[[Tree], object]) -> Tree:
    new = copied(tree)
    edit(new)
    return new


@corruption
def head(tree: Tree) -> Iterator[Mutant]:
    values = {
        "format": ["", "splinecam-exact", tree["format"] + " ", tree["format"].upper(), 1, None, [tree["format"]]],
        "version": [0, 2, -1, "1", True, None, 1.0, [1]],
        "counts": [[], None, list(tree["counts"].items()), {}],
        "conventions": [None, "", {}, [1], [None], [["a"]]],
    }
    for key, others in values.items():
        for other in others:
            yield f"{key} = {other!r}", {**tree, key: other}
    for key in ("network", "domain", "vertices", "cells"):
        for other in (None, 0, "", [], {}, "0" * 64, ["0" * 64]):
            yield f"{key} = {other!r}", {**tree, key: other}


@corruption
def keys(tree: Tree) -> Iterator[Mutant]:
    for place, inside in (("", tree), ("counts", tree["counts"])):
        order = list(inside)
        others = [order[:k] + order[k + 1 :] for k in range(len(order))]
        others += [[*order[:k], order[k + 1], order[k], *order[k + 2 :]] for k in range(len(order) - 1)]
        renamed = [
            {key + "s" if k == j else key: inside[key] for j, key in enumerate(order)} for k in range(len(order))
        ]
        for new in [{key: inside[key] for key in keys} for keys in others] + renamed + [{**inside, "extra": 0}]:
            yield f"{place} {list(new)}", {**tree, "counts": new} if place else new


@corruption
def digests(tree: Tree) -> Iterator[Mutant]:
    for key in ("network", "domain"):
        text = tree[key]
        for k in range(64):
            yield f"{key}[{k}]", {**tree, key: text[:k] + ("0" if text[k] != "0" else "f") + text[k + 1 :]}
        for other in (text[:-1], text + "0", text.upper(), " " + text[1:], text[:-1] + "g", text + "\n", text[::-1]):
            yield f"{key} = {other!r}", {**tree, key: other}
    yield "digests swapped", {**tree, "network": tree["domain"], "domain": tree["network"]}


@corruption
def conventions(tree: Tree) -> Iterator[Mutant]:
    said = tree["conventions"]
    others = [said[:k] + said[k + 1 :] for k in range(len(said))]
    others += [
        [*said[:k], other, *said[k + 1 :]] for k in range(len(said)) for other in ("", said[k] + " ", said[k][1:])
    ]
    others += [[*said[:k], "", *said[k:]] for k in range(len(said) + 1)]
    others += [said[::-1]] * (len(said) > 1) + [said + said[-1:]] * bool(said)
    for other in others:
        yield f"conventions = {other}", {**tree, "conventions": other}


@corruption
def counts(tree: Tree) -> Iterator[Mutant]:
    said = tree["counts"]
    for key, n in said.items():
        for other in (n - 1, n + 1, 0, -n, 2 * n, 10**50, str(n), None, True, [n], float(n)):
            yield f"{key} = {other!r}", {**tree, "counts": {**said, key: other}}
    for a, b in combinations(said, 2):
        if said[a] != said[b]:
            yield f"{a} and {b} swapped", {**tree, "counts": {**said, a: said[b], b: said[a]}}
    yield "V and E one more", {**tree, "counts": {**said, "V": said["V"] + 1, "E": said["E"] + 1}}


@corruption
def coordinates(tree: Tree) -> Iterator[Mutant]:
    for i, point in enumerate(tree["vertices"]):
        for k in range(3):
            for step in (-1, 1):
                new = [int(x) for x in point]
                new[k] += step
                common = gcd(*new) if new[2] > 0 else 1
                for name, numbers in (("", new), ("reduced", [x // common for x in new])):
                    moved = [list(map(str, numbers)) if j == i else v for j, v in enumerate(tree["vertices"])]
                    yield f"vertex {i}[{k}] {step:+} {name}", {**tree, "vertices": moved}


@corruption
def points(tree: Tree) -> Iterator[Mutant]:
    said = tree["vertices"]
    for i, (x, y, w) in enumerate(said):
        doubled, opposite = [str(2 * int(c)) for c in (x, y, w)], [str(-int(c)) for c in (x, y, w)]
        shown = f"+{x}", f" {x}", f"0{x}", f"{x}.0", f"{x}/1", int(x), None, [x], "", "-0"
        others = [
            doubled,
            opposite,
            [x, y],
            [x, y, w, "1"],
            x,
            None,
            [y, x, w] if x != y else [],
            [x, y, "0"],
            [x, y, 1],
        ]
        for new in others + [[other, y, w] for other in shown]:
            yield f"vertex {i} = {new}", {**tree, "vertices": [*said[:i], new, *said[i + 1 :]]}


@corruption
def vertices_swapped(tree: Tree) -> Iterator[Mutant]:
    for i, j in combinations(range(len(tree["vertices"])), 2):
        new = list(tree["vertices"])
        new[i], new[j] = new[j], new[i]
        yield f"{i} and {j}", {**tree, "vertices": new}


@corruption
def vertices_removed(tree: Tree) -> Iterator[Mutant]:
    for i in range(len(tree["vertices"])):
        fewer = [v for j, v in enumerate(tree["vertices"]) if j != i]
        yield f"{i}, numbers kept", {**tree, "vertices": fewer}
        polygons = [[v - (v > i) for v in polygon if v != i] for polygon in polygons_of(tree)]
        yield f"{i}, renumbered", with_cells(tree, patterns_of(tree), polygons, fewer)


@corruption
def vertices_added(tree: Tree) -> Iterator[Mutant]:
    said = tree["vertices"]
    for i in range(len(said) + 1):
        yield f"unused at {i}", {**tree, "vertices": [*said[:i], ["1", "2", "3"], *said[i:]]}
    for i, point in enumerate(said):
        yield f"{i} twice", {**tree, "vertices": [*said, point]}
        for k, polygon in enumerate(polygons_of(tree)):
            if i in polygon:
                cells = copied(tree["cells"])
                cells[k][2] = [len(said) if v == i else v for v in polygon]
                yield f"{i} twice, for cell {k}", {**tree, "vertices": [*said, point], "cells": cells}


@corruption
def vertices_on_edges(tree: Tree) -> Iterator[Mutant]:
    """In the middle of an edge, for the cells on both sides or on one."""
    polygons, new = polygons_of(tree), len(tree["vertices"])
    for i, polygon in enumerate(polygons):
        for u, v in zip(polygon, polygon[1:] + polygon[:1], strict=True):
            (x, y), (s, t) = (
                (Fraction(int(p[0]), int(p[2])), Fraction(int(p[1]), int(p[2])))
                for p in (tree["vertices"][u], tree["vertices"][v])
            )
            vertices = [*tree["vertices"], coordinates_of((x + s) / 2, (y + t) / 2)]
            for both in (True, False):
                cells = copied(tree["cells"])
                for k, cell in enumerate(cells):
                    if k == i or both:
                        cell[2] = with_vertex(with_vertex(cell[2], u, v, new), v, u, new)
                said = {**tree["counts"], "V": tree["counts"]["V"] + 1, "E": tree["counts"]["E"] + 1}
                yield f"cell {i}, {u} to {v}, {both=}", {**tree, "vertices": vertices, "cells": cells, "counts": said}


def coordinates_of(x: Fraction, y: Fraction) -> list[str]:
    w = x.denominator * y.denominator // gcd(x.denominator, y.denominator)
    return [str(x * w), str(y * w), str(w)]


def with_vertex(polygon: list[int], u: int, v: int, new: int) -> list[int]:
    """The polygon with a vertex put on its edge from u to v, if it has that."""
    for k in range(len(polygon)):
        if (polygon[k - 1], polygon[k]) == (u, v):
            return [*polygon[:k], new, *polygon[k:]]
    return polygon


@corruption
def bases(tree: Tree) -> Iterator[Mutant]:
    for i, (base, changes, polygon) in enumerate(tree["cells"]):
        for other in [*range(-2, i + 2), len(tree["cells"]), None, True, "0", [0], 10**30]:
            if other is True or other != base:
                new = [*tree["cells"][:i], [other, changes, polygon], *tree["cells"][i + 1 :]]
                yield f"cell {i}: {other}", {**tree, "cells": new}


@corruption
def changes(tree: Tree) -> Iterator[Mutant]:
    """Each state and unit changed, each change removed, and one put in for each unit."""
    units = 1 + max((u for _, changes, _ in tree["cells"] for u, _ in changes), default=0)
    patterns = patterns_of(tree)
    for i, (base, said, polygon) in enumerate(tree["cells"]):
        taken = dict(said)
        before = patterns[base] if base >= 0 else {}
        variants = [(f"{change} removed", [c for c in said if c != change]) for change in said]
        variants += [(f"{said} reversed", said[::-1])] * (len(said) > 1)
        for u in range(units + 1):
            others = {0, 1, 2, 3, 4, 5, 6, 7, 8, 10**30} - {before.get(u, 0), taken.get(u)}
            variants += [(f"{u} in state {s}", sorted({**taken, u: s}.items())) for s in others]
        for k, (u, s) in enumerate(said):
            rest = said[:k] + said[k + 1 :]
            variants += [(f"{u} as {v}", sorted([*rest, [v, s]])) for v in range(units + 1) if v not in taken]
            bad = (
                [u],
                [u, s, 0],
                [s],
                u,
                None,
                [None, s],
                [u, None],
                [True, s],
                [u, True],
                [str(u), s],
                [-1, s],
                [u, -1],
            )
            variants += [(f"{u}: {other}", [*said[:k], other, *said[k + 1 :]]) for other in bad]
            variants.append((f"{u} twice", [*said[:k], [u, s], *said[k:]]))
        for name, new in variants:
            yield (
                f"cell {i}: {name}",
                {**tree, "cells": [*tree["cells"][:i], [base, new, polygon], *tree["cells"][i + 1 :]]},
            )


@corruption
def polygons(tree: Tree) -> Iterator[Mutant]:
    count = len(tree["vertices"])
    for i, (base, said, polygon) in enumerate(tree["cells"]):
        variants = [[polygon[k] for k in range(len(polygon)) if k != j] for j in range(len(polygon))]
        variants += [polygon[::-1], [], polygon[:2], polygon + polygon, None, [polygon]]
        for j, k in combinations(range(len(polygon)), 2):
            swapped = list(polygon)
            swapped[j], swapped[k] = polygon[k], polygon[j]
            variants.append(swapped)
        for j, v in enumerate(polygon):
            for other in [*range(-1, count + 1), None, True, str(v), [v], float(v), 10**30]:
                if type(other) is not int or other != v:
                    variants.append([*polygon[:j], other, *polygon[j + 1 :]])
                variants.append([*polygon[:j], other, *polygon[j:]])
        for new in variants:
            cell = [base, said, new]
            yield f"cell {i}: {new}", {**tree, "cells": [*tree["cells"][:i], cell, *tree["cells"][i + 1 :]]}
        for cell in (
            [base, said],
            [base, said, polygon, 0],
            [said, base, polygon],
            None,
            {},
            [],
            polygon,
            [base, None, polygon],
        ):
            yield f"cell {i} = {cell}", {**tree, "cells": [*tree["cells"][:i], cell, *tree["cells"][i + 1 :]]}


@corruption
def cells_removed_and_doubled(tree: Tree) -> Iterator[Mutant]:
    patterns, shapes = patterns_of(tree), polygons_of(tree)
    cells = range(len(shapes))
    for i in cells:
        order = [k for k in cells if k != i]
        yield f"{i} removed", with_cells(tree, [patterns[k] for k in order], [shapes[k] for k in order])
        yield f"{i} twice", with_cells(tree, [*patterns, patterns[i]], [*shapes, shapes[i]])
        for j in cells:
            if i != j:
                order = [j if k == i else k for k in cells]
                yield f"{j} instead of {i}", with_cells(tree, [patterns[k] for k in order], [shapes[k] for k in order])
                yield f"polygon of {j} for {i}", with_cells(tree, patterns, [shapes[k] for k in order])
                yield f"pattern of {j} for {i}", with_cells(tree, [patterns[k] for k in order], shapes)


@corruption
def cells_merged(tree: Tree) -> Iterator[Mutant]:
    """Two neighbours as one polygon, with the pattern of either; the counts as they would be."""
    patterns, shapes = patterns_of(tree), polygons_of(tree)
    for i, j in combinations(range(len(shapes)), 2):
        for k in range(len(shapes[j])):
            u, v = shapes[j][k - 1], shapes[j][k]
            place = next((p for p in range(len(shapes[i])) if (shapes[i][p - 1], shapes[i][p]) == (v, u)), None)
            if place is None:
                continue
            union = shapes[i][:place] + (shapes[j][k:] + shapes[j][:k])[1:-1] + shapes[i][place:]
            said = {**tree["counts"], "A": tree["counts"]["A"] - 1, "E": tree["counts"]["E"] - 1}
            for first, second in ((i, j), (j, i)):
                rest = [c for c in range(len(shapes)) if c != second]
                merged = [union if c == first else shapes[c] for c in rest]
                new = with_cells({**tree, "counts": said}, [patterns[c] for c in rest], merged)
                yield f"{first} with {second}", new


@corruption
def cells_split(tree: Tree) -> Iterator[Mutant]:
    """Along each chord, both parts with the old pattern, or one with a state changed."""
    patterns, shapes = patterns_of(tree), polygons_of(tree)
    units = 1 + max((u for pattern in patterns for u in pattern), default=0)
    said = {**tree["counts"], "A": tree["counts"]["A"] + 1, "E": tree["counts"]["E"] + 1}
    for i, shape in enumerate(shapes):
        for j, k in combinations(range(len(shape)), 2):
            if 1 < k - j < len(shape) - 1:
                parts = shape[j : k + 1], shape[k:] + shape[: j + 1]
                split = [*shapes[:i], parts[0], *shapes[i + 1 :], parts[1]]
                yield f"{i} at {j}, {k}", with_cells({**tree, "counts": said}, [*patterns, patterns[i]], split)
                for u in range(units):
                    other = {**patterns[i], u: (patterns[i].get(u, 0) + 1) % 3}
                    new = with_cells({**tree, "counts": said}, [*patterns, other], split)
                    yield f"{i} at {j}, {k}, unit {u}", new


@corruption
def patterns_swapped(tree: Tree) -> Iterator[Mutant]:
    patterns, shapes = patterns_of(tree), polygons_of(tree)
    for i, j in combinations(range(len(shapes)), 2):
        order = list(range(len(shapes)))
        order[i], order[j] = j, i
        yield f"{i} and {j}", with_cells(tree, [patterns[k] for k in order], shapes)

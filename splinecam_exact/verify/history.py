"""Which faces a layer made of which, and the states of its units on them, computed when they are asked for."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]
States = NDArray[np.unsignedinteger]


@dataclass
class Layer:
    """One layer of Piecewise units: what it made of the faces before it.

    `parent` per new face. `root` per old face: the new face at the old one's first corner, and `above` (old faces, K):
    the signs of the layer's cuts at that corner. Segments of chords: face `left` and face `right`, cut `cut` is
    positive on the left. Faces that were rebuilt exactly have their states in row `exact_row[face]` of `exact` (else
    -1).
    """

    units: int
    parent: Ints
    root: Ints
    above: NDArray[Any]
    left: Ints
    right: Ints
    cut: Ints
    exact_row: Ints
    exact: States
    _packed: NDArray[np.uint8] | None = None
    _walked: int = 0

    def states(self, faces: Ints) -> States:
        """The states of the layer's units on some of the new faces, (len(faces), units)."""
        rows = self.exact_row[faces]
        plain = rows < 0
        found = np.empty((len(faces), self.units), self.exact.dtype)
        found[~plain] = self.exact[rows[~plain]]
        if plain.any():
            found[plain] = self._plain(faces[plain])
        return found

    def _plain(self, faces: Ints) -> States:
        """The states on faces that were not rebuilt."""
        cuts = self._cuts(faces)
        per_unit = cuts.reshape(len(cuts), self.units, -1)
        found: States = 2 * per_unit.sum(axis=2, dtype=self.exact.dtype)
        return found

    def _sides(self, cut: Ints) -> tuple[Ints, NDArray[Any], NDArray[Any]]:
        """What changes across some cuts: a column of `above`, and its values on the left and on the right."""
        return cut, np.ones(len(cut), bool), np.zeros(len(cut), bool)

    def _cuts(self, faces: Ints) -> Bools:
        """Which cuts are positive on some faces: found anew for a few, and kept for all where many are asked for."""
        if self._packed is None:
            siblings = np.zeros(len(self.root), bool)
            siblings[self.parent[faces]] = True
            self._walked += int(np.count_nonzero(siblings[self.parent]))
            if 10 * self._walked < len(self.parent):
                return self._walk(faces)
            self._packed = np.packbits(self._walk(np.arange(len(self.parent))), axis=1)
        return np.unpackbits(self._packed[faces], axis=1, count=self.above.shape[1]).view(bool)

    def _walk(self, faces: Ints) -> NDArray[Any]:
        """The same, found from the first corner of the old faces on, across one chord after another."""
        parents = np.unique(self.parent[faces])
        mine = np.zeros(len(self.root), bool)
        mine[parents] = True
        family = np.flatnonzero(mine[self.parent])
        local = np.full(len(self.parent), -1)
        local[family] = np.arange(len(family))
        rows = np.empty((len(family), self.above.shape[1]), self.above.dtype)
        roots = local[self.root[parents]]
        rows[roots] = self.above[parents]
        inside = np.flatnonzero(mine[self.parent[self.left]])
        left, right, cut = local[self.left[inside]], local[self.right[inside]], self.cut[inside]
        ends = np.concatenate([left, right])
        order = np.argsort(ends, kind="stable")
        begin = np.searchsorted(ends[order], np.arange(len(family) + 1))
        beyond = np.concatenate([right, left])[order]
        column, on_left, on_right = self._sides(cut)
        crossed = np.concatenate([column, column])[order]
        far = np.concatenate([on_right, on_left])[order]  # on the far side
        seen = np.zeros(len(family), bool)
        seen[roots] = True
        while len(roots):
            count = begin[roots + 1] - begin[roots]
            owner = np.repeat(roots, count)
            at = np.repeat(begin[roots] - np.cumsum(count) + count, count) + np.arange(count.sum())
            new = ~seen[beyond[at]]
            target, first = np.unique(beyond[at][new], return_index=True)
            at, owner = at[new][first], owner[new][first]
            rows[target] = rows[owner]
            rows[target, crossed[at]] = far[at]
            seen[target] = True
            roots = target
        found: NDArray[Any] = rows[local[faces]]
        return found


@dataclass
class MaxLayer(Layer):
    """One layer of Max groups.

    `largest` (old faces, groups) are the states where one holds on all of a face, and 0 elsewhere. Columns of `above`
    stand for the groups `contested`, and hold their states at the first corner. Cut k is between two members of column
    `column[k]`, alone in their states `states_left[k]` and `states_right[k]`.
    """

    largest: States = field(kw_only=True)
    contested: Ints = field(kw_only=True)
    column: Ints = field(kw_only=True)
    states_left: States = field(kw_only=True)
    states_right: States = field(kw_only=True)

    def _plain(self, faces: Ints) -> States:
        """The states on faces that were not rebuilt."""
        found = self.largest[self.parent[faces]]
        if len(self.contested):
            some = found[:, self.contested]
            found[:, self.contested] = np.where(some == 0, self._walk(faces), some)
        return found

    def _sides(self, cut: Ints) -> tuple[Ints, NDArray[Any], NDArray[Any]]:
        """The group's column, and who is largest on the left and on the right."""
        return self.column[cut], self.states_left[cut], self.states_right[cut]


class History:
    """All layers so far."""

    def __init__(self) -> None:
        self.layers: list[Layer] = []

    def ancestors(self, faces: Ints) -> list[Ints]:
        """For each layer, the faces after it that some of the present faces are part of."""
        found = []
        for layer in reversed(self.layers):
            found.append(faces)
            faces = layer.parent[faces]
        return found[::-1]

    def states(self, faces: Ints) -> list[States]:
        """For each layer, the states of its units on some of the present faces."""
        return [layer.states(a) for layer, a in zip(self.layers, self.ancestors(faces), strict=True)]

    @property
    def unit_count(self) -> int:
        """The number of units in all layers."""
        return sum(layer.units for layer in self.layers)

    def all_states(self, faces: Ints) -> States:
        """The states of all units on some of the present faces, (len(faces), units)."""
        return np.concatenate([np.empty((len(faces), 0), np.uint8), *self.states(faces)], axis=1)

    def patterns(self, faces: Ints) -> list[bytes]:
        """The kernel's patterns, as far as the layers go, of some of the present faces."""
        fields = [np.empty((len(faces), 0), np.uint8)]
        for states in self.states(faces):
            little = states.astype(states.dtype.newbyteorder("<"))
            fields.append(little.view(np.uint8).reshape(len(faces), -1))
        return [row.tobytes() for row in np.concatenate(fields, axis=1)]

"""Linear regions: unions of cells with one affine map, connected through edges."""

from __future__ import annotations

from splinecam_exact.half_edges import Ints


def count_regions(piece: Ints, dual_edges: Ints) -> int:
    """The number of components when neighbouring faces with equal `piece` are joined."""
    parent = list(range(len(piece)))

    def root(i: int) -> int:
        while parent[i] != i:
            parent[i] = parent[parent[i]]
            i = parent[i]
        return i

    regions = len(parent)
    same = piece[dual_edges[:, 0]] == piece[dual_edges[:, 1]]
    for i, j in dual_edges[same].tolist():
        a, b = root(i), root(j)
        if a != b:
            parent[a] = b
            regions -= 1
    return regions

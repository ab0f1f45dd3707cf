"""Operations of a network under construction that keep or join the entries of tensors."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from gmpy2 import mpq

from splinecam_exact.arrays import ExactArray
from splinecam_exact.importers.builder import Builder, zeros
from splinecam_exact.importers.tensors import Constant, Tensor, axis_of, check_size, constant, exact_array, uniform
from splinecam_exact.kernel.errors import NetworkError
from splinecam_exact.kernel.program import MAX_GROUP
from splinecam_exact.nodes import Affine, Max, Piecewise
from splinecam_exact.weights import Ints, Selection

_PADDINGS = {"reflect": "reflect", "replicate": "edge", "circular": "wrap"}


class Elementwise(Builder):
    """Piecewise linear functions, sums, maxima, joins and padding of tensors.

    Constants are anything `tensors.constant` takes, and broadcast as numpy does.
    """

    def units(self, t: Tensor, units: Piecewise) -> Tensor:
        """The same piecewise linear function of each entry."""
        t = self.used(t)
        return Tensor(self.add_node(units.moved(t.node), (self.sizes[t.node],)).node, t.index)

    def relu(self, t: Tensor) -> Tensor:
        """max(x, 0)."""
        return self.units(t, Piecewise.relu())

    def abs(self, t: Tensor) -> Tensor:
        """|x|."""
        return self.units(t, Piecewise.absolute())

    def leaky_relu(self, t: Tensor, slope: object) -> Tensor:
        """x where x >= 0, slope * x elsewhere."""
        return self.units(t, Piecewise.leaky_relu(slope))

    def prelu(self, t: Tensor, slopes: object, channel_dim: int = 1) -> Tensor:
        """A leaky ReLU with a slope for each channel, or one for all."""
        flat = constant(slopes, "slopes").reshape(-1)
        if len(flat) == 1:
            return self.units(t, Piecewise.prelu(flat.tolist()))
        shape = per_channel(t, len(flat), channel_dim, "slopes")
        t = self.ordered(t)
        den, numerators = self.placed(t, flat.reshape(shape), "slopes").numerators()
        pairs = [number for n in numerators for number in (n, den)]
        slope_rows = ExactArray.from_numerators(den, pairs, (len(numerators), 2))
        return self._units(t, Piecewise(t.node, ExactArray.of([[0]]), slope_rows, ExactArray.of([0])))

    def _units(self, t: Tensor, units: Piecewise) -> Tensor:
        return Tensor(self.add_node(units, (self.sizes[t.node],)).node, t.index)

    def clamp(self, t: Tensor, low: object = None, high: object = None) -> Tensor:
        """min(max(x, low), high), where a bound that is None is left out; each broadcasts."""
        if low is not None and high is not None:
            least, most = constant(low, "bound"), constant(high, "bound")
            if least.size == most.size == 1 and least.item() < most.item():
                t = self._expanded(t, least.shape, most.shape)
                return self.units(t, Piecewise.hardtanh(least.item(), most.item()))
        t = t if low is None else self.maximum(t, low)
        return t if high is None else self.minimum(t, high)

    def hardtanh(self, t: Tensor, low: object, high: object) -> Tensor:
        """x clipped to [low, high]."""
        return self.clamp(t, low, high)

    def threshold(self, t: Tensor, limit: object, value: object) -> Tensor:
        """x where x > limit, value elsewhere; they must be equal, or the function jumps."""
        if constant(limit).tolist() != constant(value).tolist():
            raise NetworkError(f"jumps to {value} at {limit}: it is continuous only where the two are equal")
        return self.maximum(t, limit)

    def hardsigmoid(self, t: Tensor, slope: object = mpq(1, 6), shift: object = mpq(1, 2)) -> Tensor:
        """max(0, min(1, slope * x + shift))."""
        return self.clamp(self.scale_shift(t, slope, shift), 0, 1)

    def scale_shift(self, t: Tensor, scale: object, shift: object = 0) -> Tensor:
        """scale * x + shift, broadcast to one shape."""
        factors, terms = constant(scale, "scale"), constant(shift, "shift")
        t = self._expanded(t, factors.shape, terms.shape)
        if factors.size == terms.size == 1:
            t = self.used(t)
            weight, bias = (uniform(v, self.sizes[t.node]) for v in (factors, terms))
        else:
            t = self.ordered(t)
            weight, bias = self.placed(t, factors, "scale"), self.placed(t, terms, "shift")
        return Tensor(self.add_node(Affine((t.node,), (weight,), bias), bias.shape).node, t.index)

    def neg(self, t: Tensor) -> Tensor:
        """-x."""
        return self.scale_shift(t, -1)

    def add(self, a: Tensor, b: object) -> Tensor:
        """a + b; b is a tensor or constants."""
        return self._sum(a, b, 1) if isinstance(b, Tensor) else self.scale_shift(a, 1, b)

    def sub(self, a: Tensor, b: object) -> Tensor:
        """a - b; b is a tensor or constants."""
        return self._sum(a, b, -1) if isinstance(b, Tensor) else self.scale_shift(a, 1, -constant(b))

    def _sum(self, a: Tensor, b: Tensor, sign: int) -> Tensor:
        a, b = self.broadcast([a, b])
        index = None
        if (a.index == b.index).all() and self.is_order(a) and self.is_order(b):
            index, whole = a.index, np.arange(a.index.size)  # summed in the order of the nodes
            a, b = Tensor(a.node, whole), Tensor(b.node, whole)
        first, weight = self.copies(a)
        second, other = self.copies(b) if sign > 0 else (self.materialize(b), ExactArray.of(-np.ones(b.index.size)))
        made = self.add_node(Affine((first, second), (weight, other), zeros(a.index.size)), a.shape)
        return made if index is None else Tensor(made.node, index)

    def maximum(self, a: Tensor, b: object) -> Tensor:
        """The larger of a and b, entry by entry; b is a tensor or constants."""
        if not isinstance(b, Tensor):
            return self._bounded(a, b, [[0, 1]])
        a, b = self._over_one_node(self.broadcast([a, b]))
        return self.max_rows(a.node, np.stack([a.index.reshape(-1), b.index.reshape(-1)], axis=1)).reshape(a.shape)

    def minimum(self, a: Tensor, b: object) -> Tensor:
        """The smaller of a and b, entry by entry; b is a tensor or constants."""
        if not isinstance(b, Tensor):
            return self._bounded(a, b, [[1, 0]])
        return self.neg(self.maximum(self.neg(a), self.neg(b)))

    def _bounded(self, t: Tensor, bound: object, slopes: list[list[int]]) -> Tensor:
        values = constant(bound, "bound")
        t = self._expanded(t, values.shape)
        if values.size == 1:
            return self.units(t, Piecewise.of([[values.item()]], slopes, [values.item()]))
        t = self.ordered(t)
        anchor = self.placed(t, values, "bound")
        breakpoints = ExactArray.from_numerators(*anchor.numerators(), (t.index.size, 1))
        return self._units(t, Piecewise(t.node, breakpoints, ExactArray.of(slopes), anchor))

    def max_rows(self, node: int, rows: Ints) -> Tensor:
        """The maximum of each row of positions in a node; -1 is none, and repeated ones count once.

        A row of more than 63 is cut into parts of 63, whose maxima are units too, and the maximum of those is taken.
        """
        groups = [tuple(dict.fromkeys(j for j in row if j >= 0)) for row in rows.tolist()]
        if not all(groups):
            raise NetworkError("takes the maximum of no values")
        while max(map(len, groups)) > MAX_GROUP:
            parts = [group[k : k + MAX_GROUP] for group in groups for k in range(0, len(group), MAX_GROUP)]
            node = self.add_node(Max(node, tuple(parts)), (len(parts),)).node
            ends = np.cumsum([-(-len(group) // MAX_GROUP) for group in groups]).tolist()
            groups = [tuple(range(a, b)) for a, b in zip([0, *ends], ends, strict=False)]
        if all(len(group) == 1 for group in groups):
            return Tensor(node, np.array([j for (j,) in groups]))
        return self.add_node(Max(node, tuple(groups)), (len(groups),))

    def broadcast(self, tensors: Sequence[Tensor]) -> list[Tensor]:
        """The tensors expanded to one shape."""
        shape = _common([t.shape for t in tensors])
        return [t.expand(shape) for t in tensors]

    def _expanded(self, t: Tensor, *shapes: tuple[int, ...]) -> Tensor:
        return t.expand(_common([t.shape, *shapes]))

    def concat(self, parts: Sequence[object], dim: int) -> Tensor:
        """Tensors and constants one after the other along a dimension; tensors of one node need no new node."""
        shaped = [p if isinstance(p, Tensor) else constant(p) for p in parts]
        sources = list(dict.fromkeys(p.node for p in shaped if isinstance(p, Tensor)))
        if not sources:
            raise NetworkError("joins no tensors that depend on the input")
        d = axis_of(dim, len(shaped[0].shape))
        if len({(*p.shape[:d], -1, *p.shape[d + 1 :]) for p in shaped}) != 1:
            raise NetworkError(f"joins shapes {', '.join(str(p.shape) for p in shaped)} along dimension {d}")
        shape = (*shaped[0].shape[:d], sum(p.shape[d] for p in shaped), *shaped[0].shape[d + 1 :])
        check_size(shape)
        chosen = [
            np.concatenate(
                [p.index if isinstance(p, Tensor) and p.node == s else np.full(p.shape, -1) for p in shaped], axis=d
            )
            for s in sources
        ]
        if len(sources) == 1 and all(isinstance(p, Tensor) for p in shaped):
            return Tensor(sources[0], chosen[0])
        values = [np.zeros(p.shape) if isinstance(p, Tensor) else p for p in shaped]
        bias = exact_array(np.concatenate(values, axis=d), (math.prod(shape),), "constant")
        weights = [Selection(c.reshape(-1), self.sizes[s]) for c, s in zip(chosen, sources, strict=True)]
        return self.add_node(Affine(tuple(sources), tuple(weights), bias), shape)

    def stack(self, parts: Sequence[Tensor], dim: int) -> Tensor:
        """The tensors side by side along a new dimension."""
        return self.concat([t.unsqueeze(dim) for t in parts], axis_of(dim, parts[0].rank + 1))

    def _over_one_node(self, tensors: Sequence[Tensor]) -> list[Tensor]:
        """The same tensors over one node."""
        if len({t.node for t in tensors}) == 1:
            return list(tensors)
        tensors = [self.used(t) for t in tensors]
        sources = list(dict.fromkeys(t.node for t in tensors))
        joined = self.concat([Tensor(s, np.arange(self.sizes[s])) for s in sources], 0)
        starts = dict(zip(sources, np.cumsum([0, *(self.sizes[s] for s in sources)]).tolist(), strict=False))
        return [Tensor(joined.node, t.index + starts[t.node]) for t in tensors]

    def pad(self, t: Tensor, pads: Sequence[tuple[int, int]], mode: str = "constant", value: object = 0) -> Tensor:
        """Entries put (or, where negative, taken away) before and after each dimension.

        Modes: "constant" and, without a new node, "reflect", "replicate" and "circular", as torch's pad.
        """
        if len(pads) != t.rank:
            raise NetworkError(f"pads {len(pads)} dimensions of a tensor with {t.rank}")
        check_size([n + low + high for n, (low, high) in zip(t.shape, pads, strict=True)])
        if mode in _PADDINGS:
            for n, (low, high) in zip(t.shape, pads, strict=True):
                most = {"reflect": n - 1, "circular": n}.get(mode, max(low, high))
                if min(low, high) < 0 or max(low, high) > most:
                    raise NetworkError(f"pads {n} entries by ({low}, {high}), which mode {mode!r} does not allow")
            found: Ints = np.pad(t.index, list(pads), _PADDINGS[mode])  # type: ignore[call-overload]
            return t.view(found)
        if mode != "constant":
            raise NetworkError(f"pads in mode {mode!r}; constant, reflect, replicate and circular are supported")
        t = t[tuple(slice(max(0, -low), n - max(0, -high)) for n, (low, high) in zip(t.shape, pads, strict=True))]
        added = [(max(0, low), max(0, high)) for low, high in pads]
        if not any(map(max, added)):
            return t
        index = np.pad(t.index, added, constant_values=-1).reshape(-1)
        bias = filled(constant(value, "value"), index.shape).copy()
        bias[index >= 0] = 0
        node = Affine((t.node,), (Selection(index, self.sizes[t.node]),), exact_array(bias, index.shape, "value"))
        return self.add_node(node, [n + low + high for n, (low, high) in zip(t.shape, added, strict=True)])


def filled(value: Constant, shape: tuple[int, ...]) -> Constant:
    """An array of one number."""
    if value.size != 1:
        raise NetworkError(f"has a constant of shape {value.shape} where one number is needed")
    return np.full(shape, value.item(), dtype=value.dtype)


def per_channel(t: Tensor, count: int, channel_dim: int, what: str) -> tuple[int, ...]:
    """The shape in which a number for each channel is broadcast over a tensor."""
    d = axis_of(channel_dim, t.rank)
    if t.shape[d] != count:
        raise NetworkError(f"has {count} {what} for {t.shape[d]} channels")
    return tuple(count if k == d else 1 for k in range(t.rank))


def _common(shapes: Sequence[tuple[int, ...]]) -> tuple[int, ...]:
    try:
        shape = np.broadcast_shapes(*shapes)
    except ValueError:
        raise NetworkError(
            f"combines shapes {' and '.join(map(str, filter(None, shapes)))}, which do not fit"
        ) from None
    check_size(shape)
    return shape

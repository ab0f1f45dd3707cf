"""The rows of a program's affine steps, as products of matrices of digits."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from typing import NamedTuple

import numpy as np
from gmpy2 import mpz

from splinecam_exact.decide.digits import Floats, Ints, split, to_digits
from splinecam_exact.decide.sliced import CACHED, Block, Index, Pick, trimmed
from splinecam_exact.kernel.errors import InputError
from splinecam_exact.kernel.program import RowStep

MERGED = 1 << 20
"""Neighbouring rows that read different values become one matrix up to so many entries, zeros included."""

GATHERED = 1 << 22
"""How many digits of the windows of a convolution are gathered at a time."""

FEW_TERMS = 8
"""Rows of at most so many terms are taken together, term by term."""

SHARING = 8
"""Rows are taken together as those of a convolution where on average so many share their coefficients or inputs."""


class RowGroup:
    """Rows of a step as one matrix over all values that any of them reads.

    `weights` has shape (rows, slices * inputs): the matrix of the highest digits comes first. The lowest slice is at
    digit `low`. `terms` bounds the number of products in one sum.
    """

    rows: Index
    """Which rows of the step these are."""

    def __init__(self, rows: slice, inputs: Sequence[int], entries: list[dict[int, mpz]], constants: list[mpz]) -> None:
        self.rows = self.span = rows
        self.inputs, self._entries, self._constants = inputs, entries, constants
        self.products = len(entries) * len(inputs)
        self.bits = max((w.bit_length() for row in entries for w in row.values()), default=0)
        self.fan_in = max(map(len, entries))

    def terms(self, bits: int) -> int:
        """How many products one sum has at most, if digits have so many bits."""
        return self.fan_in * ((self.bits + 1) // bits + 1)

    def cut(self, bits: int, firsts: Ints) -> None:
        """Cut the integers into digits; only now is there something to multiply."""
        self.pick = Pick(self.inputs, firsts)
        self._cut(bits, {j: k for k, j in enumerate(self.inputs)})

    def _cut(self, bits: int, place: dict[int, int]) -> None:
        """Fill `weights` and `constants`; `place` says in which column the entries of an input belong."""
        self.digit_bits = bits
        count, width = len(self._entries), len(place)
        rows = np.array([r for r, row in enumerate(self._entries) for _ in row], np.int64)
        columns = np.array([place[j] for row in self._entries for j in row], np.int64)
        found = to_digits([w for row in self._entries for w in row.values()], bits)
        self.low = next((p for p, digit in enumerate(found[:-1]) if digit.any()), len(found) - 1)
        found = found[self.low :]
        self.slices = len(found)
        weights = np.zeros((count, self.slices, width))
        weights[rows, :, columns] = found[::-1].T
        self.weights = weights.reshape(count, self.slices * width)
        self.constants = to_digits(self._constants, bits)
        del self._entries, self._constants

    def __call__(self, x: Block, low: int) -> Floats:
        """The rows' digits from position `low` on, shape (cells, 3, digits, rows)."""
        cells, _, digits, width = x.data.shape
        found = np.zeros((cells, 3, self._room(x, low), len(self.weights)))
        size = max(1, CACHED // len(self.weights))
        for start in range(0, cells, size):
            data, weights = x.data[start : start + size], self.weights
            used = data.any(axis=(0, 1, 2))
            if not used.all():  # after a ReLU, a third of the values may be 0 on all of these cells
                data = data[..., used]
                weights = weights.reshape(-1, width)[:, used].reshape(len(weights), data.shape[3] * self.slices)
            flat = data.reshape(len(data) * 3, digits * data.shape[3])
            self._carry(Block(data, x.low), low, found[start : start + size], flat, weights, slice(None))
        return trimmed(found)

    def find(self, rows: Ints) -> tuple[Ints, Ints]:
        """Which of some rows are among these, and the numbers that they have here."""
        mine = np.flatnonzero((self.span.start <= rows) & (rows < self.span.stop))
        return mine, rows[mine] - self.span.start

    def some(self, x: Block, low: int, cells: Ints, rows: Ints) -> Floats:
        """The digits of one row on one cell each, shape (len(rows), 3, digits, 1)."""
        _, _, digits, width = x.data.shape
        found = np.zeros((len(rows), 3, self._room(x, low), 1))
        size = max(1, CACHED // max(1, width))
        for start in range(0, len(rows), size):
            mine = rows[start : start + size]
            flat = x.data[cells[start : start + size]].reshape(len(mine), 3, digits * width)
            self._carry(x, low, found[start : start + size], flat, self.weights[mine], mine[:, np.newaxis])
        return trimmed(found)

    def _top(self, x: Block) -> int:
        products: int = x.low + x.data.shape[2] - 1 + self.low + self.slices - 1
        return max(products, len(self.constants) - 1)

    def _room(self, x: Block, low: int) -> int:
        """Digits for all sums, and for what the last one carries: below 2^53."""
        return max(0, self._top(x) + 1 - low) + 54 // self.digit_bits + 2

    def _carry(
        self, x: Block, low: int, found: Floats, flat: Floats, weights: Floats, rows: Index | tuple[Ints, Ints]
    ) -> None:
        """Fill `found`: the sums of the products of each position, from the lowest on, and what they carry."""
        width, digits = x.data.shape[3], x.data.shape[2]
        carry = np.zeros((len(found), 3, found.shape[3]))
        for p in range(low, low + found.shape[2]):
            place = p - x.low - self.low  # digit j meets slice place - j
            first, last = max(0, place - self.slices + 1), min(digits - 1, place)
            if first <= last:
                left = flat[..., first * width : (last + 1) * width]
                start = (self.slices - 1 - place + first) * width
                right = weights[:, start : start + left.shape[-1]]
                if flat.ndim == 2:
                    carry += (left @ right.T).reshape(carry.shape)
                else:
                    carry += np.einsum("nck,nk->nc", left, right)[..., np.newaxis]
            elif p > self._top(x) and not carry.any():
                return
            if p < len(self.constants):
                carry[:, 2] += self.constants[p][rows]
            carry = split(carry, found[:, :, p - low], self.digit_bits)


class SharedRows(RowGroup):
    """Rows that have the same coefficients at several places, as those of a convolution.

    Row `rows[p, c]` has coefficients number c over the values `numbers[p]`; where a number is -1, its term is left out.
    """

    def __init__(self, rows: Ints, numbers: Ints, coefs: Sequence[Sequence[mpz]], constants: list[mpz]) -> None:
        places, terms = numbers.shape
        first = int(numbers[numbers >= 0].min())
        inputs = range(first, int(numbers.max()) + 1)
        entries = [{k: w for k, w in enumerate(row) if w} for row in coefs]
        super().__init__(slice(0, 0), inputs, entries, constants)
        self.rows = self.numbers = rows.reshape(-1)
        self.places = np.maximum(numbers - first, 0)
        self._left_out = numbers < 0 if (numbers < 0).any() else None
        self.products = places * terms * len(coefs)
        self._sums = [sum(map(abs, row), mpz(0)) for row in coefs]
        channels = len(coefs)
        self._offsets = [max(map(abs, constants[c::channels])) for c in range(channels)]

    def bounds(self, known: Sequence[mpz], one: mpz) -> list[mpz]:
        """Bounds of the rows' values, in the order of `rows`, from those of all values and of the constant 1."""
        largest = max(known[j] for j in self.inputs)
        channels = [s * largest + c * one for s, c in zip(self._sums, self._offsets, strict=True)]
        return channels * len(self.places)

    def cut(self, bits: int, firsts: Ints) -> None:
        """Cut the integers into digits; only now is there something to multiply."""
        self.pick = Pick(self.inputs, firsts)
        self._cut(bits, {k: k for k in range(self.places.shape[1])})
        self.constants = self.constants.reshape(len(self.constants), *self._shape)

    @property
    def _shape(self) -> tuple[int, int]:
        return len(self.places), len(self._sums)

    def find(self, rows: Ints) -> tuple[Ints, Ints]:
        """Which of some rows are among these, and the numbers that they have here."""
        order = np.argsort(self.numbers, kind="stable")
        at = np.minimum(np.searchsorted(self.numbers[order], rows), len(order) - 1)
        mine = np.flatnonzero(self.numbers[order[at]] == rows)
        return mine, order[at[mine]]

    def __call__(self, x: Block, low: int) -> Floats:
        """The rows' digits from position `low` on, shape (cells, 3, digits, rows)."""
        cells, _, digits, _ = x.data.shape
        (places, channels), terms = self._shape, self.places.shape[1]
        room = self._room(x, low)
        found = np.zeros((cells, 3, room, places, channels))
        size = max(1, GATHERED // (3 * digits * terms))
        for cell in range(cells):
            for start in range(0, places, size):
                some = slice(start, start + size)
                windows = x.data[cell][:, :, self.places[some]]
                if self._left_out is not None:
                    windows[:, :, self._left_out[some]] = 0
                windows = windows.transpose(2, 0, 1, 3)
                part = np.zeros((len(windows), 3, room, channels))
                flat = windows.reshape(3 * len(windows), digits * terms)
                self._carry(Block(windows, x.low), low, part, flat, self.weights, some)
                found[cell, :, :, some] = part.transpose(1, 2, 0, 3)
        return trimmed(found.reshape(cells, 3, room, places * channels))

    def some(self, x: Block, low: int, cells: Ints, rows: Ints) -> Floats:
        """The digits of one row on one cell each, shape (len(rows), 3, digits, 1)."""
        digits, terms = x.data.shape[2], self.places.shape[1]
        found = np.zeros((len(rows), 3, self._room(x, low), 1))
        size = max(1, CACHED // terms)
        for start in range(0, len(rows), size):
            place, channel = np.divmod(rows[start : start + size], self._shape[1])
            owner = cells[start : start + size, np.newaxis]
            windows = x.data[owner, :, :, self.places[place]]
            if self._left_out is not None:
                windows[self._left_out[place]] = 0
            windows = windows.transpose(0, 2, 3, 1)
            flat = windows.reshape(len(place), 3, digits * terms)
            at = place[:, np.newaxis], channel[:, np.newaxis]
            self._carry(Block(windows, x.low), low, found[start : start + size], flat, self.weights[channel], at)
        return trimmed(found)


class ThinRows(RowGroup):
    """Rows of few terms each: the products of one term after another, for all rows together."""

    def __init__(self, numbers: Sequence[Sequence[int]], coefs: Sequence[Sequence[mpz]], constants: list[mpz]) -> None:
        most = max(map(len, numbers))
        padded = [[*js, *[js[0]] * (most - len(js))] for js in numbers]
        self._numbers = np.array(padded, np.int64)
        first = int(self._numbers.min())
        inputs = range(first, int(self._numbers.max()) + 1)
        entries = [dict(enumerate(ws)) for ws in coefs]
        super().__init__(slice(0, len(coefs)), inputs, entries, constants)
        self.places = self._numbers - first
        self.products = self.places.size

    def cut(self, bits: int, firsts: Ints) -> None:
        """Cut the integers into digits; only now is there something to multiply."""
        self.pick = Pick(self.inputs, firsts)
        self._cut(bits, {k: k for k in range(self.places.shape[1])})
        # the lowest digits first, (slices, terms, rows)
        digits = self.weights.reshape(len(self.weights), self.slices, -1)[:, ::-1]
        self._digits = np.ascontiguousarray(digits.transpose(1, 2, 0))

    def __call__(self, x: Block, low: int) -> Floats:
        """The rows' digits from position `low` on, shape (cells, 3, digits, rows)."""
        found = np.zeros((len(x.data), 3, self._room(x, low), len(self.places)))
        size = max(1, CACHED // len(self.places))
        for start in range(0, len(found), size):
            some = slice(start, start + size)
            self._sum(x.data[some][..., self.places], x, low, found[some], self._digits, slice(None))
        return trimmed(found)

    def some(self, x: Block, low: int, cells: Ints, rows: Ints) -> Floats:
        """The digits of one row on one cell each, shape (len(rows), 3, digits, 1)."""
        found = np.zeros((1, 3, self._room(x, low), len(rows)))
        terms = x.data[cells[:, np.newaxis], :, :, self.places[rows]].transpose(2, 3, 0, 1)
        self._sum(terms[np.newaxis], x, low, found, self._digits[:, :, rows], rows)
        return trimmed(found[0].transpose(2, 0, 1)[..., np.newaxis])

    def _sum(self, terms: Floats, x: Block, low: int, found: Floats, weights: Floats, rows: Index) -> None:
        """Fill `found` from the terms' digits, (cells, 3, digits, rows, terms)."""
        carry = np.zeros((len(found), 3, found.shape[3]))
        for p in range(low, low + found.shape[2]):
            for i, digit in enumerate(weights):
                j = p - x.low - self.low - i
                if 0 <= j < terms.shape[2]:
                    for k, factors in enumerate(digit):
                        carry += terms[:, :, j, :, k] * factors
            if p < len(self.constants):
                carry[:, 2] += self.constants[p][rows]
            elif p > self._top(x) and not carry.any():
                return
            carry = split(carry, found[:, :, p - low], self.digit_bits)


class Windows(NamedTuple):
    """What is known of a step beforehand: its rows are those of a convolution, channel after channel.

    `numbers` (groups, places, terms) are the values that each place's terms read, -1 for none.
    """

    numbers: Ints


def row_groups(step: RowStep, windows: Windows | None = None) -> list[RowGroup]:
    """The rows of a step as few products of matrices."""
    return (windows and convolution_rows(step, windows)) or thin_rows(step) or shared_rows(step) or merged_rows(step)


def thin_rows(step: RowStep) -> list[RowGroup]:
    """The rows of a step as such of few terms; none, if some have more, or if they are few."""
    indices = [js for js, matrix, _ in step.blocks for _ in matrix]
    if len(step.blocks) < SHARING or not 0 < min(map(len, indices)) <= max(map(len, indices)) <= FEW_TERMS:
        return []
    coefs = [ws for _, matrix, _ in step.blocks for ws in matrix]
    return [ThinRows(indices, coefs, [c for _, _, offsets in step.blocks for c in offsets])]


def convolution_rows(step: RowStep, windows: Windows) -> list[RowGroup]:
    """The rows of a convolution; none, if no place has all terms."""
    groups, places, _ = windows.numbers.shape
    whole = np.flatnonzero((windows.numbers >= 0).all((0, 2)))
    if not len(whole):
        return []
    rows = [(js, ws, c) for js, matrix, offsets in step.blocks for ws, c in zip(matrix, offsets, strict=True)]
    channels = len(rows) // (groups * places)
    found: list[RowGroup] = []
    for group, numbers in enumerate(windows.numbers):
        first = group * channels * places
        order = first + np.arange(channels) * places + np.arange(places)[:, np.newaxis]
        chosen = [rows[k] for k in order[whole[0]].tolist()]
        if any(list(js) != numbers[whole[0]].tolist() for js, _, _ in chosen):
            raise InputError("a convolution reads other values than its program says")
        coefs = [ws for _, ws, _ in chosen]
        found.append(SharedRows(order, numbers, coefs, [rows[k][2] for k in order.ravel().tolist()]))
    return found


def shared_rows(step: RowStep) -> list[RowGroup]:
    """The rows of a step as those of convolutions; none, if they do not share enough."""
    count = sum(len(matrix) for _, matrix, _ in step.blocks)
    if len(step.blocks) * SHARING <= count or len(step.blocks) < SHARING:
        return []
    indices = [js for js, matrix, _ in step.blocks for _ in matrix]
    coefs = [ws for _, matrix, _ in step.blocks for ws in matrix]
    constants = [c for _, _, offsets in step.blocks for c in offsets]
    alike: dict[int, list[int]] = {}
    for row, ws in enumerate(coefs):
        alike.setdefault(id(ws), []).append(row)
    families: dict[tuple[int, ...], list[list[int]]] = {}
    for rows in alike.values():
        families.setdefault(tuple(id(indices[row]) for row in rows), []).append(rows)
    if len(families) * SHARING > count or not all(map(len, indices)):
        return []
    groups: list[RowGroup] = []
    for channels in families.values():
        numbers = np.array([indices[row] for row in channels[0]], np.int64)
        chosen = [coefs[rows[0]] for rows in channels]
        places_first = np.array(channels, np.int64).T
        groups.append(SharedRows(places_first, numbers, chosen, [constants[k] for k in chain(*places_first.tolist())]))
    return groups


def merged_rows(step: RowStep) -> list[RowGroup]:
    """The rows of a step as few matrices: neighbours are merged as long as `MERGED` allows."""
    groups: list[RowGroup] = []
    first = row = 0
    columns: dict[int, None] = {}
    entries: list[dict[int, mpz]] = []
    offsets: list[mpz] = []

    def close() -> None:
        if entries:
            groups.append(RowGroup(slice(first, row), list(columns), entries, offsets))

    for indices, matrix, constants in step.blocks:
        union = columns | dict.fromkeys(indices)
        if (len(entries) + len(matrix)) * len(union) > MERGED:
            close()
            first, union, entries, offsets = row, dict.fromkeys(indices), [], []
        columns = union
        for coefs in matrix:
            sums: dict[int, mpz] = {}
            for j, w in zip(indices, coefs, strict=True):
                if w:
                    sums[j] = sums.get(j, mpz(0)) + w
            entries.append(sums)
        offsets += constants
        row += len(matrix)
    close()
    return groups

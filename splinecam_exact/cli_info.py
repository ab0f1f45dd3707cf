"""The command info: what a network file holds."""

from __future__ import annotations

import argparse
from typing import Any

from gmpy2 import mpq

from splinecam_exact.arrays import ExactArray
from splinecam_exact.cli_inputs import nnet_header, read_network
from splinecam_exact.cli_output import Output, Result
from splinecam_exact.importers.nnet import Header
from splinecam_exact.kernel.rational import format_rational
from splinecam_exact.nodes import Affine, Max, Node, Piecewise
from splinecam_exact.weights import Convolution, Selection, Weight

_FEW = 4
"""So many different rows of a piecewise linear node are shown."""

_ACTIVATIONS = {
    "ReLU": Piecewise.relu(),
    "absolute value": Piecewise.absolute(),
    "ReLU6": Piecewise.relu6(),
    "hard tanh": Piecewise.hardtanh(-1, 1),
}


def info(args: argparse.Namespace, output: Output) -> Result:
    """Show a network's layers, units, digest, conventions and input ranges."""
    header = nnet_header(args)
    chosen = header is None or args.normalize is not None
    if not chosen:
        args.normalize = False  # enough to look at; whatever computes asks for the choice
    net = read_network(args)
    nodes = [
        {"node": k, "kind": type(node).__name__.lower(), "size": size, "text": node_text(node)}
        for k, (node, size) in enumerate(zip(net.nodes, net.sizes[1:], strict=True), start=1)
    ]
    ranges = _input_ranges(header)
    output.row("model", args.model)
    output.row("inputs", net.input_size)
    output.row("outputs", net.output_size)
    output.row("units", net.unit_count)
    output.row("digest", net.digest)
    for text in net.conventions or ("none",):
        output.row("convention", text)
    if not chosen:
        output.row("", "(this is with --no-normalize; with --normalize it is another network)")
    for entry in nodes:
        output.row(f"node {entry['node']}", f"{entry['kind']:<10}{entry['size']:>6}  {entry['text']}")
    for k, (low, high) in enumerate(ranges):
        output.row(f"input {k}", f"from {low} to {high}")
    return {
        "status": "done",
        "model": args.model,
        "inputs": net.input_size,
        "outputs": net.output_size,
        "units": net.unit_count,
        "digest": net.digest,
        "conventions": list(net.conventions),
        "nodes": nodes,
        "input_ranges": ranges,
    }


def node_text(node: Node) -> str:
    """What a node does, in a few words.

    >>> node_text(Piecewise.relu(3))
    'of node 3: ReLU'
    >>> node_text(Piecewise.leaky_relu(mpq(1, 10), 3))
    'of node 3: slopes 1/10, 1 between breakpoints 0'
    """
    if isinstance(node, Affine):
        parts = [f"{_shape(w)} of node {source}" for source, w in zip(node.sources, node.weights, strict=True)]
        arrays = [w.kernel if isinstance(w, Convolution) else w for w in node.weights if not isinstance(w, Selection)]
        return f"{' + '.join(parts)}; {_kind(*arrays, node.bias)}"
    if isinstance(node, Max):
        sizes = sorted({len(group) for group in node.groups})
        return f"of node {node.source}: groups of {', '.join(map(str, sizes))}"
    for name, activation in _ACTIVATIONS.items():
        if node == activation.moved(node.source):
            return f"of node {node.source}: {name}"
    rows = max(len(_rows(array)) for array in (node.breakpoints, node.slopes, node.anchor))
    if rows > _FEW:
        return f"of node {node.source}: {rows} different units; {_kind(node.breakpoints, node.slopes, node.anchor)}"
    slopes, breakpoints = (
        " | ".join(", ".join(map(str, row)) for row in _rows(a)) for a in (node.slopes, node.breakpoints)
    )
    return f"of node {node.source}: slopes {slopes} between breakpoints {breakpoints}"


def _shape(weight: Weight) -> str:
    if isinstance(weight, Convolution):
        sizes = " x ".join(map(str, weight.window))
        return f"convolution {weight.image[0]} to {weight.channels} channels, {sizes},"
    if isinstance(weight, Selection):
        return f"{weight.shape[0]} values"
    return "matrix " + " x ".join(map(str, weight.shape)) if len(weight.shape) == 2 else "diagonal"


def _rows(array: ExactArray) -> list[list[mpq]]:
    den, flat = array.numerators()
    width = len(flat) // array.shape[0]
    return [[mpq(n, den) for n in flat[k : k + width]] for k in range(0, len(flat), width)]


def _shown(array: ExactArray) -> str:
    return " | ".join(", ".join(map(format_rational, row)) for row in _rows(array))


def _kind(*arrays: ExactArray) -> str:
    """How the numbers are stored, which follows from their values."""
    bits = [array.numerators()[0].bit_length() for array in arrays if array.floats is None]
    return f"rationals, denominators of up to {max(bits)} bits" if bits else "float64"


def _input_ranges(header: Header | None) -> list[tuple[str, str]]:
    """The least and the greatest value of each input, in a .nnet file's own units."""
    if header is None or header.input_mins is None or header.input_maxes is None:
        return []
    pairs: Any = zip(header.input_mins, header.input_maxes, strict=True)
    return [(format_rational(low), format_rational(high)) for low, high in pairs]

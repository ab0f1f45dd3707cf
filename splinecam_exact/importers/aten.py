"""Programs of torch operations ("aten"), as torch.export makes them, turned into networks. torch is not needed."""

from __future__ import annotations

import operator
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from splinecam_exact.importers import aten_layers, aten_pointwise, aten_views
from splinecam_exact.importers.aten_refused import LAST, REPLACE, refusal
from splinecam_exact.importers.aten_values import Comparison, Missing, SharedMemory, Stripped, as_number, shape_of
from splinecam_exact.importers.graph import Graph
from splinecam_exact.importers.tensors import Tensor
from splinecam_exact.kernel.errors import NetworkError

_HANDLERS: dict[str, Any] = {**aten_pointwise.HANDLERS, **aten_views.HANDLERS, **aten_layers.HANDLERS}
_MOST_ENTRIES = 1 << 26
_PYTHON = {
    name: getattr(operator, name)
    for name in "add sub mul floordiv mod neg eq ne lt le gt ge truediv getitem".split()  # noqa: SIM905
}
"""What programs do with numbers, such as sizes, and lists."""


@dataclass(frozen=True)
class Ref:
    """The value of that name, in an operation's arguments."""

    name: str


@dataclass(frozen=True)
class Operation:
    """One call: `target` such as "aten.relu.default", and where it is in the module, for messages.

    `outputs` is a name for the whole result, or a list of names (None where there is none) for its parts.
    """

    target: str
    arguments: tuple[Any, ...]
    outputs: str | Sequence[str | None]
    place: str
    keywords: Mapping[str, Any] = field(default_factory=dict)


def translate(
    graph: Graph, values: dict[str, Any], program: Sequence[Operation], output: str, strip_output: bool = False
) -> tuple[Tensor, str]:
    """The tensor that a program computes under the name `output`, and that name, or the one before what is stripped.

    `values` are those of the program's inputs: the graph's, and constants. Raises NetworkError, naming the place.
    """
    return _Translation(graph, values, program, output, strip_output).run()


class _Translation:
    def __init__(
        self, graph: Graph, values: dict[str, Any], program: Sequence[Operation], output: str, strip_output: bool
    ) -> None:
        self.graph, self.values, self.program, self.output = graph, dict(values), program, output
        self.strip = strip_output
        self.given = {name for name, value in values.items() if not isinstance(value, Tensor)}
        self.last: dict[str, int] = {output: len(program)}
        for number, operation in enumerate(program):
            for name in _names((operation.arguments, dict(operation.keywords))):
                self.last[name] = max(self.last.get(name, 0), number)
        self.memory: dict[str, int] = {name: number for number, name in enumerate(values)}
        self.entries = 0

    def run(self) -> tuple[Tensor, str]:
        for number, operation in enumerate(self.program):
            try:
                self._apply(number, operation)
                self._forget(number, operation)
            except NetworkError as error:
                raise type(error)(f"{operation.place} {error}") from None
            except (ValueError, IndexError, TypeError, KeyError, AttributeError, ArithmeticError) as error:
                raise NetworkError(
                    f"{operation.place} applies {operation.target} in a way that is not supported "
                    f"({type(error).__name__}: {error})"
                ) from None
        found = self.values.get(self.output)
        if isinstance(found, Stripped):
            self.graph.conventions.append(f"output: the last {found.name} is left out")
            return found.tensor, found.source
        if self.strip:
            raise NetworkError("strip_output: the last operation is no softmax, log_softmax or sigmoid")
        if isinstance(found, Missing):
            raise NetworkError(f"the output is {found.what}, which is not piecewise linear: {found.remedy}")
        if isinstance(found, Comparison) or found is None:
            raise NetworkError("the output is no tensor of numbers")
        if not isinstance(found, Tensor):
            graph, array = self.graph, as_number(found)
            found = graph.concat([array.reshape(-1), graph.input.reshape((-1,))], 0)[: array.size].reshape(array.shape)
        return found, self.output

    def _forget(self, number: int, operation: Operation) -> None:
        """Drop values that no later operation reads."""
        for name in _names((operation.arguments, dict(operation.keywords))):
            if self.last[name] <= number:
                self.values.pop(name, None)

    def _count(self, result: Any) -> None:
        self.entries += sum(v.index.size if isinstance(v, Tensor) else np.size(v) for v in _flat(result))
        if self.entries > _MOST_ENTRIES:
            raise NetworkError(f"makes the program's tensors have more than {_MOST_ENTRIES} entries together")

    def _apply(self, number: int, operation: Operation) -> None:
        arguments = _resolved(operation.arguments, self.values)
        keywords = {_renamed(k): _resolved(v, self.values) for k, v in operation.keywords.items()}
        name, base = _parts(operation.target)
        in_place = base.endswith("_") and not base.startswith("__")
        if in_place:
            base = base[:-1]
            name = f"{base}.{name.rpartition('.')[2]}"
        result = self._result(base, name, arguments, keywords, operation)
        self._count(result)
        if in_place:
            self._write(number, operation, result, arguments)
        names = [operation.outputs] if isinstance(operation.outputs, str) else list(operation.outputs)
        parts = [result] if isinstance(operation.outputs, str) else list(result) if names else []
        for output, value in zip(names, parts, strict=False):
            if output is not None:
                self.values[output] = value
                self.memory[output] = len(self.memory)
                shared = base in aten_views.VIEWS or base == "getitem" or in_place
                first = operation.arguments[0] if operation.arguments else None
                if shared and isinstance(first, Ref):
                    self.memory[output] = self.memory[first.name]

    def _result(self, base: str, name: str, arguments: Any, keywords: Any, operation: Operation) -> Any:
        if operation.target.startswith(("_operator.", "operator.")) and base in _PYTHON:
            return _python(base, arguments)
        given = _flat((arguments, keywords))
        for value in given:
            if isinstance(value, Stripped):
                raise NetworkError(f"comes after a {value.name}, which is not piecewise linear: {REPLACE}")
            if isinstance(value, Missing):
                raise NetworkError(f"uses {value.what}, which is not continuous: {value.remedy}")
        depends = any(isinstance(v, Tensor | Comparison) for v in given)
        if depends and base in LAST and self.strip and operation.outputs in (self.output, [self.output]):
            if not self._over_classes(base, arguments, keywords):
                raise NetworkError(f"applies {base} over a dimension of one entry, whose order it does not keep")
            return Stripped(arguments[0], LAST[base], _names(operation.arguments)[0])
        handler = _HANDLERS.get(name, _HANDLERS.get(base))
        if handler is None:
            raise refusal(base, operation.target, depends)
        return handler(self.graph, *arguments, **keywords)

    def _over_classes(self, base: str, arguments: Any, keywords: Any) -> bool:
        """Whether a softmax is over a dimension with more than one entry, so that the largest stays the largest."""
        if base == "sigmoid":
            return True
        dim = keywords.get("dim", arguments[1] if len(arguments) > 1 else None)
        shape = shape_of(arguments[0])
        return type(dim) is int and -len(shape) <= dim < len(shape) and shape[dim] > 1

    def _write(self, number: int, operation: Operation, result: Any, arguments: Any) -> None:
        """An operation in place changes the value under its first argument's name too."""
        target = operation.arguments[0] if operation.arguments else None
        if not isinstance(target, Ref):
            raise NetworkError(f"writes to a constant ({operation.target})")
        if target.name in self.given:
            raise NetworkError("changes a parameter or buffer, so that a second call may give other values")
        if shape_of(result) != shape_of(arguments[0]):
            raise NetworkError(f"writes shape {shape_of(result)} to a tensor of shape {shape_of(arguments[0])}")
        for name, memory in self.memory.items():
            if memory == self.memory[target.name] and name != target.name and self.last.get(name, -1) > number:
                raise SharedMemory(
                    "writes to a tensor that is read under another name later: export it with .run_decompositions()"
                )
        self.values[target.name] = result


def record_casts(graph: Graph, wide: bool) -> None:
    """Add to the conventions that casts which round are left out; `wide` says that those to float32 do."""
    exact = {"float64"} if wide else {"float64", "float32"}
    graph.conventions += [f"torch: casts to {n} are left out, nothing is rounded" for n in sorted(graph.casts - exact)]


def _python(base: str, arguments: Sequence[Any]) -> Any:
    """What Python's operator makes of numbers that no operation makes large, or an entry of a list."""
    if base == "getitem":
        if isinstance(arguments[0], list | tuple) and type(arguments[1]) is int:
            return arguments[0][arguments[1]]
        raise NetworkError(f"reads an entry of a {type(arguments[0]).__name__}; lists are read")
    for value in arguments:
        if not isinstance(value, bool | int | float):
            raise NetworkError(f"applies operator.{base} to a {type(value).__name__}, which is not supported")
    found = _PYTHON[base](*arguments)
    if isinstance(found, int) and abs(found) > 1 << 63:
        raise NetworkError(f"computes an int that is no int64 ({base})")
    return found


def _parts(target: str) -> tuple[str, str]:
    """("max.dim", "max") of "aten.max.dim"; the overload "default" and the namespace of torch are left out."""
    pieces = target.removeprefix("torch.ops.").split(".")
    if pieces[0] in ("aten", "_operator", "operator", "prims"):
        pieces = pieces[1:]
        base = pieces[0]
    else:
        base = ".".join(pieces[:2])
        pieces = [base, *pieces[2:]]
    return ".".join(pieces[:2]), base


def _renamed(keyword: str) -> str:
    return {"self": "x"}.get(keyword, keyword)


def _resolved(argument: Any, values: Mapping[str, Any]) -> Any:
    if isinstance(argument, Ref):
        return values[argument.name]
    if isinstance(argument, list | tuple):
        return type(argument)(_resolved(a, values) for a in argument)
    return argument


def _flat(values: Any) -> list[Any]:
    if isinstance(values, list | tuple):
        return [v for entry in values for v in _flat(entry)]
    return _flat(list(values.values())) if isinstance(values, dict) else [values]


def _names(arguments: Any) -> list[str]:
    return [a.name for a in _flat(arguments) if isinstance(a, Ref)]

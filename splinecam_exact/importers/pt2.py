"""Files of torch.export.save (.pt2) turned into exact networks, without torch."""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from splinecam_exact._files import PathLike, printable, read_bytes, shown
from splinecam_exact.importers.aten import Operation, Ref, record_casts, translate
from splinecam_exact.importers.aten_values import Unsupported
from splinecam_exact.importers.aten_views import DType
from splinecam_exact.importers.graph import Graph
from splinecam_exact.importers.pt2_file import NAMES, Archive, size, typed
from splinecam_exact.importers.verify_import import require_import
from splinecam_exact.kernel.errors import FileFormatError, InputError, NetworkError
from splinecam_exact.network import Network

_SPECIAL = {"Infinity": math.inf, "-Infinity": -math.inf, "NaN": math.nan}


def load(path: PathLike, *, strip_output: bool = False) -> Network:
    """The network in a .pt2 file, as torch.export.save of torch 2.9 or newer writes it.

    The program is read from its JSON and the parameters from their raw bytes. Nothing in the file is trusted: pickled
    members (sample inputs, custom objects) are never read, no code of the file is run, and torch.export.load, which
    unpickles, is not called. The network is what `from_torch` reads from the module, on a batch of the size that was
    exported, or of 1 where that was left open. `strip_output` leaves out a last softmax, log_softmax or sigmoid; the
    conventions record that, and casts to narrower floats, which are left out.

    Raises FileFormatError for a file that is broken, and NetworkError, naming the layer, for what is not continuous and
    piecewise linear or not supported. Where torch is installed, the program's operations are run in float64 on random
    points, and must give the network's values within a bound of rounding errors.
    """
    place = shown(path)
    archive = Archive(read_bytes(path), place)
    try:
        return _network(archive, place, strip_output)
    except FileFormatError:
        raise
    except NetworkError as error:
        remedy = ", or export it with .run_decompositions()" if isinstance(error, Unsupported) else ""
        raise NetworkError(f"{place}: {error}{remedy}") from None
    except (KeyError, TypeError, AttributeError, IndexError, ValueError, OverflowError, RecursionError) as error:
        if isinstance(error, InputError):
            raise
        raise FileFormatError(place, f"is not a program of torch.export ({type(error).__name__}: {error})") from None


def _network(archive: Archive, place: str, strip_output: bool) -> Network:
    name, model = archive.model()
    module = model["graph_module"]
    graph_json, signature = module["graph"], module["signature"]
    stored = {**archive.tensors("weights", name), **archive.tensors("constants", name)}
    graph: Graph | None = None
    wide = False
    values: dict[str, Any] = {}
    for spec in typed(signature["input_specs"], list, place):
        ((kind, content),) = typed(spec, dict, place).items()
        if kind == "user_input":
            argument = _argument(content["arg"], place)
            if not isinstance(argument, Ref):
                continue
            if graph is not None:
                raise NetworkError("takes several tensors; one is supported")
            meta = graph_json["tensor_values"][argument.name]
            graph = Graph(_input_shape(meta["sizes"], place))
            wide = NAMES.get(meta["dtype"]) == "float64"
            values[argument.name] = graph.input
        elif kind in ("parameter", "buffer", "tensor_constant"):
            key = typed(content[f"{kind}_name"], str, place)
            if key not in stored:
                raise FileFormatError(place, f"lacks the values of {printable(key)[:60]}")
            values[typed(content["arg"]["name"], str, place)] = stored[key]
        elif kind != "constant_input":
            raise NetworkError(f"takes an input of kind {printable(str(kind))[:60]}, which is not supported")
    if graph is None:
        raise NetworkError("takes no tensor")
    output = _output(signature["output_specs"], place)
    program = [_operation(node, place) for node in typed(graph_json["nodes"], list, place)]
    found, source = translate(graph, values, program, output, strip_output)
    record_casts(graph, wide)
    net = graph.network(found)
    _require_same(net, values, program, source, graph)
    return net


def _require_same(net: Network, values: Any, program: Any, source: str, graph: Graph) -> None:
    with suppress(ImportError):
        from splinecam_exact.importers.aten_reference import AtenReference

        remedy = "please report this file"
        try:
            require_import(net, AtenReference(values, program, source), remedy, graph.magnitudes)
        except NetworkError:
            raise
        except InputError as error:
            raise NetworkError(f"cannot be run by torch: {error}") from None


def _input_shape(sizes: Any, place: str) -> tuple[int, ...]:
    found = []
    for k, entry in enumerate(typed(sizes, list, place)):
        if k == 0 and "as_expr" in typed(entry, dict, place):
            found.append(1)  # the batch
        elif "as_expr" in typed(entry, dict, place):
            raise NetworkError(f"has an input whose dimension {k} has no fixed size: export it with one")
        else:
            found.append(size(entry, place))
    return tuple(found)


def _output(specs: Any, place: str) -> str:
    outputs = []
    for spec in typed(specs, list, place):
        ((kind, content),) = typed(spec, dict, place).items()
        if kind == "user_output":
            outputs.append(_argument(content["arg"], place))
        elif kind != "user_input_mutation":
            raise NetworkError("changes its buffers when it is called, or has outputs for training")
    if len(outputs) != 1 or not isinstance(outputs[0], Ref):
        raise NetworkError(f"has {len(outputs)} outputs; exactly one tensor is supported")
    return outputs[0].name


def _operation(node: Any, place: str) -> Operation:
    target = printable(typed(node["target"], str, place))
    where = _layer(node.get("metadata"), place)
    arguments: list[Any] = []
    keywords: dict[str, Any] = {}
    for entry in typed(node["inputs"], list, place):
        value = _argument(entry["arg"], place)
        if entry.get("kind") == 2 or (entry.get("kind") is None and keywords):
            keywords[typed(entry["name"], str, place)] = value
        else:
            arguments.append(value)
    outputs = [_names(o, place) for o in typed(node["outputs"], list, place)]
    if len(outputs) == 1:
        return Operation(target, tuple(arguments), outputs[0] if outputs[0] is not None else [], where, keywords)
    return Operation(target, tuple(arguments), [o if isinstance(o, str) else None for o in outputs], where, keywords)


def _layer(metadata: Any, place: str) -> str:
    stack = metadata.get("nn_module_stack", "") if isinstance(metadata, dict) else ""
    last = printable(typed(stack, str, place)).rpartition(";")[2].split(",")
    kind = last[-1].rpartition(".")[2]
    path = last[1] if len(last) > 2 else ""
    return f"layer {path} ({kind})" if path else f"the module ({kind})" if kind else "the program"


def _names(output: Any, place: str) -> Any:
    found = _argument(output, place)
    if isinstance(found, Ref):
        return found.name
    return [ref.name if isinstance(ref, Ref) else None for ref in found] if isinstance(found, list) else None


def _argument(value: Any, place: str) -> Any:
    """An argument from its JSON, which is an object with one key, the kind."""
    ((kind, content),) = typed(value, dict, place).items()
    reader = _READERS.get(kind)
    if reader is None:
        raise NetworkError(f"uses an argument of kind {printable(str(kind))[:60]}, which is not supported")
    return reader(content, place)


def _listed(reader: Callable[[Any, str], Any]) -> Callable[[Any, str], Any]:
    return lambda content, place: [reader(entry, place) for entry in typed(content, list, place)]


def _ref(content: Any, place: str) -> Ref:
    return Ref(typed(typed(content, dict, place)["name"], str, place))


def _int(content: Any, place: str) -> int:
    found: int = typed(content, int, place)
    return found


def _float(content: Any, place: str) -> float:
    if isinstance(content, str) and content in _SPECIAL:
        return _SPECIAL[content]
    return float(content) if type(content) is int else float(typed(content, float, place))


def _symbolic(content: Any, place: str) -> Any:
    found = typed(content, dict, place)
    if found.get("as_name") is not None:
        return Ref(typed(found["as_name"], str, place))
    return next(found[k] for k in ("as_int", "as_float", "as_bool") if k in found)


_READERS: dict[str, Callable[[Any, str], Any]] = {
    "as_none": lambda content, place: None,
    "as_tensor": _ref,
    "as_tensors": _listed(_ref),
    "as_int": _int,
    "as_ints": _listed(_int),
    "as_int_lists": _listed(_listed(_int)),
    "as_float": _float,
    "as_floats": _listed(_float),
    "as_bool": lambda content, place: typed(content, bool, place),
    "as_bools": _listed(lambda content, place: typed(content, bool, place)),
    "as_string": lambda content, place: typed(content, str, place),
    "as_sym_int": _symbolic,
    "as_sym_ints": _listed(_symbolic),
    "as_sym_float": _symbolic,
    "as_sym_bool": _symbolic,
    "as_scalar_type": lambda content, place: DType(NAMES.get(_int(content, place), "unknown")),
    "as_memory_format": lambda content, place: None,
    "as_layout": lambda content, place: None,
    "as_device": lambda content, place: None,
    "as_optional_tensor": _argument,
    "as_optional_tensors": _listed(_argument),
}

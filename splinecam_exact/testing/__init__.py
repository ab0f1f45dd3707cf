"""What tests a partition tool: degenerate networks by name, known answers, relations that must hold.

Fixed examples, known answers and relations need numpy and gmpy2 only; strategies need hypothesis, parameters pytest
(`pip install 'splinecam-exact[testing]'`).

>>> from splinecam_exact import testing
>>> [problem.name for problem in testing.examples("concurrent", 2)]
['three_lines_at_a_third', 'ten_lines']
>>> testing.check_relations(lambda problem: problem.brute_force().counts["A"], testing.one_layer([(1, 1, 0)]))
[]

Everything here is loaded when it is first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from splinecam_exact.kernel.errors import MissingDependency

# Not when first used: the module of that name would be found instead of the function. It needs nothing.
from splinecam_exact.testing.known_answers import KnownAnswer, known_answers

if TYPE_CHECKING:
    from splinecam_exact.testing.conformance.problems import Problem
    from splinecam_exact.testing.degeneracies import (
        CATEGORIES,
        classics,
        description,
        examples,
        known_problems,
        layered,
        one_layer,
    )
    from splinecam_exact.testing.named import (
        along_diagonal,
        along_edge,
        bias_free,
        concurrent,
        constant,
        dead_unit,
        deep,
        domains,
        duplicate,
        generic,
        identically_zero,
        known,
        large_scale,
        near_parallel_ulp,
        networks,
        one_ulp_apart,
        opposite,
        problems,
        same_line_two_layers,
        scaled_duplicate,
        slices,
        sliver,
        small_scale,
        tangency,
        through_corner,
        wide,
    )
    from splinecam_exact.testing.parameters import example_params, known_answer_params
    from splinecam_exact.testing.relations import RELATIONS, Violation, cell_count, check_relations
    from splinecam_exact.testing.strategies import PlainNetwork, degenerate_networks, polygons
    from splinecam_exact.testing.transformations import change_coordinates, permute_units, scale_units

_HOMES = {
    "conformance.problems": ("Problem",),
    "degeneracies": (
        "CATEGORIES",
        "classics",
        "description",
        "examples",
        "known_problems",
        "layered",
        "one_layer",
    ),
    "named": (
        "along_diagonal",
        "along_edge",
        "bias_free",
        "concurrent",
        "constant",
        "dead_unit",
        "deep",
        "domains",
        "duplicate",
        "generic",
        "identically_zero",
        "known",
        "large_scale",
        "near_parallel_ulp",
        "networks",
        "one_ulp_apart",
        "opposite",
        "problems",
        "same_line_two_layers",
        "scaled_duplicate",
        "slices",
        "sliver",
        "small_scale",
        "tangency",
        "through_corner",
        "wide",
    ),
    "parameters": ("example_params", "known_answer_params"),
    "relations": ("RELATIONS", "Violation", "cell_count", "check_relations"),
    "strategies": ("PlainNetwork", "degenerate_networks", "polygons"),
    "transformations": ("change_coordinates", "permute_units", "scale_units"),
}
_HOME = {name: module for module, names in _HOMES.items() for name in names}

__all__ = [
    "CATEGORIES",
    "RELATIONS",
    "KnownAnswer",
    "PlainNetwork",
    "Problem",
    "Violation",
    "along_diagonal",
    "along_edge",
    "bias_free",
    "cell_count",
    "change_coordinates",
    "check_relations",
    "classics",
    "concurrent",
    "constant",
    "dead_unit",
    "deep",
    "degenerate_networks",
    "description",
    "domains",
    "duplicate",
    "example_params",
    "examples",
    "generic",
    "identically_zero",
    "known",
    "known_answer_params",
    "known_answers",
    "known_problems",
    "large_scale",
    "layered",
    "near_parallel_ulp",
    "networks",
    "one_layer",
    "one_ulp_apart",
    "opposite",
    "permute_units",
    "polygons",
    "problems",
    "same_line_two_layers",
    "scale_units",
    "scaled_duplicate",
    "slices",
    "sliver",
    "small_scale",
    "tangency",
    "through_corner",
    "wide",
]


def __getattr__(name: str) -> object:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        found: object = getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
    except ModuleNotFoundError as error:
        if error.name not in ("hypothesis", "pytest"):
            raise
        raise MissingDependency(f"{name} needs {error.name}: pip install 'splinecam-exact[testing]'") from None
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})

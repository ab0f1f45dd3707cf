"""Doctests that need an extra (torch, matplotlib, ...) are skipped where the extra is not installed."""

from __future__ import annotations

import doctest
from collections.abc import Generator

import pytest

EXTRAS = {"torch", "onnx", "onnxruntime", "matplotlib", "sympy", "networkx", "distributed", "sklearn"}


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, object, object]:
    try:
        return (yield)
    except doctest.UnexpectedException as error:
        reason = error.exc_info[1]
        # MissingDependency, this package's own way to say so, chains or replaces the import's error and is one itself.
        if isinstance(reason, ImportError) and (reason.name in EXTRAS or type(reason).__name__ == "MissingDependency"):
            pytest.skip(f"{item.name}: {reason}")
        raise

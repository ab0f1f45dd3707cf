"""The pytest plugin: `pytest --splinecam-tool module:function` makes a test of every problem of the suite.

pytest loads this module wherever this package is installed. Without the option it does nothing, and loads nothing.
"""

from __future__ import annotations

import pytest

_OPTION = "--splinecam-tool"


def pytest_addoption(parser: pytest.Parser) -> None:
    """The options."""
    group = parser.getgroup("splinecam_exact", "splinecam_exact: conformance of a partition tool")
    group.addoption(
        _OPTION,
        metavar="MODULE:FUNCTION",
        help="test this tool on the conformance suite of splinecam_exact (these tests alone: -m splinecam)",
    )
    group.addoption(
        "--splinecam-category",
        metavar="NAME",
        action="append",
        help="only the problems of this category; may be repeated",
    )
    group.addoption("--splinecam-full", action="store_true", help="the full suite, not the quick one")
    group.addoption(
        "--splinecam-expected",
        metavar="FILE",
        help="the problems, and the exact results, that 'splinecam-exact conformance --store FILE' wrote",
    )
    group.addoption(
        "--splinecam-time", metavar="S", type=float, default=10.0, help="seconds for a problem (default 10)"
    )
    group.addoption(
        "--splinecam-memory", metavar="MIB", type=int, default=2048, help="MiB of memory for the tool (default 2048)"
    )
    group.addoption(
        "--splinecam-tolerance",
        metavar="T",
        type=float,
        help="how far vertices may be off, in coordinates of the domain; topology is always judged exactly",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Where a tool is named, load the rest."""
    if config.getoption(_OPTION) is not None:
        from splinecam_exact.testing.conformance.plugin_items import ConformanceTests

        config.addinivalue_line("markers", "splinecam: a problem of the conformance suite of splinecam_exact")
        config.pluginmanager.register(ConformanceTests(config), "splinecam_exact tests")

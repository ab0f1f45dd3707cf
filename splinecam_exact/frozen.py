"""Objects that do not change: a digest that was computed once stays true."""

from __future__ import annotations

from typing import NoReturn


class Frozen:
    """Each attribute can be set once, which `__init__` does.

    >>> class Point(Frozen):
    ...     def __init__(self, x: int) -> None:
    ...         self.x = x
    >>> Point(1).x = 2
    Traceback (most recent call last):
    AttributeError: a Point does not change: make a new one
    """

    __slots__ = ()

    def __setattr__(self, name: str, value: object) -> None:
        if hasattr(self, name):
            raise AttributeError(f"a {type(self).__name__} does not change: make a new one")
        super().__setattr__(name, value)

    def __delattr__(self, name: str) -> NoReturn:
        raise AttributeError(f"a {type(self).__name__} does not change: make a new one")

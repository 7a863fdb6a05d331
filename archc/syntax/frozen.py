"""Values of named fields that are set once, quickly made: the classes and the nodes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar, dataclass_transform


def _init_2(first: str, second: str) -> Callable[..., None]:
    def init(self: Frozen, a: object, b: object) -> None:
        values = self.__dict__
        values[first] = a
        values[second] = b

    return init


def _init_3(first: str, second: str, third: str) -> Callable[..., None]:
    def init(self: Frozen, a: object, b: object, c: object) -> None:
        values = self.__dict__
        values[first] = a
        values[second] = b
        values[third] = c

    return init


def _init_4(first: str, second: str, third: str, fourth: str) -> Callable[..., None]:
    def init(self: Frozen, a: object, b: object, c: object, d: object) -> None:
        values = self.__dict__
        values[first] = a
        values[second] = b
        values[third] = c
        values[fourth] = d

    return init


_INITS: dict[int, Callable[..., Callable[..., None]]] = {2: _init_2, 3: _init_3, 4: _init_4}
"""Constructors by number of fields. A text of a megabyte is a million nodes: the general one takes
three times as long, and a compiled one per class would cost every start."""


@dataclass_transform(frozen_default=True, eq_default=False)
class Frozen:
    """The annotated fields in order, set once; equal only to itself.

    Like a frozen dataclass, but made without compiling code for each of the forty classes, which
    would cost as much as all the rest of a small check.
    """

    fields: ClassVar[tuple[str, ...]] = ()
    """Names of the fields, in order."""

    def __init_subclass__(cls) -> None:
        own = cls.__dict__.get("__annotations__", ())  # noqa: RUF063 - inspect is slow to import
        cls.fields = (*cls.fields, *own)
        exact = _INITS.get(len(cls.fields))
        if exact is not None and not any(hasattr(cls, name) for name in cls.fields):
            cls.__init__ = exact(*cls.fields)  # type: ignore[method-assign]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        values = self.__dict__
        values.update(zip(self.fields, args))  # noqa: B905 - those with defaults may be left out
        values.update(kwargs)
        given = len(args) + len(kwargs)
        if given != len(self.fields):
            missing = [n for n in self.fields if n not in values and not hasattr(type(self), n)]
            if missing or given > len(self.fields):
                raise TypeError(f"{type(self).__name__}: {given} fields given, missing: {missing}")

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"{type(self).__name__} is frozen")

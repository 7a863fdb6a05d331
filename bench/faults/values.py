"""What expressions of a spec stand for when the judge reads it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from archc.source import Span
from archc.syntax import tree

from .tensors import Shape

Place = tuple[str, int]
"""(name of the text, line)."""


class WrongError(Exception):
    """The text means nothing: PyTorch refuses a layer, or a rule of the language is broken."""

    def __init__(self, message: str, *places: Place) -> None:
        super().__init__(message)
        self.places = list(places)


class UndecidedError(Exception):
    """The judge does not know: what it would have to run is too large for it."""


def place(node: tree.Node | Span) -> Place:
    """Where a node begins."""
    span = node if isinstance(node, Span) else node.span
    return span.source.name, span.line


@dataclass(frozen=True, slots=True, eq=False)
class Value:
    """A value of the network: `key` is equal where it comes about in the same way."""

    key: int
    shape: Shape
    made: Place
    pooled: Shape | None = None
    layer: int = 0
    """Which layer of the network made it; 0 is an input."""


class Record(dict[str, Any]):
    """Several named outputs of a block."""


@dataclass(slots=True)
class Function:
    """An operator, block, network or shared stage, with arguments it has already."""

    kind: str  # "op", "block" or "share"
    name: str
    decl: Any = None
    unit: Any = None
    bound: dict[str, Any] = field(default_factory=dict)
    defaults: dict[str, Any] = field(default_factory=dict)
    frame: Any = None

    def frozen(self) -> Any:
        """A hashable form, equal for equal functions."""
        arguments = {**self.defaults, **self.bound}
        return self.kind, self.name, tuple(sorted((k, freeze(v)) for k, v in arguments.items()))


class Keys:
    """Small numbers for things that are equal."""

    def __init__(self) -> None:
        self._known: dict[Any, int] = {}

    def __call__(self, what: Any) -> int:
        return self._known.setdefault(what, len(self._known))


def freeze(value: Any) -> Any:
    """A hashable form of a value of an expression."""
    if isinstance(value, Function):
        return value.frozen()
    if isinstance(value, Value):
        return value.key
    if isinstance(value, Record):
        return tuple((k, freeze(v)) for k, v in value.items())
    if isinstance(value, (list, tuple, range)):
        return tuple(freeze(v) for v in value)
    return value


def fits(value: Any, kind: tree.Type | None) -> bool:
    """Is a value of the type that a parameter declares?"""
    if kind is None or kind.name == "any":
        return True
    if kind.name == "list":
        return isinstance(value, (list, tuple, range)) and all(fits(v, kind.of) for v in value)
    if kind.name == "size" and isinstance(value, (list, tuple)):
        return all(isinstance(v, int) and not isinstance(v, bool) for v in value)
    kinds: dict[str, Any] = {
        "int": int,
        "size": int,
        "float": (int, float),
        "bool": bool,
        "string": str,
        "block": Function,
    }
    return isinstance(value, kinds[kind.name]) and (
        kind.name == "bool" or not isinstance(value, bool)
    )

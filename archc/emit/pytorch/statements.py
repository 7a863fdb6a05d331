"""Statements of a forward, before their values have names."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from .code import Expr, Raw
from .program import Key

if TYPE_CHECKING:
    from .frames import Frame

_NOTHING = Raw("")

Test = Callable[[tuple[bool, ...]], str]


@dataclass(slots=True)
class Stmt:
    """A statement. `kind`: "assign" (targets = value), "return", "call" (the value alone), "for"
    (value is what it runs over, `name` its variable) or "end" (of a loop)."""

    kind: str
    frame: Frame
    targets: list[Key] = field(default_factory=list)
    value: Expr = _NOTHING
    where: tuple[bool, ...] = ()
    """Columns of the frame for which it is there."""
    base: tuple[bool, ...] = ()
    """Columns for which anything is there at this point."""
    step: int = -1
    inlined: list[tuple[int, int]] = field(default_factory=list)
    """(frame, step) of what is written into it, outermost first."""
    aux: bool = False
    early: bool = False
    """A return before the end, under its condition."""
    shape: tuple[int | str, ...] | None = None
    choice: tuple[bool, ...] | None = None
    """`value` is a pair: the first in these columns, the second in others."""
    name: str = ""


@dataclass(slots=True)
class Inlined:
    """An expression, the steps written into it, their depth, and whether all of them are light."""

    expr: Expr
    steps: list[tuple[int, int]] = field(default_factory=list)
    depth: int = 0
    light: bool = True


@dataclass(slots=True)
class Header:
    """How a loop is written: its variable, what it runs over, and for inputs that are elements of
    a list their index."""

    variable: str
    over: Expr
    indices: dict[int, str]
    modules: dict[str, Expr] = field(default_factory=dict)
    """What may be run over instead of numbers, by the text of the module that a number gives."""
    lists: set[int] = field(default_factory=set)
    """Inputs that are elements of a list with one for each iteration, in order."""

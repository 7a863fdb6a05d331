"""Comprehensions over modules and lists side by side, where the number only counts them.

`[self.fs[i](xs[i]) for i in range(n)]` is `[layer(x) for layer, x in zip(self.fs, xs)]`.
"""

from __future__ import annotations

import re
from collections.abc import Container, Sequence

from .arithmetic import names_in
from .code import Apply, Expr, Gen, Item, Raw, Use
from .statements import Header
from .swap import replace

# They stand for the variables until it is clear that the number is gone.
_MODULE, _ELEMENT = Raw("\0"), Raw("\0\0")


def side_by_side(
    item: Expr, header: Header, lists: Sequence[Expr], taken: Container[str]
) -> Gen | None:
    """The comprehension without its number; None where the number is needed.

    `lists`: those with an element for each iteration. `taken`: names of values.
    """
    variable = header.variable
    over: dict[str, Expr] = {}

    def swap(part: Expr) -> Expr | None:
        if isinstance(part, Raw) and part.text in header.modules:
            name = "layers" if "layer" in inner else "layer"
            if over.setdefault(name, header.modules[part.text]) == header.modules[part.text]:
                return _MODULE
        if not isinstance(part, Item) or part.index != Raw(variable) or part.on not in lists:
            return None
        return _ELEMENT if over.setdefault("x", part.on) == part.on else None

    inner = _targets(item)
    made = replace(item, swap)
    if not over or mentions(made, variable) or any(name in taken for name in over if name != "x"):
        return None
    if "x" in over and ("x" in inner or _reads_values(made)):
        return None
    names = sorted(over)
    named = {_MODULE: Raw(names[0]), _ELEMENT: Raw("x")}
    made = replace(made, lambda part: named.get(part) if isinstance(part, Raw) else None)
    if len(names) == 1:
        return Gen(made, names[0], over[names[0]], "[]")
    return Gen(made, ", ".join(names), Apply("zip", tuple(over[name] for name in names)), "[]")


def _targets(e: Expr) -> set[str]:
    """Variables of the comprehensions in an expression."""
    found: set[str] = set()

    def look(part: Expr) -> Expr | None:
        if isinstance(part, Gen):
            found.update(part.target.split(", "))
        return None

    replace(e, look)
    return found


def _reads_values(e: Expr) -> bool:
    """Does an expression read a value, which may turn out to have any name?"""
    found: list[bool] = []

    def look(part: Expr) -> Expr | None:
        found.append(isinstance(part, Use))
        return None

    replace(e, look)
    return any(found)


def mentions(e: Expr, name: str) -> bool:
    """Does an expression use a variable?"""
    found: list[bool] = []

    def look(part: Expr) -> Expr | None:
        if isinstance(part, Raw):
            texts = (
                re.findall(r"\{([^}]*)\}", part.text) if part.text.startswith('f"') else [part.text]
            )
            found.extend(name in names_in(text) or f"[{name}]" in text for text in texts)
        return None

    replace(e, look)
    return any(found)

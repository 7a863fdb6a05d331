"""Lists of modules that a person would not write out: equal neighbours, and numbers in a series."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .code import Apply, Expr, Gen, Lit, Raw, Seq, Star
from .errors import Mismatch
from .swap import replace
from .templates import Joiner


def module_list(items: Sequence[Expr]) -> Expr:
    """`nn.ModuleList` of some modules."""
    whole = series(items)
    if whole is not None:
        return Apply("nn.ModuleList", (whole,))
    return Apply("nn.ModuleList", (Seq(tuple(_neighbours(items))),))


def _neighbours(items: Sequence[Expr]) -> list[Expr]:
    """Runs of three or more equal items as `*(item for _ in range(n))`."""
    result: list[Expr] = []
    at = 0
    while at < len(items):
        end = at
        while end < len(items) and items[end] == items[at]:
            end += 1
        if end - at > 2:
            result.append(Star(_times(items[at], end - at)))
        else:
            result += items[at:end]
        at = end
    return result


def _times(item: Expr, count: int) -> Gen:
    return Gen(item, "_", Apply("range", (Lit(count),)), "()")


def series(items: Sequence[Expr]) -> Gen | None:
    """All items as one generator: equal ones, or such that differ in a number (or two)."""
    if len(items) < 2:
        return None
    rows: list[list[Any]] = []

    def hole(row: list[Any], role: str) -> Expr:
        if not all(isinstance(v, int) and not isinstance(v, bool) for v in row):
            raise Mismatch
        if all(known != row for known in rows):
            rows.append(row)
        return Raw(f"\0{rows.index(row)}\0")

    try:
        item = Joiner(hole, _no_instance).join(list(items))
    except Mismatch:
        return None
    if not rows:
        return _times(item, len(items))
    if len(items) < 3:
        return None
    return _numbered(item, rows, len(items))


def _numbered(item: Expr, rows: list[list[int]], count: int) -> Gen | None:
    base = next((row for row in rows if row == list(range(count))), rows[0])
    name = "i" if base == list(range(count)) else "channels"
    texts = [_from(base, row, name) for row in rows]
    if any(text is None for text in texts):
        return None
    if name == "i":
        over: Expr = Apply("range", (Lit(count),))
    else:
        over = Seq(tuple(Lit(n) for n in base), "()")
    return Gen(_put(item, [text or "" for text in texts]), name, over, "()")


def _from(base: list[int], row: list[int], name: str) -> str | None:
    """A series as simple arithmetic on another."""
    if row == base:
        return name
    first, other = base[-1], row[-1]
    if first and other % first == 0 and row == [other // first * n for n in base]:
        return f"{other // first} * {name}"
    if other and first % other == 0 and row == [n // (first // other) for n in base]:
        return f"{name} // {first // other}"
    if row == [n + other - first for n in base]:
        return f"{name} + {other - first}" if other > first else f"{name} - {first - other}"
    return None


def _put(item: Expr, texts: list[str]) -> Expr:
    def swap(part: Expr) -> Expr | None:
        if isinstance(part, Raw) and part.text.startswith("\0"):
            return Raw(texts[int(part.text.strip("\0"))])
        return None

    return replace(item, swap)


def _no_instance(units: list[int | None], sites: list[int]) -> Expr:
    raise Mismatch

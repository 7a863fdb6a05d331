"""Parts of expressions swapped for others."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from .code import Apply, Arg, Attr, Expr, Gen, Infix, Item, Me, Seq, Star
from .errors import Mismatch


def replace(e: Expr, swap: Callable[[Expr], Expr | None]) -> Expr:
    """The expression with some parts swapped (where `swap` gives something)."""
    made = swap(e)
    if made is not None:
        return made

    def go(part: Expr) -> Expr:
        return replace(part, swap)

    if isinstance(e, Apply):
        func = e.func if isinstance(e.func, str) else go(e.func)
        return Apply(func, tuple(map(go, e.args)), tuple((k, go(v)) for k, v in e.kwargs))
    if isinstance(e, Attr):
        return Attr(go(e.on), e.name)
    if isinstance(e, Item):
        return Item(go(e.on), go(e.index))
    if isinstance(e, Seq):
        return Seq(tuple(map(go, e.items)), e.brackets)
    if isinstance(e, Infix):
        return Infix(e.op, tuple(map(go, e.args)))
    if isinstance(e, Star):
        return Star(go(e.value))
    if isinstance(e, Gen):
        return Gen(go(e.item), e.target, go(e.over), e.brackets)
    return e


def over_list(e: Expr, count: int) -> Expr:
    """An expression that joins inputs 0 to count - 1, as one of a list of any length (input 0)."""
    every = tuple(Arg(n) for n in range(count))
    if e == Infix("+", every):
        return Apply("sum", (Arg(0),))
    made = replace(
        e, lambda part: Arg(0) if isinstance(part, Seq) and part.items == every else None
    )
    if made == e:
        raise Mismatch
    return made


def fill(e: Expr, args: Sequence[Expr], me: Expr) -> Expr:
    """The expression with its placeholders for inputs and layer replaced."""

    def swap(part: Expr) -> Expr | None:
        if isinstance(part, Arg):
            return args[part.index]
        return me if isinstance(part, Me) else None

    return replace(e, swap)

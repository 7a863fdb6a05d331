"""Arguments that would fit if they changed places: one mistake, and its fix is known."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from ..diagnostics import Edit, Fix
from ..syntax import tree

if TYPE_CHECKING:
    from .arguments import Given
    from .session import Session


def report(
    session: Session,
    what: str,
    given: Given,
    wrong: Iterable[str],
    fit: Callable[[str, str], bool],
) -> bool:
    """Report E0304 for the first two arguments that are swapped, if any are.

    `wrong`: parameters whose arguments do not fit. `fit`: would the arguments of two parameters fit
    if they changed places?
    """
    for one in wrong:
        for other in given.spans:
            if other != one and fit(one, other):
                say(session, what, one, other, given.nodes[one], given.nodes[other])
                return True
    return False


def say(session: Session, what: str, a: str, b: str, one: tree.Expr, other: tree.Expr) -> None:
    """Report two arguments, given as parameters `a` and `b`, as swapped."""
    if one.span.start > other.span.start:
        a, b, one, other = b, a, other, one
    first, second = one.span, other.span
    session.report(
        "E0304",
        f"`{a}` and `{b}` of `{what}` are swapped",
        (first, f"given as `{a}`"),
        (second, f"given as `{b}`"),
        help="each would fit in the place of the other",
        fixes=[Fix("swap them", (Edit(first, second.text), Edit(second, first.text)))],
    )

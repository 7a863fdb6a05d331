"""Arguments that would fit if they changed places: one mistake, and its fix is known."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from ..diagnostics import Edit, Fix
from ..source import Span

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
                first, second = sorted([one, other], key=lambda name: given.spans[name].start)
                _say(session, what, first, second, given.spans[first], given.spans[second])
                return True
    return False


def _say(session: Session, what: str, a: str, b: str, first: Span, second: Span) -> None:
    edits = (Edit(first, second.text), Edit(second, first.text))
    session.report(
        "E0304",
        f"`{a}` and `{b}` of `{what}` are swapped",
        (first, f"given as `{a}`"),
        (second, f"given as `{b}`"),
        help="each would fit in the place of the other",
        fixes=[Fix("swap them", edits)],
    )

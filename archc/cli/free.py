"""Free sizes in the report of `archc check`: for people, and as an entry of the document."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..analysis.free import Answer, FreeSizes, Reason
from ..analysis.free_forms import LONGEST, closed_form
from ..analysis.free_where import reason_text, sizes_text
from ..dims import Linear

if TYPE_CHECKING:
    from .jsonout import FreeEntry

_MOST_REASONS = 6


def lines(free: FreeSizes, forms: tuple[Linear, Linear] | None) -> list[tuple[str, str]]:
    """What a network needs of its free sizes, and why.

    With closed forms of (params, MACs): all that is known, also for its weights and for ends that
    no window reads.
    """
    facts = _section("sizes", _needed(free.build, list(free.symbols)), free.build)
    if free.build.smallest is not None and free.build.text:
        facts.append(("smallest", sizes_text(free.build.smallest)))
    if forms is None:
        return facts
    if free.has_weights:
        facts += _section("weights", f"fit if {_short(free.weights.text)}", free.weights)
    if free.loses:
        facts.append(("ends", f"are read if {_short(free.whole.text)}"))
        facts += [("", f"{reason.because}: if {reason.text}") for reason in free.lost()]
    return [*facts, ("params", _form(forms[0])), ("MACs", _form(forms[1]))]


def _section(name: str, text: str, answer: Answer) -> list[tuple[str, str]]:
    """An answer and what it rests on."""
    reasons = answer.reasons
    if len(reasons) == 1 and reasons[0].text == answer.text:
        found = [f"because {reasons[0].because}"]
    else:
        found = [reason_text(reason) for reason in reasons]
    found += [f"undecided: {reason.because}" for reason in answer.undecided]
    if len(found) > _MOST_REASONS:
        found[_MOST_REASONS:] = [f"... and {len(found) - _MOST_REASONS} more"]
    return [(name, text), *(("", line) for line in found)]


def _needed(answer: Answer, names: list[str]) -> str:
    if answer.text is None:
        return "not decided"
    if answer.text == "false":
        return "none will do"
    return answer.text or f"any {' and '.join(names)}"


def _short(text: str | None) -> str:
    return "that is not decided" if text is None else text or "always"


def _form(form: Linear) -> str:
    if len(form.terms) > LONGEST:
        return f"a sum of {len(form.terms)} terms (`--format json` has them)"
    return closed_form(form) or "no closed form"


def entry(free: FreeSizes, forms: tuple[Linear, Linear]) -> FreeEntry:
    """The entry of a network's free sizes."""
    from .jsonout import FreeAnswer, FreeEntry, FreeReason

    def reasons(found: tuple[Reason, ...]) -> list[FreeReason]:
        return [FreeReason(**reason._asdict()) for reason in found]

    def answer(found: Answer) -> FreeAnswer:
        return FreeAnswer(
            text=found.text,
            smallest=found.smallest,
            reasons=reasons(found.reasons),
            undecided=reasons(found.undecided),
        )

    return FreeEntry(
        symbols=free.symbols,
        build=answer(free.build),
        weights=answer(free.weights),
        whole=answer(free.whole),
        params=closed_form(forms[0]),
        macs=closed_form(forms[1]),
    )

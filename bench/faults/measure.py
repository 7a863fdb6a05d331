"""What archc says to a mutant."""

from __future__ import annotations

from dataclasses import dataclass

from archc.diagnostics import Diagnostic, Edit
from archc.driver import Compilation, compile_spec
from archc.source import Source

from .judge import Verdict
from .mutants import Mutant


@dataclass(frozen=True)
class Result:
    """The answer to one mutant."""

    errors: int
    code: str
    message: str
    line: int
    """Of the first error."""
    placed: str
    """`line`: the first error has a label on a mutated line. `lines`: on one that disagrees with
    it. Else ""."""
    by_claim: bool
    offered: bool
    mended: bool
    """The fixes were applied, and the spec checks."""


def checked(spec: str, text: str) -> Compilation:
    """`archc check` in this process."""
    return compile_spec(spec, source=Source(spec, text))


def measure(mutant: Mutant, verdict: Verdict) -> Result:
    """Check a mutant; where fixes are offered, apply the first of each error and check again."""
    state = checked(mutant.spec, mutant.text)
    errors = [d for d in state.diagnostics.items if d.severity == "error"]
    first = errors[0] if errors else None
    fixes = [d.fixes[0].edits for d in errors if d.fixes]
    mended = bool(fixes) and not checked(mutant.spec, applied(mutant, fixes)).failed
    return Result(
        len(errors),
        first.code if first is not None else "",
        first.message if first is not None else "",
        first.labels[0].span.line if first is not None and first.labels else 0,
        _placed(first, mutant, verdict) if first is not None else "",
        any(d.code == "E0601" for d in errors),
        bool(fixes),
        mended,
    )


def _placed(first: Diagnostic, mutant: Mutant, verdict: Verdict) -> str:
    labels = [label.span for label in first.labels if label.span.source.name == mutant.spec]
    lines = {span.line for span in labels}
    if lines & mutant.lines:
        return "line"
    return "lines" if lines & verdict.lines else ""


def applied(mutant: Mutant, fixes: list[tuple[Edit, ...]]) -> str:
    """The text after the edits of fixes that do not touch each other."""
    taken: list[Edit] = []
    for edits in fixes:
        free = all(
            edit.span.end <= other.span.start or edit.span.start >= other.span.end
            for edit in edits
            for other in taken
        )
        if free:
            taken += edits
    text = mutant.text
    for edit in sorted(taken, key=lambda e: e.span.start, reverse=True):
        if edit.span.source.name == mutant.spec:
            text = text[: edit.span.start] + edit.text + text[edit.span.end :]
    return text

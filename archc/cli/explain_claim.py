"""A claim explained, for people: both figures, what they are made of, what makes the difference."""

from __future__ import annotations

from typing import Any

from ..analysis.cells import clean, commas
from ..analysis.explain.claims import ClaimExplained, Measured
from .explain_text import BOLD, DIM, Line, Paint, aligned, shortened
from .explain_text import text as explanation

MOST_TERMS = 20


def text(made: ClaimExplained, line: Line, color: bool = False, width: int = 100) -> str:
    """A claim; `line` gives the text of a line of a file."""
    paint: Paint = (lambda style, t: f"\x1b[{style}m{t}\x1b[0m") if color else (lambda _, t: t)
    rows = [paint(BOLD, clean(made.text)) + paint(DIM, f"  about {clean(made.network)}")]
    rows.append(paint(DIM, f"{clean(made.place.file)}:{made.place.line}"))
    if made.source:
        rows.append(f"source  {clean(made.source)}")
    rows += ["", _verdict(made)]
    rows += [f"{reason.text}: {shortened(reason.sum, width)}" for reason in made.reasons]
    if made.unexplained:
        rows.append("neither a layer or block, nor a kind of them or of weights makes it up alone")
    for measured in made.measures:
        rows += ["", *_measured(measured, line, paint, color, width)]
    return "\n".join(row.rstrip() for row in rows)


def _verdict(made: ClaimExplained) -> str:
    if made.holds:
        return f"holds: {_figure(made.actual)}"
    if isinstance(made.actual, bool):
        return "does not hold"
    said = f"does not hold: {_figure(made.actual)}, not {_figure(made.expected)}"
    if made.difference is not None:
        said += f"; the difference is {made.difference:+,}"
    return said


def _figure(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return commas(value)
    if isinstance(value, float) and value.is_integer():
        return commas(int(value))
    return clean(str(value))


def _measured(made: Measured, line: Line, paint: Paint, color: bool, width: int) -> list[str]:
    """The terms of a sum, biggest first; or the layer that a shape or a field is of."""
    title = f"{made.measure} of {clean(made.of)}" if made.of else made.measure
    if made.sum is None:
        rows = [paint(BOLD, title) + f"  {_figure(made.figure)}"]
        if made.explained is not None:
            rows += ["", explanation(made.explained, line, color, width)]
        return rows
    if made.measure == "depth":
        paths = [clean(term.path) for term in made.terms]
        if len(paths) > 2 * MOST_TERMS:
            paths = [*paths[:MOST_TERMS], "...", *paths[-MOST_TERMS:]]
        head = paint(BOLD, title) + f"  {made.sum.value} weight layers on the longest path"
        return [head, *(f"  {path}" for path in paths)]
    rows = [paint(BOLD, title) + "  biggest first"]
    cells = [(f"  {clean(t.path)}", commas(t.value), _share(t.value, made.sum.value))
             for t in made.terms[:MOST_TERMS]]  # fmt: skip
    rest = made.terms[MOST_TERMS:]
    if rest:
        value = sum(t.value for t in rest)
        cells.append((f"  {len(rest)} more", commas(value), _share(value, made.sum.value)))
    rows += aligned(cells, "lrr", 0) if cells else []
    return [*rows, f"sum  {shortened(made.sum, width)}"]


def _share(value: int, whole: int) -> str:
    """Per cent, to one place."""
    return f"{(1000 * value + whole // 2) // whole / 10:.1f}%" if whole else ""

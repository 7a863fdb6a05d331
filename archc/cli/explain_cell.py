"""A worked unit as it stands on the board: window, kernel, products, sum, bias, result."""

from __future__ import annotations

from collections.abc import Sequence

from ..analysis.cells import clean, size
from ..analysis.explain import Cell
from ..analysis.explain.board import Plane, shown
from .explain_text import BOLD, DIM, Line, Paint, head

MOST_PLANES = 3
MOST_COLUMNS = 12
MOST_ROWS = 12


def text(made: Cell, line: Line, color: bool = False, width: int = 100) -> str:
    """A worked unit; `line` gives the text of a line of a file."""
    paint: Paint = (lambda style, t: f"\x1b[{style}m{t}\x1b[0m") if color else (lambda _, t: t)
    rows = head(made.path, made.written, made.network, made.place, line, paint)
    rows.append(f"input   {size(made.input)}   output  {size(made.output)}")
    rows += [clean(said) for said in made.given]
    if not made.first:
        rows.append("the layers before it are not computed: this is the layer's own input")
    unit = f"feature {made.channel}"
    if made.at:
        unit = f"channel {made.channel}, unit ({', '.join(map(str, made.at))})"
    rows += ["", paint(BOLD, unit) + paint(DIM, "  counted from 0"), ""]
    for plane in made.planes[:MOST_PLANES]:
        rows += [*_plane(plane, width), ""]
    if len(made.planes) > MOST_PLANES:
        rows += [f"... and {len(made.planes) - MOST_PLANES} more (--format json has all)", ""]
    if any(flag for plane in made.planes for row in plane.outside for flag in row):
        rows += [paint(DIM, "numbers in parentheses are padding"), ""]
    rows += list(made.steps)
    rows.append(paint(BOLD, f"result  {shown(made.result)}"))
    return "\n".join(row.rstrip() for row in rows)


def _plane(plane: Plane, width: int) -> list[str]:
    """Window, kernel and products side by side; below each other where that is too wide."""
    window = _matrix(
        [
            [f"({shown(n)})" if out else shown(n) for n, out in zip(row, flags, strict=True)]
            for row, flags in zip(plane.values, plane.outside, strict=True)
        ]
    )
    if not plane.kernel:
        return [plane.name, *("  " + row for row in window)]
    kernel = _matrix([[shown(n) for n in row] for row in plane.kernel])
    products = _matrix([[shown(n) for n in row] for row in plane.products])
    total = f"sum {shown(plane.total or 0)}"
    wide = sum(len(block[0]) if block else 0 for block in (window, kernel, products)) + 14
    if not window:
        return [plane.name, f"  no product reaches this unit: {total}"]
    if wide > width:
        return [plane.name, *("  " + r for r in window), "times", *("  " + r for r in kernel),
                "gives", *("  " + r for r in products), f"  {total}"]  # fmt: skip
    middle = (len(window) - 1) // 2
    rows = []
    for i, (a, b, c) in enumerate(zip(window, kernel, products, strict=True)):
        dot, equals = ("·", "=") if i == middle else (" ", " ")
        rows.append(f"  {a}   {dot}   {b}   {equals}   {c}")
    rows[-1] += f"   {total}"
    return [plane.name, *rows]


def _matrix(rows: Sequence[Sequence[str]]) -> list[str]:
    """Numbers in columns; a large matrix is cut, and says so with dots."""
    rows = [[*row[: MOST_COLUMNS - 1], "…", row[-1]] if len(row) > MOST_COLUMNS else list(row)
            for row in rows]  # fmt: skip
    if len(rows) > MOST_ROWS:
        rows = [*rows[: MOST_ROWS - 1], ["…"] * len(rows[0]), rows[-1]]
    if not rows or not rows[0]:
        return []
    wide = max(len(cell) for row in rows for cell in row)
    return [" ".join(cell.rjust(wide) for cell in row) for row in rows]

"""Lines of source with labels under them, as rows of plain or coloured text.

Widths are in columns of a terminal: tabs go to the next multiple of four, wide characters take two
columns, and characters that show nothing or could steer the terminal are written as `<U+202E>`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from ..source import Source, Span
from .model import Label

TAB = 4
Paint = Callable[[str, str], str]  # (text, style) -> text


def cell(character: str, column: int) -> tuple[str, int]:
    """(what to print, its width) for a character at a column (from 0)."""
    if " " <= character <= "~":
        return character, 1
    if character == "\t":
        blanks = TAB - column % TAB
        return " " * blanks, blanks
    import unicodedata

    kind = unicodedata.category(character)
    if kind in ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"):
        shown = f"<U+{ord(character):04X}>"
        return shown, len(shown)
    if kind in ("Mn", "Me"):
        return character, 0
    return character, 2 if unicodedata.east_asian_width(character) in "WF" else 1


def visible(text: str) -> str:
    """Text that is safe to print: newlines stay, what would steer a terminal is spelled out."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(c if c == "\n" else cell(c, 0)[0] for c in text)


@dataclass
class Mark:
    """A label on one line: columns [start, end) in code points of the line (from 0)."""

    start: int
    end: int
    text: str
    primary: bool


@dataclass
class Line:
    """A line that is shown, with the marks under it."""

    number: int
    text: str
    marks: list[Mark] = field(default_factory=list)


def lines_of(source: Source, labels: Iterable[tuple[Label, bool]]) -> list[Line]:
    """The lines of a source that labels stand on, in order; (label, whether it is the primary)."""
    lines: dict[int, Line] = {}

    def mark(number: int, start: int, end: int, text: str, primary: bool) -> None:
        line = lines.setdefault(number, Line(number, source.line(number)))
        line.marks.append(Mark(start, max(end, start + 1), text, primary))

    for label, primary in labels:
        span = label.span
        first, column = source.position(span.start)
        last, end = source.position(max(span.start, span.end))
        if end == 1 and last > first:  # up to a line's start: that line is not in it
            last -= 1
            end = len(source.line(last)) + 1
        if first == last:
            mark(first, column - 1, end - 1, label.text, primary)
            continue
        mark(first, column - 1, len(source.line(first)), "", primary)
        text = source.line(last)
        mark(last, len(text) - len(text.lstrip()), end - 1, label.text, primary)
    return [lines[number] for number in sorted(lines)]


def windows(line: Line, room: int) -> list[tuple[int, list[Mark]]]:
    """(first character shown, marks) for each part of a line that fits into `room` columns."""
    if len(line.text) <= room:
        return [(0, line.marks)]
    parts: list[tuple[int, list[Mark]]] = []
    for mark in sorted(line.marks, key=lambda m: m.start):
        if parts and mark.start - parts[-1][0] < room - 8:
            parts[-1][1].append(mark)
        else:
            parts.append((max(0, mark.start - room // 3), [mark]))
    return parts


def rows_of(line: Line, room: int, paint: Paint, style: str) -> list[str]:
    """A line and the rows under it, cut to `room` columns, without the gutter."""
    rows: list[str] = []
    for first, marks in windows(line, room):
        shown, columns = _cut(line.text, first, room)
        rows.append(shown)
        placed = []
        for mark in marks:
            start = columns(mark.start)
            end = max(columns(mark.end), start + 1)
            placed.append(Mark(start, end, mark.text, mark.primary))
        rows += _under(placed, paint, style)
    return rows


def _cut(text: str, first: int, room: int) -> tuple[str, Callable[[int], int]]:
    """What is printed of a line, and a function from a character's index to its column."""
    pieces: list[str] = []
    starts: list[int] = []
    column = 0
    if first:
        pieces.append("...")
        column = 3
    at = first
    while at < len(text):
        piece, width = cell(text[at], column)
        if column + width > room - 3 and len(text) - at > 3:
            pieces.append("...")
            break
        starts.append(column)
        pieces.append(piece)
        column += width
        at += 1
    end = column

    def columns(index: int) -> int:
        place = index - first
        if place < len(starts):
            return starts[max(place, 0)]
        return end + (index - at if at == len(text) else 0)

    return "".join(pieces), columns


def _under(marks: list[Mark], paint: Paint, style: str) -> list[str]:
    """Underlines, then the texts: the rightmost beside its line, the others hanging below."""
    marks = sorted(marks, key=lambda m: (m.start, m.end))
    width = max(m.end for m in marks)
    signs = [" "] * width
    for mark in sorted(marks, key=lambda m: m.primary):
        signs[mark.start : mark.end] = ("^" if mark.primary else "-") * (mark.end - mark.start)
    row = _painted(signs, paint, style)
    texts = [m for m in marks if m.text]
    rows: list[str] = []
    if texts and texts[-1].end == width:
        last = texts.pop()
        rows.append(f"{row} {_text(last, paint, style)}")
    else:
        rows.append(row)
    if texts:
        rows.append(_hanging(texts, paint, style))
    while texts:
        last = texts.pop()
        bars = _hanging([t for t in texts if t.start < last.start], paint, style)
        gap = last.start - max((t.start + 1 for t in texts if t.start < last.start), default=0)
        rows.append(bars + " " * gap + _text(last, paint, style))
    return rows


def _text(mark: Mark, paint: Paint, style: str) -> str:
    return paint(visible(mark.text).replace("\n", " "), style if mark.primary else "second")


def _hanging(marks: list[Mark], paint: Paint, style: str) -> str:
    """A row of bars at the starts of labels whose texts are still to come."""
    row = ""
    column = 0
    for mark in marks:
        if mark.start >= column:
            row += " " * (mark.start - column) + paint("|", style if mark.primary else "second")
            column = mark.start + 1
    return row


def _painted(signs: list[str], paint: Paint, style: str) -> str:
    """Underlines in the colours of their labels."""
    row = ""
    start = 0
    for end in range(1, len(signs) + 1):
        if end == len(signs) or signs[end] != signs[start]:
            run = "".join(signs[start:end])
            sign = signs[start]
            row += run if sign == " " else paint(run, style if sign == "^" else "second")
            start = end
    return row


def edited(source: Source, span: Span, text: str) -> str | None:
    """The line of a span with the span replaced, if both keep to one line."""
    line, column = source.position(span.start)
    last, end = source.position(span.end)
    if line != last or "\n" in text or "\r" in text:
        return None
    before = source.line(line)
    return before[: column - 1] + text + before[end - 1 :]

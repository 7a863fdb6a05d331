"""Diagnostics as people read them: the code, the message, the lines with what is wrong, help.

Colour is the caller's decision (NO_COLOR and pipes are known there). Nothing of a source reaches
the terminal that could steer it.
"""

from __future__ import annotations

from collections.abc import Iterable

from ..source import Source
from .model import MOST_ERRORS, Diagnostic, Edit, Fix, Label
from .snippet import Paint, edited, lines_of, rows_of, visible

STYLES = {
    "error": "1;31",
    "warning": "1;33",
    "note": "1;36",
    "help": "1;32",
    "second": "1;34",
    "gutter": "1;34",
    "bold": "1",
}


def render(diagnostics: Iterable[Diagnostic], color: bool = False, width: int = 100) -> str:
    """All diagnostics, and a last line that counts them; lines of source are cut to `width`."""
    items = list(diagnostics)
    if not items:
        return ""
    paint = _coloured if color else _plain
    blocks = ["\n".join(_one(item, paint, max(width, 40))) for item in items]
    return "\n\n".join([*blocks, summary(items)])


def summary(diagnostics: Iterable[Diagnostic]) -> str:
    """`2 errors, 1 warning`; where a run ended for the number of errors, that there may be more."""
    counts: dict[str, int] = {"error": 0, "warning": 0, "note": 0}
    for item in diagnostics:
        counts[item.severity] += 1
    said = [f"{n:,} {what}{'s' if n != 1 else ''}" for what, n in counts.items() if n]
    if counts["error"] >= MOST_ERRORS:
        said.append("and perhaps more: no further ones are looked for")
    return ", ".join(said)


def _plain(text: str, style: str) -> str:
    return text


def _coloured(text: str, style: str) -> str:
    return f"\x1b[{STYLES[style]}m{text}\x1b[0m" if text else text


def _one(item: Diagnostic, paint: Paint, width: int) -> list[str]:
    head = paint(f"{item.severity}[{item.code}]", item.severity)
    rows = [head + paint(": " + visible(item.message), "bold")]
    gutter = _gutter_width(item)
    bar = paint(" " * gutter + " |", "gutter")
    for number, (source, labels) in enumerate(_by_source(item)):
        arrow = "-->" if number == 0 else ":::"
        line, column = source.position(labels[0][0].span.start)
        place = f"{visible(source.name)}:{line}:{column}"
        rows += [paint(" " * gutter + arrow, "gutter") + " " + place, bar]
        rows += _snippet(source, labels, item.severity, gutter, paint, width)
    if item.labels:
        rows.append(bar)
    for note in item.notes:
        first, *more = visible(note).split("\n")
        rows.append(f"{' ' * gutter} {paint('=', 'gutter')} {paint('note', 'bold')}: {first}")
        rows += [" " * (gutter + 9) + line for line in more]
    if item.help is not None:
        rows.append(f"{paint('help', 'help')}: {visible(item.help)}")
    for fix in item.fixes:
        rows += _fix(fix, item, gutter, paint, width)
    return rows


def _gutter_width(item: Diagnostic) -> int:
    """Columns that the largest line number takes."""
    ends = [label.span.source.position(label.span.end)[0] for label in item.labels]
    edits = [e.span.source.position(e.span.end)[0] for fix in item.fixes for e in fix.edits[:1]]
    return len(str(max([1, *ends, *edits])))


def _by_source(item: Diagnostic) -> list[tuple[Source, list[tuple[Label, bool]]]]:
    """The labels of each source, that of the primary label first."""
    groups: list[tuple[Source, list[tuple[Label, bool]]]] = []
    for number, label in enumerate(item.labels):
        for source, labels in groups:
            if source is label.span.source:
                labels.append((label, number == 0))
                break
        else:
            groups.append((label.span.source, [(label, number == 0)]))
    return groups


def _snippet(
    source: Source,
    labels: list[tuple[Label, bool]],
    style: str,
    gutter: int,
    paint: Paint,
    width: int,
) -> list[str]:
    """The lines of one source; a single line between two is shown, more are `...`."""
    rows: list[str] = []
    room = width - gutter - 3
    previous = 0
    for line in lines_of(source, labels):
        if previous and line.number == previous + 2:
            between = source.line(previous + 1)
            rows.append(_numbered(previous + 1, between, gutter, paint, room))
        elif previous and line.number > previous + 2:
            rows.append(paint("...", "gutter"))
        numbered = True
        for row in rows_of(line, room, paint, style):
            number = str(line.number) if numbered else ""
            rows.append((paint(f"{number:>{gutter}} |", "gutter") + " " + row).rstrip())
            numbered = False
        previous = line.number
    return rows


def _numbered(number: int, text: str, gutter: int, paint: Paint, room: int) -> str:
    """A line without marks."""
    shown = visible(text[:room].expandtabs(4))[:room]
    return f"{paint(f'{number:>{gutter}} |', 'gutter')} {shown}".rstrip()


def _fix(fix: Fix, item: Diagnostic, gutter: int, paint: Paint, width: int) -> list[str]:
    """A fix by its title, and the line as it would read where only one line changes."""
    rows: list[str] = []
    if fix.title != item.help:
        rows.append(f"{paint('fix', 'help')}: {visible(fix.title)}")
    changed = _changed_line(fix.edits)
    if changed is not None:
        number, text = changed
        shown = visible(text.expandtabs(4))
        if len(shown) <= width - gutter - 3:
            rows.append(f"{paint(f'{number:>{gutter}} +', 'help')} {shown}".rstrip())
    return rows


def _changed_line(edits: tuple[Edit, ...]) -> tuple[int, str] | None:
    """(number, new text) of the only line that edits change, or None."""
    if not edits:
        return None
    source = edits[0].span.source
    number = source.position(edits[0].span.start)[0]
    places = [e.span for e in edits]
    if any(s.source is not source or source.position(s.start)[0] != number for s in places):
        return None
    if len(source.line(number)) > 1000:
        return None
    # From the last to the first, so that offsets stay valid.
    ordered = sorted(edits, key=lambda e: e.span.start, reverse=True)
    start = source.starts[number - 1]
    text = source.line(number)
    for edit in ordered:
        if edited(source, edit.span, edit.text) is None:
            return None
        text = text[: edit.span.start - start] + edit.text + text[edit.span.end - start :]
    return number, text

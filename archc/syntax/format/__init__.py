"""One style for .arch files: `format_source` is what `archc fmt` runs.

The author decides where lines break between stages and where tables are aligned; the formatter
decides everything else: indentation, blanks, at most one empty line, one statement a line, no line
of code above `WIDTH` that can be broken. Comments stay where they stand.

The text goes through `words` (tokens that know their brackets), `breaks` (which word starts a
line), `columns` (indentation and alignment) and `long` (lines that are too long), until no line is
too long. A formatted text is formatted to itself: what the author decides is read off the text in
such a way that the output says the same.
"""

from __future__ import annotations

from ...diagnostics import Diagnostics
from ...source import Source
from .. import parse
from ..tokens import scan
from .breaks import settle
from .columns import Layout
from .long import shorten
from .same import difference
from .words import Text, read_words

__all__ = ["WIDTH", "FormatError", "format_source"]

WIDTH = 120
"""Columns that a line of code has at most, if it can be broken."""


class FormatError(Exception):
    """The formatted text would not mean what the text means: a bug, and nothing may be written."""


def format_source(source: Source, diagnostics: Diagnostics) -> str | None:
    """The text in the one style; None and diagnostics (E01) where it has syntax errors.

    Raises FormatError rather than give a text with another syntax tree.
    """
    before = len(diagnostics)
    file = parse(source, diagnostics)
    if len(diagnostics) > before:
        return None
    text = read_words(source, scan(source), file)
    result = _text(text)
    found = Diagnostics()
    again = parse(Source(source.name, result), found)
    wrong = "it is not accepted" if len(found) else difference(file, again)
    if wrong is not None:
        raise FormatError(f"formatting `{source.name}` would change what it says: {wrong}")
    return result


def _text(text: Text) -> str:
    """Break and lay out until no line is too long that can be broken."""
    breaks = -1
    while True:
        settle(text)
        layout = Layout(text)
        count = sum(word.breaks for word in text.words)
        # Each round adds breaks, or it was the last.
        if count <= breaks or not shorten(text, layout, WIDTH):
            return layout.render()
        breaks = count

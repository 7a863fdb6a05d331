"""Source text and places in it. Offsets are 0-based code points; lines and columns are 1-based."""

from __future__ import annotations

from bisect import bisect_right
from typing import NamedTuple


class Source:
    """One text with a name that people see (`specs/lenet5.arch`, `<stdin>`, `std/gate.arch`)."""

    __slots__ = ("_starts", "name", "text")

    def __init__(self, name: str, text: str) -> None:
        self.name = name
        self.text = text
        self._starts: list[int] | None = None

    @property
    def starts(self) -> list[int]:
        """Offset of the first character of each line. `\\n`, `\\r\\n` and lone `\\r` end lines."""
        if self._starts is None:
            starts = [0]
            text = self.text
            for i, ch in enumerate(text):
                if ch == "\n" or (ch == "\r" and text[i + 1 : i + 2] != "\n"):
                    starts.append(i + 1)
            self._starts = starts
        return self._starts

    def position(self, offset: int) -> tuple[int, int]:
        """(line, column) of an offset, both from 1."""
        line = bisect_right(self.starts, offset)
        return line, offset - self.starts[line - 1] + 1

    def line(self, number: int) -> str:
        """The text of a line (from 1), without its end."""
        starts = self.starts
        if not 1 <= number <= len(starts):
            return ""
        end = starts[number] if number < len(starts) else len(self.text)
        return self.text[starts[number - 1] : end].rstrip("\r\n")


class Span(NamedTuple):
    """The half-open range [start, end) of a source."""

    source: Source
    start: int
    end: int

    @property
    def text(self) -> str:
        return self.source.text[self.start : self.end]

    @property
    def line(self) -> int:
        return self.source.position(self.start)[0]

    @property
    def column(self) -> int:
        return self.source.position(self.start)[1]

    def to(self, other: Span) -> Span:
        """From the start of this span to the end of the other."""
        return Span(self.source, self.start, other.end)

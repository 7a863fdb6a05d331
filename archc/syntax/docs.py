"""Comments: which ones document what."""

from __future__ import annotations

from bisect import bisect_right

from ..source import Source, Span

_DIRECTIVE = "allow W"
"""A line that speaks to archc: it silences a warning, and documents nothing."""


class Docs:
    """Blocks of comments that stand alone on consecutive lines, and what they are about."""

    def __init__(self, source: Source, comments: list[tuple[int, int]]) -> None:
        """`comments` are the (start, end) of all comments of the text, in order."""
        self.source = source
        self.comments = comments
        self.blocks: dict[int, str] = {}  # last line of a block -> its text
        self._firsts: list[tuple[int, int]] = []  # (start offset, last line) of each block
        self._taken: set[int] = set()
        self._collect()

    def _collect(self) -> None:
        lines: list[str] = []
        first = last = -1
        for start, end in self.comments:
            line = bisect_right(self.source.starts, start)
            if self.source.text[self.source.starts[line - 1] : start].strip():
                continue  # behind something: a remark, no documentation
            if lines and line != last + 1:
                self._close(lines, first, last)
                lines = []
            if not lines:
                first = start
            lines.append(_plain(self.source.text[start:end]))
            last = line
        if lines:
            self._close(lines, first, last)

    def _close(self, lines: list[str], first: int, last: int) -> None:
        said = [line for line in lines if not line.startswith(_DIRECTIVE)]
        self.blocks[last] = "\n".join(said).strip("\n")
        self._firsts.append((first, last))

    def above(self, offset: int) -> str:
        """The comment block that touches the declaration at `offset`, or ""."""
        line = bisect_right(self.source.starts, offset)
        text = self.blocks.get(line - 1)
        if text is None:
            return ""
        self._taken.add(line - 1)
        return text

    def of_file(self, before: int) -> str:
        """What the blocks before `before` say that document nothing else."""
        free = [
            self.blocks[last]
            for first, last in self._firsts
            if first < before and last not in self._taken
        ]
        return "\n\n".join(text for text in free if text)

    def all(self) -> tuple[tuple[Span, str], ...]:
        """Every comment with its place, as written."""
        source = self.source
        return tuple([(Span(source, s, e), source.text[s:e]) for s, e in self.comments])


def _plain(comment: str) -> str:
    """The text of a comment without its `#` and the blank after it."""
    text = comment[1:].rstrip()
    return text.removeprefix(" ")

"""Text to tokens: parallel lists, since a token is looked at far more often than it is kept."""

from __future__ import annotations

import re
from functools import cache
from ..source import Source
from .tables import Tables, load


class Tokens:
    """The tokens of a text: terminal numbers (`kinds`) and half-open ranges of offsets."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.kinds: list[int] = []
        self.starts: list[int] = []
        self.ends: list[int] = []
        self.comments: list[tuple[int, int]] = []
        self.renamed: dict[int, str] = {}  # what a token was meant to be

    def name(self, token: int) -> str:
        """The text of a token."""
        renamed = self.renamed.get(token)
        if renamed is not None:
            return renamed
        return self.source.text[self.starts[token] : self.ends[token]]

    def quoted(self, token: int) -> str:
        """What stands between the quotes of a string token."""
        return self.source.text[self.starts[token] + 1 : self.ends[token] - 1]

    def __len__(self) -> int:
        return len(self.kinds)


@cache
def _scanner() -> tuple[re.Pattern[str], dict[str, int], dict[str, int]]:
    """The expression that matches any token, the number of each of its groups, the keywords."""
    tables = load()
    keywords = {text: n for text, n in tables.literals.items() if text.isidentifier()}
    reserved = set(keywords.values())
    groups = {f"t{n}": n for n in range(tables.end) if n not in reserved}
    pattern = "|".join(f"(?P<{group}>{tables.patterns[n]})" for group, n in groups.items())
    return re.compile(pattern), groups, keywords


def scan(source: Source, start: int, end: int) -> Tokens:
    tables: Tables = load()
    pattern, groups, keywords = _scanner()
    tokens = Tokens(source)
    kinds, starts, ends = tokens.kinds, tokens.starts, tokens.ends
    name = tables.terminals.index("NAME")
    comment = tables.terminals.index("COMMENT")
    text = source.text
    match_at = pattern.match
    position = start
    while position < end:
        match = match_at(text, position, end)
        if match is None:
            position += 1
            continue
        stop = match.end()
        kind = groups[match.lastgroup or ""]
        if kind == name:
            kind = keywords.get(match.group(), name)
        elif kind in tables.ignored:
            if kind == comment:
                tokens.comments.append((position, stop))
            position = stop
            continue
        kinds.append(kind)
        starts.append(position)
        ends.append(stop)
        position = stop
    return tokens

"""Text to tokens: parallel lists, since a token is looked at far more often than it is kept."""

from __future__ import annotations

import re
from functools import cache
from typing import NamedTuple

from ..diagnostics import Diagnostic
from ..source import Source
from .literals import BadNumber, number_value
from .tables import load

# Characters that no text may hold, not even a comment or a string: they show nothing, or make the
# text read otherwise than it runs (controls, marks of direction, separators, lone surrogates).
HIDDEN = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff"
    "\ud800-\udfff]"
)
MAX_REPORTS = 100


class Tokens:
    """The tokens of a text: terminal numbers (`kinds`) and half-open ranges of offsets."""

    def __init__(self, source: Source, end: int) -> None:
        self.source = source
        self.end = end  # where the text ends
        self.kinds: list[int] = []
        self.starts: list[int] = []
        self.ends: list[int] = []
        self.comments: list[tuple[int, int]] = []
        self.renamed: dict[int, str] = {}  # start of a token -> the text that was meant
        self.reports: list[Diagnostic] = []  # characters, numbers and strings that are wrong
        self.stopped = False  # too many reports: the rest of the text was not looked at
        self.foreign: dict[str, list[int]] = {}  # words and blanks outside ASCII -> where

    def add(self, kind: int, start: int, end: int, meant: str | None = None) -> None:
        self.kinds.append(kind)
        self.starts.append(start)
        self.ends.append(end)
        if meant is not None:
            self.renamed[start] = meant

    def pop(self) -> None:
        self.renamed.pop(self.starts[-1], None)
        del self.kinds[-1], self.starts[-1], self.ends[-1]

    def report(self, diagnostic: Diagnostic) -> None:
        self.reports.append(diagnostic)
        self.stopped = len(self.reports) >= MAX_REPORTS

    def name(self, token: int) -> str:
        """The text of a token, or what it was meant to be."""
        start = self.starts[token]
        return self.renamed.get(start) or self.source.text[start : self.ends[token]]

    def quoted(self, token: int) -> str:
        """What stands between the quotes of a string token."""
        return self.source.text[self.starts[token] + 1 : self.ends[token] - 1]

    def first_on_line(self, token: int) -> bool:
        """Whether only blanks and comments stand before a token on its line."""
        before = self.ends[token - 1] if token else 0
        between = self.source.text[before : self.starts[token]]
        return not before or "\n" in between or "\r" in between

    def __len__(self) -> int:
        return len(self.kinds)


class Kinds(NamedTuple):
    """The numbers of the terminals that the scanner itself looks at."""

    pattern: re.Pattern[str]
    groups: dict[str, int]
    keywords: dict[str, int]
    ignored: frozenset[int]
    name: int
    number: int
    string: int
    comment: int
    dot: int
    wrong: int  # stands for text that was reported; no rule has it

    def of(self, text: str) -> int | None:
        """The number of the terminal that a text is, if it is one."""
        match = self.pattern.fullmatch(text)
        if match is None:
            return None
        kind = self.groups[match.lastgroup or ""]
        return self.keywords.get(text, kind) if kind == self.name else kind


@cache
def kinds_of_terminals() -> Kinds:
    """The numbers, and the expression that matches any token but keywords."""
    tables = load()
    keywords = {text: n for text, n in tables.literals.items() if text.isidentifier()}
    reserved = set(keywords.values())
    groups = {f"t{n}": n for n in range(tables.end) if n not in reserved}
    pattern = "|".join(f"(?P<{group}>{tables.patterns[n]})" for group, n in groups.items())
    number = tables.terminals.index
    return Kinds(
        pattern=re.compile(pattern),
        groups=groups,
        keywords=keywords,
        ignored=tables.ignored,
        name=number("NAME"),
        number=number("NUMBER"),
        string=number("STRING"),
        comment=number("COMMENT"),
        dot=tables.literals["."],
        wrong=tables.wrong,
    )


def scan(source: Source, start: int = 0, end: int | None = None) -> Tokens:
    """The tokens of a text, or of a range of it; linear, and never fails.

    What is no token is reported in `reports`; a token that was surely meant stands in its place,
    else one of the kind `wrong`.
    """
    kinds = kinds_of_terminals()
    text = source.text
    stop = len(text) if end is None else end
    tokens = Tokens(source, stop)
    hidden = HIDDEN.search(text, start, stop) is not None
    match_at, groups, keywords = kinds.pattern.match, kinds.groups, kinds.keywords
    add_kind, add_start, add_end = tokens.kinds.append, tokens.starts.append, tokens.ends.append
    position = start
    while position < stop:
        match = match_at(text, position, stop)
        if match is None:
            if tokens.stopped:
                break
            position = _wrong_character(tokens, position)
            continue
        after = match.end()
        kind = groups[match.lastgroup]  # type: ignore[index]
        if kind == kinds.name:
            kind = keywords.get(match.group(), kind)
        elif kind in kinds.ignored:
            if kind == kinds.comment:
                tokens.comments.append((position, after))
                if hidden and not tokens.stopped:
                    _hidden(tokens, position, after)
            position = after
            continue
        elif kind == kinds.number or kind == kinds.dot:
            after, kind = _checked_number(tokens, kinds, position, after, kind)
        elif kind == kinds.string and hidden and _hidden(tokens, position, after):
            kind = kinds.wrong
        add_kind(kind)
        add_start(position)
        add_end(after)
        position = after
    if tokens.foreign:
        from .characters import finish

        finish(tokens)
    return tokens


# What follows a number directly and makes it none: `12abc`, `1.5.2`, `5.`; not the `..` of a range.
_TAIL = re.compile(r"(?:[A-Za-z0-9_]|\.(?!\.)(?=[0-9])|\.(?![.A-Za-z_]))*")


def _checked_number(
    tokens: Tokens, kinds: Kinds, start: int, end: int, kind: int
) -> tuple[int, int]:
    """(end, kind) of a number or a dot; a number that cannot be read is reported and wrong."""
    text = tokens.source.text
    tail = _TAIL.match(text, end, tokens.end)
    after = tail.end() if tail and (kind == kinds.number or text[end : end + 1].isdigit()) else end
    if after == end:
        if kind == kinds.dot:
            return end, kind
        try:
            number_value(text[start:end])
            return end, kind
        except BadNumber as error:
            reason = str(error)
    else:
        reason = ""
    from .characters import wrong_number

    wrong_number(tokens, start, after, reason)
    return after, kinds.wrong


def _hidden(tokens: Tokens, start: int, end: int) -> bool:
    """Report the characters in a comment or string that no text may hold; whether there are any."""
    from .characters import hidden_characters

    return hidden_characters(tokens, start, end)


def _wrong_character(tokens: Tokens, position: int) -> int:
    """Report what starts at a position and is no token; where to go on."""
    from .characters import wrong_character

    return wrong_character(tokens, position)

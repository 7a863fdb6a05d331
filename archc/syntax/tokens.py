"""Text to tokens: parallel lists, since a token is looked at far more often than it is kept."""

from __future__ import annotations

import re
from functools import cache
from typing import NamedTuple

from ..diagnostics import Diagnostic
from ..source import Source
from .literals import MAX_DIGITS, BadNumber, number_value
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
    groups: tuple[int, ...]
    """The terminal that each group of the pattern is. The last is any character: `wrong`."""
    keywords: dict[str, int]
    blanks: frozenset[int]
    """Ignored, and no comment."""
    name: int
    number: int
    string: int
    comment: int
    dot: int
    wrong: int  # stands for text that was reported; no rule has it

    def of(self, text: str) -> int | None:
        """The number of the terminal that a text is, if it is one."""
        match = self.pattern.fullmatch(text)
        if match is None or match.lastindex == len(self.groups) - 1:
            return None
        kind = self.groups[match.lastindex or 0]
        return self.keywords.get(text, kind) if kind == self.name else kind


@cache
def kinds_of_terminals() -> Kinds:
    """The numbers, and the expression that matches any token but keywords."""
    tables = load()
    keywords = {text: n for text, n in tables.literals.items() if text.isidentifier()}
    reserved = set(keywords.values())
    groups = [n for n in range(tables.end) if n not in reserved]
    pattern = "|".join(f"({tables.patterns[n]})" for n in groups)
    number = tables.terminals.index
    comment = number("COMMENT")
    return Kinds(
        pattern=re.compile(f"{pattern}|((?s:.))"),
        groups=(-1, *groups, tables.wrong),
        keywords=keywords,
        blanks=tables.ignored - {comment},
        name=number("NAME"),
        number=number("NUMBER"),
        string=number("STRING"),
        comment=comment,
        dot=tables.literals["."],
        wrong=tables.wrong,
    )


def scan(source: Source, start: int = 0, end: int | None = None) -> Tokens:
    """The tokens of a text, or of a range of it; linear, and never fails.

    What is no token is reported in `reports`; a token that was surely meant stands in its place,
    else one of the kind `wrong`. After `MAX_REPORTS` the rest of the text is not looked at.
    """
    kinds = kinds_of_terminals()
    tokens = Tokens(source, len(source.text) if end is None else end)
    hidden = HIDDEN.search(source.text, start, tokens.end) is not None
    position = start
    while position < tokens.end and not tokens.stopped:
        position = _scan_on(tokens, kinds, position, hidden)
    if tokens.foreign:
        from .characters import finish

        finish(tokens)
    return tokens


def _scan_on(tokens: Tokens, kinds: Kinds, position: int, hidden: bool) -> int:
    """Scan from a position on, up to the end or the first thing that does not end where its
    pattern does; where that ends."""
    groups, name, keywords, blanks = kinds.groups, kinds.name, kinds.keywords, kinds.blanks
    checked = {kinds.number, kinds.string, kinds.comment, kinds.dot, kinds.wrong}
    add_kind, add_start, add_end = tokens.kinds.append, tokens.starts.append, tokens.ends.append
    for match in kinds.pattern.finditer(tokens.source.text, position, tokens.end):
        kind = groups[match.lastindex]  # type: ignore[index]
        if kind in blanks:
            continue
        start, end = match.span()
        if kind == name:
            kind = keywords.get(match[0], kind)
        elif kind in checked:
            after, found = _checked(tokens, kinds, start, end, kind, hidden)
            if found is not None:
                add_kind(found)
                add_start(start)
                add_end(after)
            if after != end or tokens.stopped:
                return after
            continue
        add_kind(kind)
        add_start(start)
        add_end(end)
    return tokens.end


def _checked(
    tokens: Tokens, kinds: Kinds, start: int, end: int, kind: int, hidden: bool
) -> tuple[int, int | None]:
    """(end, kind) of what may be wrong, or longer than its pattern; the kind is None where no token
    is to be added. Mistakes are reported."""
    if kind == kinds.wrong:
        return _wrong_character(tokens, start), None
    if kind == kinds.comment:
        tokens.comments.append((start, end))
        if hidden:
            _hidden(tokens, start, end)
        return end, None
    if kind == kinds.string:
        return end, kinds.wrong if hidden and _hidden(tokens, start, end) else kind
    return _checked_number(tokens, kinds, start, end, kind)


# What follows a number directly and makes it none: `12abc`, `1.5.2`, `5.`; not the `..` of a range.
_TAIL = re.compile(r"(?:[A-Za-z0-9_]|\.(?!\.)(?=[0-9])|\.(?![.A-Za-z_]))*")


def _checked_number(
    tokens: Tokens, kinds: Kinds, start: int, end: int, kind: int
) -> tuple[int, int]:
    """(end, kind) of a number or a dot; a number that cannot be read is reported and wrong."""
    text = tokens.source.text
    follows = text[end : end + 1]
    if kind == kinds.dot and not follows.isdigit():
        return end, kind
    short = end - start <= MAX_DIGITS and text[start:end].isdigit()
    if short and not (follows.isalnum() or follows in "._"):
        return end, kind
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

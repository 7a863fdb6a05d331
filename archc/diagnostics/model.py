"""The diagnostic value and the list that a run collects them in."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal, NamedTuple

from ..source import Span
from .catalogue import CODES

Severity = Literal["error", "warning", "note"]


class Label(NamedTuple):
    """A place and what is to be said there (may be empty: only underlined)."""

    span: Span
    text: str = ""


class Edit(NamedTuple):
    """Replace the text of a span."""

    span: Span
    text: str


@dataclass(frozen=True, slots=True)
class Fix:
    """Edits that mend the mistake; `safe` ones keep the meaning that was surely intended."""

    title: str
    edits: tuple[Edit, ...]
    safe: bool = False


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """One mistake. `message` stands alone; `labels[0]` is where it stands; `help` is a way out."""

    code: str
    message: str
    labels: tuple[Label, ...] = ()
    notes: tuple[str, ...] = ()
    help: str | None = None
    fixes: tuple[Fix, ...] = ()

    @property
    def severity(self) -> Severity:
        return CODES[self.code].severity


class TooManyErrors(Exception):
    """Raised when the collection is full: a wall of errors helps nobody."""


MOST_ERRORS = 100
"""Diagnostics of one run; then it ends."""


class Diagnostics:
    """Collects diagnostics in the order found; the same code at the same place counts once."""

    def __init__(self, limit: int = MOST_ERRORS) -> None:
        self.items: list[Diagnostic] = []
        self.limit = limit
        self._seen: set[tuple[str, str, int, int]] = set()
        self._first: dict[tuple[str, int], Span] = {}

    def add(self, item: Diagnostic) -> None:
        if item.labels:
            span = item.labels[0].span
            key = (item.code, span.source.name, span.start, span.end)
            if key in self._seen:
                return
            self._seen.add(key)
        self.items.append(item)
        if len(self.items) >= self.limit:
            raise TooManyErrors

    def once(self, mistake: tuple[str, int], span: Span) -> bool:
        """Is this the place at which a mistake that shows at several was met first?"""
        return self._first.setdefault(mistake, span) == span

    def error(
        self,
        code: str,
        message: str,
        *labels: Label | tuple[Span, str] | Span | None,
        notes: Iterable[str] = (),
        help: str | None = None,
        fixes: Iterable[Fix] = (),
    ) -> None:
        """Add a diagnostic; labels may be given as bare spans or (span, text) pairs."""
        made: list[Label] = []
        for label in labels:
            if isinstance(label, Span):
                made.append(Label(label))
            elif label is not None:
                made.append(Label(label[0], shortened(label[1])))
        said = tuple(shortened(note) for note in notes)
        advice = None if help is None else shortened(help)
        self.add(Diagnostic(code, shortened(message), tuple(made), said, advice, tuple(fixes)))

    @property
    def failed(self) -> bool:
        return any(d.severity == "error" for d in self.items)

    def __iter__(self) -> Iterator[Diagnostic]:
        return iter(self.items)

    def __len__(self) -> int:
        return len(self.items)


def shortened(text: str) -> str:
    """A message in which no name or number is longer than a line."""
    if len(text) < 200:
        return text
    return re.sub(r"([^\s`]{60})[^\s`]{40,}([^\s`]{12})", r"\1...\2", text)


MOST_CANDIDATES = 1000
"""Names that are compared letter by letter; of more, only those with the same ends."""


def closest(name: str, candidates: Iterable[str]) -> str | None:
    """The candidate that was probably meant, by edit distance with transpositions, or None."""
    best: str | None = None
    bound: tuple[float, float] = (max(1, len(name) // 3) + 1, float("-inf"))
    near = {c for c in candidates if abs(len(c) - len(name)) <= bound[0]}
    if len(near) > MOST_CANDIDATES:
        near = {c for c in near if c[:1] == name[:1] and c[-1:] == name[-1:]}
    for candidate in sorted(near)[:MOST_CANDIDATES]:
        if abs(len(candidate) - len(name)) > bound[0]:
            continue
        distance = 0.5 if candidate.lower() == name.lower() else _distance(name, candidate)
        if distance >= max(len(name), len(candidate)):
            continue  # no letter is the same
        # Of two as near, the one with more of the name in it: `rrelu` is `relu`, not `prelu`.
        rank = (distance, -_ends_alike(name, candidate))
        if rank < bound:
            best, bound = candidate, rank
    return best


def _ends_alike(a: str, b: str) -> int:
    """How many letters are the same from the start and from the end."""
    n = min(len(a), len(b))
    start = next((i for i in range(n) if a[i] != b[i]), n)
    end = next((i for i in range(n) if a[-1 - i] != b[-1 - i]), n)
    return start + end


def _distance(a: str, b: str) -> int:
    """Optimal string alignment distance."""
    before: list[int] = []
    last = list(range(len(b) + 1))
    for i, ca in enumerate(a, 1):
        row = [i]
        for j, cb in enumerate(b, 1):
            cost = min(last[j] + 1, row[j - 1] + 1, last[j - 1] + (ca != cb))
            if i > 1 and j > 1 and ca == b[j - 2] and a[i - 2] == cb:
                cost = min(cost, before[j - 2] + 1)
            row.append(cost)
        before, last = last, row
    return last[-1]

"""Single mistakes put into specs by machine: the same ones for the same seed."""

from __future__ import annotations

from dataclasses import dataclass, field
from random import Random

from archc.diagnostics import Diagnostics
from archc.source import Source
from archc.syntax import parse

from . import numbers, structure, words
from .walk import Edit, Found, Spec, walk

KINDS = (
    "operator",
    "parameter",
    "name",
    "channels",
    "kernel",
    "stride",
    "padding",
    "number",
    "projection",
    "dropped layer",
    "swapped arguments",
    "list length",
    "unclosed bracket",
    "missing comma",
    "claim",
)


@dataclass(frozen=True)
class Mutant:
    """A spec with one mistake in it."""

    spec: str
    kind: str
    before: str
    text: str
    edits: tuple[Edit, ...]
    """In the original text."""
    rule: str = ""
    """Why it is wrong by a rule of the language; "" where PyTorch is asked."""
    unclear: str = ""
    """Why nobody can say whether it is wrong."""
    near: tuple[str, ...] = field(default=())
    """Names whose other places are as much the mistake's place."""

    @property
    def lines(self) -> set[int]:
        """The lines of the mutated text that were changed."""
        found: set[int] = set()
        moved = 0
        for start, end, new in sorted(self.edits):
            first = self.text.count("\n", 0, start + moved) + 1
            found.update(range(first, first + new.count("\n") + 1))
            moved += len(new) - (end - start)
        return found

    @property
    def what(self) -> str:
        """The change in a few words."""
        parts = []
        for start, end, new in self.edits:
            old = " ".join(self.before[start:end].split())
            parts.append(
                f"`{_short(old)}` became `{_short(new)}`" if new else f"without `{_short(old)}`"
            )
        return ", ".join(parts)


def _short(text: str) -> str:
    return text if len(text) < 40 else f"{text[:25]} ... {text[-10:]}"


def mutants(spec: str, text: str, seed: int, each: int) -> list[Mutant]:
    """At most `each` mutants of every kind."""
    file = parse(Source(spec, text), Diagnostics())
    known = Spec(text, file)
    found: dict[str, list[Found]] = {kind: [] for kind in KINDS}
    chance = {kind: Random(f"{seed}/{spec}/{kind}") for kind in KINDS}
    for node, parents in walk(file):
        for source in (words, numbers, structure):
            for one in source.sites(node, parents, known):
                found[one.kind].append(one)
    for one in structure.tokens(known):
        found[one.kind].append(one)
    made: list[Mutant] = []
    seen = {text}
    for kind in KINDS:
        sites = found[kind]
        chance[kind].shuffle(sites)
        taken = 0
        for site in sites:
            if taken == each:
                break
            edits = site.edits(chance[kind])
            after = _edited(text, edits)
            if not edits or after in seen:
                continue
            seen.add(after)
            taken += 1
            made.append(Mutant(spec, kind, text, after, edits, site.rule, site.unclear, site.near))
    return made


def _edited(text: str, edits: tuple[Edit, ...]) -> str:
    for start, end, new in sorted(edits, reverse=True):
        text = text[:start] + new + text[end:]
    return text

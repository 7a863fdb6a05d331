"""Is a mutant wrong? Judged without archc's checker."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from .meaning import Keys, network, read
from .mutants import Mutant
from .values import UndecidedError, WrongError

OPENING = {")": "(", "]": "[", "}": "{"}


@dataclass(frozen=True)
class Verdict:
    """`wrong`: cannot be. `legal`: another network. `left out`: with the reason why."""

    group: str
    reason: str
    lines: frozenset[int] = field(default=frozenset())
    """Of the mutated text: lines that disagree with the mutated one."""


class Judge:
    """Judges the mutants of one spec, whose networks it has run before."""

    def __init__(self, spec: str, text: str) -> None:
        self.spec = spec
        self.folder = Path(spec).parent
        self.keys = Keys()
        self.meanings = self._run(text)

    def _run(self, text: str) -> dict[str, object]:
        unit = read(text, self.spec, self.folder)
        found = {}
        for name in unit.networks():
            meaning = network(unit, name, self.keys)
            found[name] = None if meaning is None else meaning.key
        return found

    def __call__(self, mutant: Mutant) -> Verdict:
        if mutant.unclear:
            return Verdict("left out", mutant.unclear)
        if mutant.rule:
            return Verdict("wrong", mutant.rule, frozenset(_elsewhere(mutant)))
        try:
            found = self._run(mutant.text)
        except WrongError as error:
            lines = {line for source, line in error.places if source == self.spec}
            return Verdict("wrong", str(error), frozenset(lines))
        except UndecidedError as error:
            return Verdict("left out", f"not decided: {error}")
        if found == self.meanings:
            return Verdict("left out", "the same networks")
        return Verdict("legal", "another network")


def _elsewhere(mutant: Mutant) -> set[int]:
    """Other lines of a mistake by rule: of what a bracket would close, of a name's other places."""
    from .walk import TOKEN

    text = mutant.text
    marks = [m for m in TOKEN.finditer(text) if m.lastgroup not in ("comment", "string")]
    if mutant.near:
        return {text.count("\n", 0, m.start()) + 1 for m in marks if m.group() in mutant.near}
    if mutant.kind != "unclosed bracket":
        return set()
    open_: list[tuple[str, int]] = []
    gone = mutant.edits[0][0]
    for mark in TOKEN.finditer(mutant.before):
        if mark.lastgroup in ("comment", "string"):
            continue
        if mark.group() in "([{":
            open_.append((mark.group(), mark.start()))
        elif mark.group() in OPENING:
            _, start = open_.pop()
            if mark.start() == gone:
                return {text.count("\n", 0, start) + 1}
    return set()

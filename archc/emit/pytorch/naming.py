"""Names of values in a forward: `x` along the trunk, another only where paths part."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from typing import TYPE_CHECKING

from .code import Apply, Attr, Expr, Infix, Item, Raw, Seq, Use
from .merge import Key, Phi, Val
from .names import IDENTIFIER, variable
from .templates import replace

if TYPE_CHECKING:
    from .forward import Forward, Stmt

_LETTERS = ("x", "y", "z", "w", "u", "v")
_LISTS = ("xs", "ys", "zs")


class Namer:
    """Names for every value of a list of statements. A name is free again after its last use."""

    def __init__(self, forward: Forward, stmts: list[Stmt]) -> None:
        self.forward = forward
        self.stmts = stmts
        self.names: dict[Key, str] = {}
        self.reads = [list(dict.fromkeys(used(stmt.value))) for stmt in stmts]
        self.last: dict[Key, int] = {}
        self.readers: dict[Key, list[int]] = {}
        for n, keys in enumerate(self.reads):
            for key in keys:
                self.last[key] = n
                self.readers.setdefault(key, []).append(n)
        self._inputs()
        for n in range(len(stmts)):
            self._name(n)

    def named(self, e: Expr) -> Expr:
        """The expression with names for values."""
        return replace(e, lambda part: Raw(self.names[part.ref]) if isinstance(part, Use) else None)

    def _inputs(self) -> None:
        inputs = self.forward.program.units[0].inputs
        taken: set[str] = set()
        for n, declared in enumerate(inputs):
            key = (-1, n)
            name = variable(declared.name)
            trunk = self.forward.main and len(self.readers.get(key, [])) < 2
            if len(inputs) == 1 and isinstance(declared.value, int) and trunk:
                name = "x"
            while name in taken:
                name += "_"
            taken.add(name)
            self.names[key] = name

    # ------------------------------------------------------------------ one statement

    def _name(self, n: int) -> None:
        stmt = self.stmts[n]
        live = {self.names[k] for k in self.names if self.last.get(k, -1) > n}
        dying = [k for k in self.reads[n] if self.last[k] == n]
        for key in stmt.targets:
            name = next(c for c in self._candidates(key, n, dying) if c == "_" or c not in live)
            self.names[key] = name
            live.add(name)

    def _candidates(self, key: Key, n: int, dying: list[Key]) -> Iterator[str]:
        if key not in self.last:
            yield "_"
        own = self._own(key, labels=False)
        if not isinstance(self.forward.result_tree(key), int):
            yield from (name for name in own if name not in _LETTERS)
            yield from _LISTS
            yield from (f"xs{k}" for k in count(2))
            return
        if isinstance(key, tuple) and key[1] and self._is_hidden(key):
            first = self.names.get((key[0], 0), "x")
            yield "indices" if first in _LETTERS else f"{first}_indices"
            yield from (f"indices{k}" for k in count(2))
            return
        if self.stmts[n].aux:
            yield from self._own(key, labels=True)
        if self._parts(key):
            yield from (name for name in self._own(key, labels=True) if name != "x")
        old = [self.names[k] for k in dying if not self._is_list(k)]
        old = [name for name in old if name in _LETTERS or name in own]
        yield from (name for name in old if name == "x")
        yield "x"
        yield from old
        yield from own
        yield from _LETTERS
        yield from (f"y{k}" for k in count(2))

    def _is_list(self, key: Key) -> bool:
        return not isinstance(self.forward.result_tree(key), int)

    def _is_hidden(self, key: tuple[int, int]) -> bool:
        """Is a result the positions of a max pool's maxima?"""
        merged = self.forward.program.steps[key[0]]
        values = next(
            u.values for u, s in zip(self.forward.program.units, merged.steps, strict=True) if s
        )
        positions = {values[i].positions for i in merged.first.outputs}
        return merged.first.gives[key[1]] in positions

    def _own(self, key: Key, labels: bool) -> list[str]:
        """What the source calls a value: its name, or the label of the layer that makes it."""
        if isinstance(key, Phi) or key[0] < 0:
            return []
        merged = self.forward.program.steps[key[0]]
        found: list[str] = []
        for unit, step in zip(self.forward.program.units, merged.steps, strict=True):
            if step is None:
                continue
            tree = step.gives[key[1]]
            name = unit.values[tree].name if isinstance(tree, int) else None
            if name and IDENTIFIER.match(name):
                found.append(variable(name))
            label = step.path.split(".")[-1]
            if labels and step.labelled and IDENTIFIER.match(label):
                found.append(variable(label))
            break
        return found

    def _parts(self, key: Key) -> bool:
        """Do paths part at a value, other than into a shortcut and its body?"""
        readers = self.readers.get(key, [])
        if len(readers) < 2:
            return False
        step = self.stmts[readers[-1]].step
        steps = self.forward.program.steps
        through = [step, *self.stmts[readers[-1]].inlined]
        return not any(
            s >= 0
            and steps[s].first.skip
            and any(isinstance(t, Val) and (t.step, t.result) == key for t in steps[s].takes[:1])
            for s in through
        )


def used(e: Expr) -> Iterator[Key]:
    """Values that an expression reads, left to right."""
    if isinstance(e, Use):
        yield e.ref
    elif isinstance(e, Apply):
        if not isinstance(e.func, str):
            yield from used(e.func)
        for part in e.args:
            yield from used(part)
        for _, part in e.kwargs:
            yield from used(part)
    elif isinstance(e, Attr):
        yield from used(e.on)
    elif isinstance(e, Item):
        yield from used(e.on)
        yield from used(e.index)
    elif isinstance(e, (Seq, Infix)):
        for part in e.items if isinstance(e, Seq) else e.args:
            yield from used(part)

"""Names of values in a forward: `x` along the trunk, another only where paths part."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count

from .code import Apply, Attr, Expr, Gen, Infix, Item, Raw, Seq, Star, Use
from .frames import Frame
from .names import IDENTIFIER, variable
from .program import Key, Val
from .reads import PHI
from .statements import Stmt
from .swap import replace

_LETTERS = ("x", "y", "z", "w", "u", "v")
_LISTS = ("xs", "ys", "zs")


class Namer:
    """Names for every value of a list of statements. A name is free again after its last use."""

    def __init__(self, root: Frame, stmts: list[Stmt]) -> None:
        self.root = root
        self.stmts = stmts
        self.names: dict[Key, str] = {}
        self.frames = {0: root} | {s.frame.number: s.frame for s in stmts}
        self.spans = _spans(stmts)
        self.made: dict[Key, int] = {
            (0, -1, n): -1 for n in range(len(root.program.units[0].inputs))
        }
        self.reads = [list(dict.fromkeys(used(stmt.value))) for stmt in stmts]
        self.last: dict[Key, int] = {}
        self.anew: dict[Key, int] = {}
        """Where a loop gives a value anew, always."""
        self.first_last: dict[Key, int] = {}
        """The last use of such a value before that."""
        self.holders: dict[str, list[Key]] = {}
        self.readers: dict[Key, list[int]] = {}
        for n, stmt in enumerate(stmts):
            for key in stmt.targets:
                if self.made.setdefault(key, n) != n and stmt.where == stmt.base:
                    self.anew[key] = n
        for n, keys in enumerate(self.reads):
            for key in keys:
                self._read(key, n)
        for n, stmt in enumerate(stmts):
            for key in stmt.targets:
                if self.made[key] != n:
                    self._keep(key, n)
        self.loops = {s.name for s in stmts if s.kind == "for"}
        self._inputs()
        for n in range(len(stmts)):
            self._name(n)

    def named(self, e: Expr) -> Expr:
        """The expression with names for values."""
        return replace(e, lambda part: Raw(self.names[part.ref]) if isinstance(part, Use) else None)

    def _read(self, key: Key, n: int) -> None:
        self.readers.setdefault(key, []).append(n)
        self._keep(key, n)

    def _keep(self, key: Key, n: int) -> None:
        """A value that is made before a loop and wanted in it is wanted until its end, unless the
        loop gives it anew before."""
        made = self.made.get(key, -1)
        anew = self.anew.get(key, -1)
        for start, end in self.spans:
            if made < start < n < end:
                if n <= anew < end:
                    self.first_last[key] = max(self.first_last.get(key, -1), n)
                    return
                n = end
        self.last[key] = max(self.last.get(key, -1), n)

    def _busy(self, name: str, n: int, until: int) -> bool:
        """Is a name taken by another value somewhere between two statements?"""
        kept = [key for key in self.holders.get(name, ()) if self.last.get(key, -1) > n]
        self.holders[name] = kept
        for key in kept:
            if key in self.anew and key in self.first_last:
                if n < self.first_last[key] or until > self.anew[key]:
                    return True
            else:
                return True
        return False

    def _inputs(self) -> None:
        inputs = self.root.program.units[0].inputs
        taken: set[str] = set()
        for n, declared in enumerate(inputs):
            key = (0, -1, n)
            name = variable(declared.name)
            trunk = self.root.main and len(self.readers.get(key, [])) < 2
            if len(inputs) == 1 and isinstance(declared.value, int) and trunk:
                name = "x"
            while name in taken:
                name += "_"
            taken.add(name)
            self.names[key] = name
            self.holders.setdefault(name, []).append(key)

    # ------------------------------------------------------------------ one statement

    def _name(self, n: int) -> None:
        stmt = self.stmts[n]
        dying = [k for k in self.reads[n] if n in (self.last[k], self.first_last.get(k))]
        for key in stmt.targets:
            if key in self.names:
                continue
            until = self.last.get(key, n)
            for name in self._candidates(key, n, dying):
                if name == "_" or not (name in self.loops or self._busy(name, n, until)):
                    break
            self.names[key] = name
            if name != "_":
                self.holders.setdefault(name, []).append(key)

    def _candidates(self, key: Key, n: int, dying: list[Key]) -> Iterator[str]:
        if key not in self.last:
            yield "_"
        own = self._own(key, labels=False)
        if self._is_list(key):
            yield from (name for name in own if name not in _LETTERS)
            yield from _LISTS
            yield from (f"xs{k}" for k in count(2))
            return
        if word := self._hidden(key):
            first = self.names.get((key[0], key[1], 0), "x") if key[2] else "x"
            yield word if first in _LETTERS else f"{first}_{word}"
            yield from (f"{word}{k}" for k in count(2))
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
        return not isinstance(self.frames[key[0]].result_tree(key[1], key[2]), int)

    def _hidden(self, key: Key) -> str:
        """ "indices" for the positions of a max pool's maxima, "size" for the size before it."""
        frame = self.frames[key[0]]
        if not 0 <= key[1] < PHI:
            return ""
        merged = frame.program.steps[key[1]]
        units = zip(frame.program.units, merged.steps, strict=True)
        unit = next(unit for unit, step in units if step)
        result = merged.first.gives[key[2]]
        if result in unit.sizes:
            return "size"
        positions = {unit.values[i].positions for i in merged.first.outputs}
        return "indices" if key[2] and result in positions else ""

    def _own(self, key: Key, labels: bool) -> list[str]:
        """What the source calls a value: its name, or the label of the layer that makes it."""
        if not 0 <= key[1] < PHI:
            return []
        frame = self.frames[key[0]]
        merged = frame.program.steps[key[1]]
        found: list[str] = []
        for unit, step in zip(frame.program.units, merged.steps, strict=True):
            if step is None:
                continue
            tree = step.gives[key[2]]
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
        if len(readers) < 2 or key[1] < 0:
            return False
        last = self.stmts[readers[-1]]
        through = [(last.frame.number, last.step), *last.inlined]
        for number, step in through:
            if number not in self.frames:
                continue  # a loop that became a comprehension
            steps = self.frames[number].program.steps
            if 0 <= step < len(steps) and steps[step].first.skip:
                first = steps[step].takes[0]
                if isinstance(first, Val) and (number, first.step, first.result) == key:
                    return False
        return True


def _spans(stmts: list[Stmt]) -> list[tuple[int, int]]:
    """(first, last) statement of each loop, inner ones first."""
    open_: list[int] = []
    found: list[tuple[int, int]] = []
    for n, stmt in enumerate(stmts):
        if stmt.kind == "for":
            open_.append(n)
        elif stmt.kind == "end":
            found.append((open_.pop(), n))
    return found


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
    elif isinstance(e, Star):
        yield from used(e.value)
    elif isinstance(e, Gen):
        yield from used(e.over)
        yield from used(e.item)
    elif isinstance(e, (Seq, Infix)):
        for part in e.items if isinstance(e, Seq) else e.args:
            yield from used(part)

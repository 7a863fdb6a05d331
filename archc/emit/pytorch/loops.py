"""Loops of the source as loops of Python: which values each iteration takes, and hands on.

The iterations of all instances are laid side by side, as columns of a program of their own. Each
place where an iteration reads a value must be of one kind in all of them: made in the same
iteration, handed on by the one before, the same all along, or the next element of a list.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

from ...graph import Input, Output, Tree, leaves
from .errors import Mismatch
from .layers import Loop, Step, Unit

NONE = -(10**9)
"""Stands for no value, below all ids."""

Place = tuple[object, ...]
"""A step of an iteration: its site, the iterations of inner loops, and which of several."""


@dataclass(slots=True)
class Taken:
    """A value that iterations read: `ids[pair]` is it in each; `before`: what made it in the
    iteration before (None: it is not handed on)."""

    kind: str
    """"carried", "fixed" or "element"."""
    ids: list[int]
    before: tuple[Place, int] | None = None


@dataclass(slots=True)
class Result:
    """A value of the iterations that is read after the loop: of the last one, or of all."""

    source: tuple[Place, int] | None
    """None where iterations make it in different places: `ids` says what it is in each."""
    whole: bool
    carried: int | None = None
    """The input that it is handed on as, if it is that of the last iteration."""
    ids: dict[tuple[int, int], int] = field(default_factory=dict)
    """By column and iteration."""


@dataclass(slots=True)
class Plan:
    """A loop of several units as a program: a pseudo-unit for each (column, iteration)."""

    site: int
    pairs: list[tuple[int, int]]
    counts: list[int | None]
    taken: list[Taken] = field(default_factory=list)
    results: list[Result] = field(default_factory=list)
    units: list[Unit] = field(default_factory=list)
    gives: list[tuple[Tree, ...] | None] = field(default_factory=list)
    """What the loop leaves in each column, a tree for each result."""


def places(steps: Sequence[Step], base: int) -> Iterator[Place]:
    """What makes steps of different units or iterations correspond."""
    seen: dict[Place, int] = {}
    for step in steps:
        key = (step.site, step.iters[base:])
        seen[key] = seen.get(key, 0) + 1
        yield (*key, seen[key])


def plan(units: Sequence[Unit], loops: Sequence[Loop | None]) -> Plan:
    """Lay the iterations of a loop side by side; Mismatch where they are no loop of Python."""
    first = next(loop for loop in loops if loop is not None)
    counts = [None if loop is None else len(loop.iterations) for loop in loops]
    pairs = [(k, t) for k, n in enumerate(counts) for t in range(n or 0)]
    made = Plan(first.site, pairs, counts)
    if max(n or 0 for n in counts) < 2:
        raise Mismatch
    tables = _tables(units, loops, first.depth + 1)
    _results(made, units, loops, tables)
    slots = _slots(loops, pairs, tables, first.depth + 1)
    where: dict[tuple[Place, int], int | None] = {}
    # What is handed on first: it may be read in the first iteration only. What stays the same
    # last: it may be elements of a list that few iterations read.
    for slot, kinds in sorted(slots.items(), key=lambda slot: _rank(made, slot[1])):
        where[slot] = _taken(made, kinds)
    for result in made.results:
        for n, taken in enumerate(made.taken):
            if taken.before == result.source and not result.whole:
                result.carried = n
    for pair, (k, t) in enumerate(pairs):
        loop = loops[k]
        assert loop is not None
        made.units.append(_pseudo(made, units[k], loop, pair, t, where))
    return made


def _tables(
    units: Sequence[Unit], loops: Sequence[Loop | None], base: int
) -> list[list[dict[int, tuple[Place, int]]]]:
    """What makes each value, by column and iteration."""
    return [
        [
            {
                i: (place, n)
                for place, step in zip(places(steps, base), steps, strict=True)
                for n, i in enumerate(step.outputs)
            }
            for steps in (loop.iterations if loop else ())
        ]
        for loop in loops
    ]


Kind = tuple[str, int, object]


def _slots(
    loops: Sequence[Loop | None],
    pairs: list[tuple[int, int]],
    tables: list[list[dict[int, tuple[Place, int]]]],
    base: int,
) -> dict[tuple[Place, int], dict[int, Kind]]:
    """For each place that reads, by pair: (here | before | outside, value, source)."""
    slots: dict[tuple[Place, int], dict[int, Kind]] = {}
    for pair, (k, t) in enumerate(pairs):
        loop = loops[k]
        assert loop is not None
        here = tables[k][t]
        before = tables[k][t - 1] if t else {}
        others = {i for n, table in enumerate(tables[k]) if n not in (t, t - 1) for i in table}
        steps = loop.iterations[t]
        for place, step in zip(places(steps, base), steps, strict=True):
            for n, i in enumerate(i for tree in step.takes for i in leaves(tree)):
                if i in others:
                    raise Mismatch
                kind = "here" if i in here else "before" if i in before else "outside"
                slots.setdefault((place, n), {})[pair] = (kind, i, before.get(i))
    return slots


def _rank(made: Plan, kinds: dict[int, Kind]) -> int:
    if any(kind == "before" for kind, _, _ in kinds.values()):
        return 0
    return 2 if _is_fixed(made, kinds) else 1


def _is_fixed(made: Plan, kinds: dict[int, Kind]) -> bool:
    """Do all iterations of a column read the same value?"""
    return _same_all_along(
        made, [kinds.get(n, ("", NONE, None))[1] for n in range(len(made.pairs))]
    )


def _taken(made: Plan, kinds: dict[int, Kind]) -> int | None:
    """The number of the input that a place reads; None where it reads its own iteration."""
    names = {kind for kind, _, _ in kinds.values()}
    if names == {"here"}:
        return None
    if "here" in names:
        raise Mismatch
    ids = [NONE] * len(made.pairs)
    for pair, (_, i, _) in kinds.items():
        ids[pair] = i
    if "before" in names:
        sources = {source for kind, _, source in kinds.values() if kind == "before"}
        late = {kind for pair, (kind, _, _) in kinds.items() if made.pairs[pair][1]}
        if len(sources) != 1 or late != {"before"}:
            raise Mismatch
        source = sources.pop()
        assert isinstance(source, tuple)
        return _add(made, Taken("carried", ids, source))
    if all(made.pairs[pair][1] == 0 for pair in kinds):
        for n, old in enumerate(made.taken):
            if old.kind == "carried" and all(old.ids[pair] == ids[pair] for pair in kinds):
                return n
    return _add(made, Taken("fixed" if _is_fixed(made, kinds) else "element", ids))


def _add(made: Plan, new: Taken) -> int:
    """The number of an input that is (or becomes) one of the plan's."""
    for n, old in enumerate(made.taken):
        if old.before != new.before:
            continue
        if any(a != b and NONE not in (a, b) for a, b in zip(old.ids, new.ids, strict=True)):
            continue
        ids = [max(a, b) for a, b in zip(old.ids, new.ids, strict=True)]
        if old.kind != new.kind or (new.kind == "fixed" and not _same_all_along(made, ids)):
            # Different iterations read them: the elements of a list, if there is one in each.
            if "carried" in (old.kind, new.kind) or NONE in ids:
                continue
            old.kind = "element"
        old.ids = ids
        return n
    made.taken.append(new)
    return len(made.taken) - 1


def _same_all_along(made: Plan, ids: list[int]) -> bool:
    columns: dict[int, set[int]] = {}
    for (k, _), i in zip(made.pairs, ids, strict=True):
        if i != NONE:
            columns.setdefault(k, set()).add(i)
    return all(len(found) == 1 for found in columns.values())


def _results(
    made: Plan,
    units: Sequence[Unit],
    loops: Sequence[Loop | None],
    tables: list[list[dict[int, tuple[Place, int]]]],
) -> None:
    """Find what is read after the loop, and lay it out for each column."""
    read: dict[tuple[Place, int], list[tuple[int, int]]] = {}
    ids: dict[tuple[int, int], list[int]] = {}
    for k, loop in enumerate(loops):
        if loop is None:
            continue
        inside = {id(step) for steps in loop.iterations for step in steps}
        outside = [i for s in units[k].steps if id(s) not in inside for i in s.inputs]
        outside += [i for out in units[k].outputs for i in leaves(out.value)]
        wanted = set(outside)
        for t, table in enumerate(tables[k]):
            for i, source in table.items():
                if i in wanted:
                    read.setdefault(source, []).append((k, t))
                    ids.setdefault((k, t), []).append(i)
    ends = {k: n - 1 for k, n in enumerate(made.counts) if n}
    if len(read) > 1 and sorted(ids) == made.pairs and all(len(i) == 1 for i in ids.values()):
        single = {pair: found[0] for pair, found in ids.items()}
        made.results.append(Result(None, True, None, single))
        read = {}
    for source, users in read.items():
        made.results.append(Result(source, any(t != ends[k] for k, t in users)))
    for k, loop in enumerate(loops):
        if loop is None:
            made.gives.append(None)
            continue
        back = [{source: i for i, source in table.items()} for table in tables[k]]
        trees: list[Tree] = []
        for result in made.results:
            if result.source is None:
                trees.append([result.ids[k, t] for t in range(len(loop.iterations))])
                continue
            if any(result.source not in table for table in (back if result.whole else back[-1:])):
                raise Mismatch
            every: list[Tree] = [table[result.source] for table in back if result.source in table]
            trees.append(every if result.whole else every[-1])
        made.gives.append(tuple(trees))


def _pseudo(
    made: Plan,
    unit: Unit,
    loop: Loop,
    pair: int,
    t: int,
    where: dict[tuple[Place, int], int | None],
) -> Unit:
    """An iteration as a unit: inputs are the values taken (-1, -2, ...), outputs those handed on,
    then those that are read after the loop."""
    base = loop.depth + 1
    steps: list[Step] = []
    same: dict[int, Step] = {}
    for place, step in zip(places(loop.iterations[t], base), loop.iterations[t], strict=True):
        numbers = iter(range(len(step.inputs)))

        def put(tree: Tree, place: Place = place, numbers: Iterator[int] = numbers) -> Tree:
            if isinstance(tree, int):
                n = where[(place, next(numbers))]
                return tree if n is None else -1 - n
            return [put(part) for part in tree]

        takes = tuple(put(tree) for tree in step.takes)
        copy = replace(step, takes=takes, inputs=tuple(i for tree in takes for i in leaves(tree)))
        steps.append(copy)
        same[id(step)] = copy
    table = {
        (place, n): i
        for place, step in zip(places(steps, base), steps, strict=True)
        for n, i in enumerate(step.outputs)
    }
    outputs: list[Output] = []
    for n, taken in enumerate(made.taken):
        if taken.before is not None:
            outputs.append(Output(None, table.get(taken.before, -1 - n)))
    for result in made.results:
        if result.carried is not None:
            continue
        if result.source is None:
            outputs.append(Output(None, result.ids[made.pairs[pair]]))
            continue
        if result.source not in table:
            raise Mismatch
        outputs.append(Output(None, table[result.source]))
    inner = []
    for other in unit.loops:
        if other.depth > loop.depth:
            iterations = [[same[id(s)] for s in part if id(s) in same] for part in other.iterations]
            if any(iterations):
                inner.append(Loop(other.site, other.depth, iterations))
    return Unit(
        name=unit.name,
        kind="loop",
        group=(),
        doc="",
        args=unit.args,
        inputs=[Input(f"taken{n}", -1 - n) for n in range(len(made.taken))],
        outputs=outputs,
        values=unit.values,
        steps=steps,
        choices=[c for c in unit.choices if c.iters[: loop.depth + 1] == _iters(loop, t)],
        positional=unit.positional,
        loops=inner,
        base=base,
        sizes=unit.sizes,
    )


def _iters(loop: Loop, t: int) -> tuple[int, ...]:
    step = next(iter(loop.iterations[t]), None)
    return step.iters[: loop.depth + 1] if step else ()


def worth(units: Sequence[Unit], site: int, main: bool) -> bool:
    """Would a person write the loop as one? Few named layers stand one below the other."""
    loops = [loop for unit in units for loop in unit.loops if loop.site == site]
    counts = {len(loop.iterations) for loop in loops}
    if max(counts) < 2:
        return False
    heads: dict[Place, set[str]] = {}
    for loop in loops:
        for steps in loop.iterations:
            for place, step in zip(places(steps, loop.depth + 1), steps, strict=True):
                if not step.is_function:
                    heads.setdefault(place, set()).add(step.path.split(".")[0])
    named = any(len(found) > 1 for found in heads.values())
    if not named:
        return True
    return not main and (len(counts) > 1 or max(counts) > 4)

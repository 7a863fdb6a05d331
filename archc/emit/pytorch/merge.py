"""Units that differ by conditions, as one program: the union of their steps, each with where it is.

A column is a unit. Steps correspond when they come from the same place in the source, in the same
iteration. A value that comes from different steps in different columns is a `Phi`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ...graph import Input, Tree, leaves
from .errors import Mismatch
from .layers import Leaf, Loop, Step, Unit
from .loops import Plan, Taken, places, plan
from .program import End, Merged, Phi, Program, Ref, RefTree, Rolled, Val


def merge(units: Sequence[Unit], unrolled: set[int] | None = None, paths: bool = True) -> Program:
    """Align units step by step; Mismatch where they do not fit on one another.

    Loops at the sites in `unrolled` are written out; a loop that cannot be one is added to them.
    """
    unrolled = set() if unrolled is None else unrolled
    while True:
        try:
            return _merge(units, unrolled, paths)
        except _Unrollable as reason:
            unrolled.add(reason.site)


class _Unrollable(Exception):
    """A loop must be written out."""

    def __init__(self, site: int) -> None:
        super().__init__(site)
        self.site = site


def _merge(units: Sequence[Unit], unrolled: set[int], paths: bool) -> Program:
    columns = [[s for s in _rolled(unit, unrolled) if not s.is_identity] for unit in units]
    keys = [list(places(steps, u.base)) for u, steps in zip(units, columns, strict=True)]
    order = _common_order(keys)
    index = {key: n for n, key in enumerate(order)}
    steps: list[Merged] = [Merged([None] * len(units)) for _ in order]
    for column, made in enumerate(columns):
        for key, step in zip(keys[column], made, strict=True):
            steps[index[key]].steps[column] = step
    plans = {n: _plan(units, m) for n, m in enumerate(steps) if isinstance(m.first.layer, Loop)}
    values: list[dict[int, Val]] = []
    for column, unit in enumerate(units):
        table: dict[int, Val] = {}
        for n, declared in enumerate(unit.inputs):
            _note(table, -1, n, declared.value, ())
        for number, merged in enumerate(steps):
            there = merged.steps[column]
            for n, tree in enumerate(there.gives if there else ()):
                _note(table, number, n, tree, ())
        for step in unit.steps:
            if step.is_identity and step.inputs[0] in table:
                table.setdefault(step.outputs[0], table[step.inputs[0]])
        values.append(table)
    _same_interface(units)
    for number, merged in enumerate(steps):
        if number in plans:
            merged.rolled = _roll(plans[number], merged, values, unrolled)
            continue
        _check_step(merged, paths)
        if merged.listed:
            merged.takes = [
                _refs([None if s is None else list(s.takes) for s in merged.steps], values)
            ]
            continue
        for n in range(len(merged.first.takes)):
            trees = [None if s is None else s.takes[n] for s in merged.steps]
            merged.takes.append(_refs(trees, values))
    outputs = [
        End(out.name, _refs([u.outputs[n].value for u in units], values), out.training)
        for n, out in enumerate(units[0].outputs)
    ]
    program = Program(list(units), steps, outputs)
    while _bypass(program):
        pass
    return program


def _rolled(unit: Unit, unrolled: set[int]) -> Iterator[Step]:
    """The steps of a unit, with those of an outermost loop as one."""
    outer: dict[int, Loop] = {}
    for loop in unit.loops:
        if loop.site in unrolled:
            continue
        for step in (s for part in loop.iterations for s in part):
            outer.setdefault(id(step), loop)
    done: set[int] = set()
    for step in unit.steps:
        found = outer.get(id(step))
        if found is None:
            yield step
        elif id(found) not in done:
            done.add(id(found))
            yield Step(found, "", (), (), (), (), found.site, step.iters[: found.depth])


def _plan(units: Sequence[Unit], merged: Merged) -> Plan:
    """Lay out a loop, and say in its steps what they give."""
    site = merged.first.site
    if any(s is None for s in merged.steps):
        raise _Unrollable(site)
    try:
        made = plan(
            units, [s.layer if s and isinstance(s.layer, Loop) else None for s in merged.steps]
        )
    except Mismatch:
        raise _Unrollable(site) from None
    for step, gives in zip(merged.steps, made.gives, strict=True):
        if step is not None and gives is not None:
            step.gives = gives
            step.outputs = tuple(i for tree in gives for i in leaves(tree))
    return made


def _roll(made: Plan, merged: Merged, values: list[dict[int, Val]], unrolled: set[int]) -> Rolled:
    """The program of a loop's iterations, with what it takes."""
    try:
        taken = [_taken(made, entry, values) for entry in made.taken]
        taken = _gather(made, taken, values)
        program = merge(made.units, unrolled, paths=False)
    except (Mismatch, KeyError):
        raise _Unrollable(made.site) from None
    carried = sum(entry.before is not None for entry in made.taken)
    return Rolled(made, program, taken, carried)


def _taken(made: Plan, entry: Taken, values: list[dict[int, Val]]) -> Ref | list[Ref]:
    """Where a value that iterations read comes from, in the program around the loop."""
    if entry.kind == "element":
        if any(
            i < 0 and i not in values[k] for (k, _), i in zip(made.pairs, entry.ids, strict=True)
        ):
            raise Mismatch
        return [values[k][i] for (k, _), i in zip(made.pairs, entry.ids, strict=True)]
    row: list[Val | None] = [None] * len(values)
    for (k, t), i in zip(made.pairs, entry.ids, strict=True):
        if t == 0 or entry.kind == "fixed":
            row[k] = values[k].get(i, row[k])
    known = {v for v in row if v is not None}
    if len(known) != 1:
        raise Mismatch
    return known.pop()


def _gather(
    made: Plan, taken: list[Ref | list[Ref]], values: list[dict[int, Val]]
) -> list[Ref | list[Ref]]:
    """Elements of one list that stay the same in all iterations are taken as that list."""
    groups: dict[tuple[int, int], dict[int, int]] = {}
    for n, (entry, ref) in enumerate(zip(made.taken, taken, strict=True)):
        if entry.kind == "fixed" and isinstance(ref, Val) and len(ref.path) == 1:
            groups.setdefault((ref.step, ref.result), {})[ref.path[0]] = n
    grouped = {n for group in groups.values() for n in group.values()}
    single = [n for n in range(len(taken)) if n not in grouped]
    for (k, _), unit in zip(made.pairs, made.units, strict=True):
        unit.inputs = [unit.inputs[n] for n in single]
        for number, (source, group) in enumerate(groups.items()):
            size = sum((v.step, v.result) == source for v in set(values[k].values()))
            # an element that no iteration reads has a number of its own
            tree: Tree = [-1 - group.get(e, len(taken) + e) for e in range(size)]
            unit.inputs.append(Input(f"list{number}", tree))
    made.taken = [made.taken[n] for n in single] + [Taken("fixed", []) for _ in groups]
    return [taken[n] for n in single] + [Val(*source) for source in groups]


def _common_order(columns: list[list[tuple[object, ...]]]) -> list[tuple[object, ...]]:
    """An order of all keys that agrees with each column's."""
    order: list[tuple[object, ...]] = list(columns[0])
    for keys in columns[1:]:
        if keys == order:
            continue
        at = -1
        where = {key: n for n, key in enumerate(order)}
        pending: list[tuple[int, tuple[object, ...]]] = []
        for key in keys:
            if key in where:
                if where[key] <= at:
                    raise Mismatch
                at = where[key]
            else:
                pending.append((at, key))
        for position, key in reversed(pending):
            order.insert(position + 1, key)
    return order


def _note(table: dict[int, Val], step: int, result: int, tree: Tree, path: tuple[int, ...]) -> None:
    if isinstance(tree, int):
        table[tree] = Val(step, result, path)
    else:
        for n, part in enumerate(tree):
            _note(table, step, result, part, (*path, n))


def form(tree: Tree) -> object:
    """The shape of a tree."""
    return 0 if isinstance(tree, int) else tuple(map(form, tree))


def _loose(tree: Tree) -> object:
    """The shape of a tree, in which lists of tensors have any length."""
    if isinstance(tree, int):
        return 0
    return 1 if all(isinstance(part, int) for part in tree) else tuple(map(_loose, tree))


def _same_interface(units: Sequence[Unit]) -> None:
    faces = {
        (
            tuple((i.name, _loose(i.value)) for i in u.inputs),
            tuple((_loose(o.value), o.training) for o in u.outputs),
        )
        for u in units
    }
    if len(faces) > 1:
        raise Mismatch


def _check_step(merged: Merged, paths: bool) -> None:
    """The same path, arguments and results in all columns; a join may have any number of values."""
    there = [s for s in merged.steps if s is not None]
    merged.listed = len({len(s.takes) for s in there}) > 1 and all(
        isinstance(s.layer, Leaf) and s.layer.op == "fuse" for s in there
    )
    seen = {
        (
            s.path if paths and not s.is_function else "",
            s.is_function,
            () if merged.listed else tuple(map(form, s.takes)),
            tuple(map(form, s.gives)),
            s.skip,
            s.layer.ports if isinstance(s.layer, Leaf) else 0,
        )
        for s in there
    }
    if len(seen) > 1:
        raise Mismatch


def _refs(trees: Sequence[Tree | None], values: list[dict[int, Val]]) -> RefTree:
    """Trees of the columns as one tree of references."""
    first = next(t for t in trees if t is not None)
    if not isinstance(first, int):
        if len({-1 if isinstance(t, int) else len(t) for t in trees if t is not None}) > 1:
            return _list(trees, values)
        if any(t is not None and (isinstance(t, int) or len(t) != len(first)) for t in trees):
            raise Mismatch
        return [
            _refs([t[n] if isinstance(t, list) else None for t in trees], values)
            for n in range(len(first))
        ]
    row: list[Val | None] = []
    for table, tree in zip(values, trees, strict=True):
        if tree is None:
            row.append(None)
        elif isinstance(tree, int):
            row.append(table[tree])
        else:
            raise Mismatch
    known = {v for v in row if v is not None}
    return known.pop() if len(known) == 1 else Phi(tuple(row))


def _list(trees: Sequence[Tree | None], values: list[dict[int, Val]]) -> Val:
    """Lists of different lengths, if each is the whole of one result: a `Val` without a path."""
    found: set[tuple[int, int]] = set()
    for table, tree in zip(values, trees, strict=True):
        if tree is None:
            continue
        if isinstance(tree, int) or not all(isinstance(part, int) for part in tree):
            raise Mismatch
        there = [table[part] for part in tree if isinstance(part, int)]
        sources = {(val.step, val.result) for val in there}
        if len(sources) != 1 or [val.path for val in there] != [(n,) for n in range(len(there))]:
            raise Mismatch
        if any(val == Val(*source, (len(there),)) for source in sources for val in table.values()):
            raise Mismatch  # it has more elements
        found |= sources
    if len(found) != 1:
        raise Mismatch
    return Val(*found.pop())


def refs(tree: RefTree) -> Iterator[Ref]:
    """The references of a tree, left to right."""
    if isinstance(tree, list):
        for part in tree:
            yield from refs(part)
    else:
        yield tree


def _bypass(program: Program) -> bool:
    """Turn one conditional layer whose other arm is its own input into an optional one."""
    for merged in program.steps:
        for tree in merged.takes:
            for ref in refs(tree):
                if isinstance(ref, Phi) and _make_optional(program, ref):
                    return True
    for end in program.outputs:
        for ref in refs(end.value):
            if isinstance(ref, Phi) and _make_optional(program, ref):
                return True
    return False


def _make_optional(program: Program, phi: Phi) -> bool:
    columns = [v for v in phi.columns if v is not None]
    for made in sorted(set(columns), key=lambda v: v.step, reverse=True):
        if made.step < 0 or made.result or made.path:
            continue
        step = program.steps[made.step]
        if all(step.present) or len(step.takes) != 1 or isinstance(step.takes[0], list):
            continue
        if len(step.first.gives) != 1 or not isinstance(step.first.gives[0], int):
            continue
        if isinstance(step.first.layer, Leaf) and step.first.layer.torch.module is None:
            continue
        source = step.takes[0]
        where = [
            v == made if step.present[k] else v == source
            for k, v in enumerate(phi.columns)
            if v is not None
        ]
        users = [
            ref
            for tree in (
                *(t for m in program.steps for t in m.takes),
                *(e.value for e in program.outputs),
            )
            for ref in refs(tree)
            if ref == made or (isinstance(ref, Phi) and made in ref.columns)
        ]
        if all(where) and all(user == phi for user in users) and isinstance(source, Val):
            step.optional = True
            _replace(program, phi, made)
            return True
    return False


def _replace(program: Program, phi: Phi, by: Val) -> None:
    def go(tree: RefTree) -> RefTree:
        if isinstance(tree, list):
            return [go(part) for part in tree]
        return by if tree == phi else tree

    for merged in program.steps:
        merged.takes = [go(tree) for tree in merged.takes]
    for end in program.outputs:
        end.value = go(end.value)

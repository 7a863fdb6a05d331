"""Where the modules of a class live, and how its forward reaches them: in itself, and in loops."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from .arithmetic import names_in
from .code import Apply, Attr, Expr, Gen, Raw, flat
from .errors import EmitError, Mismatch
from .fields import Fields, Generated, Slot, is_listed
from .frames import Frame
from .layers import Leaf, Step
from .levels import Level, LoopSolver
from .names import IDENTIFIER, is_attribute, snake, variable
from .program import Merged, Program, Ref, Rolled, Val
from .solve import ABSENT
from .statements import Header
from .swap import replace
from .templates import Hoist, constructor
from .zipped import mentions

if TYPE_CHECKING:
    from .build import ClassBuilder


class Placer:
    """Puts the modules of a program into fields, and makes its frames."""

    def __init__(self, builder: ClassBuilder, fields: Fields) -> None:
        self.builder = builder
        self.fields = fields
        self.frames = 0
        self.split: set[tuple[int, int]] = set()
        self.hoists = [Hoist() for _ in builder.units]
        self.after: list[Callable[[], None]] = []
        """What must wait until all modules have their places."""

    def frame(self, program: Program, level: Level, main: bool) -> Frame:
        """The frame of a program, with a call for each of its steps."""
        builder = self.builder
        number, self.frames = self.frames, self.frames + 1
        frame = Frame(number, program, self.split, lambda row: builder.test(level, row), main)
        for n, merged in enumerate(program.steps):
            if merged.rolled is not None:
                frame.loops[n] = self._loop(merged.rolled, level, program)
            elif merged.first.is_function and not merged.optional:
                made = builder.function(merged.steps, level, merged.listed)
                frame.function(n, builder.stored(made))
            elif isinstance(level.solver, LoopSolver):
                self._module_in_loop(frame, n, merged, level)
            else:
                self._module(frame, n, merged, level)
        return frame

    # ------------------------------------------------------------------ outside of loops

    def _module(self, frame: Frame, n: int, merged: Merged, level: Level) -> None:
        path = self._path(merged.first)
        slot = self.builder.slot(merged.steps, merged.optional, self.hoists, level)
        self.fields.put(path, slot)
        self.after.append(lambda: frame.module(n, self.fields.access(path)))

    def _path(self, step: Step) -> str:
        """The path of a module; a stateless one whose name is a number gets another."""
        if not step.path[:1].isdigit() or not isinstance(step.layer, Leaf) or step.layer.stateful:
            return step.path
        base, number = snake(step.layer.op), 1
        name = base
        while name in self.fields.names():
            number += 1
            name = f"{base}{number}"
        return name

    # ------------------------------------------------------------------ loops

    def _loop(self, rolled: Rolled, level: Level, outer: Program) -> tuple[Frame, Header]:
        plan = rolled.plan
        builder = self.builder
        name = self._variable(plan.site, level)
        turned = self._is_reversed(rolled)
        ends = [n or 0 for n in plan.counts]
        values = [ends[k] - 1 - t if turned else t for k, t in plan.pairs]
        solver = LoopSolver(level.solver, [k for k, _ in plan.pairs], name, values)
        inner = Level(
            solver,
            [level.roots[k] for k, _ in plan.pairs],
            [(*level.indices[k], t) for k, t in plan.pairs],
            plan.site,
        )
        count = level.solver.solve(ends, builder.hints_at(plan.site), "count")
        over: Expr = Apply("range", (count,))
        if turned:
            over = Apply("reversed", (over,))
        header = Header(name, over, {})
        for k, ref in enumerate(rolled.taken):
            if isinstance(ref, list):
                header.indices[k] = self._index(ref, inner)
        if not turned:
            header.lists = {k for k in header.indices if _is_whole(rolled, k, outer)}
        frame = self.frame(rolled.program, inner, False)
        self.after.append(lambda: self._simplify(frame, header, solver, ends))
        return frame, header

    def _variable(self, site: int, level: Level) -> str:
        loop = self.builder.context.graph.sites[site].loop
        names: list[str] = [variable(n) for n in loop[:1] if IDENTIFIER.match(n)]
        names += "ijkmn"
        for name in names:
            if name not in level.solver.known:
                return name
        raise Mismatch

    def _is_reversed(self, rolled: Rolled) -> bool:
        """Do the numbers in the paths run backwards?"""
        found: set[bool] = set()
        plan = rolled.plan
        for merged in rolled.program.steps:
            rows = [
                (t, (plan.counts[k] or 0) - 1 - t, step.path.split("."))
                for (k, t), step in zip(plan.pairs, merged.steps, strict=True)
                if step is not None and not step.is_function
            ]
            for at in range(min((len(path) for _, _, path in rows), default=0)):
                parts = [path[at] for _, _, path in rows]
                if len(set(parts)) > 1:
                    turned = all(path[at] == str(back) for _, back, path in rows)
                    found.add(turned and not all(path[at] == str(t) for t, _, path in rows))
        return found == {True}

    def _index(self, row: Sequence[Ref], level: Level) -> str:
        """Which element of a list an iteration takes."""
        vals = [ref for ref in row if isinstance(ref, Val)]
        if len(vals) != len(row):
            raise Mismatch
        paths = [val.path for val in vals]
        sources = {(val.step, val.result) for val in vals}
        if len(sources) != 1 or not all(paths) or len({p[:-1] for p in paths}) != 1:
            raise Mismatch
        return level.text([path[-1] for path in paths], {}, "index")

    def _module_in_loop(self, frame: Frame, n: int, merged: Merged, level: Level) -> None:
        rows = [None if s is None else s.path.split(".") for s in merged.steps]
        there = [row for row in rows if row is not None]
        if len({len(row) for row in there}) != 1:
            raise Mismatch
        if len({row[0] for row in there}) == 1:
            self._indexed(frame, n, merged, level, rows)
        elif len(there[0]) == 1 and len(level.indices[0]) == 1 and all(merged.present):
            self._named(frame, n, merged, level)
        else:
            raise Mismatch

    def _indexed(
        self, frame: Frame, n: int, merged: Merged, level: Level, rows: Sequence[list[str] | None]
    ) -> None:
        """`self.layers[i]`: a list of modules, of which each iteration calls one."""
        there = next(row for row in rows if row is not None)
        name = there[0]
        if len(there) == 1 or not is_attribute(name):
            raise Mismatch
        text = f"self.{name}"
        for at in range(1, len(there)):
            parts = ["" if row is None else row[at] for row in rows]
            if not all(
                part.isdigit() or row is None for part, row in zip(parts, rows, strict=True)
            ):
                raise Mismatch
            numbers = [int(part) if part else ABSENT for part in parts]
            if merged.optional:  # called everywhere, so where it is the identity as well
                own = [index[at - 1] if at <= len(index) else -1 for index in level.indices]
                if any(n is not ABSENT and n != i for n, i in zip(numbers, own, strict=True)):
                    raise Mismatch
                numbers = list(own)
            text += f"[{level.text(numbers, {}, 'index')}]"
        access = self.builder.stored(Raw(text))
        roots = len(self.builder.units)
        by_index: dict[tuple[int, ...], list[Step | None]] = {}
        for column, step in enumerate(merged.steps):
            steps = by_index.setdefault(level.indices[column], [None] * roots)
            steps[level.roots[column]] = step
        partly = any(s is None for steps in by_index.values() for s in steps)
        if partly and (roots > 1 or merged.optional):
            self._grown(merged, level, name, rows)
        else:
            for steps in by_index.values():
                if any(step is not None for step in steps):
                    self._one(steps)

        def call() -> None:
            slot = self.fields.root.children[name]
            if slot.value is None and not is_listed(slot):
                raise Mismatch
            frame.module(n, access)

        self.after.append(call)

    def _one(self, steps: list[Step | None]) -> None:
        """The module of one iteration, at its own place in a list."""
        first = next(step for step in steps if step is not None)
        if any(step is not None and step.path != first.path for step in steps):
            raise Mismatch  # one class cannot have it at several paths
        slot = self.builder.slot(steps, False, self.hoists, self.builder.level)
        self.fields.put(first.path, slot)

    def _grown(
        self, merged: Merged, level: Level, name: str, rows: Sequence[list[str] | None]
    ) -> None:
        """A list of as many modules as there are iterations."""
        for row, index in zip(rows, level.indices, strict=True):
            if row is not None and row[1:] != [str(n) for n in index]:
                raise Mismatch
        made = self._made(merged, level)
        if not all(merged.present):
            if not merged.optional:
                raise Mismatch
            made = Raw(
                f"{flat(made)} if {self.builder.test_of(level, merged.present)} else nn.Identity()"
            )
        solver = level.solver
        while isinstance(solver, LoopSolver):
            gen = self._counted(made, solver, level.site)
            made = Apply("nn.ModuleList", (gen,))
            solver = solver.outer
        self.fields.put(name, Slot(made, (True,) * len(self.builder.units)))

    def _counted(self, item: Expr, solver: LoopSolver, site: int) -> Gen:
        """An item for each number of a loop, or for each element of the list that it runs over."""
        over = self._range(solver, site)
        name = solver.variable
        text = flat(over)
        of = text.removeprefix("range(len(").removesuffix("))")
        if text == f"range(len({of}))":
            element = self._element_name(of, solver)

            def swap(part: Expr) -> Expr | None:
                if isinstance(part, Raw):
                    return Raw(part.text.replace(f"{of}[{name}]", element))
                return None

            made = replace(item, swap)
            if not mentions(made, name):
                return Gen(made, element, Raw(of), "()")
        return Gen(item, name if mentions(item, name) else "_", over, "()")

    def _element_name(self, of: str, solver: LoopSolver) -> str:
        name = variable(of[:-1] if of.endswith("s") and len(of) > 2 else f"one_of_{of}")
        while name in solver.known:
            name += "_"
        return name

    def _range(self, solver: LoopSolver, site: int) -> Expr:
        counts = [solver.columns.count(k) for k in range(solver.outer.width)]
        return Apply("range", (solver.outer.solve(counts, self.builder.hints_at(site), "count"),))

    def _made(self, merged: Merged, level: Level) -> Expr:
        """The constructor of a module, as an expression of the loop's variable."""
        hoists = [Hoist() for _ in merged.steps]
        rows = [
            None if s is None else constructor(s.layer, h)
            for s, h in zip(merged.steps, hoists, strict=True)
        ]
        layer = merged.first.layer
        if any(h.locals for h in hoists) or (isinstance(layer, Leaf) and layer.torch.setup):
            raise Mismatch
        return self.builder.join(rows, level, merged.first)

    def _named(self, frame: Frame, n: int, merged: Merged, level: Level) -> None:
        """`self.conv1`, `self.conv2`: attributes with a number in their names."""
        matches = [re.match(r"(.*?)(\d+)(\D*)\Z", s.path) if s else None for s in merged.steps]
        if not all(matches):
            raise Mismatch
        parts = [m.groups() for m in matches if m]
        if len({(p[0], p[2]) for p in parts}) != 1 or any(str(int(p[1])) != p[1] for p in parts):
            raise Mismatch
        if any(not is_attribute(s.path) for s in merged.steps if s):
            raise Mismatch
        number = level.text([int(p[1]) for p in parts], {}, "index")
        if any(word != level.variable for word in names_in(number)):
            raise Mismatch
        name = f'f"{parts[0][0]}{{{number}}}{parts[0][2]}"'
        paths = {s.path for s in merged.steps if s}
        if paths & self.fields.names():
            raise EmitError(f"labels {sorted(paths)} are used twice")
        assert isinstance(level.solver, LoopSolver)
        over = self._range(level.solver, level.site)
        call = Apply("self.add_module", (Raw(name), self._made(merged, level)))
        self.fields.generate(Generated(level.variable, over, call, paths))
        access = self.builder.stored(Apply("getattr", (Raw("self"), Raw(name))))
        self.after.append(lambda: frame.module(n, access))

    def _simplify(self, frame: Frame, header: Header, solver: LoopSolver, ends: list[int]) -> None:
        """`for layer in self.layers` where the variable does nothing but number the layers."""
        if self._without_variable(frame, header, solver, ends):
            return
        header.over = self.builder.stored(header.over)
        if "reversed" in str(header.over):
            return
        number = f"[{header.variable}]"
        for call in frame.calls.values():
            if isinstance(call, Apply) and isinstance(call.func, Raw):
                self._note_modules(header, call.func, ends)
        for _, inner in frame.loops.values():
            for over in inner.modules.values():
                # a list of lists: the inner ones are what is run over
                if isinstance(over, Apply) and isinstance(over.func, Attr):
                    row = over.func.on
                    if isinstance(row, Raw) and row.text.endswith(number):
                        header.modules[row.text] = Raw(row.text.removesuffix(number))

    def _note_modules(self, header: Header, access: Raw, ends: list[int]) -> None:
        """Note what gives the modules of a loop one by one."""
        over = self._iterable(access, header.variable, ends)
        own = access.text.removesuffix(f"[{header.variable}]")
        outer = own.removeprefix("self.").partition("[")[0]
        if over is not None:
            header.modules[access.text] = over
        elif own != access.text and own.count("[") == 1:
            slot = self.fields.root.children.get(outer)
            if (
                slot is not None
                and slot.value is not None
                and not mentions(Raw(own), header.variable)
            ):
                # a Module to type checkers, which has no length, but children
                header.modules[access.text] = Apply(Attr(Raw(own), "children"))

    def _without_variable(
        self, frame: Frame, header: Header, solver: LoopSolver, ends: list[int]
    ) -> bool:
        name = header.variable
        if any(not all(m.present) for m in frame.program.steps) or frame.loops:
            return False
        using = [n for n, call in frame.calls.items() if mentions(call, name)]
        if len(using) != 1 or any(name in names_in(t) for t in header.indices.values()):
            return False
        call = frame.calls[using[0]]
        if not isinstance(call, Apply) or isinstance(call.func, str):
            return False
        over = self._iterable(call.func, name, ends)
        layer = "layer" if "layer" not in solver.known else "layer_"
        if over is None or "reversed" in str(header.over):
            return False
        frame.calls[using[0]] = Apply(Raw(layer), call.args)
        header.variable, header.over = layer, over
        return True

    def _iterable(self, access: Expr, name: str, ends: list[int]) -> Expr | None:
        children = self.fields.root.children
        if isinstance(access, Apply) and access.func == "getattr":
            alone = len(self.fields.generated) == 1 and not self.fields.plain
            return Raw("self.children()") if alone else None
        if isinstance(access, Raw) and access.text.endswith(f"[{name}]"):
            own = access.text[: -len(f"[{name}]")]
            slot = children.get(own.removeprefix("self."))
            if slot is None or name in names_in(own):
                return None
            if slot.value is not None or [*slot.children] == [str(n) for n in range(ends[0])]:
                return Raw(own)
        return None


def _is_whole(rolled: Rolled, k: int, outer: Program) -> bool:
    """Does a loop take the elements of a list from the first to the last, one in each iteration?"""
    row = rolled.taken[k]
    for (column, t), ref in zip(
        rolled.plan.pairs, row if isinstance(row, list) else (), strict=True
    ):
        if not isinstance(ref, Val) or ref.path != (t,):
            return False
        if outer.length(ref, column) != rolled.plan.counts[column]:
            return False
    return isinstance(row, list)

"""One class from the units that are its instances."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from .arithmetic import names_in, normal, renamed
from .code import Apply, Expr, Raw
from .errors import Mismatch
from .fields import Entry, Fields, Slot, lines
from .forward import forward_lines
from .layers import Chain, Layer, Leaf, Step, Unit
from .levels import Level
from .loops import worth
from .merge import merge
from .names import is_reserved, variable
from .parameters import annotation, is_spare, parameters
from .place import Placer
from .program import Merged, Program
from .rows import Context, Made, Param, known, source_names
from .shapes import Symbols
from .solve import ABSENT, Solver, constant, same
from .swap import fill, over_list, replace
from .templates import Hoist, Joiner, clustered, constructor, expression, members, of_value
from .text import docstring, signature


class ClassBuilder:
    """Builds one class; Mismatch where the units cannot share it."""

    def __init__(self, context: Context, units: Sequence[int], name: str, main: bool) -> None:
        self.context = context
        self.numbers = list(units)
        self.units = [context.units[n] for n in units]
        self.name = name
        self.main = main
        self.column = {unit: n for n, unit in enumerate(units)}
        self.params: list[Param] = []
        self.recursive = False
        self.spared = False
        """The channels that come in are an element of a list that the class is given anyway."""
        self.lacking = False
        """A call of itself cannot say all that it needs."""

    def build(self) -> Made:
        """The class, with loops where they can be. A recursive one is built until its parameters
        stay the same."""
        if all(unit.chain for unit in self.units):
            return self._settled(None)
        sites = {loop.site for unit in self.units for loop in unit.loops}
        written = {s for s in sites if not worth(self.units, s, self.main)}
        if written != sites:
            try:
                return self._settled(merge(self.units, set(written)))
            except Mismatch:
                self.params = []
        return self._settled(merge(self.units, sites))

    def _settled(self, program: Program | None) -> Made:
        for _ in range(8):
            before = [(p.name, p.default) for p in self.params]
            made = self._attempt(program)
            if not self.recursive or [(p.name, p.default) for p in self.params] == before:
                if self.lacking:
                    break
                return made
        raise Mismatch

    def _attempt(self, program: Program | None) -> Made:
        self.names = source_names(self.units[0])
        table = known(self.units, self.names)
        if self.spared:
            del table["in_channels"]
        self.solver = Solver(len(self.units), table)
        self.level = Level(self.solver, list(range(len(self.units))), [()] * len(self.units))
        self.helpers: dict[str, str] = {}
        self.lacking = False
        self.places: dict[tuple[bool, ...], list[int]] = {}
        """Where in the source the steps stand that just these columns have."""
        self.kept: dict[str, None] = {}
        """Parameters that forward needs."""
        body = self._sequential() if program is None else self._module(program)
        self.params = parameters(self, "\n".join(body))
        if is_spare(self, "in_channels"):
            self.spared = True
            return self._attempt(program)
        head = signature("__init__", [(p.name, annotation(p), p.default) for p in self.params])
        base = "nn.Sequential" if program is None else "nn.Module"
        doc = "" if self.main else docstring(self.units[0].doc)
        text = [f"class {self.name}({base}):", *doc.splitlines()]
        text += [""] if doc else []
        if body[0].startswith("    def "):  # there is nothing to construct
            head = []
        return Made(self.name, self.numbers, self.params, [*text, *head, *body], self.helpers)

    # ------------------------------------------------------------------ bodies

    def _sequential(self) -> list[str]:
        """`class Cbr(nn.Sequential)`: only a constructor."""
        hoists = [Hoist() for _ in self.units]
        rows: list[Apply] = []
        for unit, hoist in zip(self.units, hoists, strict=True):
            assert unit.chain is not None
            self._note_helpers(unit.chain)
            rows.append(Apply("super().__init__", members(unit.chain, hoist)))
        clusters = clustered(rows)
        if len(clusters) == 1:
            made = self.join(rows, self.level)
            return lines([*self._locals(hoists), Entry("", made)])
        if any(hoist.locals for hoist in hoists):
            raise Mismatch
        return lines(self._alternatives(rows, clusters))

    def _alternatives(self, rows: list[Apply], clusters: list[list[int]]) -> list[Entry]:
        """Chains that differ in structure, each under a condition on what the class knows."""
        entries = []
        for n, cluster in enumerate(clusters):
            head = "else:"
            if n < len(clusters) - 1:
                there = [k in cluster for k in range(len(rows))]
                tests = self._tests(tuple(there))
                before = set(self.solver.known)
                test = self.solver.condition(there, tests)
                guessed = test not in tests and len(set(names_in(test))) < 2
                if guessed or set(self.solver.known) != before:
                    raise Mismatch  # no condition that the source would give
                head = f"elif {test}:" if n else f"if {test}:"
            some = [e if k in cluster else None for k, e in enumerate(rows)]
            hints = self._hints_of([self.units[k] for k in cluster])
            made = self.join(some, self.level, hints=hints)
            entries.append(Entry("", made, head=head))
        return entries

    def _hints_of(self, units: list[Unit]) -> dict[str, str]:
        """The source's expressions for any layer of chains."""
        found: dict[str, None] = {}
        for unit in units:
            for step in unit.steps:
                found.update(dict.fromkeys(self.hints_at(_site(step.layer, step)).values()))
                if isinstance(step.layer, Chain):
                    for _, part in step.layer.items:
                        if isinstance(part, Leaf):
                            found.update(dict.fromkeys(self.hints_at(part.site).values()))
        return {f"{n}": text for n, text in enumerate(found)}

    def _module(self, program: Program) -> list[str]:
        for merged in _all_steps(program):
            self.places.setdefault(merged.present, []).append(merged.first.site)
            for step in merged.steps:
                if step is not None:
                    self._note_helpers(step.layer)
        fields = Fields()
        placer = Placer(self, fields)
        frame = placer.frame(program, self.level, self.main)
        for finish in placer.after:
            finish()
        if len(self.units) > 1:
            frame.symbolic = Symbols(self.solver, self.units).shape
        text = forward_lines(frame)
        entries = fields.entries(self._init_test)
        stored = []
        for name in self.kept:
            if not re.search(rf"\bself\.{self._field(name)}\b", "\n".join(text)):
                continue  # a loop that was to count turned out to need no number
            self.solver.used.setdefault(name)
            stored.append(Entry(f"self.{self._field(name)} = ", Raw(name)))
        for entry in entries:
            name = entry.prefix.removeprefix("self.").removesuffix(" = ")
            if re.search(rf"\bself\.{name}\[[^]]*\]\[", "\n".join(text)):
                # A list of lists: to type checkers its elements are Modules, without elements.
                entry.prefix = f"self.{name}: Any = "
        made = lines([*stored, *entries])
        return [*(["        super().__init__()", *made, ""] if made else []), *text]

    def slot(
        self, steps: Sequence[Step | None], optional: bool, hoists: list[Hoist], level: Level
    ) -> Slot:
        """The constructor of a step's module, joined over all columns."""
        rows: list[Expr | None] = [
            None if s is None else constructor(s.layer, h)
            for s, h in zip(steps, hoists, strict=True)
        ]
        first = next(s for s in steps if s is not None)
        before = self._locals(hoists)
        value = self.join(rows, level, first)
        setup: tuple[Expr, ...] = ()
        if isinstance(first.layer, Leaf) and first.layer.torch.setup:
            setups = [
                None if s is None or not isinstance(s.layer, Leaf) else s.layer.torch.setup
                for s in steps
            ]
            if len({len(s) for s in setups if s is not None}) > 1:
                raise Mismatch
            setup = tuple(
                self.join([None if s is None else expression(s[i]) for s in setups], level, first)
                for i in range(len(first.layer.torch.setup))
            )
        return Slot(value, tuple(s is not None for s in steps), optional, setup, before)

    def _locals(self, hoists: list[Hoist]) -> list[Entry]:
        """Layers to be made before, with the statements that follow each."""
        columns = [h.take() for h in hoists]
        # A name is that of one layer, in whatever column there is one.
        counts: dict[str, int] = {}
        for hoist in hoists:
            for op, number in hoist.counts.items():
                counts[op] = max(number, counts.get(op, 0))
        for hoist in hoists:
            hoist.counts = dict(counts)
        filled = [c for c in columns if c]
        if not filled:
            return []
        if len({tuple((v.name, len(v.setup)) for v in c) for c in filled}) > 1:
            raise Mismatch
        entries = []
        for n, local in enumerate(filled[0]):
            row = [c[n] if c else None for c in columns]
            made = self.join([v.made if v else None for v in row], self.level)
            entries.append(Entry(f"{local.name} = ", made))
            for i in range(len(local.setup)):
                part = self.join([v.setup[i] if v else None for v in row], self.level)
                entries.append(Entry("", fill(part, (), Raw(local.name))))
        return entries

    def function(self, steps: Sequence[Step | None], level: Level, listed: bool) -> Expr:
        """A stateless operator as an expression over its inputs, or over their list."""
        rows: list[Expr | None] = []
        for step in steps:
            if step is None:
                rows.append(None)
                continue
            assert isinstance(step.layer, Leaf)
            row = expression(step.layer.torch.function)
            rows.append(over_list(row, len(step.takes)) if listed else row)
        return self.join(rows, level, next(s for s in steps if s is not None))

    # ------------------------------------------------------------------ numbers

    def join(
        self,
        rows: Sequence[Expr | None],
        level: Level,
        step: Step | None = None,
        hints: Mapping[str, str] = MappingProxyType({}),
    ) -> Expr:
        """One expression for all columns of a level; the place of a step gives hints."""
        if step is not None:
            hints = self.hints_at(_site(step.layer, step))

        def hole(row: list[Any], role: str) -> Expr:
            return level.solver.solve(row, hints, role)

        def make(units: list[int | None], sites: list[int]) -> Expr:
            return self._make(units, sites, level)

        return Joiner(hole, make).join(rows)

    def hints_at(self, site: int) -> dict[str, str]:
        """The source's own expressions at a place, by argument."""
        if not 0 <= site < len(self.context.graph.sites):
            return {}
        exprs = self.context.graph.sites[site].exprs
        return {k: renamed(v, self.names) for k, v in exprs.items()}

    def _make(self, units: list[int | None], sites: list[int], level: Level) -> Expr:
        """An instance of another class (or of this one)."""
        there = [u for u in units if u is not None]
        if all(u in self.column for u in there):
            self.recursive = True
            name, params = self.name, self.params
            known = self.solver.known
            # What the class takes besides the source's own parameters is as it came out last time.
            rows = [
                [ABSENT if u is None else known.get(p.name, p.row)[self.column[u]] for u in units]
                for p in params
            ]
        else:
            homes = {self.context.home[u][0].name for u in there if u in self.context.home}
            if len(homes) != 1 or any(u not in self.context.home for u in there):
                raise Mismatch
            made = self.context.home[there[0]][0]
            name, params = made.name, made.params
            rows = [
                [ABSENT if u is None else p.row[self.context.home[u][1]] for u in units]
                for p in params
            ]
        hints = {variable(k): v for k, v in self.hints_at(sites[0]).items()}
        args: list[Expr] = []
        kwargs: list[tuple[str, Expr]] = []
        for n, (param, row) in enumerate(zip(params, rows, strict=True)):
            if not row:
                self.lacking = self.lacking or param.default is ABSENT
                continue
            flat, value = constant(row)
            if flat and param.default is not ABSENT and same(value, param.default):
                continue
            made_of = of_value(value) if flat else level.solver.solve(row, hints, param.name)
            if n < 2 and param.default is ABSENT and param.own:
                args.append(made_of)
            else:
                kwargs.append((param.name, made_of))
        return Apply(name, tuple(args), tuple(kwargs))

    def _init_test(self, present: tuple[bool, ...]) -> str:
        return self.solver.condition(present, self._tests(present))

    def test_of(self, level: Level, present: tuple[bool, ...]) -> str:
        """A condition of `__init__`."""
        return level.solver.condition(present, self._tests(present))

    def test(self, level: Level, present: tuple[bool, ...]) -> str:
        """A condition of forward."""
        text = level.solver.condition(present, self._tests(present))
        made = self.stored(Raw(text))
        assert isinstance(made, Raw)
        return made.text

    def stored(self, e: Expr) -> Expr:
        """An expression of `__init__` as one of `forward`: parameters become attributes."""

        def swap(part: Expr) -> Expr | None:
            if not isinstance(part, Raw):
                return None
            names = [n for n in dict.fromkeys(names_in(part.text)) if n in self.solver.known]
            self.kept.update(dict.fromkeys(names))
            return Raw(renamed(part.text, {n: f"self.{self._field(n)}" for n in names}))

        return replace(e, swap)

    def _field(self, name: str) -> str:
        """The attribute that keeps a parameter: not a label's, nor one of nn.Module's own."""
        labels = {step.path.split(".")[0] for unit in self.units for step in unit.steps}
        while name in labels or is_reserved(name):
            name += "_"
        return name

    def _tests(self, present: tuple[bool, ...]) -> list[str]:
        """The source's conditions, first those that stand around the steps in question."""
        opposite = tuple(not p for p in present)
        sites = [*self.places.get(present, ()), *self.places.get(opposite, ())]
        found: dict[str, bool] = {}
        for unit in self.units:
            for choice in unit.choices:
                if choice.test:
                    text = normal(renamed(choice.test, self.names))
                    around = any(self._holds(choice.site, site) for site in sites)
                    found[text] = found.get(text, False) or around
        return sorted(found, key=lambda text: not found[text])

    def _holds(self, outer: int, inner: int) -> bool:
        """Does one place in the source lie within another?"""
        a, b = self.context.graph.sites[outer], self.context.graph.sites[inner]
        return (
            a.file == b.file
            and (a.line, a.column) <= (b.line, b.column)
            and (b.end_line, b.end_column) <= (a.end_line, a.end_column)
        )

    def _note_helpers(self, layer: Layer) -> None:
        if isinstance(layer, Leaf):
            for helper in layer.torch.helpers:
                self.helpers[helper.name] = helper.source
        elif isinstance(layer, Chain):
            for _, part in layer.items:
                self._note_helpers(part)


def _site(layer: Layer, step: Step) -> int:
    return layer.site if isinstance(layer, Leaf) else step.site


def _all_steps(program: Program) -> Iterator[Merged]:
    """The steps of a program and of the loops in it."""
    for merged in program.steps:
        if merged.rolled is None:
            yield merged
        else:
            yield from _all_steps(merged.rolled.program)

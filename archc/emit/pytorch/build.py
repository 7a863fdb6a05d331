"""One class from the units that are its instances."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from ...graph import Graph, leaves
from .code import Apply, Expr, Raw, layout, literal
from .errors import EmitError
from .fields import Entry, Fields, Slot, lines
from .forward import Forward
from .merge import Program, merge
from .names import snake, variable
from .solve import ABSENT, Solver, constant, names_in, normal, renamed, same
from .templates import Hoist, Joiner, Mismatch, constructor, expression, members, of_value, replace
from .text import docstring, signature
from .units import Chain, Layer, Leaf, Step, Unit


@dataclass(slots=True)
class Param:
    """A constructor parameter: its value in every instance, and its default (ABSENT: none)."""

    name: str
    row: list[Any]
    default: Any = ABSENT


@dataclass(slots=True)
class Made:
    """A finished class."""

    name: str
    units: list[int]
    params: list[Param]
    text: list[str]
    helpers: dict[str, str]
    """Source of what PyTorch lacks, by name."""


@dataclass(slots=True)
class Context:
    """What the classes of one file share."""

    graph: Graph
    units: list[Unit]
    calls: Counter[int]
    """How often each unit is instantiated."""
    home: dict[int, tuple[Made, int]] = field(default_factory=dict)
    """The class of a unit, and its column there."""


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

    def build(self) -> Made:
        """The class. A recursive one is built until its parameters stay the same."""
        program = None if all(u.chain for u in self.units) else merge(self.units)
        for _ in range(8):
            before = [(p.name, p.default) for p in self.params]
            made = self._attempt(program)
            if not self.recursive or [(p.name, p.default) for p in self.params] == before:
                return made
        raise Mismatch

    def _attempt(self, program: Program | None) -> Made:
        self.names = _source_names(self.units[0])
        self.solver = Solver(len(self.units), _known(self.units, self.names))
        self.joiner = Joiner(self._hole, self._make)
        self.helpers: dict[str, str] = {}
        self.stored: dict[str, None] = {}
        self.site = -1
        body = self._sequential() if program is None else self._module(program)
        self.params = self._parameters()
        head = signature("__init__", [(p.name, self._annotation(p), p.default) for p in self.params])
        base = "nn.Sequential" if program is None else "nn.Module"
        doc = "" if self.main else docstring(self.units[0].doc)
        text = [f"class {self.name}({base}):", *doc.splitlines()]
        text += [""] if doc else []
        return Made(self.name, self.numbers, self.params, [*text, *head, *body], self.helpers)

    # ------------------------------------------------------------------ bodies

    def _sequential(self) -> list[str]:
        """`class Cbr(nn.Sequential)`: only a constructor."""
        hoists = [Hoist() for _ in self.units]
        rows = []
        for unit, hoist in zip(self.units, hoists, strict=True):
            assert unit.chain is not None
            self._note_helpers(unit.chain)
            rows.append(Apply("super().__init__", members(unit.chain, hoist)))
        self.hints: dict[str, str] = {}
        made = self.joiner.join(rows)
        return lines([*self._locals(hoists), Entry("", made)])

    def _module(self, program: Program) -> list[str]:
        fields = Fields()
        hoists = [Hoist() for _ in self.units]
        calls: list[Expr] = []
        for merged in program.steps:
            first = merged.first
            for step in merged.steps:
                if step is not None:
                    self._note_helpers(step.layer)
            if first.is_function and not merged.optional:
                calls.append(self._function(merged.steps))
                continue
            path = _path(first, fields)
            if path != first.path and first.is_function is False:
                for step in merged.steps:
                    if step is not None:
                        step.path = path
            fields.put(path, self._slot(merged.steps, merged.optional, hoists))
            calls.append(Raw(path))
        forward = Forward(program, self.main)
        for n, call in enumerate(calls):
            merged = program.steps[n]
            if merged.first.is_function and not merged.optional:
                forward.function(n, self._stored(call))
            else:
                assert isinstance(call, Raw)
                forward.module(n, fields.access(call.text))
        text = forward.lines(self._forward_test)
        entries = fields.entries(self._init_test)
        taken = fields.names()
        stored = []
        for name in self.stored:
            if name in taken:
                raise EmitError(f"`{name}` is a label and a parameter that forward needs")
            self.solver.used.setdefault(name)
            stored.append(Entry(f"self.{name} = ", Raw(name)))
        init = ["        super().__init__()", *lines([*stored, *entries])]
        return [*init, "", *text]

    def _slot(self, steps: Sequence[Step | None], optional: bool, hoists: list[Hoist]) -> Slot:
        """The constructor of a step's module, joined over all columns."""
        rows: list[Expr | None] = [
            None if s is None else constructor(s.layer, h)
            for s, h in zip(steps, hoists, strict=True)
        ]
        first = next(s for s in steps if s is not None)
        before = self._locals(hoists)
        self._at(_site(first.layer, first))
        value = self.joiner.join(rows)
        setup: tuple[Expr, ...] = ()
        if isinstance(first.layer, Leaf) and first.layer.torch.setup:
            setups = [
                None if s is None or not isinstance(s.layer, Leaf) else s.layer.torch.setup
                for s in steps
            ]
            if len({len(s) for s in setups if s is not None}) > 1:
                raise Mismatch
            setup = tuple(
                self.joiner.join([None if s is None else expression(s[i]) for s in setups])
                for i in range(len(first.layer.torch.setup))
            )
        return Slot(value, tuple(s is not None for s in steps), optional, setup, before)

    def _locals(self, hoists: list[Hoist]) -> list[Entry]:
        """Layers to be made before, with the statements that follow each."""
        columns = [h.take() for h in hoists]
        filled = [c for c in columns if c]
        if not filled:
            return []
        if len({tuple((v.name, len(v.setup)) for v in c) for c in filled}) > 1:
            raise Mismatch
        entries = []
        for n, local in enumerate(filled[0]):
            row = [c[n] if c else None for c in columns]
            made = self.joiner.join([v.made if v else None for v in row])
            entries.append(Entry(f"{local.name} = ", made))
            for i in range(len(local.setup)):
                part = self.joiner.join([v.setup[i] if v else None for v in row])
                entries.append(Entry("", _with_me(part, Raw(local.name))))
        return entries

    def _function(self, steps: Sequence[Step | None]) -> Expr:
        """A stateless operator as an expression over its inputs."""
        rows: list[Expr | None] = []
        for step in steps:
            if step is None:
                rows.append(None)
                continue
            assert isinstance(step.layer, Leaf)
            rows.append(expression(step.layer.torch.function))
        first = next(s for s in steps if s is not None)
        self._at(_site(first.layer, first))
        return self.joiner.join(rows)

    # ------------------------------------------------------------------ numbers

    def _at(self, site: int) -> None:
        """Take the source's expressions of a place as hints."""
        self.hints = self._hints(site)

    def _hints(self, site: int) -> dict[str, str]:
        if not 0 <= site < len(self.context.graph.sites):
            return {}
        exprs = self.context.graph.sites[site].exprs
        return {k: renamed(v, self.names) for k, v in exprs.items()}

    def _hole(self, row: list[Any], role: str) -> Expr:
        return self.solver.solve(row, self.hints, role)

    def _make(self, units: list[int | None], sites: list[int]) -> Expr:
        """An instance of another class (or of this one)."""
        there = [u for u in units if u is not None]
        if all(u in self.column for u in there):
            self.recursive = True
            name, params = self.name, self.params
            rows = [
                [ABSENT if u is None else self.solver.known[p.name][self.column[u]] for u in units]
                if p.name in self.solver.known
                else []
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
        hints = {variable(k): v for k, v in self._hints(sites[0]).items()}
        args: list[Expr] = []
        kwargs: list[tuple[str, Expr]] = []
        for n, (param, row) in enumerate(zip(params, rows, strict=True)):
            if not row:
                continue
            flat, value = constant(row)
            if flat and param.default is not ABSENT and same(value, param.default):
                continue
            made_of = of_value(value) if flat else self.solver.solve(row, hints, param.name)
            if n < 2 and param.default is ABSENT:
                args.append(made_of)
            else:
                kwargs.append((param.name, made_of))
        return Apply(name, tuple(args), tuple(kwargs))

    def _init_test(self, present: tuple[bool, ...]) -> str:
        return self.solver.condition(present, self._tests())

    def _forward_test(self, present: tuple[bool, ...]) -> str:
        text = self._init_test(present)
        names = [n for n in dict.fromkeys(names_in(text)) if n in self.solver.known]
        self.stored.update(dict.fromkeys(names))
        return renamed(text, {n: f"self.{n}" for n in names})

    def _stored(self, e: Expr) -> Expr:
        """An expression of `__init__` as one of `forward`: parameters become attributes."""

        def swap(part: Expr) -> Expr | None:
            if not isinstance(part, Raw):
                return None
            names = [n for n in dict.fromkeys(names_in(part.text)) if n in self.solver.known]
            self.stored.update(dict.fromkeys(names))
            return Raw(renamed(part.text, {n: f"self.{n}" for n in names}))

        return replace(e, swap)

    def _tests(self) -> list[str]:
        found: dict[str, None] = {}
        for unit in self.units:
            for choice in unit.choices:
                if choice.test:
                    found.setdefault(normal(renamed(choice.test, self.names)))
        return list(found)

    def _note_helpers(self, layer: Layer) -> None:
        if isinstance(layer, Leaf):
            for helper in layer.torch.helpers:
                self.helpers[helper.name] = helper.source
        elif isinstance(layer, Chain):
            for _, part in layer.items:
                self._note_helpers(part)

    # ------------------------------------------------------------------ parameters

    def _parameters(self) -> list[Param]:
        """Those that are used: channels first, then the block's own in its order, then others."""
        made: list[Param] = []
        order = list(_known(self.units, self.names))
        order.sort(key=lambda n: not (n == "in_channels" or n.endswith("_channels")))
        new = [n for n in self.solver.known if n not in order]
        own = [p.name for p in self.params] if self.recursive else []
        for name in (*order, *new):
            if name in self.solver.used or name in new or name in own:
                made.append(Param(name, self.solver.known[name]))
        for param in reversed(made):
            if param.name.endswith("in_channels"):
                break
            default = self._usual(param)
            if default is ABSENT:
                break
            param.default = default
        return made

    def _usual(self, param: Param) -> Any:
        """The value that most instances give, where it is one that leaves things as they are."""
        counts: Counter[Any] = Counter()
        for number, value in zip(self.numbers, param.row, strict=True):
            if not isinstance(value, (bool, int, float, str)):
                return ABSENT
            counts[value] += max(1, self.context.calls[number])
        value, most = counts.most_common(1)[0]
        neutral = isinstance(value, bool) or value in (0, 1)
        return value if neutral and 2 * most > sum(counts.values()) else ABSENT

    def _annotation(self, param: Param) -> str:
        kinds = dict.fromkeys(_kind(v) for v in param.row)
        return " | ".join(sorted(kinds, key=lambda k: (k == "None", k)))


def _kind(value: Any) -> str:
    if isinstance(value, list):
        inner = " | ".join(sorted({_kind(v) for v in value})) or "int"
        return f"list[{inner}]"
    if isinstance(value, tuple):
        return f"tuple[{', '.join(map(_kind, value))}]"
    return "None" if value is None else type(value).__name__


def _with_me(e: Expr, me: Expr) -> Expr:
    from .templates import fill

    return fill(e, (), me)


def _site(layer: Layer, step: Step) -> int:
    return layer.site if isinstance(layer, Leaf) else step.site


def _path(step: Step, fields: Fields) -> str:
    """The path of a step's module; a stateless one whose name is a number gets another."""
    if not step.path[:1].isdigit() or not isinstance(step.layer, Leaf) or step.layer.stateful:
        return step.path
    base, number = snake(step.layer.op), 1
    name = base
    while name in fields.names():
        number += 1
        name = f"{base}{number}"
    return name


def _source_names(unit: Unit) -> dict[str, str]:
    """The source's names as Python's: parameters, and what input patterns bind."""
    names = {name: variable(name) for name in unit.args}
    for n, declared in enumerate([*unit.aliases, *unit.inputs] if unit.aliases else unit.inputs):
        for name, axis in declared.dims.items():
            if axis == 0:
                names.setdefault(name, "in_channels" if not n else f"{declared.name}_channels")
    return names


def _known(units: Sequence[Unit], names: dict[str, str]) -> dict[str, list[Any]]:
    """Rows of what a constructor may be told: parameters, channels of the inputs."""
    known: dict[str, list[Any]] = {}
    for name in units[0].args:
        row = [plain(u.args.get(name)) for u in units]
        if all(v is not ABSENT for v in row):
            known[variable(name)] = row
    for n, declared in enumerate(units[0].inputs):
        if declared.hidden:
            continue
        name = "in_channels" if not n else f"{variable(declared.name)}_channels"
        row = []
        for unit in units:
            value = unit.inputs[n].value
            sizes = [int(unit.values[i].shape[0]) for i in leaves(value)]
            row.append(sizes[0] if isinstance(value, int) else sizes)
        known.setdefault(name, row)
    return known


def plain(value: Any) -> Any:
    """An argument as a constant; ABSENT where it is none."""
    if isinstance(value, (list, tuple)):
        items = [plain(v) for v in value]
        return ABSENT if any(v is ABSENT for v in items) else items
    if isinstance(value, bool) or value is None or isinstance(value, (float, str)):
        return value
    return int(value) if isinstance(value, int) else ABSENT

"""The file: its header, its imports, its classes in the order in which they need each other."""

from __future__ import annotations

import textwrap
from collections import Counter
from collections.abc import Iterator
from typing import Any

from ...graph import Body, Graph, Output, leaves
from .build import ClassBuilder
from .code import WIDTH
from .errors import EmitError, Mismatch
from .layers import Chain, Layer, Leaf, Part, Unit
from .names import camel, type_name
from .rows import Context, Made
from .text import docstring, wrapped
from .units import Units

_LINE = 8  # more variants than this are not tried against each other


def source(graph: Graph, report: Any, doc: str) -> str:
    """The PyTorch module of a network as Python text.

    `report` gives the figures of the header (`params`, `macs`, `auxiliary_params`); without it they
    are left out. `doc` is the network's documentation. Raises EmitError for what has no form.
    """
    made_of = Units(graph)
    units = made_of.units
    calls: Counter[int] = Counter(n for unit in units for n in instances(unit))
    context = Context(graph, units, calls)
    classes = Classes(context, made_of.helpers())
    classes.build()
    body = "\n\n\n".join("\n".join(made.text) for made in classes.made)
    helpers: dict[str, str] = {}
    for made in classes.made:
        helpers.update(made.helpers)
    parts = [text.strip("\n") for _, text in sorted(helpers.items())]
    code = "\n\n\n".join([*parts, body])
    return f"{header(graph, report, doc)}\n\n{imports(code)}\n\n\n{code}\n"


def header(graph: Graph, report: Any, doc: str) -> str:
    """The docstring of the file: what the network is, what goes in and out, what it costs."""
    main = graph.main
    rows = [("Input", _ends(main, True)), ("Output", _ends(main, False))]
    if report is not None:
        rows.append(("Parameters", f"{report.params:,}"))
        extra = getattr(report, "auxiliary_params", 0)
        if extra:
            rows.append(("", f"and {extra:,} in auxiliary heads"))
        rows.append(("MACs", f"{report.macs:,}"))
    lines = [f"{graph.name}.", ""]
    for name, text in rows:
        lines += textwrap.wrap(
            f"{name:12}{text}", WIDTH, subsequent_indent=" " * 12, break_on_hyphens=False
        )
    if doc.strip():
        lines += ["", *wrapped(doc, WIDTH)]
    return docstring("", 0, lines)


def _ends(main: Body, inputs: bool) -> str:
    found = []
    for end in main.inputs if inputs else main.outputs:
        shapes = [str([int(n) for n in main.values[i].shape]) for i in leaves(end.value)]
        text = ", ".join(shapes)
        if isinstance(end, Output) and end.training:
            text += " when training"
        found.append(f"{end.name} {text}" if end.name else text)
    return ", ".join(found)


def imports(code: str) -> str:
    """Only what the code uses, as isort orders it."""
    lines = []
    if "OrderedDict(" in code:
        lines.append("from collections import OrderedDict")
    if ": Any = " in code:
        lines.append("from typing import Any")
    if lines:
        lines.append("")
    lines.append("import torch")
    if "F." in code:
        lines.append("import torch.nn.functional as F")
    lines.append("from torch import Tensor, nn" if "Tensor" in code else "from torch import nn")
    if "torch." not in code.replace("import torch.", ""):
        lines.remove("import torch")
    return "\n".join(lines)


def parts_of(layer: Layer) -> Iterator[int]:
    """Units that a layer makes instances of, one for each."""
    if isinstance(layer, Part):
        yield layer.unit
    elif isinstance(layer, Chain):
        for _, inner in layer.items:
            yield from parts_of(inner)


def instances(unit: Unit) -> Iterator[int]:
    """Units of which a unit makes instances."""
    for step in unit.steps:
        yield from parts_of(step.layer)


class Classes:
    """Groups of units, each made into as few classes as its structures allow."""

    def __init__(self, context: Context, helpers: set[str]) -> None:
        self.context = context
        self.made: list[Made] = []
        self.groups: dict[tuple[object, ...], list[int]] = {}
        last = len(context.units) - 1
        for number, unit in enumerate(context.units):
            key = ("main",) if number == last else unit.group
            self.groups.setdefault(key, []).append(number)
        main = type_name(context.graph.name, ())
        self.taken = {main, *helpers}
        self.main = main

    def build(self) -> None:
        """All classes, those that are needed first."""
        for component in self._components():
            if len(component) > 1:
                # blocks that call each other: each instance stands for itself
                numbers = sorted(n for key in component for n in self.groups[key])
                for number in numbers:
                    self._attempt([number])
            else:
                self._group(component[0])

    def _group(self, key: tuple[object, ...]) -> None:
        numbers = self.groups[key]
        if self._attempt(numbers):
            return
        clusters: list[list[int]] = []
        by_form: dict[object, list[int]] = {}
        for number in numbers:
            by_form.setdefault(self._form(self.context.units[number]), []).append(number)
        if len(by_form) == 1 or self._recursive(key):
            by_form = {number: [number] for number in numbers}
        for alike in by_form.values():
            self._join(clusters, alike)
        for cluster in clusters:
            if not self._attempt(cluster):
                for number in cluster:
                    self._attempt([number], must=True)

    def _join(self, clusters: list[list[int]], alike: list[int]) -> None:
        """Put units of one form to the first cluster that takes them."""
        for cluster in clusters[-_LINE:]:
            if not self._recursive_among(cluster + alike) and self._attempt(
                cluster + alike, dry=True
            ):
                cluster += alike
                return
        clusters.append(list(alike))

    def _recursive_among(self, numbers: list[int]) -> bool:
        among = set(numbers)
        return any(n in among for number in numbers for n in instances(self.context.units[number]))

    def _recursive(self, key: tuple[object, ...]) -> bool:
        return self._recursive_among(self.groups[key])

    def _form(self, unit: Unit) -> object:
        return tuple((s.site, s.iters, self._layer_form(s.layer)) for s in unit.steps)

    def _layer_form(self, layer: Layer) -> object:
        if isinstance(layer, Part):
            home = self.context.home.get(layer.unit)
            return home[0].name if home else self.context.units[layer.unit].group
        if isinstance(layer, Chain):
            return tuple((key, self._layer_form(inner)) for key, inner in layer.items)
        assert isinstance(layer, Leaf)
        return (layer.op, layer.site)

    def _attempt(self, numbers: list[int], dry: bool = False, must: bool = False) -> bool:
        """Make one class of some units, if they can be one."""
        units = self.context.units
        is_main = numbers[-1] == len(units) - 1
        if is_main:
            name = self.main
        else:
            unit = units[numbers[0]]
            wish = camel(unit.name) if unit.kind == "group" else unit.name
            name = type_name(wish, self.taken)
        numbers = sorted(numbers)
        try:
            made = ClassBuilder(self.context, numbers, name, is_main).build()
        except Mismatch:
            if must or len(numbers) == 1:
                raise EmitError(f"`{name}` cannot be written as a class") from None
            return False
        if not dry:
            self.taken.add(name)
            self.made.append(made)
            for column, number in enumerate(numbers):
                self.context.home[number] = (made, column)
        return True

    # ------------------------------------------------------------------ order

    def _components(self) -> list[list[tuple[object, ...]]]:
        """Groups that need each other, in an order in which what is needed comes first (Tarjan)."""
        group_of = {n: key for key, numbers in self.groups.items() for n in numbers}
        needs = {
            key: list(
                dict.fromkeys(
                    group_of[n] for number in numbers for n in instances(self.context.units[number])
                )
            )
            for key, numbers in self.groups.items()
        }
        index: dict[tuple[object, ...], int] = {}
        low: dict[tuple[object, ...], int] = {}
        stack: list[tuple[object, ...]] = []
        result: list[list[tuple[object, ...]]] = []
        for root in self.groups:
            if root in index:
                continue
            work: list[tuple[tuple[object, ...], int]] = [(root, 0)]
            while work:
                key, at = work.pop()
                if at == 0:
                    index[key] = low[key] = len(index)
                    stack.append(key)
                for n in range(at, len(needs[key])):
                    other = needs[key][n]
                    if other not in index:
                        work += [(key, n + 1), (other, 0)]
                        break
                    if other in stack:
                        low[key] = min(low[key], index[other], low[other])
                else:
                    if work and key in needs[work[-1][0]]:
                        low[work[-1][0]] = min(low[work[-1][0]], low[key])
                    if low[key] == index[key]:
                        at_stack = stack.index(key)
                        result.append(stack[at_stack:])
                        del stack[at_stack:]
        return result

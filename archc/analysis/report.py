"""The report of a network: totals, rows and the measures that claims are held to."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from math import prod
from typing import Union

from ..graph import MEASURES, Body, Graph, Input, Output, Shape, leaves
from . import targets
from .facts import FactTable, plain
from .measures import ALL, MAIN, SKIP, Counts, Measures
from .memory import SCALAR, Memory
from .receptive import AxisField, Fields, ReceptiveField
from .rows import LayerRow, ScopeRow, Walker

Figure = Union[int, float, None, list["Figure"]]
"""What a measure gives: a number, a list (a shape, sizes per axis), None (the whole image)."""

SUMS = ("params", "frozen", "buffers", "macs", "flops", "neurons", "operators")
"""Those that are sums over layers."""


class Report:
    """Figures of a network, each worked out when first asked for.

    What only training outputs reach is left out of all totals but `auxiliary_params` and
    `auxiliary_macs`. `buffers` counts every persistent buffer, also the step counter of a
    batchnorm, as `sum(b.numel() for b in module.buffers())` does.
    """

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self._facts = FactTable(graph)
        self._measures = Measures(graph, self._facts)
        self._fields = Fields(graph, self._facts)

    # ------------------------------------------------------------------ totals

    @property
    def name(self) -> str:
        return self.graph.name

    @cached_property
    def counts(self) -> Counts:
        """All sums at once."""
        return self._measures.counts(self._main, MAIN)

    @property
    def params(self) -> int:
        """Trainable scalars."""
        return self.counts.params

    @property
    def frozen(self) -> int:
        """Scalars of weights that are not trained."""
        return self.counts.frozen

    @property
    def buffers(self) -> int:
        """Scalars in persistent buffers."""
        return self.counts.buffers

    @property
    def macs(self) -> int:
        """Multiply-accumulates per sample, bias ignored."""
        return self.counts.macs

    @property
    def flops(self) -> int:
        """2 x MACs."""
        return 2 * self.counts.macs

    @property
    def operators(self) -> int:
        """Operators that an inference applies, identities left out; a shared one at each use."""
        return self.counts.operators

    @property
    def neurons(self) -> int:
        """Output units of the weight layers."""
        return self.counts.neurons

    @cached_property
    def auxiliary(self) -> Counts:
        """Sums over what only training outputs reach."""
        return self._measures.counts(self._main, ALL).minus(self.counts)

    @property
    def auxiliary_params(self) -> int:
        return self.auxiliary.params

    @property
    def auxiliary_macs(self) -> int:
        return self.auxiliary.macs

    @cached_property
    def depth(self) -> int:
        """Weight layers on the longest path to an output that is there at inference."""
        reach = self._measures.depths(self._main)
        return max([reach[v] for v in self._usual_outputs()], default=0)

    @cached_property
    def memory(self) -> int:
        """Bytes of one inference at batch 1; `archc.analysis.memory` defines it."""
        return self._memory_of(self.counts, MAIN)

    # ------------------------------------------------------------------ ends

    @property
    def inputs(self) -> list[tuple[str, Shape]]:
        """Names and shapes of the inputs; those of a list are `name[0]`, `name[1]`."""
        return self._ends(self.graph.main.inputs)

    @property
    def outputs(self) -> list[tuple[str, Shape]]:
        """Names and shapes of the outputs; one without a name is `output`."""
        return self._ends(self.graph.main.outputs)

    @property
    def training_outputs(self) -> set[str]:
        """Names of the outputs that are there in training only."""
        ends = [end for end in self.graph.main.outputs if end.training]
        return {name for name, _ in self._ends(ends)}

    def _ends(self, ends: list[Input] | list[Output]) -> list[tuple[str, Shape]]:
        values = self.graph.main.values
        found: list[tuple[str, Shape]] = []
        for end in ends:
            if end.hidden:
                continue
            name = end.name or "output"
            single = isinstance(end.value, int)
            for i, v in enumerate(leaves(end.value)):
                found.append((name if single else f"{name}[{i}]", plain(values[v].shape)))
        return found

    def _usual_outputs(self) -> list[int]:
        outputs = self.graph.main.outputs
        return [v for end in outputs if not end.training for v in leaves(end.value)]

    # ------------------------------------------------------------------ receptive field

    @cached_property
    def receptive_source(self) -> str | None:
        """Name of the input that receptive fields are over: the first with spatial axes."""
        return self._source[0]

    @cached_property
    def receptive_field(self) -> ReceptiveField | None:
        """Of the output that sees most; None where no input has spatial axes."""
        place = self.walker.main_place()
        seen = [self.walker.figures(place, v) for v in self._usual_outputs()]
        return max([one for one in seen if one is not None], key=_extent, default=None)

    @cached_property
    def local_field(self) -> tuple[str, ReceptiveField] | None:
        """The last layer on the way to the outputs whose units do not see everything: its path and
        field. In a classifier, what the last feature map sees."""
        body, place = self.graph.main, self.walker.main_place()
        parts = self._measures.ancestors(body, self._usual_outputs())
        for n in range(len(body.nodes) - 1, -1, -1):
            if parts[n] != SKIP:
                value = body.nodes[n].outputs[0]
                seen = self.walker.figures(place, value)
                if seen is not None and None not in seen.axes:
                    return body.nodes[n].name, seen
        return None

    # ------------------------------------------------------------------ rows

    @cached_property
    def walker(self) -> Walker:
        """Makes rows of any part of the network; the tables use it to fold blocks."""
        return Walker(self.graph, self._facts, self._measures, self._fields, self._source[1])

    def layers(self) -> Iterator[LayerRow]:
        """Every operator, blocks unrolled, in the order of execution."""
        return self.walker.layers()

    def scopes(self) -> Iterator[ScopeRow]:
        """Every called block and labelled group, outer ones first."""
        return self.walker.scopes()

    # ------------------------------------------------------------------ measures

    def measure(self, name: str, target: str | int | None = None) -> Figure:
        """One of `MEASURES`, of the whole network (None), of what a label's path holds, or of all
        that a value depends on (by its number in the network's body).

        `shape` is a list (of lists where several values leave the target). `receptive_field` and
        `stride` are one number where all axes agree, else a list; None stands for a whole axis, and
        where there is no field at all. Raises `UnknownTarget` for a path that is not there.
        """
        return self._of_network(name) if target is None else self._of_target(name, self._at(target))

    def breakdown(self, name: str, target: str | int | None = None) -> list[tuple[str, int]]:
        """The operators that make up one of `SUMS`: path and figure of each that adds to it."""
        factor = 2 if name == "flops" else 1
        field = "macs" if name == "flops" else name
        if name not in SUMS:
            raise ValueError(f"{name!r} is not a sum over layers")
        rows = targets.breakdown(self.walker, self._at(target), field)
        return [(path, factor * figure) for path, figure in rows]

    def _at(self, target: str | int | None) -> targets.Target:
        if target is None:
            return targets.of_network(self.walker)
        if isinstance(target, int):
            return targets.of_value(self.walker, target)
        return targets.of_path(self.walker, target)

    def _of_network(self, name: str) -> Figure:
        if name == "shape":
            return _collected(_shapes(self.graph.main, self._usual_outputs()))
        if name == "receptive_field":
            return _sizes(self.receptive_field)
        if name == "stride":
            return _strides(self.receptive_field)
        found: int = getattr(self, _checked(name))
        return found

    def _of_target(self, name: str, at: targets.Target) -> Figure:
        body = self.graph.bodies[at.place.index]
        if name == "shape":
            shapes = _shapes(body, at.values)
            return shapes if at.listed else _collected(shapes)
        if name in ("receptive_field", "stride"):
            give = _sizes if name == "receptive_field" else _strides
            found = [give(self.walker.figures(at.place, v)) for v in at.values]
            return found if at.listed else _collected(found)
        if name == "depth":
            return targets.depth(self.graph, self._measures, at)
        counts = targets.counts(self._measures, at)
        if name == "flops":
            return 2 * counts.macs
        if name == "memory":
            return SCALAR * (counts.params + counts.frozen + counts.buffers + self._peak(at))
        number: int = getattr(counts, _checked(name))
        return number

    def _peak(self, at: targets.Target) -> int:
        return Memory(self.graph, self._facts, self._measures).peak_of(at.place.index, at.parts)

    def _memory_of(self, counts: Counts, part: int) -> int:
        peak = Memory(self.graph, self._facts, self._measures).peak(self._main, part)
        return SCALAR * (counts.params + counts.frozen + counts.buffers + peak)

    # ------------------------------------------------------------------ inside

    @property
    def _main(self) -> int:
        return len(self.graph.bodies) - 1

    @cached_property
    def _source(self) -> tuple[str | None, int | None]:
        body = self.graph.main
        for end in body.inputs:
            for i, v in enumerate(leaves(end.value)):
                if len(body.values[v].shape) > 1:
                    return (end.name if isinstance(end.value, int) else f"{end.name}[{i}]"), v
        return None, None


def _checked(name: str) -> str:
    if name not in MEASURES:
        raise ValueError(f"no measure {name!r}")
    return name


def _extent(seen: ReceptiveField) -> tuple[int, int]:
    """To compare fields: those with more whole axes see more."""
    return sum(size is None for size in seen.size), prod(size or 1 for size in seen.size)


def _shapes(body: Body, values: list[int]) -> list[Figure]:
    return [[int(n) for n in body.values[v].shape] for v in values]


def _collected(found: list[Figure]) -> Figure:
    """One where there is one, else all."""
    return found[0] if len(found) == 1 else found


def _per_axis(axes: list[Figure]) -> Figure:
    if not axes:
        return None
    return axes[0] if all(a == axes[0] for a in axes) else axes


def _sizes(seen: ReceptiveField | None) -> Figure:
    return None if seen is None else _per_axis(list(seen.size))


def _strides(seen: ReceptiveField | None) -> Figure:
    return None if seen is None else _per_axis([_stride(axis) for axis in seen.axes])


def _stride(axis: AxisField | None) -> int | float | None:
    if axis is None:
        return None
    above, below = axis.stride
    return above if below == 1 else above / below

"""What each operator says of itself at its place, asked once per (operator, input shapes)."""

from __future__ import annotations

from math import prod

from ..graph import Body, Graph, Shape
from ..ops import Op
from ..ops.windows import Geometry
from .axis import IDENTITY, Axis, from_reads

Reads = tuple["Axis | None", ...]
"""How the spatial axes of an input are read; None: each unit sees the whole axis."""


class Facts:
    """Counts of one operator for given input shapes.

    `params`, `frozen`, `buffers`: scalars. `macs`: per sample. `units`: output units (of the first
    result). `reads`: for each input, how its axes are read, or None where its values are not.
    `counted`: it does something, so it counts as an operator.
    `local`: every unit of the result reads its own place of the first input.
    """

    __slots__ = (
        "buffers", "counted", "frozen", "local", "macs", "op", "params", "reads", "units",
        "weighty",
    )  # fmt: skip

    def __init__(self, op: Op, inputs: tuple[Shape, ...], output: Shape) -> None:
        weights = op.count_weights(inputs[0])
        self.op = op
        self.params = 0 if op.is_frozen else weights
        self.frozen = weights if op.is_frozen else 0
        self.buffers = op.count_buffers(inputs[0])
        self.macs = op.macs(*inputs)
        self.units = prod(output)
        self.weighty = op.weighty
        self.counted = op.op != "identity"
        self.reads = tuple(
            None if axes is None else _axes(axes, output) for axes in op.reads(*inputs)
        )
        first = self.reads[0]
        self.local = first is not None and all(axis is IDENTITY for axis in first)


def _axes(geometries: tuple[Geometry, ...], output: Shape) -> Reads:
    found: list[Axis | None] = []
    for i, geometry in enumerate(geometries):
        if i and geometry == geometries[i - 1] and output[i : i + 1] == output[i + 1 : i + 2]:
            found.append(found[-1])  # the same object: later steps need not compute it twice
        else:
            found.append(_axis(geometry, output[i + 1] if i + 1 < len(output) else 1))
    return tuple(found)


def _axis(geometry: Geometry, units: int) -> Axis | None:
    if geometry.whole:
        return None
    step = getattr(geometry, "dilation", 0) if geometry.holes else 1
    axis = from_reads(geometry.reads, geometry.period, units, step, geometry.gate)
    plain = axis.p == axis.q == 1 and axis.lo[0] == axis.hi[0] == 0
    return IDENTITY if plain and not axis.gated and axis.blind is None else axis


class FactTable:
    """Facts of every operator node of a graph, by body and node; None for calls."""

    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        self._known: dict[tuple[int, tuple[Shape, ...]], Facts] = {}
        self._bodies: dict[int, list[Facts | None]] = {}

    def __getitem__(self, index: int) -> list[Facts | None]:
        """The facts of a body, in the order of its nodes."""
        found = self._bodies.get(index)
        if found is None:
            found = self._bodies[index] = self._body(self._graph.bodies[index])
        return found

    def _body(self, body: Body) -> list[Facts | None]:
        known, ops, values = self._known, self._graph.ops, body.values
        rows: list[Facts | None] = []
        for node in body.nodes:
            if node.op < 0:
                rows.append(None)
                continue
            key = (node.op, tuple([values[i].shape for i in node.inputs]))
            facts = known.get(key)
            if facts is None:
                facts = known[key] = Facts(
                    ops[node.op],
                    tuple(plain(shape) for shape in key[1]),
                    plain(values[node.outputs[0]].shape),
                )
            rows.append(facts)
        return rows


def plain(shape: Shape) -> Shape:
    """A shape of plain integers: what is counted here is at the sizes at hand."""
    return tuple([int(n) for n in shape])

"""Receptive fields through branches, decoders and blocks.

A *field* says, for a value and an input, which part of each spatial axis of the input a unit of the
value sees: an `Axis`, or None where every unit sees the whole axis. A value that does not depend on
the input has no field at all. Where paths meet, the field is the hull of theirs; where a local path
meets one that sees the whole axis (squeeze and excitation), the local interval stays, marked as
gated.

Fields are worked out once per body, relative to the body's own inputs, and composed where it is
called; that is exact, because the ends of an interval never decrease from unit to unit.
"""

from __future__ import annotations

from typing import NamedTuple

from ..graph import Body, Graph, Shape
from .axis import IDENTITY, Axis, compose, hull
from .facts import FactTable
from .measures import input_values, output_values

Field = tuple["Axis | None", ...]
"""By spatial axis of the input; empty where the input has none."""


class Fields:
    """Fields of all values of a graph's bodies, relative to the inputs of the body."""

    def __init__(self, graph: Graph, facts: FactTable) -> None:
        self.graph = graph
        self.facts = facts
        self._known: dict[tuple[int, int], list[Field | None]] = {}

    def relative(self, index: int, source: int) -> list[Field | None]:
        """The field of each value of a body over its input value `source`."""
        key = (index, source)
        found = self._known.get(key)
        if found is None:
            body = self.graph.bodies[index]
            fields: list[Field | None] = [None] * len(body.values)
            fields[source] = (IDENTITY,) * (len(body.values[source].shape) - 1)
            found = self._known[key] = self._extend(index, body, fields)
        return found

    def _extend(self, index: int, body: Body, fields: list[Field | None]) -> list[Field | None]:
        facts, values = self.facts[index], body.values
        for n, node in enumerate(body.nodes):
            fact = facts[n]
            if fact is None:
                for v, field in zip(node.outputs, self._call(body, n, fields), strict=True):
                    fields[v] = field
                continue
            if fact.local and len(node.inputs) == 1:
                field = fields[node.inputs[0]]
                for v in node.outputs:
                    fields[v] = field
                continue
            shape = values[node.outputs[0]].shape
            field = None
            for v, axes in zip(node.inputs, fact.reads, strict=True):
                outer = fields[v]
                if outer is not None and axes is not None:
                    field = meet(field, through(outer, axes, shape), shape)
            for v in node.outputs:
                fields[v] = field
        return fields

    def _call(self, body: Body, n: int, fields: list[Field | None]) -> list[Field | None]:
        """Fields of the results of a call."""
        node = body.nodes[n]
        inner = self.graph.bodies[node.body]
        outer = [fields[v] for v in node.inputs]
        return [self.inside(node.body, outer, v) for v in output_values(inner)]

    def inside(self, index: int, outer: list[Field | None], value: int) -> Field | None:
        """The field of a value within a called body, where its inputs have the fields `outer`."""
        body = self.graph.bodies[index]
        shape = body.values[value].shape
        field = None
        for source, beyond in zip(input_values(body), outer, strict=True):
            if beyond is not None:
                within = self.relative(index, source)[value]
                if within is not None:
                    field = meet(field, through(beyond, within, shape), shape)
        return field


def through(outer: Field, inner: Field, shape: Shape) -> Field:
    """The field of a value of this shape that reads, by `inner`, one whose field is `outer`."""
    if len(inner) != len(outer):
        # The axes of the input are gone (or were never there): what is left of them is seen whole.
        return (None,) * len(outer)
    if len(outer) == 2 and outer[0] is outer[1] and inner[0] is inner[1] and _square(shape, 1):
        far, near = outer[0], inner[0]
        both = None if far is None or near is None else compose(far, near, _units(shape, 0))
        return both, both
    composed: list[Axis | None] = []
    for i, (far, near) in enumerate(zip(outer, inner, strict=True)):
        if far is None or near is None:
            composed.append(None)
        elif i and far is outer[i - 1] and near is inner[i - 1] and _square(shape, i):
            composed.append(composed[-1])
        else:
            composed.append(compose(far, near, _units(shape, i)))
    return tuple(composed)


def meet(a: Field | None, b: Field, shape: Shape) -> Field:
    """The field where two paths meet."""
    if a is None or a is b:
        return b
    joined: list[Axis | None] = []
    for i, (x, y) in enumerate(zip(a, b, strict=True)):
        if x is None or y is None:
            local = x or y
            joined.append(local.as_gated() if local is not None else None)
        elif i and x is a[i - 1] and y is b[i - 1] and _square(shape, i):
            joined.append(joined[-1])
        else:
            joined.append(hull(x, y, _units(shape, i)))
    return tuple(joined)


def _units(shape: Shape, axis: int) -> int:
    return int(shape[axis + 1]) if axis + 1 < len(shape) else 1


def _square(shape: Shape, axis: int) -> bool:
    return _units(shape, axis) == _units(shape, axis - 1)


# ---------------------------------------------------------------------- figures


class AxisField(NamedTuple):
    """Figures of one axis, in input units.

    `size` and `smallest`: the interval of the unit (phase) that sees most and least. `stride`:
    input units per output unit, a reduced fraction (numerator, denominator). `padding`: how many
    units before the input the first unit's interval begins (negative: it begins within). `start`:
    twice the centre of that interval (doubled, to stay whole). `gated`: the whole axis is seen as
    well, through a gate. `holes`: some units inside the interval may not be seen.
    """

    size: int
    smallest: int
    stride: tuple[int, int]
    padding: int
    start: int
    gated: bool
    holes: bool


class ReceptiveField(NamedTuple):
    """What a unit sees of the network's input, by spatial axis; None: the whole axis."""

    axes: tuple[AxisField | None, ...]

    @property
    def whole(self) -> bool:
        """Every unit sees everything."""
        return all(axis is None for axis in self.axes)

    @property
    def gated(self) -> bool:
        return any(axis is not None and axis.gated for axis in self.axes)

    @property
    def size(self) -> tuple[int | None, ...]:
        return tuple(None if axis is None else axis.size for axis in self.axes)

    @property
    def stride(self) -> tuple[tuple[int, int] | None, ...]:
        return tuple(None if axis is None else axis.stride for axis in self.axes)


def figures(field: Field | None) -> ReceptiveField | None:
    """The figures of a field; None where there is none (no path, or an input without axes)."""
    if not field:
        return None
    done: dict[int, AxisField] = {}
    axes: list[AxisField | None] = []
    for axis in field:
        if axis is not None and id(axis) not in done:
            done[id(axis)] = axis_figures(axis)
        axes.append(None if axis is None else done[id(axis)])
    return ReceptiveField(tuple(axes))


def axis_figures(axis: Axis) -> AxisField:
    """The figures of one axis."""
    sizes = axis.sizes
    size = max(sizes)
    return AxisField(
        size=size,
        smallest=min(sizes),
        stride=axis.stride,
        padding=-axis.low(0),
        start=axis.low(0) + axis.high(0),
        gated=axis.gated,
        holes=axis.step > 1,
    )

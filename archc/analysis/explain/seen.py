"""A receptive field, layer by layer from a value back to the network's input.

What a unit of the explained value sees of each value before it is worked out backwards with the
maps that the report composes forwards (`archc.analysis.axis`), so the last step is the report's
figure. (Where paths of unequal magnification meet, maps are tables of the units that there are, and
what lies beyond is continued along a slope: then the two ways may differ there, the last step is
given as the report has it, and that is said.)

Where paths meet, the field is the union of what is seen through each; the path that is followed is
the one through which most of the input is seen.
"""

from __future__ import annotations

from dataclasses import replace
from math import prod

from ...graph import Shape
from ...ops import Op
from ...ops.windows import Adaptive, Geometry, Sample, Scatter, Window
from ..axis import IDENTITY
from ..facts import Facts
from ..receptive import AxisField, Field, ReceptiveField, figures, meet, through
from .flat import Flat, FlatNode
from .model import Arm, Seen, Step, Sum


def seen(flat: Flat, value: int) -> Seen | None:
    """The steps from a value back to the input that receptive fields are over; None if there is no
    such input, or no path from it."""
    source = _source(flat)
    if source is None:
        return None
    reported = flat.walker.figures(*flat.place_of(value))
    if reported is None:
        return None
    fields = _backwards(flat, value)
    steps, skipped = _steps(flat, value, fields)
    exact = _same(figures(fields.get(source)), reported)
    if steps:
        # Whether there are holes is a bound, which depends on the order of composition.
        sums = steps[-1].sums if exact else (None,) * len(reported.axes)
        steps[-1] = replace(steps[-1], field=reported, sums=sums)
    return Seen(flat.inputs[source][0], reported, tuple(steps), skipped, exact)


def _same(found: ReceptiveField | None, reported: ReceptiveField) -> bool:
    """Are two fields equal up to their holes?"""
    if found is None or len(found.axes) != len(reported.axes):
        return False
    return all(
        (a is None and b is None)
        or (a is not None and b is not None and a._replace(holes=b.holes) == b)
        for a, b in zip(found.axes, reported.axes, strict=True)
    )


def _source(flat: Flat) -> int | None:
    for value, (_, number) in flat.inputs.items():
        if number == flat.walker.source:
            return value
    return None


def _facts(flat: Flat, node: FlatNode) -> Facts:
    fact = flat.walker.facts[node.place.index][node.n]
    assert fact is not None  # flat nodes are operators
    return fact


def _backwards(flat: Flat, value: int) -> dict[int, Field]:
    """What the units of `value` see of every value that they depend on."""
    shape = flat.shape(value)
    fields: dict[int, Field] = {value: (IDENTITY,) * (len(shape) - 1)}
    for i in range(flat.producer[value], -1, -1):
        node = flat.nodes[i]
        for made in node.outputs:
            inner = fields.get(made)
            if inner is None:
                continue
            for v, reads in zip(node.inputs, _facts(flat, node).reads, strict=True):
                if reads is not None:
                    found = through(reads, inner, shape)
                    fields[v] = meet(fields.get(v), found, shape)
    return fields


# ---------------------------------------------------------------------------- steps


def _steps(flat: Flat, value: int, fields: dict[int, Field]) -> tuple[list[Step], int]:
    """The layers on the way that is followed, and how many were left out."""
    steps: list[Step] = []
    skipped, at = 0, value
    while (i := flat.producer[at]) >= 0:
        node = flat.nodes[i]
        fact = _facts(flat, node)
        arms = _arms(flat, node, fact, fields[at], flat.shape(value))
        if not arms:
            break
        taken = max(range(len(arms)), key=lambda k: _extent(arms[k][1].field))
        v = arms[taken][0]
        if len(arms) == 1 and fact.local:
            skipped += 1
        else:
            steps.append(_step(flat, node, fact, fields, at, arms, taken, flat.shape(value)))
        at = v
    return steps, skipped


def _arms(
    flat: Flat, node: FlatNode, fact: Facts, inner: Field, shape: Shape
) -> list[tuple[int, Arm, int]]:
    """The inputs of a node through which the source is seen: value, arm, number of the input.

    A value that is read twice is one arm."""
    found: list[tuple[int, Arm, int]] = []
    for k, (v, reads) in enumerate(zip(node.inputs, fact.reads, strict=True)):
        if reads is None or any(v == other for other, _, _ in found):
            continue
        place, number = flat.place_of(v)
        outer = flat.walker.field(place, number)
        if outer is None:
            continue
        near = through(reads, inner, shape)
        field = figures(through(outer, near, shape))
        if field is not None:
            found.append((v, Arm(flat.maker(v), field), k))
    return found


def _extent(field: ReceptiveField) -> tuple[bool, int]:
    """To choose the arm that is followed: the largest of those that see only a part, since those
    that see all of it say nothing about the rest."""
    sizes = [axis.size for axis in field.axes if axis is not None]
    return len(sizes) == len(field.axes), prod(sizes)


def _step(
    flat: Flat,
    node: FlatNode,
    fact: Facts,
    fields: dict[int, Field],
    at: int,
    arms: list[tuple[int, Arm, int]],
    taken: int,
    shape: Shape,
) -> Step:
    v, arm, number = arms[taken]
    field = figures(fields[v]) or ReceptiveField(())  # features have no axes
    before = figures(fields[at])
    reads = fact.reads[number]
    assert reads is not None  # arms are of inputs that are read
    alone = figures(through(reads, fields[at], shape)) or ReceptiveField(())
    geometries = _geometries(flat, node, fact.op, number)
    sums: list[Sum | None] = [None] * len(field.axes)
    if before is not None and len(before.axes) == len(field.axes) == len(geometries):
        sums = [_sum(a, b, g) for a, b, g in zip(before.axes, field.axes, geometries, strict=True)]
    return Step(
        path=node.path,
        op=fact.op.op,
        window=_window(fact.op, geometries),
        sums=tuple(sums),
        field=field,
        arms=tuple(one for _, one, _ in arms) if len(arms) > 1 else (),
        taken=arm.path if len(arms) > 1 else "",
        note=_note(alone, before, field),
    )


def _geometries(flat: Flat, node: FlatNode, op: Op, number: int) -> tuple[Geometry, ...]:
    return op.reads(*(flat.shape(v) for v in node.inputs))[number] or ()


def _sum(before: AxisField | None, after: AxisField | None, geometry: Geometry) -> Sum | None:
    """`(field - 1)·stride + kernel`, where that is all there is to say."""
    if before is None or after is None or not isinstance(geometry, Window):
        return None
    if before.size != before.smallest:
        return None
    found = (before.size - 1) * geometry.stride + geometry.extent
    if found != after.size:
        return None  # another path sees more of this value, which the note says
    return Sum(f"({before.size} - 1)·{geometry.stride} + {geometry.extent}", found)


def _window(op: Op, geometries: tuple[Geometry, ...]) -> str:
    """Kernel, stride, dilation and padding of a layer in a few words."""
    if not geometries:
        return ""
    if all(g.whole for g in geometries):
        return "all"
    windows = [g for g in geometries if isinstance(g, (Window, Scatter))]
    if len(windows) != len(geometries):
        return _other(geometries[0])
    parts = [" x ".join(str(w.kernel) for w in windows)]
    for word, values in (
        ("stride", [str(w.stride) for w in windows]),
        ("dilation", [str(w.dilation) for w in windows]),
        ("pad", [str(w.lo) if w.lo == w.hi else f"{w.lo}+{w.hi}" for w in windows]),
    ):
        text = values[0] if len(set(values)) == 1 else " x ".join(values)
        if text != ("0" if word == "pad" else "1"):
            parts.append(f"{word} {text}")
    if isinstance(windows[0], Scatter):
        parts.append("transposed")
    return ", ".join(parts)


def _other(geometry: Geometry) -> str:
    if geometry.gate:
        return "own place, and statistics of all"
    if isinstance(geometry, Sample):
        return {1: "nearest", 2: "linear", 4: "cubic"}.get(geometry.taps, "resampled")
    if isinstance(geometry, Adaptive):
        return "adaptive"
    return ""


def _note(alone: ReceptiveField, before: ReceptiveField | None, field: ReceptiveField) -> str:
    """What the sum of a step does not say."""
    if field.whole and (before is None or not before.whole):
        return "from here on every unit is seen"
    if alone.size != field.size:
        return "with what other paths see of it"
    return ""

"""Which rows of the input does each unit of a network reach? Worked out one unit after another.

Slow and plain: nothing is composed, no period is used, so it shares no idea with `archc.analysis`
but what each operator says of a single unit (which is held against PyTorch on its own).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from archc.graph import Body, Graph, Shape
from archc.ops import Op
from archc.ops.windows import Geometry


@dataclass(frozen=True)
class Reach:
    """What one unit reaches along one axis of the input: bit masks of rows.

    `all`: through anything; `local`: only through windows (None: everything, through nothing
    local). `cut`: somewhere on the way a window hangs over a border. `wrapped`: there, the border
    is filled from the input. `holes`: some rows may be passed over.
    """

    all: int
    local: int | None
    cut: bool = False
    wrapped: bool = False
    holes: bool = False


Axes = list[list[Reach]]
"""By axis of the input and unit of the value. A value without axes has one unit."""


def reach_of(graph: Graph, which: int) -> list[Axes | None]:
    """For each value of the network, what its units reach of input `which`."""
    main = graph.main
    given: list[Axes | None] = []
    for end in main.inputs:
        values = [end.value] if isinstance(end.value, int) else list(_flat(end.value))
        for v in values:
            mine = len(given) == which
            given.append(_units(main.values[v].shape) if mine else None)
    return _body(graph, main, given)


def _flat(tree: object) -> list[int]:
    if isinstance(tree, int):
        return [tree]
    assert isinstance(tree, list)
    return [v for part in tree for v in _flat(part)]


def _units(shape: Shape) -> Axes:
    return [[Reach(1 << i, 1 << i) for i in range(n)] for n in shape[1:]]


def _body(graph: Graph, body: Body, given: list[Axes | None]) -> list[Axes | None]:
    found: list[Axes | None] = [None] * len(body.values)
    sources = [v for end in body.inputs for v in _flat(end.value)]
    for v, axes in zip(sources, given, strict=True):
        found[v] = axes
    for node in body.nodes:
        xs = [found[v] for v in node.inputs]
        if node.op < 0:
            inner = graph.bodies[node.body]
            made = _body(graph, inner, xs)
            ends = [v for end in inner.outputs for v in _flat(end.value)]
            for v, end in zip(node.outputs, ends, strict=True):
                found[v] = made[end]
            continue
        shapes = [body.values[v].shape for v in node.inputs]
        result = _operator(graph.ops[node.op], shapes, body.values[node.outputs[0]].shape, xs)
        for v in node.outputs:
            found[v] = result
    return found


def _operator(op: Op, shapes: list[Shape], out: Shape, xs: list[Axes | None]) -> Axes | None:
    """What the units of an operator's result reach."""
    result: Axes | None = None
    for shape, x, axes in zip(shapes, xs, op.reads(*shapes), strict=True):
        if x is None or axes is None:
            continue
        mine: Axes = []
        for i, units in enumerate(x):
            if len(shape) == 1 or len(out) == 1:
                mine.append([_whole(units)])
            else:
                mine.append([_read(op, axes[i], units, u) for u in range(out[i + 1])])
        if result is None:
            result = mine
        else:
            pairs = zip(result, mine, strict=True)
            result = [[_both(a, b) for a, b in zip(one, two, strict=True)] for one, two in pairs]
    return result


def _whole(units: list[Reach]) -> Reach:
    """Everything, through nothing local."""
    joined = _joined(units)
    return replace(joined, local=None)


def _joined(units: list[Reach]) -> Reach:
    found = Reach(0, 0)
    for i, unit in enumerate(units):
        found = _both(found, unit) if i else unit
    return found


def _both(a: Reach, b: Reach) -> Reach:
    local = a.local if b.local is None else b.local if a.local is None else a.local | b.local
    return Reach(a.all | b.all, local, a.cut or b.cut, a.wrapped or b.wrapped, a.holes or b.holes)


def _read(op: Op, geometry: Geometry, units: list[Reach], u: int) -> Reach:
    """One unit, by one axis of an operator."""
    if geometry.whole:
        return _whole(units)
    low, high = geometry.reads(u, u)
    n = len(units)
    read = [units[i] for i in range(max(low, 0), min(high, n - 1) + 1)]
    over = [i for i in range(low, high + 1) if not 0 <= i < n]
    mode = _border(op)
    if mode != "zeros":
        read += [units[_from(mode, i, n)] for i in over]
    found = _joined(read)
    found = replace(
        found,
        cut=found.cut or bool(over) or low > high or not read,
        wrapped=found.wrapped or (bool(over) and mode != "zeros"),
        holes=found.holes or geometry.holes,
    )
    if geometry.gate:
        everything = _joined(units)
        found = replace(found, all=found.all | everything.all, holes=True)
    return found


def _border(op: Op) -> str:
    """What the border is filled with."""
    mode = getattr(op, "pad_mode", "zeros")
    return str(getattr(op, "by", "zeros")) if op.op == "pad" else str(mode)


def _from(mode: str, i: int, n: int) -> int:
    """The unit that fills a place beyond the border."""
    if mode == "circular":
        return i % n
    if mode == "replicate":
        return min(max(i, 0), n - 1)
    return -i if i < 0 else 2 * (n - 1) - i

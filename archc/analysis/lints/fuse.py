"""Branches that meet, and do not look at the same place."""

from __future__ import annotations

from math import gcd

from ...graph import Body, Node
from ...ops.base import AXES
from ..axis import Axis
from ..measures import input_values
from ..receptive import Field
from .scene import Scene

_LONGEST = 1024
"""Units of one period that are compared."""


def misaligned(scene: Scene) -> None:
    """W105: the centres of what two branches see lie apart by more than half a step of the coarser.

    Half a step is what a strided convolution and a plain upsampling leave between them in every
    decoder, so it is not spoken of.
    """
    graph, fields = scene.graph, scene.report.walker.fields
    for index, body in enumerate(graph.bodies):
        merges = [
            n for n in body.nodes
            if n.op >= 0 and graph.ops[n.op].op == "fuse" and len(set(n.inputs)) > 1
        ]  # fmt: skip
        if not merges:
            continue
        for source in input_values(body):
            if len(body.values[source].shape) < 2:
                continue
            seen = fields.relative(index, source)
            for node in merges:
                _compare(scene, body, node, seen)


def _compare(scene: Scene, body: Body, node: Node, seen: list[Field | None]) -> None:
    paths = list({id(f): f for v in node.inputs if (f := seen[v])}.values())
    shape = body.values[node.outputs[0]].shape
    if len(paths) < 2:
        return
    for axis, name in enumerate(AXES.get(len(shape) - 1, ())):
        axes = [path[axis] for path in paths if len(path) == len(shape) - 1]
        local = [a for a in axes if a is not None]
        for other in local[1:]:
            apart = _apart(local[0], other, int(shape[axis + 1]))
            at = scene.place(node)
            if apart is None or at is None:
                continue
            if 2 * apart > max(local[0].q, other.q):
                message = f"branches are {apart:.3g} apart in {name} where they meet"
                note = "measured between the centres of what they see, in places of the input"
                help = "the same border on both sides, or `crop` and `pad` to their middle"
                scene.warn("W105", message, at, notes=(note,), help=help)
                return


def _apart(a: Axis, b: Axis, units: int) -> float | None:
    """Mean distance between the centres of two fields; None where they move differently."""
    if a is b or a.stride != b.stride or a.table or b.table:
        return None
    period = a.p * b.p // gcd(a.p, b.p)
    if period > min(units, _LONGEST) or a.blind or b.blind:
        return None
    twice = sum(a.low(u) + a.high(u) - b.low(u) - b.high(u) for u in range(period))
    return abs(twice) / (2 * period)

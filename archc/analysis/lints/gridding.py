"""Stacked dilations that read a map on a grid. Wang et al. 2018, "Understanding convolution for
semantic segmentation"; Yu et al. 2017, "Dilated residual networks"."""

from __future__ import annotations

from math import gcd

from ...graph import leaves
from ...ops import Op
from ...ops.base import Shape
from ...ops.windows import Window
from ...source import Span
from ..measures import input_values, output_values
from .scene import Scene

Rates = frozenset[int]
"""Dilations of the last spatial convolutions on the paths to a value; 1 after anything dense."""

_MOST = 4096
"""Bodies in distinct surroundings that are looked at: ample, and a bound."""


def gridding(scene: Scene) -> None:
    """W104: a dilated convolution behind one of no smaller dilation with a common factor.

    Dilations that grow (1, 2, 4, 8) fill the gaps of each other, and so do coprime ones.
    """
    if not any(getattr(op, "dilation", 1) != 1 for op in scene.graph.ops):
        return
    _Walk(scene).run()


class _Walk:
    """Rates of every value, once per body and rates of its inputs."""

    def __init__(self, scene: Scene) -> None:
        self.scene = scene
        self.known: dict[tuple[int, tuple[Rates, ...]], tuple[Rates, ...]] = {}

    def run(self) -> None:
        graph = self.scene.graph
        count = sum(len(leaves(end.value)) for end in graph.main.inputs)
        self.body(len(graph.bodies) - 1, (frozenset({1}),) * count)

    def body(self, index: int, given: tuple[Rates, ...]) -> tuple[Rates, ...]:
        """Rates of a body's outputs."""
        key = (index, given)
        found = self.known.get(key)
        if found is not None or len(self.known) > _MOST:
            return found or given[:1] * len(output_values(self.scene.graph.bodies[index]))
        graph = self.scene.graph
        body = graph.bodies[index]
        rates: list[Rates] = [frozenset()] * len(body.values)
        for v, rate in zip(input_values(body), given, strict=True):
            rates[v] = rate
        for node in body.nodes:
            arriving = tuple(rates[v] for v in node.inputs)
            if node.op < 0:
                leaving = self.body(node.body, arriving)
                for v, rate in zip(node.outputs, leaving, strict=True):
                    rates[v] = rate
                continue
            all_of: Rates = frozenset().union(*arriving)
            own = _dilation(graph.ops[node.op], body.values[node.inputs[0]].shape)
            if own is not None:
                clash = max((p for p in all_of if p >= own and gcd(p, own) > 1), default=0)
                at = self.scene.place(node) if clash else None
                if at is not None:
                    self._warn(at, own, clash)
                all_of = frozenset({own})
            for v in node.outputs:
                rates[v] = all_of
        result = tuple(rates[v] for v in output_values(body))
        self.known[key] = result
        return result

    def _warn(self, at: Span, own: int, before: int) -> None:
        common = gcd(own, before)
        message = (
            f"dilation {own} behind dilation {before}: both read only every {_nth(common)} place"
        )
        note = "neighbouring outputs are made of disjoint inputs, which shows as a grid"
        help = "dilations without a common factor (1, 2, 5), or that grow from 1 (1, 2, 4)"
        self.scene.warn("W104", message, at, notes=(note,), help=help)


def _nth(n: int) -> str:
    return {2: "second", 3: "third"}.get(n, f"{n}th")


def _dilation(op: Op, x: Shape) -> int | None:
    """The dilation of a spatial operator; None of one that reads only its own place."""
    if op.op in _RESAMPLING:
        return 1
    if op.op != "conv":
        return None
    spatial = [g.dilation for g in op.axes(x) if isinstance(g, Window) and g.kernel > 1]
    return max(spatial, default=None)


_RESAMPLING = (
    "pool", "unpool", "upsample", "pixel_shuffle", "conv_transpose", "locally_connected", "flatten",
    "roi_align",
)  # fmt: skip
"""Behind these, the places of a map are others, or have seen each other."""

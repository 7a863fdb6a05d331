"""The figures of a network in one row, to be set beside those of others."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from .memory_budget import budget
from .receptive import ReceptiveField
from .report import Report


class Totals(NamedTuple):
    """Figures of a network. Memory is in bytes, in float32: `activations`, the most that are alive
    at one time in inference, `inference`, weights included, and `training`, all that a training
    step takes. Auxiliary heads count in `training` only.

    `field`: the receptive field of the output that sees most; where that is the whole input, of the
    last layer on the way to it that sees less (as below the table of `archc check`), and `field_at`
    is that layer's path.
    """

    params: int
    frozen: int
    macs: int
    depth: int
    neurons: int
    field: ReceptiveField | None
    field_at: str
    activations: int
    inference: int
    training: int

    @property
    def receptive_field(self) -> int | None:
        """Input units that `field` spans along its longest axis; None where it is all of it."""
        sizes = [size for size in self.field.size if size is not None] if self.field else []
        return max(sizes, default=None)


def totals(report: Report, batch: int = 1, optimizer: str = "momentum") -> Totals:
    """The totals of a network, memory at a batch and with the state of an optimizer."""
    memory = budget(report.graph)
    field, at = report.receptive_field, ""
    if field is not None and field.whole and report.local_field is not None:
        at, field = report.local_field
    return Totals(
        report.params,
        report.frozen,
        report.macs,
        report.depth,
        report.neurons,
        field,
        at,
        batch * memory.peak,
        memory.inference(batch),
        memory.training(batch, optimizer),
    )


class Measure(NamedTuple):
    """A figure that networks are compared by: its title and unit on an axis, how it is had, and
    whether less of it is better (a cost) or more (what it buys)."""

    title: str
    unit: str
    of: Callable[[Totals], int | None]
    cost: bool


MEASURES: dict[str, Measure] = {
    "params": Measure("parameters", "", lambda t: t.params, True),
    "macs": Measure("multiply-accumulates", "MACs", lambda t: t.macs, True),
    "flops": Measure("floating-point operations", "FLOPs", lambda t: 2 * t.macs, True),
    "depth": Measure("depth", "weight layers", lambda t: t.depth, False),
    "neurons": Measure("neurons", "output units of weight layers", lambda t: t.neurons, False),
    "receptive_field": Measure(
        "receptive field", "input units", lambda t: t.receptive_field, False
    ),
    "activations": Measure("activations in inference", "bytes", lambda t: t.activations, True),
    "inference": Measure("memory of inference", "bytes", lambda t: t.inference, True),
    "training": Measure("memory of training", "bytes", lambda t: t.training, True),
}
"""By the names that --x and --y take."""


def front(points: list[tuple[float, float]], low_x: bool, low_y: bool) -> list[int]:
    """The Pareto front: the points that no other beats in one figure without being worse in the
    other, in the order of x. `low_x`, `low_y`: less is better. Of equal points, all."""
    sign_x, sign_y = (1 if low_x else -1), (1 if low_y else -1)
    key = [(sign_x * x, sign_y * y) for x, y in points]
    found: list[int] = []
    best: tuple[float, float] | None = None
    for n in sorted(range(len(points)), key=lambda n: key[n]):
        if best is None or key[n][1] < best[1] or key[n] == best:
            found.append(n)
            best = key[n]
    return sorted(found, key=lambda n: points[n])


__all__ = ["MEASURES", "Measure", "Totals", "front", "totals"]

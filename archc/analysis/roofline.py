"""Arithmetic intensity and time of each layer on a device, by its roofline.

A layer's bytes are its inputs, results and weights, each moved once. Its time is the larger of
operations / peak rate and bytes / bandwidth: no real kernel is faster, and most are slower. Views,
and what does nothing at inference, take no time. One forward pass, without auxiliary heads.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import prod
from typing import NamedTuple

from ..graph import Graph, join
from .devices import Device
from .facts import Facts, FactTable, plain
from .flops import elementwise
from .measures import MAIN, SKIP, Measures

_FREE = frozenset({"flatten", "unflatten", "split", "identity", "dropout", "drop_path", "crop"})


class Work(NamedTuple):
    """What a layer does to a batch. `operations`: floating point, elementwise work included."""

    path: str
    op: str
    operations: int
    moved: int
    """Bytes."""

    @property
    def intensity(self) -> float:
        """Operations for each byte."""
        return self.operations / self.moved if self.moved else 0.0


class Timed(NamedTuple):
    """A layer on a device. `bound`: what the time is spent on, `compute` or `memory`."""

    work: Work
    seconds: float
    bound: str


class Total(NamedTuple):
    """The sums over all layers of an inference."""

    seconds: float
    memory: float
    """Seconds in layers that memory bounds."""
    operations: int
    moved: int


class Roofline:
    """Times of the layers of a network on a device, for a batch and a precision."""

    def __init__(
        self,
        graph: Graph,
        device: Device,
        batch: int = 1,
        precision: str = "fp32",
        facts: FactTable | None = None,
    ) -> None:
        rate = device.rate(precision)
        if rate is None:
            raise ValueError(f"{device.name} has no {precision}")
        self.graph = graph
        self.device = device
        self.batch = batch
        self.precision = precision
        self.rate = rate
        self._facts = facts or FactTable(graph)
        self._measures = Measures(graph, self._facts)
        self._scalar = 2 if precision == "bf16" else 4
        self._totals: dict[tuple[int, int], Total] = {}

    @property
    def ridge(self) -> float:
        """Operations for each byte from which on a layer is bound by compute."""
        return self.rate / self.device.bandwidth

    def total(self) -> Total:
        """Of all layers of an inference; every body is worked out once."""
        return self._sum(len(self.graph.bodies) - 1, MAIN)

    def _sum(self, index: int, part: int) -> Total:
        found = self._totals.get((index, part))
        if found is None:
            found = self._totals[index, part] = self._summed(index, part)
        return found

    def _summed(self, index: int, part: int) -> Total:
        seconds = memory = 0.0
        operations = moved = 0
        parts = self._measures.parts(index, part)
        for n, node in enumerate(self.graph.bodies[index].nodes):
            if parts[n] == SKIP:
                continue
            fact = self._facts[index][n]
            if fact is None:
                inner = self._sum(node.body, parts[n])
            else:
                one = self._timed("", index, n, fact)
                waits = one.seconds if one.bound == "memory" else 0.0
                inner = Total(one.seconds, waits, one.work.operations, one.work.moved)
            seconds += inner.seconds
            memory += inner.memory
            operations += inner.operations
            moved += inner.moved
        return Total(seconds, memory, operations, moved)

    def layers(self) -> Iterator[Timed]:
        """Every layer of an inference, in the order of execution."""
        for path, body, n, fact in self._walk():
            yield self._timed(path, body, n, fact)

    def _walk(self) -> Iterator[tuple[str, int, int, Facts]]:
        stack = [("", len(self.graph.bodies) - 1, MAIN, 0)]
        while stack:
            path, index, part, n = stack.pop()
            nodes = self.graph.bodies[index].nodes
            if n == len(nodes):
                continue
            stack.append((path, index, part, n + 1))
            inside = self._measures.parts(index, part)[n]
            if inside == SKIP:
                continue
            fact, place = self._facts[index][n], join(path, nodes[n].name)
            if fact is not None:
                yield place, index, n, fact
            else:
                stack.append((place, nodes[n].body, inside, 0))

    def _timed(self, path: str, index: int, n: int, fact: Facts) -> Timed:
        body = self.graph.bodies[index]
        node = body.nodes[n]
        if fact.op.op in _FREE:
            return Timed(Work(path, fact.op.op, 0, 0), 0.0, "memory")
        inputs = [plain(body.values[v].shape) for v in node.inputs]
        outputs = [plain(body.values[v].shape) for v in node.outputs]
        operations = self.batch * (2 * fact.macs + elementwise(fact.op, inputs, outputs))
        units = self.batch * sum(prod(shape) for shape in (*inputs, *outputs))
        moved = self._scalar * (units + fact.params + fact.frozen + fact.buffers)
        computing, moving = operations / self.rate, moved / self.device.bandwidth
        bound = "compute" if computing > moving else "memory"
        return Timed(Work(path, fact.op.op, operations, moved), max(computing, moving), bound)

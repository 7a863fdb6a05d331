"""How published figures are counted, by name: the same network has many "FLOPs".

A convention says what is counted (multiply-accumulates, or floating point operations, which are two
of them), in which unit (G is 10^9, Gi is 2^30), at which size of a transposed convolution (its
input, where the products are, or its output, as counters written for convolutions do), and whether
auxiliary heads are in.
"""

from __future__ import annotations

from math import prod
from typing import NamedTuple

from ..graph import Graph
from ..ops.conv import ConvTranspose
from .facts import FactTable, plain
from .flops import elementwise
from .measures import ALL, MAIN, SKIP, Measures

GIGA = 10**9
GIBI = 2**30


class Convention(NamedTuple):
    """A way to count. `unit` says what the figure is; `about` also how publications print it."""

    name: str
    about: str
    unit: str
    scale: int
    factor: int = 1
    """1: multiply-accumulates; 2: floating point operations."""
    at_output: bool = False
    """Transposed convolutions at their output's size."""
    auxiliary_params: bool = False
    auxiliary_macs: bool = False
    elementwise: bool = False


class Counted(NamedTuple):
    """A network in a convention: `operations` is exact, `figure` in the convention's unit."""

    convention: Convention
    operations: int
    params: int

    @property
    def figure(self) -> float:
        return self.operations / self.convention.scale


CONVENTIONS = {
    one.name: one
    for one in (
        Convention("macs", "multiply-accumulates, auxiliary heads out", "GMACs", GIGA),
        Convention(
            "flops", "2 x MACs, as torch.utils.flop_counter has it", "GFLOPs", GIGA, factor=2
        ),
        Convention(
            "all-flops", "2 x MACs, and at inference 1 for each sum, product, quotient, comparison "
            "and function value of a bias, norm, pool, fuse, interpolation or activation",
            "GFLOPs", GIGA, factor=2, elementwise=True,
        ),
        Convention(
            "resnet", "He et al. 2015: multiply-accumulates, printed as FLOPs", "GMACs", GIGA,
        ),
        Convention(
            "torchvision", "torchvision's tables: multiply-accumulates, printed as GFLOPS",
            "GMACs", GIGA,
        ),
        Convention(
            "torchvision-aux", "the same for its inception_v3: auxiliary heads in the parameters "
            "only", "GMACs", GIGA, auxiliary_params=True,
        ),
        Convention(
            "training", "2 x MACs of a forward pass in training: auxiliary heads in", "GFLOPs",
            GIGA, factor=2, auxiliary_params=True, auxiliary_macs=True,
        ),
        Convention(
            "hrnet", "HRNet's tables: multiply-accumulates over 2^30, printed as GFLOPs", "GiMACs",
            GIBI,
        ),
        Convention(
            "simplebaseline", "Simple Baselines' tables: multiply-accumulates over 2^30, "
            "transposed convolution at its output's size, printed as GFLOPs", "GiMACs", GIBI,
            at_output=True,
        ),
    )
}  # fmt: skip
"""By the name that `--convention` takes."""


class Conventions:
    """Counts of one graph in any convention."""

    def __init__(self, graph: Graph, facts: FactTable | None = None) -> None:
        self.graph = graph
        self._facts = facts or FactTable(graph)
        self._measures = Measures(graph, self._facts)
        self._known: dict[tuple[int, int, bool, bool], int] = {}
        self._others: dict[tuple[int, int], dict[str, int]] = {}

    def counted(self, convention: Convention) -> Counted:
        """The network in a convention."""
        main = len(self.graph.bodies) - 1
        sums = self._measures.counts(main, ALL if convention.auxiliary_params else MAIN)
        operations = self._operations(
            main,
            ALL if convention.auxiliary_macs else MAIN,
            convention.at_output,
            convention.elementwise,
        )
        per_mac = convention.factor
        work = operations if per_mac == 2 else operations // 2
        return Counted(convention, work, sums.params + sums.frozen)

    def elementwise(self) -> dict[str, int]:
        """Operations of an inference that are no multiply-accumulates, by operator; that of weight
        layers are their biases. Most first."""
        found = self._by_operator(len(self.graph.bodies) - 1, MAIN)
        return dict(sorted(found.items(), key=lambda item: -item[1]))

    def _by_operator(self, index: int, part: int) -> dict[str, int]:
        found = self._others.get((index, part))
        if found is not None:
            return found
        body, total = self.graph.bodies[index], dict[str, int]()
        parts = self._measures.parts(index, part)
        calls: dict[tuple[int, int], int] = {}
        for node, fact, inside in zip(body.nodes, self._facts[index], parts, strict=True):
            if inside == SKIP:
                continue
            if fact is None:
                calls[node.body, inside] = calls.get((node.body, inside), 0) + 1
                continue
            shapes = [plain(body.values[v].shape) for v in node.inputs]
            work = elementwise(fact.op, shapes, [plain(body.values[v].shape) for v in node.outputs])
            if work:
                total[fact.op.op] = total.get(fact.op.op, 0) + work
        for (callee, inside), times in calls.items():
            for name, work in self._by_operator(callee, inside).items():
                total[name] = total.get(name, 0) + times * work
        self._others[index, part] = total
        return total

    def _operations(self, index: int, part: int, at_output: bool, with_others: bool) -> int:
        """Floating point operations of a part of a body."""
        key = (index, part, at_output, with_others)
        found = self._known.get(key)
        if found is not None:
            return found
        body, total = self.graph.bodies[index], 0
        parts, facts = self._measures.parts(index, part), self._facts[index]
        for node, fact, inside in zip(body.nodes, facts, parts, strict=True):
            if inside == SKIP:
                continue
            if fact is None:
                total += self._operations(node.body, inside, at_output, with_others)
                continue
            macs = fact.macs
            shapes = [plain(body.values[v].shape) for v in node.inputs]
            if at_output and isinstance(fact.op, ConvTranspose):
                macs = fact.units * prod(fact.op.weights(shapes[0])["weight"]) // fact.op.channels
            total += 2 * macs
            if with_others:
                outputs = [plain(body.values[v].shape) for v in node.outputs]
                total += elementwise(fact.op, shapes, outputs)
        self._known[key] = total
        return total

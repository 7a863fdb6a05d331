"""Counts over a hierarchical graph: parameters, buffers, multiply-accumulates, neurons, depth.

Every body is worked out once and its sums are added wherever it is called. Which part of a body
counts is said by a *part*:

- `ALL`: every node.
- `MAIN`: all but what only training outputs reach.
- a bit mask of outputs (0 or more): what these outputs depend on.

A shared module's weights count once in the body that it lives in; its arithmetic counts at each
use.
"""

from __future__ import annotations

from typing import NamedTuple

from ..graph import Body, Graph, leaves
from .facts import FactTable

ALL = -1
MAIN = -2
SKIP = -3
"""In `parts`: the node does not count."""


class Counts(NamedTuple):
    """Scalars trained, scalars frozen, scalars in persistent buffers, MACs per sample, output units
    of weight layers, operators applied (identities left out)."""

    params: int = 0
    frozen: int = 0
    buffers: int = 0
    macs: int = 0
    neurons: int = 0
    operators: int = 0

    def minus(self, other: Counts) -> Counts:
        return Counts(*[a - b for a, b in zip(self, other, strict=True)])


class Measures:
    """Counts and depth of the bodies of one graph, each computed when first asked for."""

    def __init__(self, graph: Graph, facts: FactTable) -> None:
        self.graph = graph
        self.facts = facts
        self._counts: dict[tuple[int, int], Counts] = {}
        self._parts: dict[tuple[int, int], list[int]] = {}
        self._depths: dict[tuple[int, int], list[int]] = {}
        self._through: dict[int, list[list[tuple[int, int]]]] = {}
        self._used: dict[tuple[int, int], int] = {}
        self._shared: dict[int, set[str]] = {}
        self._apart: dict[int, bool] = {}

    # ------------------------------------------------------------------ counts

    def counts(self, index: int, part: int = MAIN) -> Counts:
        """Sums over a part of a body."""
        if part == MAIN and not self.has_training_part(index):
            part = ALL
        key = (index, part)
        found = self._counts.get(key)
        if found is None:
            parts = self.parts(index, part)
            found = self._counts[key] = self.sum_of(index, parts)
        return found

    def shared(self, index: int) -> set[str]:
        """Paths of the shared modules of a body that are used under other names."""
        found = self._shared.get(index)
        if found is None:
            nodes = self.graph.bodies[index].nodes
            found = self._shared[index] = {n.module for n in nodes if n.module is not None}
        return found

    def sum_of(
        self, index: int, parts: list[int], first: int = 0, last: int | None = None
    ) -> Counts:
        """Sums over the nodes first..last of a body (half-open), each taken as `parts` says.

        Weights of a shared module that is used before `first` are counted there.
        """
        nodes, facts = self.graph.bodies[index].nodes, self.facts[index]
        shared = self.shared(index)
        seen = {node.module or node.name for node in nodes[:first]} if shared else set[str]()
        params = frozen = buffers = macs = neurons = operators = 0
        for n in range(first, len(nodes) if last is None else last):
            node, fact, part = nodes[n], facts[n], parts[n]
            if part == SKIP:
                continue
            owns = True
            if shared:
                module = node.module or node.name
                if module in shared:
                    owns = module not in seen
                    seen.add(module)
            if fact is not None:
                macs += fact.macs
                operators += fact.counted
                if fact.weighty:
                    neurons += fact.units
                if owns:
                    params += fact.params
                    frozen += fact.frozen
                    buffers += fact.buffers
            else:
                inner = self.counts(node.body, part)
                macs += inner.macs
                neurons += inner.neurons
                operators += inner.operators
                if owns:
                    params += inner.params
                    frozen += inner.frozen
                    buffers += inner.buffers
        return Counts(params, frozen, buffers, macs, neurons, operators)

    # ------------------------------------------------------------------ parts

    def has_training_part(self, index: int) -> bool:
        """Is there an output of training only, here or in a body called from here?"""
        found = self._apart.get(index)
        if found is None:
            body = self.graph.bodies[index]
            found = self._apart[index] = any(out.training for out in body.outputs) or any(
                self.has_training_part(i) for i in {n.body for n in body.nodes if n.body >= 0}
            )
        return found

    def parts(self, index: int, part: int) -> list[int]:
        """For each node of a body: the part of its callee that counts, or `SKIP`."""
        body = self.graph.bodies[index]
        key = (index, part)
        found = self._parts.get(key)
        if found is None:
            if part == ALL:
                found = [ALL] * len(body.nodes)
            elif part == MAIN:
                found = self._main_parts(body)
            else:
                ends = output_values(body)
                wanted = [v for i, v in enumerate(ends) if part >> i & 1]
                found = self.ancestors(body, wanted)
            self._parts[key] = found
        return found

    def _main_parts(self, body: Body) -> list[int]:
        training = [v for out in body.outputs if out.training for v in leaves(out.value)]
        usual = [v for out in body.outputs if not out.training for v in leaves(out.value)]
        if not training:
            return [MAIN] * len(body.nodes)
        # Nodes that reach no output at all are part of the module all the same: they count.
        only = self.ancestors(body, training)
        kept = self.ancestors(body, usual)
        return [SKIP if a != SKIP and b == SKIP else MAIN for a, b in zip(only, kept, strict=True)]

    def ancestors(self, body: Body, wanted: list[int]) -> list[int]:
        """The part of each node on which some values of the body depend."""
        marked = bytearray(len(body.values))
        for v in wanted:
            marked[v] = 1
        parts = [SKIP] * len(body.nodes)
        for n in range(len(body.nodes) - 1, -1, -1):
            node = body.nodes[n]
            mask = 0
            for port, v in enumerate(node.outputs):
                if marked[v]:
                    mask |= 1 << port
            if not mask:
                continue
            if node.op >= 0:
                parts[n] = ALL
                for v in node.inputs:
                    marked[v] = 1
            else:
                parts[n] = mask
                used = self._inputs_used(node.body, mask)
                for i, v in enumerate(node.inputs):
                    if used >> i & 1:
                        marked[v] = 1
        return parts

    def _inputs_used(self, index: int, mask: int) -> int:
        """Bit mask of the inputs of a body that its outputs in `mask` depend on."""
        known = self._used.get((index, mask))
        if known is not None:
            return known
        body = self.graph.bodies[index]
        marked = {v for i, v in enumerate(output_values(body)) if mask >> i & 1}
        for node, part in zip(body.nodes, self.parts(index, mask), strict=True):
            if part == ALL:
                marked.update(node.inputs)
            elif part != SKIP:
                below = self._inputs_used(node.body, part)
                marked.update(v for i, v in enumerate(node.inputs) if below >> i & 1)
        used = sum(1 << i for i, v in enumerate(input_values(body)) if v in marked)
        self._used[index, mask] = used
        return used

    # ------------------------------------------------------------------ depth

    def depths(self, index: int, start: int = -1) -> list[int]:
        """Weight layers on the longest path to each value of a body, -1 where there is no path.

        From the value `start`, or from any of the inputs if it is negative.
        """
        key = (index, start)
        found = self._depths.get(key)
        if found is None:
            body = self.graph.bodies[index]
            reach = [-1] * len(body.values)
            for v in input_values(body) if start < 0 else (start,):
                reach[v] = 0
            found = self._depths[key] = self.extend_depths(index, reach)
        return found

    def _ways(self, index: int) -> list[list[tuple[int, int]]]:
        """For each input of a body, the outputs that it reaches, by number, and how deep."""
        found = self._through.get(index)
        if found is None:
            body = self.graph.bodies[index]
            ends = output_values(body)
            depths = [self.depths(index, start) for start in input_values(body)]
            found = self._through[index] = [
                [(i, within[end]) for i, end in enumerate(ends) if within[end] >= 0]
                for within in depths
            ]
        return found

    def extend_depths(
        self, index: int, reach: list[int], inside: list[int] | None = None
    ) -> list[int]:
        """Carry depths on from the values in `reach` through the nodes (or those `inside`)."""
        body, facts = self.graph.bodies[index], self.facts[index]
        for n, node in enumerate(body.nodes):
            if inside is not None and inside[n] == SKIP:
                continue
            fact = facts[n]
            if fact is not None:
                if len(node.inputs) == 1:
                    most = reach[node.inputs[0]]
                else:
                    read = zip(node.inputs, fact.reads, strict=True)
                    most = max([reach[v] for v, how in read if how is not None], default=-1)
                if fact.weighty and most >= 0:
                    most += 1
                for v in node.outputs:
                    reach[v] = most
                continue
            best = [-1] * len(node.outputs)
            for v, ways in zip(node.inputs, self._ways(node.body), strict=True):
                if reach[v] >= 0:
                    for i, deep in ways:
                        best[i] = max(best[i], reach[v] + deep)
            for v, most in zip(node.outputs, best, strict=True):
                reach[v] = most
        return reach


def input_values(body: Body) -> list[int]:
    """Values that come in, in the order in which a call gives them."""
    return [v for end in body.inputs for v in leaves(end.value)]


def output_values(body: Body) -> list[int]:
    """Values that leave a body, in the order in which a call gives them."""
    return [v for end in body.outputs for v in leaves(end.value)]

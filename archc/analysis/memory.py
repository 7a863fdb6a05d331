"""Memory of one inference: what stays, and the peak of what comes and goes.

Definition: 4 bytes (float32) for each scalar of parameters, frozen weights and buffers, and for the
most units of activation that are alive at one time at batch 1. Nodes run in the graph's order. A
value is alive from the node that makes it to the last that takes it; a network's and a block's
inputs as long as it runs, as their caller holds them; its outputs to its end. An operator's inputs
and results are alive together. What is only another view of a value (flatten, split, identity, and
dropout, which does nothing at inference) takes no room of its own. What only training outputs reach
does not run.
"""

from __future__ import annotations

from math import prod

from ..graph import Body, Graph, Shape
from .facts import FactTable
from .measures import MAIN, SKIP, Measures, input_values, output_values

SCALAR = 4
"""Bytes of a float32."""

_VIEWS = frozenset({"flatten", "split", "identity", "dropout", "drop_path"})


class Memory:
    """Peaks of the bodies of one graph, each computed once."""

    def __init__(self, graph: Graph, facts: FactTable, measures: Measures) -> None:
        self.graph = graph
        self.facts = facts
        self.measures = measures
        self._peaks: dict[tuple[int, int], int] = {}

    def peak(self, index: int, part: int = MAIN) -> int:
        """Most units alive at one time while a part of a body runs, inputs included."""
        key = (index, part)
        found = self._peaks.get(key)
        if found is None:
            found = self._peaks[key] = self.peak_of(index, self.measures.parts(index, part))
        return found

    def peak_of(self, index: int, parts: list[int]) -> int:
        """Most units alive while the nodes of a body run that count by `parts`."""
        body = self.graph.bodies[index]
        roots = self._roots(index, body)
        ends = _last_uses(body, parts, roots)
        size = _sizes(body)
        live = most = sum(size[v] for v in {roots[v] for v in input_values(body)})
        for n, node in enumerate(body.nodes):
            if parts[n] == SKIP:
                continue
            if node.op < 0:
                given = sum([size[v] for v in node.inputs])
                most = max(most, live + self.peak(node.body, parts[n]) - given)
            for v in node.outputs:
                if roots[v] == v:
                    live += size[v]
            if live > most:
                most = live
            for v in ends.get(n, ()):
                live -= size[v]
        return most

    def _roots(self, index: int, body: Body) -> list[int]:
        """For each value, the one whose room it shares."""
        roots = list(range(len(body.values)))
        for node, fact in zip(body.nodes, self.facts[index], strict=True):
            if fact is not None and fact.op.op in _VIEWS:
                for v in node.outputs:
                    roots[v] = roots[node.inputs[0]]
        return roots


def _sizes(body: Body) -> list[int]:
    """Units of each value."""
    known: dict[Shape, int] = {}
    sizes = []
    for value in body.values:
        size = known.get(value.shape)
        if size is None:
            size = known[value.shape] = prod([int(n) for n in value.shape])
        sizes.append(size)
    return sizes


def _last_uses(body: Body, parts: list[int], roots: list[int]) -> dict[int, list[int]]:
    """For the nodes after which room is free, the values whose room it is."""
    held = {roots[v] for v in (*input_values(body), *output_values(body))}
    ends: dict[int, list[int]] = {}
    seen = set(held)
    for n in range(len(body.nodes) - 1, -1, -1):
        if parts[n] == SKIP:
            continue
        node = body.nodes[n]
        for v in (*node.outputs, *node.inputs):
            root = roots[v]
            if root not in seen:
                seen.add(root)
                ends.setdefault(n, []).append(root)
    return ends

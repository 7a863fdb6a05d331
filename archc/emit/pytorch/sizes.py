"""Which positions of maxima need a companion: the size that was pooled, for the way back.

An `unpool` whose window cannot tell that size (45 units pooled by 2 are 22, as 44 are) is given it
as a value that travels beside the positions, through calls in and out: the module runs at any size.
"""

from __future__ import annotations

from collections.abc import Iterator

from ...dims import form_of
from ...graph import Body, Graph, Node, leaves
from ...ops.pool import Unpool

Place = tuple[int, int]
"""(body, value)."""


def sized(graph: Graph) -> list[set[int]]:
    """For each body, the values that hold positions and are accompanied by a size."""
    found = _Sized(graph)
    return [
        {value for at, value in found.marked if at == body} for body in range(len(graph.bodies))
    ]


class _Sized:
    """Follows positions from each `unpool` that needs a size to all that makes or hands them on."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.callers: dict[int, list[tuple[int, Node]]] = {}
        self.pools: dict[int, list[Place]] = {}
        unpools: list[tuple[int, Node]] = []
        for at, body in enumerate(graph.bodies):
            for node in body.nodes:
                if node.body >= 0:
                    self.callers.setdefault(node.body, []).append((at, node))
                elif isinstance(graph.ops[node.op], Unpool):
                    unpools.append((at, node))
                elif len(node.outputs) == 2 and graph.ops[node.op].op == "pool":
                    self.pools.setdefault(node.site, []).append((at, node.outputs[1]))
        self.marked: set[Place] = set()
        wanting = {node.site for at, node in unpools if self._wants(graph.bodies[at], node)}
        # Instances of one block are one class: what one of them needs, all are given.
        pending = [(at, node.inputs[1]) for at, node in unpools if node.site in wanting]
        while pending:
            place = pending.pop()
            if place not in self.marked:
                self.marked.add(place)
                pending += self._related(*place)

    def _wants(self, body: Body, node: Node) -> bool:
        """Is the size not what the window says, at this input size or at another?"""
        op = self.graph.ops[node.op]
        assert isinstance(op, Unpool)
        usual = op.usual(body.values[node.inputs[0]].shape)
        size = body.values[node.outputs[0]].shape[1:]
        return list(map(form_of, usual)) != list(map(form_of, size))

    def _related(self, at: int, value: int) -> Iterator[Place]:
        """Other names of the same positions, and what the same line makes in other instances."""
        bodies = self.graph.bodies
        body = bodies[at]
        made = body.values[value].node
        if made >= 0 and body.nodes[made].body >= 0:
            node = body.nodes[made]
            yield node.body, _flat_outputs(bodies[node.body])[node.outputs.index(value)]
        elif made >= 0:
            yield from self.pools.get(body.nodes[made].site, ())
        for node in body.nodes:
            if node.body >= 0 and value in node.inputs:
                inner = _flat_inputs(bodies[node.body])
                pairs = zip(node.inputs, inner, strict=True)
                yield from ((node.body, own) for given, own in pairs if given == value)
        for ends, side in ((_flat_inputs(body), 0), (_flat_outputs(body), 1)):
            for n, end in enumerate(ends):
                if end == value:
                    for caller, node in self.callers.get(at, ()):
                        yield caller, (node.outputs if side else node.inputs)[n]


def _flat_inputs(body: Body) -> list[int]:
    return [value for end in body.inputs for value in leaves(end.value)]


def _flat_outputs(body: Body) -> list[int]:
    return [value for end in body.outputs for value in leaves(end.value)]

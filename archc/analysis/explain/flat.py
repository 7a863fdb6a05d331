"""A network unrolled: every operator with the values that it reads and makes, in one numbering.

The graph is hierarchical and analyses work on it as it is; an explanation follows one layer through
all of the network, so here blocks are opened. Work is linear in the layers.
"""

from __future__ import annotations

from dataclasses import dataclass

from ...graph import Node, join, leaves
from ..measures import input_values, output_values
from ..report import Report
from ..rows import Place, labelled_scopes, leaving, owns


@dataclass(slots=True)
class FlatNode:
    """An operator: node `n` of the body at `place`. `owned`: its weights are counted here."""

    path: str
    place: Place
    n: int
    owned: bool
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]


@dataclass(slots=True)
class FlatScope:
    """A called block (`n` of the body at `place`) or a labelled group (`scope` of it).

    It spans the flat nodes first..last (half-open); `outputs` are the values that leave it.
    """

    path: str
    place: Place
    n: int
    scope: int
    owned: bool
    first: int
    last: int
    outputs: tuple[int, ...]


class Flat:
    """All operators of a network, in the order of execution."""

    def __init__(self, report: Report) -> None:
        self.report = report
        self.walker = report.walker
        self.nodes: list[FlatNode] = []
        self.scopes: list[FlatScope] = []
        self.producer: list[int] = []
        """By value: the flat node that makes it, or -1 for the network's inputs."""
        self.inputs: dict[int, tuple[str, int]] = {}
        """Values that come in: name and number in the network's body."""
        self._readers: list[list[int]] | None = None
        place = self.walker.main_place()
        body = report.graph.main
        known: dict[int, int] = {}
        for end in body.inputs:
            single = isinstance(end.value, int)
            for i, v in enumerate(leaves(end.value)):
                known[v] = self._value(-1)
                self.inputs[known[v]] = (end.name if single else f"{end.name}[{i}]", v)
        self.main = self._open(place, known)

    # ------------------------------------------------------------------ asked

    @property
    def readers(self) -> list[list[int]]:
        """By value: the flat nodes that read it."""
        if self._readers is None:
            self._readers = [[] for _ in self.producer]
            for i, node in enumerate(self.nodes):
                for v in dict.fromkeys(node.inputs):
                    self._readers[v].append(i)
        return self._readers

    def node_of(self, flat: FlatNode) -> Node:
        """The node in the graph."""
        return self.report.graph.bodies[flat.place.index].nodes[flat.n]

    def maker(self, value: int) -> str:
        """Path of the layer that makes a value, or name of the network's input."""
        made = self.producer[value]
        return self.inputs[value][0] if made < 0 else self.nodes[made].path

    def shape(self, value: int) -> tuple[int, ...]:
        """Shape of a value, at the sizes at hand."""
        made = self.producer[value]
        if made < 0:
            found = self.report.graph.main.values[self.inputs[value][1]]
        else:
            flat = self.nodes[made]
            port = flat.outputs.index(value)
            body = self.report.graph.bodies[flat.place.index]
            found = body.values[body.nodes[flat.n].outputs[port]]
        return tuple(int(n) for n in found.shape)

    def place_of(self, value: int) -> tuple[Place, int]:
        """The body at its place, and the number there, of a value."""
        made = self.producer[value]
        if made < 0:
            return self.walker.main_place(), self.inputs[value][1]
        flat = self.nodes[made]
        body = self.report.graph.bodies[flat.place.index]
        return flat.place, body.nodes[flat.n].outputs[flat.outputs.index(value)]

    # ------------------------------------------------------------------ made

    def _value(self, producer: int) -> int:
        self.producer.append(producer)
        return len(self.producer) - 1

    def _open(self, place: Place, known: dict[int, int]) -> dict[int, int]:
        """Unroll a body whose inputs are `known`; every value of it by its number there."""
        body = self.report.graph.bodies[place.index]
        shared, seen = self.walker.measures.shared(place.index), set[str]()
        groups = labelled_scopes(body)
        starts: dict[int, int] = {}
        opened: list[tuple[int, int]] = []
        at = 0
        for n, node in enumerate(body.nodes):
            starts[n] = len(self.nodes)
            while at < len(groups) and body.scopes[groups[at]].first <= n:
                opened.append((groups[at], len(self.scopes)))
                # Filled in once what is inside is known; outer scopes stand before inner ones.
                self.scopes.append(FlatScope("", place, n, groups[at], place.owned, 0, 0, ()))
                at += 1
            owned = place.owned and owns(node, shared, seen)
            given = tuple(known[v] for v in node.inputs)
            path = join(place.path, node.name)
            if node.op >= 0:
                made = tuple(self._value(len(self.nodes)) for _ in node.outputs)
                self.nodes.append(FlatNode(path, place, n, owned, given, made))
            else:
                made = self._call(place, n, owned, path, given)
            known.update(zip(node.outputs, made, strict=True))
        starts[len(body.nodes)] = len(self.nodes)
        for index, slot in opened:
            scope = body.scopes[index]
            flat = self.scopes[slot]
            flat.path = join(place.path, scope.path)
            flat.first, flat.last = starts[scope.first], starts[scope.last]
            flat.outputs = tuple(known[v] for v in leaving(body, scope) if v in known)
        return known

    def _call(
        self, place: Place, n: int, owned: bool, path: str, given: tuple[int, ...]
    ) -> tuple[int, ...]:
        inner = self.walker.called(place, n, owned)
        callee = self.report.graph.bodies[inner.index]
        scope = FlatScope(path, place, n, -1, owned, len(self.nodes), 0, ())
        self.scopes.append(scope)
        within = self._open(inner, dict(zip(input_values(callee), given, strict=True)))
        scope.last = len(self.nodes)
        scope.outputs = tuple(within[v] for v in output_values(callee))
        return scope.outputs

"""Counts as closed forms in the free sizes."""

from __future__ import annotations

from math import prod

from ..dims import Atom, Linear, Opaque, form_of
from ..graph import Graph, Node
from .facts import FactTable
from .measures import ALL, MAIN, SKIP, Measures

LONGEST = 24
"""Terms of a form that people still read."""


def totals(graph: Graph) -> tuple[Linear, Linear]:
    """(params, MACs) of a network, without what only training outputs reach."""
    return Forms(graph, Measures(graph, FactTable(graph))).totals(MAIN)


class Forms:
    """Trainable scalars and multiply-accumulates of a graph, each body worked out once."""

    def __init__(self, graph: Graph, measures: Measures) -> None:
        self.graph = graph
        self._measures = measures
        self._known: dict[tuple[int, int], tuple[Linear, Linear]] = {}

    def totals(self, part: int) -> tuple[Linear, Linear]:
        """(params, MACs) of the network, of the part of it that counts."""
        return self._body(len(self.graph.bodies) - 1, part)

    def _body(self, index: int, part: int) -> tuple[Linear, Linear]:
        if not self._measures.has_training_part(index) and part < 0:
            part = ALL
        found = self._known.get((index, part))
        if found is None:
            found = self._known[index, part] = self._sum(index, part)
        return found

    def _sum(self, index: int, part: int) -> tuple[Linear, Linear]:
        """Sums over the nodes of a body; a shared module's weights count at its first use."""
        body = self.graph.bodies[index]
        shared, seen = self._measures.shared(index), set[str]()
        params, macs = _Sum(), _Sum()
        for node, counts in zip(body.nodes, self._measures.parts(index, part), strict=True):
            if counts == SKIP:
                continue
            module = node.module or node.name
            owns = module not in shared or module not in seen
            seen.add(module)
            own = self._node(index, node) if node.op >= 0 else self._body(node.body, counts)
            macs.add(own[1])
            if owns:
                params.add(own[0])
        return params.form(), macs.form()

    def _node(self, index: int, node: Node) -> tuple[Linear, Linear]:
        op, body = self.graph.ops[node.op], self.graph.bodies[index]
        xs = tuple(body.values[v].shape for v in node.inputs)
        macs = form_of(op.macs(*xs))
        if op.is_frozen:
            return Linear((), 0), macs
        params = _Sum()
        for shape in op.weights(xs[0]).values():
            params.add(form_of(prod(shape)))
        return params.form(), macs


class _Sum:
    """A sum of many forms: terms are put in order once, at the end."""

    def __init__(self) -> None:
        self._terms: dict[Atom, int] = {}
        self._const = 0

    def add(self, form: Linear) -> None:
        self._const += form.const
        for atom, k in form.terms:
            self._terms[atom] = self._terms.get(atom, 0) + k

    def form(self) -> Linear:
        terms = [(a, k) for a, k in self._terms.items() if k]
        terms.sort(key=lambda term: (-abs(term[1]), str(Linear(((term[0], 1),), 0))))
        return Linear(tuple(terms), self._const)


def closed_form(form: Linear) -> str | None:
    """A form as text; None where some part of it has none."""
    return None if any(isinstance(atom, Opaque) for atom, _ in form.terms) else str(form)

"""Makes a graph anew, node by node, with some operators replaced and some left out.

Bodies are worked out per input shapes, as in elaboration: where a layer's result gets another
shape, the blocks after it are made anew for it. Positions in sequences close up over what is left
out.
"""

from __future__ import annotations

from collections.abc import Callable
from copy import copy
from dataclasses import dataclass, field

from ..graph import Body, Graph, Node, Scope, Shape, Site, Tree, Value, leaves
from ..ops import Op, OpError
from .error import TransformError
from .positions import Renaming

Decide = Callable[[int, int, list[Shape]], "Op | None"]
"""(body, node, shapes of its inputs in the new graph) -> the operator there; None leaves it out."""


@dataclass(frozen=True)
class Origin:
    """Where a node comes from: the old body and node, and a normalisation folded into it."""

    node: int
    folded: int = -1


@dataclass
class Rebuilt:
    """A transformed graph. `origins`: by new body, its old body and the origins of its nodes."""

    old: Graph
    graph: Graph
    origins: list[tuple[int, list[Origin]]] = field(default_factory=list)


class Rebuild:
    """One run over a graph. `folds`: by old body, node -> the node that is folded into it."""

    def __init__(
        self, graph: Graph, decide: Decide, folds: dict[int, dict[int, int]] | None = None
    ) -> None:
        self.old = graph
        self.decide = decide
        self.folds = folds or {}
        self.ops: list[Op] = []
        self.bodies: list[Body] = []
        self.sites: list[Site] = list(graph.sites)
        self.origins: list[tuple[int, list[Origin]]] = []
        self._op_numbers: dict[int, int] = {}
        self._made: dict[tuple[int, tuple[Shape, ...]], int] = {}
        self._sites: dict[tuple[int, str], int] = {}

    def run(self) -> Rebuilt:
        main = self.old.main
        shapes = [main.values[v].shape for end in main.inputs for v in leaves(end.value)]
        self.body(len(self.old.bodies) - 1, shapes)
        graph = Graph.assemble(self.old.name, self.ops, self.bodies, self.sites)
        return Rebuilt(self.old, graph, self.origins)

    def body(self, index: int, shapes: list[Shape]) -> int:
        """The new body for an old one and input shapes."""
        key = (index, tuple(shapes))
        found = self._made.get(key)
        if found is None:
            one = _One(self, index, shapes)
            one.work()
            self.bodies.append(one.new)
            self.origins.append((index, one.origins))
            found = self._made[key] = len(self.bodies) - 1
        return found

    def number(self, op: Op) -> int:
        """The number of an operator among those of the new graph."""
        found = self._op_numbers.get(id(op))
        if found is None:
            self.ops.append(op)
            found = self._op_numbers[id(op)] = len(self.ops) - 1
        return found

    def site(self, index: int, op: Op) -> int:
        """The place of an operator that was replaced: the same, but for what was said of arguments
        that it no longer has."""
        found = self._sites.get((index, op.op))
        if found is None:
            place = copy(self.sites[index])
            place.exprs = {"channels": place.exprs["features"]} if "features" in place.exprs else {}
            self.sites.append(place)
            found = self._sites[index, op.op] = len(self.sites) - 1
        return found


class _One:
    """One body under construction."""

    def __init__(self, all: Rebuild, index: int, shapes: list[Shape]) -> None:
        self.all = all
        self.index = index
        self.old = old = all.old.bodies[index]
        self.to: dict[int, int] = {}
        """Old value -> new value."""
        self.origins: list[Origin] = []
        self.kept: list[int] = []
        self.new = Body(old.block, old.kind, old.args, old.doc, old.site)
        self.new.listed, self.new.rows, self.new.choices = old.listed, old.rows, old.choices
        given = iter(shapes)
        for end in old.inputs:
            for v in leaves(end.value):
                self.value(v, next(given))

    def value(self, old: int, shape: Shape, node: int = -1, port: int = 0) -> None:
        self.new.values.append(Value(shape, node, port, self.old.values[old].name))
        self.to[old] = len(self.new.values) - 1

    def work(self) -> None:
        folds = self.all.folds.get(self.index, {})
        folded = set(folds.values())
        for n, node in enumerate(self.old.nodes):
            shapes = [self.new.values[self.to[v]].shape for v in node.inputs]
            if node.op < 0:
                made = self.all.body(node.body, shapes)
                callee = self.all.bodies[made]
                ends = [v for end in callee.outputs for v in leaves(end.value)]
                self.node(n, -1, made, [callee.values[v].shape for v in ends], node.site)
                continue
            op = None if n in folded else self.all.decide(self.index, n, shapes)
            if op is None:
                self.to[node.outputs[0]] = self.to[node.inputs[0]]
                continue
            self.operator(n, node, op, shapes, folds.get(n, -1))
        self.finish()

    def operator(self, n: int, node: Node, op: Op, shapes: list[Shape], folded: int) -> None:
        try:
            op.check(*shapes)
            results = list(op.outputs(*shapes))
        except OpError as error:
            raise TransformError(f"`{node.name}`: {error.message}") from error
        if len(node.outputs) > len(results):
            results.append(results[0])  # the positions of maxima
        same = op is self.all.old.ops[node.op]
        site = node.site if same else self.all.site(node.site, op)
        self.node(n, self.all.number(op), -1, results, site, folded)

    def node(
        self, n: int, op: int, body: int, shapes: list[Shape], site: int, folded: int = -1
    ) -> None:
        old = self.old.nodes[n]
        index = len(self.new.nodes)
        made = copy(old)
        made.op, made.body, made.site = op, body, site
        made.inputs = tuple(self.to[v] for v in old.inputs)
        for port, (v, shape) in enumerate(zip(old.outputs, shapes, strict=True)):
            self.value(v, shape, index, port)
        made.outputs = tuple(self.to[v] for v in old.outputs)
        self.new.nodes.append(made)
        self.origins.append(Origin(n, folded))
        self.kept.append(n)

    # ------------------------------------------------------------------ the rest of the body

    def finish(self) -> None:
        old, new = self.old, self.new
        rename = Renaming(old, set(range(len(old.nodes))) - set(self.kept))
        for node in new.nodes:
            node.name = rename(node.name)
            node.module = None if node.module is None else rename(node.module)
        for end in old.inputs:
            given = copy(end)
            given.value = self.tree(end.value)
            new.inputs.append(given)
        for out in old.outputs:
            result = copy(out)
            result.value = self.tree(out.value)
            new.outputs.append(result)
        for v, value in enumerate(old.values):
            if value.positions is not None:
                new.values[self.to[v]].positions = self.to[value.positions]
        gone = {node.name for n, node in enumerate(old.nodes) if n not in set(self.kept)}
        new.labels = {
            rename(path): self.tree(tree) for path, tree in old.labels.items() if path not in gone
        }
        before = [0]
        kept = set(self.kept)
        for n in range(len(old.nodes)):
            before.append(before[-1] + (n in kept))
        new.scopes = [self.scope(scope, before, rename) for scope in old.scopes]

    def scope(self, scope: Scope, before: list[int], rename: Renaming) -> Scope:
        made = copy(scope)
        made.path = rename(scope.path)
        made.first, made.last = before[scope.first], before[scope.last]
        made.inputs = tuple(self.to[v] for v in scope.inputs)
        made.output = None if scope.output is None else self.tree(scope.output)
        return made

    def tree(self, tree: Tree) -> Tree:
        return self.to[tree] if isinstance(tree, int) else [self.tree(part) for part in tree]

"""Rows of a report: one per layer or scope, made one after another while the graph is walked.

A network of 100,000 layers is walked without being unrolled in memory; the stack is as deep as
blocks are nested.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from typing import Any, NamedTuple, Union

from ..graph import Body, Graph, Node, Scope, Shape, Site, Tree, join, leaves
from .facts import Facts, FactTable, plain
from .measures import ALL, MAIN, SKIP, Counts, Measures, input_values, output_values
from .receptive import Field, Fields, ReceptiveField, figures


class LayerRow(NamedTuple):
    """An operator at its place. Figures are its own; `receptive_field` is over the network's input.

    `inputs`: paths of the layers (or names of the network's inputs) that feed it. `shape`: of its
    (first) result. `training`: only training outputs depend on it. `module`: path of the shared
    module that it uses; the weights are counted where that is used first.
    """

    path: str
    op: str
    args: dict[str, Any]
    inputs: list[str]
    shape: Shape
    params: int
    frozen: int
    buffers: int
    macs: int
    neurons: int
    receptive_field: ReceptiveField | None
    site: Site
    training: bool = False
    module: str | None = None
    free: Shape = ()
    """The shape once more, its free sizes (`dims.Size`) with their expressions."""


class ScopeRow(NamedTuple):
    """A called block or a labelled group: sums over what is inside, and what leaves it.

    `block` is the block's name, or the kind of a group (`group`, `repeat`, `for`, `skip`). `shapes`
    are of all values that leave it, `shape` and `receptive_field` of the first. `calls`: it is a
    called block, whose body is `body` in the graph.
    """

    path: str
    block: str
    args: dict[str, Any]
    shape: Shape
    shapes: list[Shape]
    params: int
    frozen: int
    buffers: int
    macs: int
    neurons: int
    receptive_field: ReceptiveField | None
    site: Site
    calls: bool
    body: int = -1
    iterations: int = 1
    training: bool = False
    free: Shape = ()
    """The (first) shape once more, its free sizes (`dims.Size`) with their expressions."""


Row = Union[LayerRow, ScopeRow]


class Place:
    """A body where it is called: path before its nodes, what feeds its inputs and what they see.

    `owned`: its weights are counted here, not at an earlier use of the same shared module.
    """

    __slots__ = ("feeds", "index", "names", "outer", "owned", "path", "training")

    def __init__(
        self,
        index: int,
        path: str,
        feeds: list[list[str]],
        outer: list[Field | None],
        training: bool,
        owned: bool = True,
    ) -> None:
        self.index = index
        self.path = path
        self.feeds = feeds
        self.outer = outer
        self.training = training
        self.owned = owned
        self.names: dict[int, list[str]] = {}
        """Names of the layers that make each value, as far as they are known."""


class Walker:
    """Makes rows of a graph. `source` is the input value that receptive fields are over, if any."""

    def __init__(
        self, graph: Graph, facts: FactTable, measures: Measures, fields: Fields, source: int | None
    ) -> None:
        self.graph = graph
        self.facts = facts
        self.measures = measures
        self.fields = fields
        self.source = source
        self._given: dict[int, dict[str, Any]] = {}
        self._figures: dict[tuple[int, ...], tuple[Field, ReceptiveField | None]] = {}

    # ------------------------------------------------------------------ places

    def main_place(self) -> Place:
        """The network itself."""
        index = len(self.graph.bodies) - 1
        feeds: list[list[str]] = []
        outer: list[Field | None] = []
        for end in self.graph.main.inputs:
            single = isinstance(end.value, int)
            for i, v in enumerate(leaves(end.value)):
                feeds.append([end.name if single else f"{end.name}[{i}]"])
                outer.append(self.fields.relative(index, v)[v] if v == self.source else None)
        return Place(index, "", feeds, outer, False)

    def called(self, place: Place, n: int, owned: bool = True) -> Place:
        """The body that node `n` of a place calls."""
        node = self.graph.bodies[place.index].nodes[n]
        return Place(
            node.body,
            join(place.path, node.name),
            [self.feeds(place, v) for v in node.inputs],
            [self.field(place, v) for v in node.inputs],
            place.training or self._is_training(place, n),
            owned,
        )

    def field(self, place: Place, value: int) -> Field | None:
        """What the units of a value see of the network's input."""
        return self.fields.inside(place.index, place.outer, value)

    def figures(self, place: Place, value: int) -> ReceptiveField | None:
        """The same in figures."""
        found = self.field(place, value)
        if found is None:
            return None
        # Elementwise layers have the very axes of the layer before them.
        key = tuple([id(axis) for axis in found])
        known = self._figures.get(key)
        if known is None:
            if len(self._figures) > 4096:
                self._figures.clear()
            known = self._figures[key] = (found, figures(found))
        return known[1]

    def feeds(self, place: Place, value: int) -> list[str]:
        """Paths of the layers that make a value, or names of the network's inputs."""
        if not place.names:
            body = self.graph.bodies[place.index]
            place.names.update(zip(input_values(body), place.feeds, strict=True))
        body = self.graph.bodies[place.index]
        todo = [value]  # a chain may have any number of calls: no recursion along it
        while todo:
            v = todo[-1]
            if v not in place.names:
                node = body.nodes[body.values[v].node]
                missing = [u for u in node.inputs if u not in place.names and node.op < 0]
                if missing:
                    todo.extend(missing)
                    continue
                place.names[v] = self._makers(place, v)
            todo.pop()
        return place.names[value]

    def _makers(self, place: Place, value: int) -> list[str]:
        """The same for a result of a node, the makers of whose inputs are known if it is a call."""
        body = self.graph.bodies[place.index]
        made = body.values[value]
        node = body.nodes[made.node]
        if node.op >= 0:
            return [join(place.path, node.name)]
        given = [place.names[v] for v in node.inputs]
        inner = Place(node.body, join(place.path, node.name), given, [], False)
        return self.feeds(inner, output_values(self.graph.bodies[node.body])[made.port])

    def _is_training(self, place: Place, n: int) -> bool:
        return self.measures.parts(place.index, MAIN)[n] == SKIP

    # ------------------------------------------------------------------ rows

    def layers(self) -> Iterator[LayerRow]:
        """Every operator, blocks unrolled, in the order of execution."""
        yield from self._layers(self.main_place())

    def _layers(self, place: Place) -> Generator[LayerRow, None, None]:
        shared, seen = self.measures.shared(place.index), set[str]()
        for n, node in enumerate(self.graph.bodies[place.index].nodes):
            owned = place.owned and owns(node, shared, seen)
            if node.op >= 0:
                yield self.layer(place, n, owned)
            else:
                yield from self._layers(self.called(place, n, owned))

    def layer(self, place: Place, n: int, owned: bool = True) -> LayerRow:
        """The row of one operator; `owned`: its weights are counted here."""
        body = self.graph.bodies[place.index]
        node, fact = body.nodes[n], self.facts[place.index][n]
        assert fact is not None
        value = node.outputs[0]
        return LayerRow(
            path=join(place.path, node.name),
            op=fact.op.op,
            args=self._arguments(node.op, fact),
            inputs=[name for v in node.inputs for name in self.feeds(place, v)],
            shape=plain(body.values[value].shape),
            params=fact.params if owned else 0,
            frozen=fact.frozen if owned else 0,
            buffers=fact.buffers if owned else 0,
            macs=fact.macs,
            neurons=fact.units,
            receptive_field=self.figures(place, value),
            site=self.graph.sites[node.site],
            training=place.training or self._is_training(place, n),
            module=None if node.module is None else join(place.path, node.module),
            free=body.values[value].shape,
        )

    def _arguments(self, index: int, fact: Facts) -> dict[str, Any]:
        found = self._given.get(index)
        if found is None:
            found = self._given[index] = fact.op.given()
        return found

    def scopes(self) -> Iterator[ScopeRow]:
        """Every called block and labelled group, outer ones first."""
        yield from self._scopes(self.main_place())

    def _scopes(self, place: Place) -> Generator[ScopeRow, None, None]:
        body = self.graph.bodies[place.index]
        groups = labelled_scopes(body)
        shared, seen = self.measures.shared(place.index), set[str]()
        at = 0
        for n, node in enumerate(body.nodes):
            while at < len(groups) and body.scopes[groups[at]].first <= n:
                yield self.group(place, groups[at])
                at += 1
            owned = place.owned and owns(node, shared, seen)
            if node.op < 0:
                yield self.call(place, n, owned)
                yield from self._scopes(self.called(place, n, owned))

    def call(self, place: Place, n: int, owned: bool = True) -> ScopeRow:
        """The row of a called block."""
        body = self.graph.bodies[place.index]
        node = body.nodes[n]
        callee = self.graph.bodies[node.body]
        counts = self.measures.counts(node.body, ALL)
        if not owned:
            counts = counts._replace(params=0, frozen=0, buffers=0)
        return self._scope(
            place, join(place.path, node.name), callee.block, callee.args, list(node.outputs),
            counts, node.site, n, body=node.body,
        )  # fmt: skip

    def group(self, place: Place, index: int) -> ScopeRow:
        """The row of a labelled group."""
        body = self.graph.bodies[place.index]
        scope = body.scopes[index]
        every = self.measures.parts(place.index, ALL)
        counts = self.measures.sum_of(place.index, every, scope.first, scope.last)
        if not place.owned:
            counts = counts._replace(params=0, frozen=0, buffers=0)
        return self._scope(
            place, join(place.path, scope.path), scope.kind, {}, leaving(body, scope),
            counts, scope.site, scope.first, count=scope.count,
        )  # fmt: skip

    def _scope(
        self, place: Place, path: str, block: str, args: dict[str, Any], values: list[int],
        counts: Counts, site: int, n: int, body: int = -1, count: int = 1,
    ) -> ScopeRow:  # fmt: skip
        free = [self.graph.bodies[place.index].values[v].shape for v in values]
        shapes = [plain(shape) for shape in free]
        return ScopeRow(
            path=path,
            block=block,
            args=args,
            shape=shapes[0] if shapes else (),
            shapes=shapes,
            params=counts.params,
            frozen=counts.frozen,
            buffers=counts.buffers,
            macs=counts.macs,
            neurons=counts.neurons,
            receptive_field=self.figures(place, values[0]) if values else None,
            site=self.graph.sites[site],
            calls=body >= 0,
            body=body,
            iterations=count,
            training=place.training or self._is_training(place, n),
            free=free[0] if free else (),
        )


def owns(node: Node, shared: set[str], seen: set[str]) -> bool:
    """Is this the first use of the node's module? Notes it in `seen`."""
    if not shared:
        return True
    module = node.module or node.name
    if module not in shared:
        return True
    if module in seen:
        return False
    seen.add(module)
    return True


def labelled_scopes(body: Body) -> list[int]:
    """Scopes of a body that have a path of their own and hold nodes, outer ones first."""
    found = [
        i
        for i, scope in enumerate(body.scopes)
        if i and scope.labelled and scope.path and scope.first < scope.last
    ]
    found.sort(key=lambda i: (body.scopes[i].first, -body.scopes[i].last, i))
    return found


def leaving(body: Body, scope: Scope) -> list[int]:
    """The values that leave a scope."""
    tree: Tree | None = scope.output
    if tree is None:
        tree = body.labels.get(scope.path)
    if tree is None and scope.last > scope.first:
        return list(body.nodes[scope.last - 1].outputs[:1])
    return leaves(tree)

"""Builds one body of the graph: values, nodes, scopes, names; at the end, is nothing lost?"""

from __future__ import annotations

from typing import Any

from ..graph import Body, Choice, Input, Node, Output, Scope, Value, leaves
from ..source import Span
from .naming import Names
from .session import Session
from .values import POISON, Record, Shape, Tensor


class Builder:
    """The body under construction."""

    def __init__(self, session: Session, body: Body, block: object, positional: bool) -> None:
        self.session = session
        self.body = body
        self.block = block
        self.names = Names(positional)
        self.scope = 0
        self.iters: tuple[int, ...] = ()
        self.spans: list[Span] = []
        """Where each node stands."""
        self.input_spans: list[Span] = []
        self.labels: dict[str, Any] = {}
        """What leaves each label."""
        self.excused: set[int] = set()
        """Values that a mistake swallowed: they may well reach an output."""
        self.excuse_all = False
        """A mistake may have taken any value."""
        self.size = 0
        """Layers, those inside of calls counted."""
        self._auto: list[tuple[int, tuple[str, str]]] = []
        body.scopes.append(Scope("", -1, "body", body.site, positional, True))

    # ------------------------------------------------------------------ values and nodes

    def value(self, shape: Shape, node: int = -1, port: int = 0, name: str | None = None) -> int:
        self.body.values.append(Value(shape, node, port, name))
        return len(self.body.values) - 1

    def node(
        self,
        path: str | None,
        kind: str,
        op: int,
        body: int,
        inputs: tuple[int, ...],
        shapes: tuple[Shape, ...],
        site: int,
        span: Span,
        labelled: bool = False,
        role: Any = "",
    ) -> tuple[int, ...]:
        """Add a node; a path of None is counted at the end as `kind1`, `kind2`."""
        nodes, values = self.body.nodes, self.body.values
        index = len(nodes)
        first = len(values)
        for port, shape in enumerate(shapes):
            values.append(Value(shape, index, port))
        outputs = tuple(range(first, len(values)))
        if path is None:
            self._auto.append((index, (self.names.here.path, kind)))
            path = ""
        nodes.append(
            Node(
                path, op, body, inputs, outputs, site, self.scope, self.iters, None, role, labelled
            )
        )
        self.spans.append(span)
        return outputs

    def tensor(self, id: int, pooled: Shape | None = None) -> Tensor:
        return Tensor(id, self.body.values[id].shape, pooled)

    def positions(self, value: int) -> int:
        """The value that holds where the maxima of a pooled value were."""
        found = self.body.values[value].positions
        if found is not None:
            return found
        made = self.body.values[value]
        shape = made.shape
        if made.node < 0:
            index = self.value(shape, name=f"{made.name or 'x'}_positions")
            self.body.inputs.append(Input(f"{made.name}_positions", index, hidden=True))
        else:
            node = self.body.nodes[made.node]
            index = self.value(shape, made.node, len(node.outputs))
            node.outputs = (*node.outputs, index)
        made.positions = index
        return index

    # ------------------------------------------------------------------ scopes

    def enter(
        self, path: str, kind: Any, site: int, positional: bool, labelled: bool, value: Any
    ) -> int:
        scope = Scope(path, self.scope, kind, site, positional, labelled, self.iters)
        scope.first = len(self.body.nodes)
        scope.inputs = tuple(leaves(tree_of(value)))
        self.body.scopes.append(scope)
        before, self.scope = self.scope, len(self.body.scopes) - 1
        return before

    def leave(self, before: int, value: Any) -> None:
        scope = self.body.scopes[self.scope]
        scope.last = len(self.body.nodes)
        scope.output = tree_of(value)
        self.scope = before

    def choose(self, site: int, test: str | None, taken: bool) -> None:
        self.body.choices.append(Choice(site, test, taken, self.iters))

    def label(self, path: str, value: Any) -> None:
        self.labels[path] = value

    # ------------------------------------------------------------------ the end

    def finish(self, pruned: bool) -> None:
        """Name what is to be counted, find what is lost, close the body."""
        body = self.body
        for (index, _), name in zip(
            self._auto, self.names.count([kind for _, kind in self._auto]), strict=True
        ):
            body.nodes[index].name = name
        for path, value in self.labels.items():
            tree = tree_of(value)
            if tree is not None:
                body.labels[path] = tree
        body.scopes[0].last = len(body.nodes)
        body.scopes[0].output = [o.value for o in body.outputs]
        live = self.live()
        if pruned:
            self.prune(live)
        elif not self.excuse_all:
            self.report_lost(live)

    def live(self) -> set[int]:
        """The values that an output depends on (or may, where a mistake hides it)."""
        live = set(self.excused)
        for output in self.body.outputs:
            live.update(leaves(output.value))
        for node in reversed(self.body.nodes):
            if any(i in live for i in node.outputs):
                live.update(node.inputs)
        return live

    def report_lost(self, live: set[int]) -> None:
        """E0501 for each last stage of a dead end, E0504 for each input that is never used."""
        used = {i for node in self.body.nodes for i in node.inputs}
        for node, span in zip(self.body.nodes, self.spans, strict=True):
            if not any(i in live or i in used for i in node.outputs):
                self.session.report(
                    "E0501",
                    f"`{node.name}` reaches no output",
                    (span, "its result is dropped"),
                    help="pass its result on, or remove it",
                )
        used |= live
        used.update(i for i, v in enumerate(self.body.values) if v.positions in used)
        for entry, span in zip(self.body.inputs, self.input_spans, strict=False):
            if not entry.hidden and not any(i in used for i in leaves(entry.value)):
                self.session.report(
                    "E0504",
                    f"input `{entry.name}` is never used",
                    span,
                    help="use it, or remove it",
                )

    def prune(self, live: set[int]) -> None:
        """Keep what the outputs depend on (a backbone of which only some values are taken)."""
        body = self.body
        kept = [i for i, node in enumerate(body.nodes) if any(o in live for o in node.outputs)]
        place = {old: new for new, old in enumerate(kept)}
        counts = [0]
        for i in range(len(body.nodes)):
            counts.append(counts[-1] + (i in place))
        for scope in body.scopes:
            scope.first, scope.last = counts[scope.first], counts[scope.last]
        for value in body.values:
            value.node = place.get(value.node, -1)
        body.nodes = [body.nodes[i] for i in kept]
        gone = {
            path for path, tree in body.labels.items() if any(i not in live for i in leaves(tree))
        }
        for path in gone:
            del body.labels[path]


def tree_of(value: Any) -> Any:
    """The Tree of an elaborated value; None where something in it is no tensor."""
    if isinstance(value, Tensor):
        return value.id
    if isinstance(value, (list, tuple)):
        parts = [tree_of(v) for v in value]
        return None if any(p is None for p in parts) else parts
    if isinstance(value, Record):
        return tree_of(list(value.fields.values()))
    return None


def tensors(value: Any) -> list[Tensor]:
    """All tensors of a value, left to right."""
    if isinstance(value, Tensor):
        return [value]
    if isinstance(value, (list, tuple)):
        return [t for part in value for t in tensors(part)]
    if isinstance(value, Record):
        return tensors(list(value.fields.values()))
    return []


def poisoned(value: Any) -> bool:
    if value is POISON:
        return True
    if isinstance(value, (list, tuple)):
        return any(poisoned(v) for v in value)
    if isinstance(value, Record):
        return any(poisoned(v) for v in value.fields.values())
    return False


def rebuild(tree: Any, give: Any) -> Any:
    """A value of the structure of a tree, with `give(leaf)` at the leaves."""
    if isinstance(tree, int):
        return give(tree)
    return [rebuild(part, give) for part in tree]


__all__ = ["Builder", "Output", "poisoned", "rebuild", "tensors", "tree_of"]

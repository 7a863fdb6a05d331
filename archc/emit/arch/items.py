"""A body as items: nodes, groups and skips, each with the value that enters and leaves it."""

from __future__ import annotations

from typing import NamedTuple

from ...graph import Body, Graph, Node, Scope, Tree, leaves
from .errors import Unwritable

FREE = ("for", "repeat")
"""Scopes that are seen through where they have no label."""


class Item(NamedTuple):
    """A part of a scope, in the order of execution: a node, or an inner scope."""

    first: int
    """Its (first) node."""
    node: Node | None = None
    scope: int = -1


class Exit(NamedTuple):
    """What leaves an item: a value or list; with `fields`, a record of as many."""

    tree: Tree
    fields: tuple[str, ...] = ()


class Items:
    """The items of one body."""

    def __init__(self, graph: Graph, body: Body) -> None:
        self.graph = graph
        self.body = body
        self.inside: list[list[Item]] = [[] for _ in body.scopes]
        for n, node in enumerate(body.nodes):
            self.inside[node.scope].append(Item(n, node))
        for i, scope in enumerate(body.scopes[1:], 1):
            if scope.first < scope.last:
                self.inside[scope.parent].append(Item(scope.first, scope=i))

    def of(self, scope: int) -> list[Item]:
        """The items of a scope, those of unlabelled loops inside among them."""
        found: list[Item] = []
        pending = [scope]
        while pending:
            for item in self.inside[pending.pop()]:
                inner = self.body.scopes[item.scope] if item.scope >= 0 else None
                if inner is not None and inner.kind in FREE and not inner.labelled:
                    pending.append(item.scope)
                else:
                    found.append(item)
        return sorted(found, key=lambda item: item.first)

    def scope(self, item: Item) -> Scope:
        return self.body.scopes[item.scope]

    def named(self, item: Item) -> bool:
        """Does it take a name or a position?"""
        if item.node is not None:
            return True
        scope = self.scope(item)
        return scope.labelled or scope.kind == "group"

    def name(self, item: Item) -> str:
        """Its path in the body."""
        return item.node.name if item.node is not None else self.scope(item).path

    def joins(self, item: Item) -> bool:
        """Is it a `fuse`, which begins a pipeline?"""
        return item.node is not None and item.node.op >= 0 and self.op(item.node) == "fuse"

    def op(self, node: Node) -> str:
        return self.graph.ops[node.op].op

    def enters(self, item: Item) -> Tree:
        """The value that a stage is applied to. Not for `fuse`, which takes any number."""
        if item.node is None:
            scope = self.scope(item)
            inner = self.of(item.scope)
            if scope.kind == "skip" and len(scope.inputs) == 1:
                return scope.inputs[0]
            return self.enters(inner[0])
        node = item.node
        if node.op >= 0:
            return node.inputs[0]
        declared = [end.value for end in self.graph.bodies[node.body].inputs if not end.hidden]
        trees = [_given(tree, self.graph.bodies[node.body], node) for tree in declared]
        return trees[0] if len(trees) == 1 else list(trees)

    def leaves(self, item: Item) -> Exit:
        """What comes out of it."""
        if item.node is None:
            inner = self.of(item.scope)
            return self.leaves(inner[-1]) if self.scope(item).kind != "skip" else self._sum(item)
        node = item.node
        if node.op >= 0:
            hidden = self.body.values[node.outputs[0]].positions
            shown = [v for v in node.outputs if v != hidden]
            return Exit(shown[0] if len(shown) == 1 and self.op(node) != "split" else list(shown))
        callee = self.graph.bodies[node.body]
        ends = [end for end in callee.outputs if not end.hidden]
        made = dict(zip((v for e in callee.outputs for v in leaves(e.value)), node.outputs))  # noqa: B905
        trees = [_mapped(end.value, made) for end in ends]
        if len(trees) == 1:
            return Exit(trees[0])
        return Exit(list(trees), tuple(fields(callee)))

    def _sum(self, item: Item) -> Exit:
        return Exit(self.skip_sum(item).outputs[0])

    def skip_sum(self, item: Item) -> Node:
        """The `fuse` of a skip."""
        node = self.body.nodes[self.scope(item).last - 1]
        if node.role != "skip":
            raise Unwritable(f"the skip `{self.name(item)}` does not end in its sum")
        return node


def fields(body: Body) -> list[str]:
    """Names for the outputs of a block that has several."""
    ends = [end for end in body.outputs if not end.hidden]
    names = [end.name or f"output{i + 1}" for i, end in enumerate(ends)]
    return [name if names.count(name) == 1 else f"{name}_{i}" for i, name in enumerate(names)]


def _given(tree: Tree, callee: Body, node: Node) -> Tree:
    """The caller's values for a tree of the callee's inputs."""
    sources = [v for end in callee.inputs for v in leaves(end.value)]
    return _mapped(tree, dict(zip(sources, node.inputs, strict=True)))


def _mapped(tree: Tree, to: dict[int, int]) -> Tree:
    return to[tree] if isinstance(tree, int) else [_mapped(part, to) for part in tree]

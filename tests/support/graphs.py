"""Graphs made by hand, for tests of what works on graphs without going through the language."""

from __future__ import annotations

from typing import Any

from archc.graph import Body, Graph, Input, Node, Output, Scope, Site, Tree, Value
from archc.ops import Op, Shape, operator

SITE = 0


class GraphBuilder:
    """Collects bodies; the last one is the network."""

    def __init__(self) -> None:
        self.ops: list[Op] = []
        self.bodies: list[Body] = []
        self._known: dict[Op, int] = {}

    def op(self, name: str, **args: Any) -> int:
        """Number of an operator; equal ones are one, as in an elaborated graph."""
        made = operator(name).make(args)
        if made not in self._known:
            self._known[made] = len(self.ops)
            self.ops.append(made)
        return self._known[made]

    def body(self, block: str, kind: str = "block", **args: Any) -> BodyBuilder:
        return BodyBuilder(self, block, kind, args)

    def graph(self) -> Graph:
        site = Site("hand.arch", 1, 1, 1, 1)
        name = self.bodies[-1].block
        return Graph(name=name, ops=self.ops, bodies=self.bodies, sites=[site])


class BodyBuilder:
    """One body; values are ints."""

    def __init__(self, graph: GraphBuilder, block: str, kind: str, args: dict[str, Any]) -> None:
        self.graph = graph
        self.made = Body(block=block, kind=kind, args=args, doc="", site=SITE)
        self.made.scopes.append(Scope(path="", parent=-1, kind="body", site=SITE))

    def input(self, name: str, *shape: int) -> int:
        self.made.values.append(Value(shape, name=name))
        value = len(self.made.values) - 1
        self.made.inputs.append(Input(name, value))
        return value

    def add(self, name: str, op: str, *inputs: int, module: str | None = None, **args: Any) -> int:
        """An operator's first result."""
        return self.add_all(name, op, *inputs, module=module, **args)[0]

    def add_all(
        self, name: str, op: str, *inputs: int, module: str | None = None, **args: Any
    ) -> list[int]:
        """All results of an operator."""
        index = self.graph.op(op, **args)
        shapes: list[Shape] = [self.made.values[v].shape for v in inputs]
        self.graph.ops[index].check(*shapes)
        results = self.graph.ops[index].outputs(*shapes)
        return self._node(name, index, -1, inputs, results, module)

    def call(self, name: str, body: int, *inputs: int, module: str | None = None) -> list[int]:
        callee = self.graph.bodies[body]
        ends = [v for out in callee.outputs for v in _flat(out.value)]
        return self._node(name, -1, body, inputs, [callee.values[v].shape for v in ends], module)

    def _node(
        self,
        name: str,
        op: int,
        body: int,
        inputs: tuple[int, ...],
        shapes: list[Shape] | tuple[Shape, ...],
        module: str | None,
    ) -> list[int]:
        n = len(self.made.nodes)
        outputs = []
        for port, shape in enumerate(shapes):
            self.made.values.append(Value(shape, n, port))
            outputs.append(len(self.made.values) - 1)
        self.made.nodes.append(
            Node(name, op, body, inputs, tuple(outputs), SITE, module=module, labelled=True)
        )
        self.made.labels[name] = outputs[0] if len(outputs) == 1 else list(outputs)
        return outputs

    def group(self, path: str, first: int, output: int, kind: str = "group") -> None:
        """A labelled group of the nodes from `first` on."""
        self.made.scopes.append(
            Scope(
                path, 0, kind, SITE, labelled=True, first=first,
                last=len(self.made.nodes), output=output,
            )
        )  # fmt: skip
        self.made.labels[path] = output

    def output(self, value: Tree, name: str | None = None, training: bool = False) -> None:
        self.made.outputs.append(Output(name, value, training))

    def done(self) -> int:
        """The number of the body, to call it."""
        self.graph.bodies.append(self.made)
        return len(self.graph.bodies) - 1


def _flat(tree: Tree) -> list[int]:
    return [tree] if isinstance(tree, int) else [leaf for part in tree for leaf in _flat(part)]

"""Graph to units: what will be a class each, with its steps in order.

A unit is a body of the graph, or a labelled group in it that is not a plain chain. A labelled group
that is a plain chain is one step, whose layer is a `Chain` (an `nn.Sequential`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from ...graph import Body, Graph, Input, Node, Output, Scope, Tree, Value, leaves
from ...ops.call import Call, SizeOf, Torch
from ...ops.pool import Pool, Unpool
from .apart import apart
from .errors import EmitError
from .layers import Chain, Layer, Leaf, Loop, Part, Step, Unit
from .sizes import sized
from .trees import drop_identities, split, stem, unread_inputs


@dataclass(slots=True)
class _Element:
    """A step of a scope under construction, with its key in the scope."""

    key: str
    step: Step


class Units:
    """Builds the units of a graph, callees before callers."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.units: list[Unit] = []
        self.of_body: list[int] = []
        self._torch: dict[tuple[object, ...], Torch] = {}
        for body, positions in zip(graph.bodies, sized(graph), strict=True):
            self.of_body.append(_BodyUnits(self, body, positions).build())
        self.drop_unused()

    def drop_unused(self) -> None:
        """Take inputs off units that never read them (an `unpool` reads positions alone)."""
        groups: dict[tuple[object, ...], list[Unit]] = {}
        for unit in self.units[:-1]:
            groups.setdefault(unit.group, []).append(unit)
        gone: dict[tuple[object, ...], set[int]] = {}
        for key, units in groups.items():
            if len({len(u.inputs) for u in units}) == 1:
                unread = [unread_inputs(u) for u in units]
                gone[key] = set.intersection(*unread)
        for unit in self.units:
            for step in unit.steps:
                if isinstance(step.layer, Part):
                    lost = gone.get(self.units[step.layer.unit].group, set())
                    step.takes = tuple(t for n, t in enumerate(step.takes) if n not in lost)
                    step.inputs = tuple(i for t in step.takes for i in leaves(t))
        for key, lost in gone.items():
            for unit in groups[key]:
                unit.inputs = [i for n, i in enumerate(unit.inputs) if n not in lost]

    def torch(
        self, index: int, shapes: tuple[tuple[int, ...], ...], ports: int, sized: bool
    ) -> Torch:
        """The PyTorch form of an operator for input shapes; with two ports, that with positions.
        `sized`: the form that is given a size."""
        key = (index, shapes, ports, sized)
        if key not in self._torch:
            plain = tuple(tuple(int(n) for n in shape) for shape in shapes)
            op = self.graph.ops[index]
            form = op.torch_positions if ports == 2 and isinstance(op, Pool) else op.torch
            if sized and isinstance(op, Unpool):
                form = op.torch_sized
            self._torch[key] = apart(form(*plain), self.graph.name)
        return self._torch[key]

    def helpers(self) -> set[str]:
        """Names of the classes and functions that the file brings along."""
        return {helper.name for form in self._torch.values() for helper in form.helpers}


class _BodyUnits:
    """The units of one body."""

    def __init__(self, owner: Units, body: Body, positions: set[int]) -> None:
        self.owner = owner
        self.body = body
        self.graph = owner.graph
        self.values = list(body.values)
        self.size_of: dict[int, int] = {}
        """The sizes that accompany positions, by these."""
        for value in sorted(positions):
            self.size_of[value] = len(self.values)
            self.values.append(Value((), name="size"))
        self.children: dict[int, list[int]] = {}
        for index, scope in enumerate(body.scopes):
            if index and scope.parent >= 0:
                self.children.setdefault(scope.parent, []).append(index)
        self.uses = Counter(i for node in body.nodes for i in self._reads(node))
        self.uses.update(i for out in body.outputs for i in leaves(out.value))
        self.loops: list[Loop] = []
        self.shared = {node.module for node in body.nodes if node.module}

    def build(self) -> int:
        body = self.body
        if body.scopes:
            elements = self._elements(0, "")
        else:
            elements = [e for n in body.nodes for e in self._of_node(n, "")]
        site = self.graph.sites[body.site] if 0 <= body.site < len(self.graph.sites) else None
        place = (site.file, site.line, site.column) if site else ()
        positional = bool(body.scopes) and body.scopes[0].positional
        unit = Unit(
            name=body.block,
            kind=body.kind,
            group=(body.block, *place),
            doc=body.doc,
            args=body.args,
            inputs=self._inputs(body),
            outputs=self._outputs(body),
            values=self.values,
            steps=[e.step for e in elements],
            choices=body.choices,
            positional=positional,
            sizes=frozenset(self.size_of.values()),
        )
        self._take_loops(unit)
        plain = all(e.key == str(n) for n, e in enumerate(elements))
        if positional and plain and len(body.inputs) == 1 and len(body.outputs) == 1:
            chain = self._chain(elements, "")
            ends = (body.inputs[0].value, body.outputs[0].value)
            if chain and chain[1:] == ends:
                unit.chain = chain[0]
        self.owner.units.append(unit)
        return len(self.owner.units) - 1

    # ------------------------------------------------------------------ scopes

    def _elements(self, scope: int, prefix: str) -> list[_Element]:
        """Direct nodes and inner labelled scopes, in order; others are looked through."""
        body = self.body
        here = body.scopes[scope]
        result: list[_Element] = []
        at = here.first
        inner = sorted(self.children.get(scope, []), key=lambda s: (body.scopes[s].first, s))
        for child in inner:
            sub = body.scopes[child]
            if sub.first == sub.last:
                continue
            result += [
                e for n in range(at, sub.first) for e in self._of_node(body.nodes[n], prefix)
            ]
            at = sub.last
            if sub.path != here.path and sub.path.startswith(prefix):
                result += self._labelled(child, prefix)
            elif sub.kind in ("for", "repeat"):
                result += self._looped(child, prefix)
            else:
                result += self._elements(child, prefix)
        end = here.last if scope else len(body.nodes)
        result += [e for n in range(at, end) for e in self._of_node(body.nodes[n], prefix)]
        return result

    def _looped(self, scope: int, prefix: str) -> list[_Element]:
        """The elements of a loop without a label, which is noted."""
        at = len(self.loops)
        elements = self._elements(scope, prefix)
        self.loops.insert(at, _loop(self.body.scopes[scope], elements))
        return elements

    def _of_node(self, node: Node, prefix: str) -> Iterator[_Element]:
        """The element of a node, after that of the size that its positions need."""
        name = node.name[len(prefix) :] if node.name.startswith(prefix) else node.name
        if node.op >= 0 and len(node.outputs) == 2 and node.outputs[1] in self.size_of:
            x, size = node.inputs[0], self.size_of[node.outputs[1]]
            leaf = Leaf(
                "size", Torch(function=Call("list", (SizeOf(0),))), node.site, "size", False
            )
            step = Step(leaf, "", (x,), (size,), (x,), (size,), node.site, node.iters)
            yield _Element(f"{name}.size", step)
        yield _Element(name, self._step(node, prefix))

    def _labelled(self, scope: int, prefix: str) -> list[_Element]:
        """A labelled scope: a chain, a unit of its own, or else its elements with longer keys."""
        body = self.body
        sub = body.scopes[scope]
        inside = sub.path + "."
        elements = self._elements(scope, inside)
        nodes = body.nodes[sub.first : sub.last]
        key = sub.path[len(prefix) :]
        whole = all(
            n.name.startswith(inside) and (n.module is None or n.module.startswith(inside))
            for n in nodes
        ) and not self._used_elsewhere(sub.first, sub.last, inside)
        if whole:
            chain = self._chain(elements, inside)
            if chain:
                made, takes, gives = chain
                first, last = elements[0].step, elements[-1].step
                step = Step(
                    made,
                    key,
                    first.inputs,
                    last.outputs,
                    (takes,),
                    (gives,),
                    sub.site,
                    sub.iters,
                    labelled=True,
                )
                return [_Element(key, step)]
            return [_Element(key, self._extract(scope, key, elements))]
        for element in elements:
            element.key = f"{key}.{element.key}"
            element.step.path = f"{key}.{element.step.path}"
        return elements

    def _used_elsewhere(self, first: int, last: int, inside: str) -> bool:
        """Is a module of [first, last) used outside, other than by a use of the whole scope?"""
        if not self.shared:
            return False
        names = {n.name for n in self.body.nodes[first:last]}
        return any(
            n.module in names and not n.name.startswith(inside)
            for i, n in enumerate(self.body.nodes)
            if n.module and not first <= i < last
        )

    def _chain(self, elements: list[_Element], prefix: str) -> tuple[Chain, Tree, Tree] | None:
        """The elements as one `nn.Sequential`, with what enters and what leaves it."""
        items: list[tuple[str, Layer]] = []
        keys: set[str] = set()
        before: Step | None = None
        for element in elements:
            step = element.step
            if "." in element.key or element.key in keys:
                return None
            if len(step.takes) != 1 or len(step.gives) != 1:
                return None
            if isinstance(step.layer, Leaf) and step.layer.torch.module is None:
                return None
            if before is not None:
                if before.gives != step.takes:
                    return None
                if any(self.uses[i] != 1 for i in before.outputs):
                    return None
            keys.add(element.key)
            items.append((element.key, step.layer))
            before = step
        if before is None:
            return None
        return Chain(items), elements[0].step.takes[0], before.gives[0]

    def _extract(self, scope: int, key: str, elements: list[_Element]) -> Step:
        """A labelled scope as a unit of its own, and the step that calls it."""
        body, sub = self.body, self.body.scopes[scope]
        made = [i for e in elements for i in e.step.outputs]
        inside = set(made)
        enters = list(dict.fromkeys(i for e in elements for i in e.step.inputs if i not in inside))
        used = Counter(i for n in body.nodes[sub.first : sub.last] for i in self._reads(n))
        leaves_it = [i for i in made if self.uses[i] > used[i]]
        site = self.graph.sites[sub.site] if 0 <= sub.site < len(self.graph.sites) else None
        place = (site.file, site.line, site.column) if site else ()
        names = [self.values[i].name or "" for i in enters] if len(enters) > 1 else ["x"]
        unit = Unit(
            name=stem(key),
            kind="group",
            group=("group", *place),
            doc="",
            args=body.args,
            inputs=[
                Input(name or f"x{n + 1}", i)
                for n, (name, i) in enumerate(zip(names, enters, strict=True))
            ],
            outputs=[Output(None, i) for i in leaves_it],
            values=self.values,
            steps=[e.step for e in elements],
            choices=body.choices,
            positional=sub.positional,
            sizes=frozenset(self.size_of.values()),
            aliases=body.inputs,
            base=len(sub.iters),
        )
        self._take_loops(unit)
        if sub.kind in ("for", "repeat"):
            unit.loops.insert(0, _loop(sub, elements))
        self.owner.units.append(unit)
        return Step(
            Part(len(self.owner.units) - 1, sub.site),
            key,
            tuple(enters),
            tuple(leaves_it),
            tuple(enters),
            tuple(leaves_it),
            sub.site,
            sub.iters,
            labelled=True,
        )

    def _take_loops(self, unit: Unit) -> None:
        """Give a finished unit the loops that its steps stand in."""
        looped = {id(s) for loop in self.loops for part in loop.iterations for s in part}
        drop_identities(unit, looped)
        kept = {id(step) for step in unit.steps}
        for loop in self.loops:
            iterations = [[s for s in steps if id(s) in kept] for steps in loop.iterations]
            if any(iterations):
                unit.loops.append(Loop(loop.site, loop.depth, iterations))

    # ------------------------------------------------------------------ nodes

    def _step(self, node: Node, prefix: str = "") -> Step:
        path = node.module or node.name
        if path.startswith(prefix):
            path = path[len(prefix) :]
        inputs, outputs = self._with_sizes(node.inputs), node.outputs
        takes: tuple[Tree, ...] = inputs
        layer: Layer
        if node.body >= 0:
            outputs = self._with_sizes(outputs)
            number = self.owner.of_body[node.body]
            callee = self.owner.units[number]
            layer = Part(number, node.site)
            takes = split([i.value for i in callee.inputs], inputs)
            gives = split([o.value for o in callee.outputs], outputs)
        else:
            gives = outputs
            layer = self._leaf(node, len(inputs) > len(node.inputs))
        return Step(
            layer,
            path,
            inputs,
            outputs,
            takes,
            gives,
            node.site,
            node.iters,
            node.role == "skip",
            node.labelled,
        )

    def _leaf(self, node: Node, sized: bool) -> Leaf:
        op = self.graph.ops[node.op]
        shapes = tuple(self.body.values[i].shape for i in node.inputs)
        ports = len(node.outputs) if op.op == "pool" else 1
        torch = self.owner.torch(node.op, shapes, ports, sized)
        if torch.module is None and torch.function is None:
            raise EmitError(f"`{node.name}` ({op.op}) has no form in PyTorch", node.site)
        stateful = bool(op.weights(shapes[0]) or op.buffers(shapes[0]))
        return Leaf(op.op, torch, node.site, op.family, stateful, ports)

    # ------------------------------------------------------------------ sizes beside positions

    def _with_sizes(self, values: tuple[int, ...]) -> tuple[int, ...]:
        """Values of a call, each positions followed by their size."""
        if not self.size_of:
            return values
        return tuple(
            part for i in values for part in ((i, self.size_of[i]) if i in self.size_of else (i,))
        )

    def _reads(self, node: Node) -> tuple[int, ...]:
        """What the steps of a node read."""
        if node.op >= 0 and len(node.outputs) == 2 and node.outputs[1] in self.size_of:
            return (*node.inputs, node.inputs[0])
        return self._with_sizes(node.inputs)

    def _inputs(self, body: Body) -> list[Input]:
        made: list[Input] = []
        for end in body.inputs:
            made.append(end)
            if isinstance(end.value, int) and end.value in self.size_of:
                name = end.name.removesuffix("_positions") + "_size"
                made.append(Input(name, self.size_of[end.value], hidden=True))
        return made

    def _outputs(self, body: Body) -> list[Output]:
        made: list[Output] = []
        for end in body.outputs:
            made.append(end)
            if isinstance(end.value, int) and end.value in self.size_of:
                made.append(Output(None, self.size_of[end.value], hidden=True))
        return made


def _loop(scope: Scope, elements: list[_Element]) -> Loop:
    """The steps of a loop, by iteration."""
    loop = Loop(scope.site, len(scope.iters), [])
    for element in elements:
        at = element.step.iters[loop.depth]
        while len(loop.iterations) <= at:
            loop.iterations.append([])
        loop.iterations[at].append(element.step)
    return loop

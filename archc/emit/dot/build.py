"""From the graph to a picture: what is folded into one box, what is opened, what is merged."""

from __future__ import annotations

from collections import Counter
from math import prod

from ...graph import Body, Graph, Node, Scope, join, leaves
from ...ops import Op
from .picture import Box, Picture
from .words import ATTACHED, SYMBOLS, call_text, operator_text

ENOUGH = 8
"""A folded picture of fewer boxes opens blocks that hold blocks."""

MOST = 4000
"""An unfolded picture of more layers folds what would go beyond."""


def draw(graph: Graph, unfold: bool) -> Picture:
    """The picture of a network, folded or with every block open."""
    for depth in (0, 1, 2, 64):
        picture = _Drawing(graph, unfold, depth).run()
        if unfold or len(picture.boxes) - _ends(picture) >= ENOUGH:
            break
    return picture


def _ends(picture: Picture) -> int:
    return sum(box.family in ("input", "output") for box in picture.boxes)


class _Drawing:
    """One pass over the graph, into a picture."""

    def __init__(self, graph: Graph, unfold: bool, depth: int) -> None:
        self.graph = graph
        self.unfold = unfold
        self.depth = depth
        """How many levels of blocks are opened when not all are."""
        self.picture = Picture()
        self.aux: set[int] = set()

    def run(self) -> Picture:
        body = self.graph.main
        sources: dict[int, int] = {}
        for entry in body.inputs:
            for value in leaves(entry.value):
                shape = body.values[value].shape
                sources[value] = self.picture.box("input", entry.name, [], shape).id
        self.aux = _training_only(body)
        self.body(body, "", sources, 0, 0)
        count = Counter(o.name for o in body.outputs)
        for number, output in enumerate(body.outputs):
            if output.hidden:
                continue
            for k, value in enumerate(leaves(output.value)):
                name = output.name or (
                    "output" if len(body.outputs) == 1 else f"output {number + 1}"
                )
                if isinstance(output.value, list):
                    name = f"{name}[{k}]" if count else name
                shape = body.values[value].shape
                box = self.picture.box("output", name, [], shape)
                box.training = output.training
                self.picture.edge(sources[value], box.id, shape)
        self.picture.settle()
        return self.picture

    # ------------------------------------------------------------------ bodies

    def body(
        self, body: Body, prefix: str, sources: dict[int, int], cluster: int, depth: int
    ) -> None:
        """Draw the nodes of a body; `sources` maps values to the boxes they leave."""
        uses = Counter(i for node in body.nodes for i in node.inputs)
        uses.update(i for output in body.outputs for i in leaves(output.value))
        folded = self._folded_scopes(body)
        frames: dict[int, int] = {0: cluster}
        index = 0
        while index < len(body.nodes):
            node = body.nodes[index]
            fold = folded.get(index)
            if fold is not None:
                self._fold(
                    body, fold, prefix, sources, self._frame(body, fold.parent, prefix, frames)
                )
                index = fold.last
                continue
            inside = self._frame(body, node.scope, prefix, frames)
            if node.body >= 0:
                index += self._calls(body, index, prefix, sources, inside, depth)
                continue
            self._operator(body, node, prefix, sources, uses, inside)
            index += 1

    def _frame(self, body: Body, scope: int, prefix: str, frames: dict[int, int]) -> int:
        """The cluster of a scope: labelled groups of several nodes have one."""
        if scope not in frames:
            own = body.scopes[scope]
            outer = self._frame(body, own.parent, prefix, frames)
            several = own.last - own.first > 1 and own.labelled and own.kind != "skip"
            frames[scope] = self.picture.cluster(outer, own.path) if several else outer
        return frames[scope]

    # ------------------------------------------------------------------ folding

    def _folded_scopes(self, body: Body) -> dict[int, Scope]:
        """Repeats that become one box, by their first node."""
        found: dict[int, Scope] = {}
        end = 0
        for scope in sorted(body.scopes[1:], key=lambda s: (s.first, -s.last)):
            if scope.kind != "repeat" or scope.count < 2 or scope.first < end:
                continue
            if scope.last - scope.first < 2 or not _leaving(body, scope):
                continue
            if self.unfold and any(n.body >= 0 for n in body.nodes[scope.first : scope.last]):
                continue
            found[scope.first] = scope
            end = scope.last
        return found

    def _fold(
        self, body: Body, scope: Scope, prefix: str, sources: dict[int, int], cluster: int
    ) -> None:
        """A whole repeat as one box with ×n."""
        nodes = body.nodes[scope.first : scope.last]
        each = len(nodes) // scope.count
        text = self._round(body, nodes[-each:])
        lines = [f"{text} ×{scope.count}"]
        first = self._round(body, nodes[:each])
        if first != text:
            lines.append(f"first {first}")
        family = "block" if any(n.body >= 0 for n in nodes) else self._op(nodes[0]).family
        title = scope.path if scope.labelled else ""
        inner = {i for node in nodes for i in node.outputs}
        entering = dict.fromkeys(i for node in nodes for i in node.inputs if i not in inner)
        for group in self._streams(body, _leaving(body, scope)):
            shape = body.values[group[0]].shape
            box = self.picture.box(family, title, lines, shape, cluster)
            box.count = scope.count
            box.paths = [join(prefix, node.name) for node in nodes]
            box.training = body is self.graph.main and group[0] in self.aux
            for value in entering:
                self.picture.edge(sources[value], box.id, body.values[value].shape)
            for value in group:
                sources[value] = box.id

    def _streams(self, body: Body, values: list[int]) -> list[list[int]]:
        """Values by resolution: what gives several is drawn as one box a stream."""
        by_size: dict[tuple[int, ...], list[int]] = {}
        for value in values:
            by_size.setdefault(tuple(map(int, body.values[value].shape[1:])), []).append(value)
        return list(by_size.values())

    def _round(self, body: Body, nodes: list[Node]) -> str:
        """One round of a repeat in words; a skip around it is said by its symbol."""
        parts = []
        sign = ""
        for node in nodes:
            if node.body >= 0:
                parts.append(call_text(self.graph.bodies[node.body]))
            elif node.role == "skip":
                sign = f" {SYMBOLS[str(getattr(self._op(node), 'by', 'sum'))]} x"
            elif self._op(node).op != "identity":
                parts.append(operator_text(self._op(node), body.values[node.outputs[0]].shape))
        text = " → ".join(parts[:4]) + (" → …" if len(parts) > 4 else "")
        return f"({text}){sign}" if sign and len(parts) > 1 else text + sign

    # ------------------------------------------------------------------ calls

    def _calls(
        self, body: Body, index: int, prefix: str, sources: dict[int, int], cluster: int, depth: int
    ) -> int:
        """A call, or a run of equal ones in a row; how many nodes that took."""
        node = body.nodes[index]
        callee = self.graph.bodies[node.body]
        length = self._run(body, index) if self.unfold else 1
        last = body.nodes[index + length - 1]
        if self._opens(body, callee, depth):
            title = f"{node.name}  {call_text(callee)}"
            if length > 1:
                title = f"{node.name} … {last.name}  {call_text(callee)} ×{length}"
            inside = self.picture.cluster(cluster, title)
            inner: dict[int, int] = {}
            entering = [leaf for entry in callee.inputs for leaf in leaves(entry.value)]
            for value, outer in zip(entering, node.inputs, strict=False):
                inner[value] = sources[outer]
            self.body(callee, join(prefix, node.name), inner, inside, depth + 1)
            given = [leaf for output in callee.outputs for leaf in leaves(output.value)]
            for value, outer in zip(given, last.outputs, strict=False):
                sources[outer] = inner[value]
            return length
        self._call_box(body, node, callee, prefix, sources, cluster)
        return 1

    def _call_box(
        self,
        body: Body,
        node: Node,
        callee: Body,
        prefix: str,
        sources: dict[int, int],
        cluster: int,
    ) -> None:
        """A folded call: a box, or one a stream where it gives several resolutions."""
        for values in self._streams(body, list(node.outputs)):
            title = _title(node)
            shape = body.values[values[0]].shape
            box = self.picture.box("block", title, [call_text(callee)], shape, cluster)
            box.paths = [join(prefix, node.name)]
            box.training = body is self.graph.main and values[0] in self.aux
            for value in dict.fromkeys(node.inputs):
                self.picture.edge(sources[value], box.id, body.values[value].shape)
            for value in values:
                sources[value] = box.id

    def _run(self, body: Body, index: int) -> int:
        """Calls of one body in a row, each taking only what the last one gave."""
        node = body.nodes[index]
        length = 1
        while index + length < len(body.nodes):
            after = body.nodes[index + length]
            before = body.nodes[index + length - 1]
            if (
                after.body != node.body
                or after.inputs != before.outputs
                or after.scope != node.scope
            ):
                break
            length += 1
        return length

    def _opens(self, body: Body, callee: Body, depth: int) -> bool:
        """Everything, if unfolded; else blocks of blocks down to some depth, what recurs all the
        way down (the levels of a U), and what goes down and up again (an hourglass)."""
        if self.unfold:
            return len(self.picture.boxes) + len(callee.nodes) < MOST
        if callee.block == body.block or _is_tower(callee):
            return True
        return depth < self.depth and any(n.body >= 0 for n in callee.nodes)

    # ------------------------------------------------------------------ operators

    def _op(self, node: Node) -> Op:
        return self.graph.ops[node.op]

    def _operator(
        self,
        body: Body,
        node: Node,
        prefix: str,
        sources: dict[int, int],
        uses: Counter[int],
        cluster: int,
    ) -> None:
        op, shape = self._op(node), body.values[node.outputs[0]].shape
        before = self.picture.boxes[sources[node.inputs[0]]]
        alone = uses[node.inputs[0]] == 1 and before.family not in (
            "input",
            "block",
            "fuse",
            "merge",
        )
        if op.op in ("identity", "flatten") and before.family != "input":
            if op.op == "flatten" and alone:
                before.shape = shape
                before.paths.append(join(prefix, node.name))
            sources[node.outputs[0]] = before.id
            return
        if alone and op.family in ATTACHED and before.cluster == cluster:
            before.lines[-1:] = _attach(before.lines, operator_text(op, shape))
            before.shape = shape
            before.paths.append(join(prefix, node.name))
            sources[node.outputs[0]] = before.id
            return
        self._op_box(body, node, op, prefix, sources, cluster)

    def _op_box(
        self, body: Body, node: Node, op: Op, prefix: str, sources: dict[int, int], cluster: int
    ) -> None:
        shape = body.values[node.outputs[0]].shape
        title = _title(node)
        if op.op == "fuse":
            sign = SYMBOLS[str(getattr(op, "by", "sum"))]
            box = self.picture.box("fuse", sign, [], shape, cluster)
        else:
            box = self.picture.box(op.family, title, [operator_text(op, shape)], shape, cluster)
        box.paths = [join(prefix, node.name)]
        shapes = [body.values[i].shape for i in node.inputs]
        reads = op.reads(*shapes)
        for port, value in enumerate(node.inputs):
            kind = "size" if port < len(reads) and reads[port] is None else ""
            if node.role == "skip" and port == 0:
                kind = "skip"
            self.picture.edge(sources[value], box.id, body.values[value].shape, kind)
        box.training = body is self.graph.main and node.outputs[0] in self.aux
        for value in node.outputs:
            sources[value] = box.id


def _title(node: Node) -> str:
    """The name in the box: what the source says, or a place in a labelled group; counted names
    (`conv1`, `conv2`) tell a reader nothing."""
    return node.name if node.labelled or (node.body >= 0 and "." in node.name) else ""


def _attach(lines: list[str], text: str) -> list[str]:
    """The last line with one more step; a new line where it grows long."""
    last = lines[-1] if lines else ""
    if len(last) + len(text) > 30:
        return [last, f"→ {text}"]
    return [f"{last} → {text}"]


def _is_tower(body: Body) -> bool:
    """One value in, one out, and in between ways back to higher resolutions, made of blocks."""
    entering = [leaf for entry in body.inputs for leaf in leaves(entry.value)]
    given = [leaf for output in body.outputs for leaf in leaves(output.value)]
    if len(entering) != 1 or len(given) != 1 or not any(node.body >= 0 for node in body.nodes):
        return False
    area = [prod(map(int, value.shape[1:])) for value in body.values]
    ups = sum(area[n.outputs[0]] > area[n.inputs[0]] for n in body.nodes if n.inputs and n.outputs)
    return ups > 1


def _leaving(body: Body, scope: Scope) -> list[int]:
    """Values made in a scope that are used outside of it."""
    made = {i for node in body.nodes[scope.first : scope.last] for i in node.outputs}
    outside = [*body.nodes[: scope.first], *body.nodes[scope.last :]]
    used = {i for node in outside for i in node.inputs}
    used.update(i for output in body.outputs for i in leaves(output.value))
    return sorted(made & used)


def _training_only(body: Body) -> set[int]:
    """Values that only outputs for training depend on."""
    live: set[int] = set()
    for output in body.outputs:
        if not output.training:
            live.update(leaves(output.value))
    for node in reversed(body.nodes):
        if any(i in live for i in node.outputs):
            live.update(node.inputs)
    return {i for i in range(len(body.values)) if i not in live}


__all__ = ["Box", "draw"]

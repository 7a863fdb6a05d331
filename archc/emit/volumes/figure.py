"""What a figure shows: volumes, the signs that join them, and the ways between.

It starts from the boxes of the diagram (`archc.emit.dot`), which have folded what repeats and
merged what belongs together, and makes of each box the tensor that leaves it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from ...graph import Graph
from ...ops import Op, Shape
from ..dot.build import draw
from ..dot.picture import Box, Picture
from ..dot.words import ATTACHED, SYMBOLS

SMALL = 64
"""A picture of at most so many boxes is shown with its blocks open."""

SHORT = {"batchnorm": "bn", "avg pool": "mean pool", "global avg pool": "global mean"}
"""Words that figures in papers abbreviate."""


@dataclass(slots=True)
class Kernel:
    """The window of an operator that slides: sizes per axis; `outwards` if it is that of a
    transposed convolution, which one unit fills."""

    size: tuple[int, ...]
    outwards: bool = False


@dataclass(slots=True)
class Item:
    """A tensor that is drawn (`kind` "volume"), or the sign of a fuse ("sign")."""

    id: int
    kind: str
    family: str
    shape: Shape
    name: str
    lines: list[str]
    """What makes it, in words."""
    count: int = 1
    """How many equal layers or blocks it stands for."""
    cluster: int = 0
    training: bool = False
    groups: int = 1
    """In how many groups its convolution works, apart from each other."""
    kernel: Kernel | None = None
    dense: bool = False
    """Every unit reads every unit before."""
    parts: list[Shape] = field(default_factory=list)
    """What was put side by side to make it."""
    gives: list[str] = field(default_factory=list)
    """Names of outputs that it is."""


@dataclass(slots=True)
class Way:
    """A tensor on its way. `kind`: "", "skip" (a shortcut), "size" (only its size is read)."""

    tail: int
    head: int
    kind: str


@dataclass(slots=True)
class Figure:
    """Items in the order of execution, numbered by their place, and the ways between them."""

    items: list[Item]
    ways: list[Way]
    clusters: list[tuple[int, int, str]]
    """(number, the one around it, title) of open blocks and labelled groups."""
    folded: bool
    """Some block or repeat is shown by one volume."""
    branched: bool
    """Values of several resolutions run side by side, or come back to one that was left."""


def figure(graph: Graph, unfold: bool) -> Figure:
    """What is drawn of a network: with open blocks if that is a small picture or asked for."""
    picture = draw(graph, True)
    if not unfold and len(picture.boxes) > SMALL:
        closed = draw(graph, False)
        picture = closed if len(closed.boxes) < len(picture.boxes) else picture
    return _Reading(graph, picture).run()


class _Reading:
    """One pass from a picture to a figure."""

    def __init__(self, graph: Graph, picture: Picture) -> None:
        self.graph = graph
        self.picture = picture
        self.into: dict[int, list[int]] = {}
        self.out: dict[int, list[int]] = {}
        for edge in picture.edges:
            if edge.kind != "size":
                self.into.setdefault(edge.head, []).append(edge.tail)
                self.out.setdefault(edge.tail, []).append(edge.head)

    def run(self) -> Figure:
        stand = self._stand_ins()
        items: list[Item] = []
        place: dict[int, int] = {}
        for box in self.picture.boxes:
            if box.family == "output" or stand.get(box.id, box.id) != box.id:
                continue
            place[box.id] = len(items)
            items.append(self._item(box, len(items)))
        self._merged(stand, place, items)
        ways = self._ways(stand, place, items)
        clusters = [(c.id, c.parent, c.title) for c in self.picture.clusters]
        folded = any(i.family == "block" or i.count > 1 for i in items) or any(
            "×" in title for _, _, title in clusters
        )
        return Figure(items, ways, clusters, folded, self.picture.levelled and _rejoins(ways))

    # ------------------------------------------------------------------ what stands for what

    def _stand_ins(self) -> dict[int, int]:
        """Boxes that make no volume of their own, and those whose volume they share: what follows
        a fuse elementwise, and what comes elementwise before a layer."""
        stand: dict[int, int] = {}
        boxes = self.picture.boxes
        for box in boxes:
            before, after = self.into.get(box.id, []), self.out.get(box.id, [])
            if box.family not in ATTACHED or len(before) != 1:
                continue
            tail = boxes[stand.get(before[0], before[0])]
            if tail.family == "fuse" and len(self.out[before[0]]) == 1:
                stand[box.id] = tail.id
            elif len(after) == 1 and boxes[after[0]].family in ("conv", "dense", "pool"):
                head = boxes[after[0]]
                if len(self.into[head.id]) == 1 and tail.family != "input":
                    stand[box.id] = head.id
        return stand

    def _merged(self, stand: dict[int, int], place: dict[int, int], items: list[Item]) -> None:
        """The words of boxes without a volume, in the items that stand for them."""
        for box in self.picture.boxes:
            if box.family == "output":
                for tail in self.into.get(box.id, []):
                    items[place[stand.get(tail, tail)]].gives.append(box.title)
            elif box.id in stand:
                item = items[place[stand[box.id]]]
                words = _words(box)
                item.lines = item.lines + words if stand[box.id] < box.id else words + item.lines

    def _ways(self, stand: dict[int, int], place: dict[int, int], items: list[Item]) -> list[Way]:
        found: dict[tuple[int, int], Way] = {}
        for edge in self.picture.edges:
            if self.picture.boxes[edge.head].family == "output":
                continue
            tail, head = (place[stand.get(i, i)] for i in (edge.tail, edge.head))
            if tail != head:
                way = found.setdefault((tail, head), Way(tail, head, edge.kind))
                way.kind = edge.kind if way.kind == "size" else way.kind
                if items[head].kind == "volume" and items[head].family == "fuse":
                    items[head].parts.append(edge.shape)
        return list(found.values())

    # ------------------------------------------------------------------ items

    def _item(self, box: Box, number: int) -> Item:
        sign = box.family == "fuse" and box.title != SYMBOLS["concat"]
        name = "" if box.family == "fuse" else box.title
        shape = tuple(int(n) for n in box.shape)
        item = Item(
            number, "sign" if sign else "volume", box.family, shape, name, _words(box), box.count,
            box.cluster, box.training,
        )  # fmt: skip
        if box.family == "fuse":
            item.lines = [box.title] if sign else ["concat"]
        op = self._op(box) if box.family in ("conv", "pool", "dense") else None
        if op is not None:
            given = op.given()
            item.groups = int(given.get("groups", 1))
            item.kernel = _kernel(op, len(shape) - 1)
            item.dense = op.op == "linear" and len(shape) == 1
        return item

    def _op(self, box: Box) -> Op | None:
        """The operator that a box is about: the first of its layers with weights or a window."""
        for path in box.paths:
            op = _find(self.graph, len(self.graph.bodies) - 1, path)
            if op is not None and op.family == box.family:
                return op
        return None


def _find(graph: Graph, body: int, path: str) -> Op | None:
    """The operator at a path of a body."""
    for node in graph.bodies[body].nodes:
        if node.body < 0 and node.name == path:
            return graph.ops[node.op]
        if node.body >= 0 and path.startswith(node.name):
            inner = path[len(node.name) :].removeprefix(".") if node.name else path
            found = _find(graph, node.body, inner) if inner != path or not node.name else None
            if found is not None:
                return found
    return None


def _kernel(op: Op, rank: int) -> Kernel | None:
    """The window, for as many axes as are drawn."""
    size: Any = op.given().get("kernel", 1 if op.op.startswith("conv") else None)
    if size is None or isinstance(size, str) or rank < 1:
        return None
    each = tuple(size) if isinstance(size, (tuple, list)) else (size,) * rank
    return Kernel(tuple(int(n) for n in each), op.op == "conv_transpose")


def _words(box: Box) -> list[str]:
    """The steps of a box; channels are left out, since they stand at the volume."""
    steps = [s for s in " ".join(box.lines).replace("→ …", "").split(" → ") if s.strip(" →")]
    made = []
    for step in steps:
        text = re.sub(r"\b\d+@", "", step.strip(" →"))
        made.append(SHORT.get(text, text))
    return made


def _rejoins(ways: list[Way]) -> bool:
    """Do several ways meet anywhere?"""
    heads = [w.head for w in ways if w.kind != "size"]
    return len(heads) > len(set(heads))

"""What is drawn: boxes, edges and clusters, before any DOT text."""

from __future__ import annotations

from ...ops import Shape


class Box:
    """A node of the picture.

    `family` gives the colour: an operator family, or `block`, `input`, `output`, `fuse`.
    """

    __slots__ = ("cluster", "count", "family", "id", "lines", "paths", "shape", "title", "training")

    def __init__(
        self, id: int, family: str, title: str, lines: list[str], shape: Shape, cluster: int
    ) -> None:
        self.id = id
        self.family = family
        self.title = title
        self.lines = lines
        self.shape = shape
        """Of what leaves it."""
        self.cluster = cluster
        self.count = 1
        """How many equal ones it stands for."""
        self.training = False
        self.paths: list[str] = []
        """Of the layers and called blocks that it shows."""


class Edge:
    """A value on its way. `kind`: "", "skip" (a shortcut), "size" (only its size is read)."""

    __slots__ = ("head", "kind", "shape", "tail")

    def __init__(self, tail: int, head: int, shape: Shape, kind: str = "") -> None:
        self.tail = tail
        self.head = head
        self.shape = shape
        self.kind = kind


class Cluster:
    """A frame around boxes: a block that is open, or a labelled group."""

    __slots__ = ("id", "parent", "title")

    def __init__(self, id: int, parent: int, title: str) -> None:
        self.id = id
        self.parent = parent
        self.title = title


class Picture:
    """Boxes and edges in the order of execution; cluster 0 is the picture itself."""

    def __init__(self) -> None:
        self.boxes: list[Box] = []
        self.edges: list[Edge] = []
        self.clusters: list[Cluster] = [Cluster(0, -1, "")]

    def box(self, family: str, title: str, lines: list[str], shape: Shape, cluster: int = 0) -> Box:
        made = Box(len(self.boxes), family, title, lines, shape, cluster)
        self.boxes.append(made)
        return made

    def cluster(self, parent: int, title: str) -> int:
        self.clusters.append(Cluster(len(self.clusters), parent, title))
        return len(self.clusters) - 1

    def edge(self, tail: int, head: int, shape: Shape, kind: str = "") -> None:
        self.edges.append(Edge(tail, head, shape, kind))

    def settle(self) -> None:
        """The last touches: frames around a single box go, ways around others are skips."""
        self._unframe()
        self._merge_edges()
        self._find_skips()

    def _merge_edges(self) -> None:
        """One line where several values go the same way (a pooled value and its positions)."""
        kept: dict[tuple[int, int], Edge] = {}
        for edge in self.edges:
            before = kept.setdefault((edge.tail, edge.head), edge)
            if before.kind == "size":
                before.kind = edge.kind
        self.edges = list(kept.values())

    def _unframe(self) -> None:
        inside: dict[int, list[int]] = {}
        for box in self.boxes:
            inside.setdefault(box.cluster, []).append(box.id)
        parents = {c.parent for c in self.clusters}
        for cluster in reversed(self.clusters[1:]):
            members = inside.get(cluster.id, [])
            if len(members) == 1 and cluster.id not in parents and cluster.parent >= 0:
                box = self.boxes[members[0]]
                if box.title or box.family == "fuse":
                    continue
                box.title, box.cluster = cluster.title, cluster.parent

    def _find_skips(self) -> None:
        """Into a fuse, a value that another of its inputs is made from comes by a shortcut."""
        before = [0] * len(self.boxes)  # bit i: box i leads here
        into: dict[int, list[Edge]] = {}
        for edge in self.edges:
            into.setdefault(edge.head, []).append(edge)
        for box in self.boxes:
            edges = into.get(box.id, [])
            for edge in edges:
                before[box.id] |= before[edge.tail] | (1 << edge.tail)
            if box.family == "fuse":
                for edge in edges:
                    others = [e for e in edges if e is not edge]
                    if any(before[e.tail] >> edge.tail & 1 for e in others) and not edge.kind:
                        edge.kind = "skip"

    @property
    def levelled(self) -> bool:
        """Some way leads back to a higher resolution, or several run side by side: levels tell more
        than the order."""
        area = {}
        for box in self.boxes:
            area[box.id] = _area(box.shape)
        ups = sum(
            1
            for e in self.edges
            if e.kind != "size"
            and 1 < area[e.tail] < area[e.head]
            and self.boxes[e.head].family != "output"
        )
        return ups > 0


def _area(shape: Shape) -> int:
    area = 1
    for n in shape[1:]:
        area *= int(n)
    return area

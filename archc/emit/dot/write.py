"""A picture as DOT text. Ids are ours, text is escaped, no address ever comes from a spec."""

from __future__ import annotations

from ...ops import Shape
from .picture import Box, Edge, Picture
from .words import shape_text

# Light fills with dark text, told apart in the usual kinds of colour blindness (after Okabe, Ito).
FILL = {
    "conv": "#cfe3f5",
    "pool": "#fbe0c4",
    "resize": "#cdeee4",
    "merge": "#ececec",
    "dense": "#dcd6ee",
    "norm": "#f6f1c9",
    "activation": "#fdf6d0",
    "regularize": "#eeeeee",
    "block": "#e4ecf4",
    "input": "#ffffff",
    "output": "#ffffff",
    "fuse": "#ffffff",
}
LINE = {
    "conv": "#2f6fa7",
    "pool": "#c46a17",
    "resize": "#1c8a6a",
    "dense": "#6a51a3",
    "block": "#44617d",
    "fuse": "#333333",
}
GREY = "#5f6368"
SKIP = "#b5179e"


def write(picture: Picture, caption: str) -> str:
    """The text that Graphviz draws."""
    levelled = picture.levelled
    lines = [
        "digraph archc {",
        "  graph [rankdir=TB, nodesep=0.28, ranksep=0.34, splines=spline, bgcolor=white,",
        '         fontname="Helvetica", fontsize=15, labelloc=t, pad=0.2, newrank=true,',
        f"         label={quoted(caption)}];",
        '  node [fontname="Helvetica", fontsize=11, shape=box, style="rounded,filled",',
        '        margin="0.12,0.06", penwidth=1.1, height=0.3];',
        f'  edge [fontname="Helvetica", fontsize=9, fontcolor="{GREY}", color="{GREY}",',
        "        arrowsize=0.6, penwidth=1.0];",
    ]
    _clusters(picture, 0, "  ", lines, levelled)
    if levelled:
        lines += _levels(picture)
    seen: set[tuple[int, tuple[int, ...]]] = set()
    entering: dict[int, list[Shape]] = {}
    for edge in picture.edges:
        if edge.kind != "size":
            entering.setdefault(edge.head, []).append(edge.shape)
    for edge in picture.edges:
        lines.append(_edge(picture, edge, levelled, seen, entering.get(edge.tail, [])))
    lines.append("}")
    return "\n".join(lines) + "\n"


def _clusters(picture: Picture, index: int, indent: str, lines: list[str], levelled: bool) -> None:
    """The boxes of a cluster, and the clusters in it. Depth is bounded by nested calls."""
    here = (b for b in picture.boxes if b.cluster == index or (levelled and index == 0))
    lines.extend(indent + _box(box) for box in here)
    if levelled:
        return
    for cluster in picture.clusters[1:]:
        if cluster.parent != index:
            continue
        lines.append(f"{indent}subgraph cluster_{cluster.id} {{")
        lines.append(
            f'{indent}  label={quoted(cluster.title)}; style="rounded"; color="#9aa5b1";'
            f' fontcolor="{GREY}"; fontsize=10; labeljust=l;'
        )
        _clusters(picture, cluster.id, indent + "  ", lines, levelled)
        lines.append(indent + "}")


def _levels(picture: Picture) -> list[str]:
    """Boxes of one resolution on one level: the U of a U-Net, the rows of parallel streams."""
    levels: dict[tuple[int, ...], list[int]] = {}
    for box in picture.boxes:
        if len(box.shape) > 1:
            levels.setdefault(tuple(map(int, box.shape[1:])), []).append(box.id)
    return [
        "  { rank=same; " + " ".join(f"n{i};" for i in members) + " }"
        for members in levels.values()
        if len(members) > 1
    ]


def _box(box: Box) -> str:
    """One node, with its label as a small table of text."""
    if box.family == "fuse":
        return (
            f'n{box.id} [shape=circle, fixedsize=true, width=0.3, margin="0", fontsize=12,'
            f' fillcolor=white, color="{LINE["fuse"]}", label={quoted(box.title)}];'
        )
    if box.family in ("input", "output"):
        dashed = ",dashed" if box.training else ""
        text = f"<B>{html(box.title)}</B><BR/>{html(shape_text(box.shape))}"
        return (
            f'n{box.id} [shape=box, style="filled{dashed}", fillcolor=white, color="{GREY}",'
            f" label=<{text}>];"
        )
    parts = [f"<B>{html(box.title)}</B>"] if box.title else []
    parts += [html(line) for line in box.lines]
    style = "rounded,filled,dashed" if box.training else "rounded,filled"
    extra = ", peripheries=2" if box.count > 1 else ""
    return (
        f'n{box.id} [fillcolor="{FILL.get(box.family, "#eeeeee")}",'
        f' color="{LINE.get(box.family, GREY)}", style="{style}"{extra},'
        f" label=<{'<BR/>'.join(parts)}>];"
    )


def _edge(
    picture: Picture,
    edge: Edge,
    levelled: bool,
    seen: set[tuple[int, tuple[int, ...]]],
    before: list[Shape],
) -> str:
    """One edge; its shape is said once where it changes. `before` is what enters its tail."""
    attributes = []
    tail, head = picture.boxes[edge.tail], picture.boxes[edge.head]
    key = (edge.tail, tuple(edge.shape))
    said = tail.family == "input" or head.family == "output" or key in seen
    changes = not before or any(tuple(s) != tuple(edge.shape) for s in before)
    if not said and edge.kind != "skip" and changes:
        attributes.append(f"label={quoted(' ' + shape_text(edge.shape))}")
        seen.add(key)
    if edge.kind == "skip":
        attributes.append(f'color="{SKIP}", penwidth=1.4')
        if not levelled:
            attributes.append("weight=0")
    elif edge.kind == "size":
        attributes.append("style=dotted, arrowhead=none, constraint=false")
    if tail.training or head.training:
        attributes.append("style=dashed")
    text = f" [{', '.join(attributes)}]" if attributes else ""
    return f"  n{edge.tail} -> n{edge.head}{text};"


def quoted(text: str) -> str:
    """A DOT string. Backslashes and quotes are escaped, control characters are gone."""
    clean = "".join(
        ch if ch.isprintable() or ch == "\n" else "\N{REPLACEMENT CHARACTER}" for ch in text
    )
    return '"' + clean.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'


def html(text: str) -> str:
    """Text inside of an HTML-like label."""
    clean = "".join(ch if ch.isprintable() else "\N{REPLACEMENT CHARACTER}" for ch in text)
    return (
        clean.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace('"', "&quot;")
    )

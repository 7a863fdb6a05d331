"""Figures as in papers: feature maps as volumes to scale, kernels as windows that move over them.

`drawn` makes the figure of a graph, `render` writes it as SVG, PDF or PNG.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ...analysis.cells import short
from ...graph import Graph, leaves
from .bodies import colors, draw_body, size_texts
from .drawing import Drawing, Polygon, Text, moved, text_width
from .figure import Figure, figure
from .layout import arrange
from .scale import Scale
from .spots import WORDS, Layout, Spot, label_lines
from .titles import bracket, draw_titles
from .ways import draw_above, draw_below

FORMATS = ("svg", "pdf", "png")
__all__ = ["FORMATS", "LARGEST", "Drawing", "TooLarge", "drawn", "render"]

LARGEST = 1000
"""Volumes that are drawn at most."""


class TooLarge(ValueError):
    """More volumes than a figure can show."""


KEY = {
    "conv": "convolution",
    "pool": "pooling",
    "resize": "resizing",
    "dense": "fully connected",
    "block": "block",
    "fuse": "concatenation",
}


def drawn(graph: Graph, report: Any = None, unfold: bool = False) -> Drawing:
    """The figure of a network: the same for the same graph, every time.

    `report` (an `archc.analysis.Report`) puts the totals beside the title. Blocks are open in a
    small network, and with `unfold`. Raises TooLarge.
    """
    shown = figure(graph, unfold)
    if len(shown.items) > LARGEST or len(shown.ways) > 4 * LARGEST:
        raise TooLarge(
            f"{len(shown.items):,} volumes and {len(shown.ways):,} ways between them; at most"
            f" {LARGEST:,} and {4 * LARGEST:,} are drawn"
        )
    scale = Scale(shown)
    layout = arrange(shown, scale)
    drawing = Drawing(graph.name)
    draw_below(drawing, shown, layout)
    for spot in sorted(layout.spots, key=lambda s: (s.column, s.item.id)):
        draw_body(drawing, spot, scale)
    draw_above(drawing, shown, layout)
    _labels(drawing, layout)
    draw_titles(drawing, shown, layout)
    _caption(drawing, graph, report, shown)
    drawing.fit(14.0)
    return drawing


def render(drawing: Drawing, format: str) -> bytes:
    """The figure as bytes; `format` is one of `FORMATS`. PNG needs Pillow, else ImportError."""
    from . import pdf, png, svg

    write: dict[str, Callable[[Drawing], bytes]] = {
        "svg": svg.write,
        "pdf": pdf.write,
        "png": png.write,
    }
    return write[format](drawing)


def _labels(drawing: Drawing, layout: Layout) -> None:
    """Names and words below bodies; a run of equal layers has one label, under a bracket."""
    runs: dict[int, list[Spot]] = {}
    for spot in layout.spots:
        drawing.marks += size_texts(spot)
        first = spot.item.id if spot.shared < 0 else spot.shared
        runs.setdefault(first * len(layout.strips) + spot.strip, []).append(spot)
    for run in runs.values():
        if len(run) > 1:
            bracket(drawing, run[0].left, run[-1].right, run[0].label_y - 8.0)
        x = (run[0].x + run[-1].x) / 2
        drawing.marks += [moved(text, x, 0.0) for text in label_lines(run[0])]


def _caption(drawing: Drawing, graph: Graph, report: Any, shown: Figure) -> None:
    """The title above; colours, scale and what was folded below."""
    drawing.fit(0.0)
    title = Text((0.0, -30.0), graph.name, 14.0, "start", bold=True)
    drawing.marks.append(title)
    if report is not None:
        totals = f"{short(report.params)} parameters, {short(report.macs)} MACs"
        drawing.marks.append(Text((0.0, -16.0), totals, 9.0, "start", color="#444444"))
    x, y = 0.0, drawing.height + 22.0
    families = {i.family for i in shown.items if i.kind == "volume" and len(i.shape) > 0}
    for family, words in KEY.items():
        if family not in families:
            continue
        fill, ink = colors(family)
        corners = ((x, y - 7), (x + 9, y - 7), (x + 9, y + 1), (x, y + 1))
        drawing.marks.append(Polygon(corners, fill, ink))
        mark = Text((x + 13, y), words, WORDS, "start", color="#444444")
        drawing.marks.append(mark)
        x += 13 + text_width(words, WORDS) + 14
    notes = ["Lengths grow with the square root of rows, columns, channels and units."]
    free = [
        f"{name} = {int(graph.main.values[leaf].shape[axis])}"
        for entry in graph.main.inputs
        for leaf in leaves(entry.value)
        for name, axis in entry.dims.items()
    ]
    if free:
        notes.append(f"Drawn for {', '.join(dict.fromkeys(free))}.")
    if shown.folded:
        notes.append(
            "Folded: blocks are one volume, \N{MULTIPLICATION SIGN}n stands for n in a row."
        )
    for k, note in enumerate(notes):
        at = (0.0, y + 13 + 10 * k)
        drawing.marks.append(Text(at, note, WORDS, "start", color="#666666"))

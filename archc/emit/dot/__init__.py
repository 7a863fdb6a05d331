"""Diagrams: a graph as DOT text, and DOT text as SVG, PNG or PDF.

Blocks are folded into one box (repeats as one box with ×n), or shown as nested clusters; what
belongs together (convolution, normalisation, activation) is one box, as in papers.
"""

from __future__ import annotations

from typing import Any

from ...graph import Graph
from .build import draw
from .picture import Picture
from .render import LARGEST, LayoutError, render
from .write import write

__all__ = ["LARGEST", "LayoutError", "Picture", "drawn", "render", "source"]


def source(graph: Graph, report: Any = None, unfold: bool = False) -> str:
    """The diagram as DOT text: the same for the same graph, every time.

    `report` (an `archc.analysis.Report`) puts the totals below the title.
    """
    return drawn(graph, report, unfold)[0]


def drawn(graph: Graph, report: Any = None, unfold: bool = False) -> tuple[str, Picture]:
    """The diagram as DOT text, and what its nodes show: node `n3` is box 3."""
    caption = graph.name
    if report is not None:
        caption += f"\n{_short(report.params)} parameters, {_short(report.macs)} MACs"
    picture = draw(graph, unfold)
    return write(picture, caption), picture


def _short(count: int) -> str:
    """Three digits and a power of 1000: 25.6M."""
    for unit, size in (("G", 10**9), ("M", 10**6), ("K", 10**3)):
        if count >= size:
            return (
                f"{count / size:.3g}{unit}" if count < 999.5 * size else f"{count // size:,}{unit}"
            )
    return str(count)

"""What a network costs and sees: pure functions from graphs to figures.

Every analysis works once per body of the hierarchical graph and composes where a body is called.
"""

from __future__ import annotations

from ..graph import MEASURES, Graph
from .receptive import AxisField, ReceptiveField
from .report import Figure, Report
from .rows import LayerRow, ScopeRow
from .targets import UnknownTarget

__all__ = [
    "MEASURES",
    "AxisField",
    "Figure",
    "LayerRow",
    "ReceptiveField",
    "Report",
    "ScopeRow",
    "UnknownTarget",
    "analyze",
]


def analyze(graph: Graph) -> Report:
    """The report of a network. Figures are worked out when first asked for."""
    return Report(graph)

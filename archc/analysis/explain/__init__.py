"""How the figures of a layer, a block or a claim come about, with the numbers put into the sums.

`Explainer(report).explain(label)` gives an explanation as a value; `archc explain` prints it.
"""

from __future__ import annotations

from .cell import Asked, Cell
from .explainer import Explainer
from .find import UnknownLabel
from .model import BlockExplained, Explained, InputExplained, LayerExplained
from .numbers import CellError

__all__ = [
    "Asked",
    "BlockExplained",
    "Cell",
    "CellError",
    "Explained",
    "Explainer",
    "InputExplained",
    "LayerExplained",
    "UnknownLabel",
]

"""The course of a run as a picture: loss and metric over epochs."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

from ..tasks.metrics import title as named

SHARES = ("accuracy", "top", "pck")
"""Figures that are printed as percentages."""
TRAINING, VALIDATION = "#4c72b0", "#dd8452"


def draw(title: str, metric: str, rows: Sequence[dict[str, Any]]) -> bytes:
    """A PNG of the rows of log.csv: one panel for the loss, one for the metric."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator, PercentFormatter

    figure = Figure(figsize=(9, 3.6), dpi=120, layout="constrained")
    FigureCanvasAgg(figure)
    # a name is text: `$` would start a formula
    figure.suptitle(title.replace("$", r"\$"), fontsize=11)
    epochs = [row["epoch"] for row in rows]
    for i, quantity in enumerate(("loss", metric)):
        axes = figure.add_subplot(1, 2, i + 1)
        for split, colour in (("train", TRAINING), ("validation", VALIDATION)):
            values = [row[f"{split}_{quantity}"] for row in rows]
            if any(v is not None for v in values):
                axes.plot(epochs, values, color=colour, label=split, marker="o", markersize=3)
        axes.set_xlabel("epoch")
        axes.set_title(named(quantity), fontsize=10)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        if quantity.startswith(SHARES):
            axes.yaxis.set_major_formatter(PercentFormatter(1.0))
        axes.grid(alpha=0.25)
        axes.spines[["top", "right"]].set_visible(False)
        if axes.lines:
            axes.legend(frameon=False)
    file = io.BytesIO()
    figure.savefig(file, format="png", metadata={"Software": None})
    return file.getvalue()

"""Compared networks as points: one figure against another, with the Pareto front."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from ..analysis.cells import clean, short
from ..analysis.compare import MEASURES, Measure, Totals, front
from ..emit.report.plots import ticks_to

LOGARITHMIC = 30
"""Ratio of the largest to the smallest figure from which on an axis is logarithmic."""


class Scale(NamedTuple):
    """An axis: title with unit, the ends of its range, its ticks with their texts."""

    title: str
    low: float
    high: float
    logarithmic: bool
    ticks: list[tuple[float, str]]

    def at(self, value: float) -> float:
        """Where a figure lies, from 0 to 1."""
        if self.logarithmic:
            return math.log(value / self.low) / math.log(self.high / self.low)
        return (value - self.low) / (self.high - self.low)


class Panel(NamedTuple):
    """A plot: labels and figures of its points, and the numbers of those on the front."""

    title: str
    note: str
    x: Scale
    y: Scale
    labels: list[str]
    points: list[tuple[float, float]]
    front: list[int]


def panels(
    rows: Sequence[tuple[str, Totals]], x: str | None, ys: Sequence[str] | None
) -> list[Panel]:
    """A panel for each figure of `ys`. Where nothing is said: parameters (or MACs, where those do
    not vary) against the first of receptive field, depth, memory and MACs that varies."""
    x = x or _varying(rows, ("params", "macs"), ())
    ys = ys or [_varying(rows, ("receptive_field", "depth", "inference", "macs", "training"), (x,))]
    return [_panel(rows, x, y) for y in ys]


def _varying(rows: Sequence[tuple[str, Totals]], names: Sequence[str], but: Sequence[str]) -> str:
    """The first of some measures that differs between networks; the first where none does."""
    left = [name for name in names if name not in but]
    for name in left:
        if len({MEASURES[name].of(found) for _, found in rows} - {None}) > 1:
            return name
    return left[0]


def _panel(rows: Sequence[tuple[str, Totals]], x: str, y: str) -> Panel:
    across, up = MEASURES[x], MEASURES[y]
    labels, points = [], []
    for label, found in rows:
        a, b = across.of(found), up.of(found)
        if a is not None and b is not None:  # a receptive field may be the whole image
            labels.append(clean(label))
            points.append((float(a), float(b)))
    best = front(points, across.cost, up.cost) if points else []
    note = f"front: {_wish(across)} {across.title}, {_wish(up)} {up.title}"
    missing = len(rows) - len(points)
    if missing:
        note += f"; {missing} not shown: no finite figure"
    return Panel(
        f"{up.title} against {across.title}",
        note,
        scale(across, [p[0] for p in points]),
        scale(up, [p[1] for p in points]),
        labels,
        points,
        best,
    )


def _wish(measure: Measure) -> str:
    return "low" if measure.cost else "high"


# ---------------------------------------------------------------------------- axes


def scale(measure: Measure, values: Sequence[float]) -> Scale:
    """An axis with room for some figures: from 0, or logarithmic where they differ much."""
    low, high = min(values, default=0.0), max(values, default=1.0)
    factor, unit = _unit(measure, high)
    title = f"{measure.title} ({unit})" if unit else measure.title
    if low > 0 and high / low >= LOGARITHMIC:
        marks = _decades(low / factor, high / factor)
        ticks = [(value * factor, _text(value)) for value in marks]
        # beyond the outermost ticks there is room for points and their labels
        low = ticks[0][0] if ticks[0][0] <= low else low / 2
        high = ticks[-1][0] if ticks[-1][0] >= high else high * 2
        return Scale(title, low, high, True, ticks)
    marks = ticks_to(high / factor)
    ticks = [(value * factor, _text(value)) for value in marks]
    return Scale(title, 0.0, ticks[-1][0], False, ticks)


def _unit(measure: Measure, high: float) -> tuple[float, str]:
    """What the figures of an axis are divided by, and its name."""
    if measure.unit != "bytes":
        return 1.0, measure.unit
    for size, name in ((1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")):
        if high >= 2 * size:
            return float(size), name
    return 1.0, "bytes"


def _decades(low: float, high: float) -> list[float]:
    """1, 2 and 5 times the powers of ten from the last at or below `low` to the first above."""
    exponents = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    every = [step * 10.0**n for n in exponents for step in (1, 2, 5)]
    first = max(i for i, value in enumerate(every) if value <= low * (1 + 1e-9))
    last = min(i for i, value in enumerate(every) if value >= high * (1 - 1e-9))
    found = every[first : last + 1]
    return found if len(found) <= 10 else [v for v in found if str(f"{v:e}")[0] == "1"] or found


def _text(value: float) -> str:
    """`2M` instead of `2.000M`."""
    if value < 1000:
        return f"{value:g}"
    if value < 10_000 and value == int(value):
        return f"{int(value):,}"
    text = short(round(value))
    digits, unit = (text[:-1], text[-1]) if text[-1].isalpha() else (text, "")
    return (digits.rstrip("0").rstrip(".") if "." in digits else digits) + unit

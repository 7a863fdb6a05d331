"""Plots of compared networks as SVG and PNG: the same lines, dots and texts, in px.

SVG is written here and needs nothing; matplotlib makes the PNG.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Literal, NamedTuple

from ..emit.report.html import Html, tag
from .compare_plot import Panel

WIDTH, HEIGHT = 760, 440
LEFT, RIGHT, TOP, BOTTOM = 84, 24, 56, 58
DOT, BEST, GRID, INK, PALE = "#8da0b5", "#c44e52", "#e4e7eb", "#333333", "#666666"
_NARROW = frozenset("ijlt.,:;'|!()[]{} ")

Anchor = Literal["start", "middle", "end"]


class Stroke(NamedTuple):
    """A line through some points."""

    points: list[tuple[float, float]]
    colour: str
    width: float


class Mark(NamedTuple):
    """A dot, and what is said where the pointer rests on it."""

    x: float
    y: float
    colour: str
    tip: str


class Text(NamedTuple):
    """A line of text; `turned`: upwards."""

    x: float
    y: float
    text: str
    anchor: Anchor = "start"
    size: int = 12
    colour: str = INK
    bold: bool = False
    turned: bool = False


Shape = Stroke | Mark | Text


def shapes(panel: Panel) -> Iterator[Shape]:
    """What a panel is made of, later ones on top."""
    yield Text(LEFT, 22, panel.title, size=15, bold=True)
    yield Text(LEFT, 40, panel.note, colour=PALE)
    yield from _axes(panel)
    places = [_place(panel, point) for point in panel.points]
    way = [places[n] for n in panel.front]
    if len(way) > 1:
        yield Stroke(way, BEST, 1.5)
    best = set(panel.front)
    others = [n for n in range(len(places)) if n not in best]
    for n in [*others, *panel.front]:
        x, y = panel.points[n]
        tip = f"{panel.labels[n]}: {x:,.0f}, {y:,.0f}"
        yield Mark(*places[n], BEST if n in best else DOT, tip)
    yield from _labels(panel, places, [*panel.front, *others], way)


def _place(panel: Panel, point: tuple[float, float]) -> tuple[float, float]:
    x = LEFT + panel.x.at(point[0]) * (WIDTH - LEFT - RIGHT)
    return x, HEIGHT - BOTTOM - panel.y.at(point[1]) * (HEIGHT - TOP - BOTTOM)


def _axes(panel: Panel) -> Iterator[Shape]:
    """Grid lines with their texts, and the titles of the axes."""
    right, bottom = WIDTH - RIGHT, HEIGHT - BOTTOM
    for value, text in panel.x.ticks:
        x = LEFT + panel.x.at(value) * (right - LEFT)
        yield Stroke([(x, TOP), (x, bottom)], GRID, 1)
        yield Text(x, bottom + 18, text, "middle")
    for value, text in panel.y.ticks:
        y = bottom - panel.y.at(value) * (bottom - TOP)
        yield Stroke([(LEFT, y), (right, y)], GRID, 1)
        yield Text(LEFT - 8, y + 4, text, "end")
    yield Text((LEFT + right) / 2, HEIGHT - 16, panel.x.title, "middle")
    yield Text(22, (TOP + bottom) / 2, panel.y.title, "middle", turned=True)


# ---------------------------------------------------------------------------- labels


_Box = tuple[float, float, float, float]

_BESIDE: tuple[tuple[Anchor, int, int], ...] = (
    ("start", 8, 4), ("end", -8, 4), ("middle", 0, -9), ("middle", 0, 19),
    ("start", 6, -8), ("start", 6, 17), ("end", -6, -8), ("end", -6, 17),
    ("start", -4, -9), ("start", -4, 19), ("end", 4, -9), ("end", 4, 19),
)  # fmt: skip
"""Where a label may stand, from its point."""


def _labels(
    panel: Panel,
    places: list[tuple[float, float]],
    order: Sequence[int],
    way: list[tuple[float, float]],
) -> Iterator[Text]:
    """Labels beside their points, where they cover no point, no label and not the front; one for
    which there is no room is left to the tip."""
    taken: list[_Box] = [(x - 5, y - 5, x + 5, y + 5) for x, y in places]
    taken += _along(way)
    for n in order:
        x, y = places[n]
        width = _width(panel.labels[n])
        for anchor, dx, dy in _BESIDE:
            start = x + dx - width * {"start": 0.0, "middle": 0.5, "end": 1.0}[anchor]
            box = (start, y + dy - 10, start + width, y + dy + 2)
            inside = box[0] >= LEFT and box[2] <= WIDTH and box[1] >= TOP - 8
            if inside and box[3] <= HEIGHT - BOTTOM + 6 and not any(_meet(box, b) for b in taken):
                taken.append(box)
                yield Text(x + dx, y + dy, panel.labels[n], anchor)
                break


def _width(text: str) -> float:
    """Px of a label in the usual fonts, rather too many than too few."""
    wide = sum(ch.isupper() or ch in "mw=+" or not ch.isascii() for ch in text)
    narrow = sum(ch in _NARROW for ch in text)
    return 8.8 * wide + 4.2 * narrow + 6.8 * (len(text) - wide - narrow)


def _along(way: list[tuple[float, float]]) -> Iterator[_Box]:
    """Small boxes along a line."""
    for (x, y), (u, v) in pairwise(way):
        steps = max(1, int(max(abs(u - x), abs(v - y)) / 6))
        for i in range(1, steps):
            a, b = x + (u - x) * i / steps, y + (v - y) * i / steps
            yield a - 2, b - 2, a + 2, b + 2


def _meet(a: _Box, b: _Box) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]


# ---------------------------------------------------------------------------- files


def svg(drawn: Sequence[Panel]) -> str:
    """The panels below each other, as a file that needs no other."""
    height = HEIGHT * len(drawn)
    parts = [tag("rect", width=WIDTH, height=height, fill="#fff")]
    for n, panel in enumerate(drawn):
        made = [_element(shape) for shape in shapes(panel)]
        parts.append(tag("g", *made, transform=f"translate(0 {n * HEIGHT})"))
    root = tag(
        "svg",
        *parts,
        xmlns="http://www.w3.org/2000/svg",
        width=WIDTH,
        height=height,
        viewBox=f"0 0 {WIDTH} {height}",
        font_family="Helvetica, Arial, sans-serif",
        font_size=12,
        fill=INK,
    )
    return f"{root}\n"


def _element(shape: Shape) -> Html:
    if isinstance(shape, Stroke):
        way = "L".join(f"{x:.1f},{y:.1f}" for x, y in shape.points)
        return tag("path", d=f"M{way}", fill="none", stroke=shape.colour, stroke_width=shape.width)
    if isinstance(shape, Mark):
        at = {"cx": f"{shape.x:.1f}", "cy": f"{shape.y:.1f}"}
        return tag("circle", tag("title", shape.tip), r=4, fill=shape.colour, **at)
    turned = f"translate({shape.x:.1f} {shape.y:.1f}) rotate(-90)"
    return tag(
        "text",
        shape.text,
        x=None if shape.turned else f"{shape.x:.1f}",
        y=None if shape.turned else f"{shape.y:.1f}",
        transform=turned if shape.turned else None,
        text_anchor=None if shape.anchor == "start" else shape.anchor,
        font_size=None if shape.size == 12 else shape.size,
        font_weight="bold" if shape.bold else None,
        fill=None if shape.colour == INK else shape.colour,
    )


def png(drawn: Sequence[Panel]) -> bytes:
    """The same as a picture. Raises ModuleNotFoundError where matplotlib is not installed."""
    import io

    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    height = HEIGHT * len(drawn)
    figure = Figure(figsize=(WIDTH / 72, height / 72), dpi=144)  # a point is a px
    FigureCanvasAgg(figure)
    axes = figure.add_axes((0.0, 0.0, 1.0, 1.0))
    axes.set_axis_off()
    axes.set_xlim(0, WIDTH)
    axes.set_ylim(height, 0)
    sides = {"start": "left", "middle": "center", "end": "right"}
    for n, panel in enumerate(drawn):
        down = n * HEIGHT
        for z, shape in enumerate(shapes(panel)):
            if isinstance(shape, Stroke):
                xs, ys = [x for x, _ in shape.points], [y + down for _, y in shape.points]
                axes.plot(xs, ys, color=shape.colour, linewidth=shape.width, zorder=z)
            elif isinstance(shape, Mark):
                axes.plot(shape.x, shape.y + down, "o", color=shape.colour, ms=8, mew=0, zorder=z)
            else:
                axes.text(
                    shape.x,
                    shape.y + down,
                    shape.text.replace("$", r"\$"),  # a name is text: `$` would start a formula
                    fontsize=shape.size * 0.92,  # its font is wider than that of a browser
                    ha=sides[shape.anchor],
                    va="baseline",
                    color=shape.colour,
                    weight="bold" if shape.bold else "normal",
                    rotation=90 if shape.turned else 0,
                    rotation_mode="anchor",
                    zorder=z,
                )
    file = io.BytesIO()
    figure.savefig(file, format="png", metadata={"Software": None})
    return file.getvalue()

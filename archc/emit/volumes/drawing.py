"""A drawing: polygons, circles, curves and texts in points, y downwards, in the order of painting.

The figure is drawn once, into these; each file format is a small writer of them.
"""

from __future__ import annotations

from dataclasses import dataclass, field

Point = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Polygon:
    """A closed, filled area; `fill` or `stroke` may be empty for none. Colours are `#rrggbb`."""

    points: tuple[Point, ...]
    fill: str
    stroke: str = ""
    width: float = 0.8


@dataclass(frozen=True, slots=True)
class Circle:
    """A filled circle."""

    center: Point
    radius: float
    fill: str
    stroke: str
    width: float = 0.8


@dataclass(frozen=True, slots=True)
class Line:
    """An open polyline, or, if `curved`, one cubic Bezier curve through four points."""

    points: tuple[Point, ...]
    stroke: str
    width: float = 0.8
    dashed: bool = False
    curved: bool = False


@dataclass(frozen=True, slots=True)
class Text:
    """One line of text in Helvetica. `anchor` says which part of it lies at `at` (a baseline)."""

    at: Point
    text: str
    size: float
    anchor: str = "middle"
    """start, middle or end."""
    bold: bool = False
    color: str = "#222222"


Mark = Polygon | Circle | Line | Text


@dataclass(slots=True)
class Drawing:
    """Marks in the order of painting, and the size of the page."""

    title: str
    marks: list[Mark] = field(default_factory=list)
    width: float = 0.0
    height: float = 0.0

    def fit(self, margin: float) -> None:
        """Move everything so that it starts at the margin, and size the page to it."""
        boxes = [bounds(mark) for mark in self.marks]
        left, top = min(b[0] for b in boxes), min(b[1] for b in boxes)
        dx, dy = margin - left, margin - top
        self.marks = [moved(mark, dx, dy) for mark in self.marks]
        self.width = max(b[2] for b in boxes) + dx + margin
        self.height = max(b[3] for b in boxes) + dy + margin


def bounds(mark: Mark) -> tuple[float, float, float, float]:
    """(left, top, right, bottom)."""
    if isinstance(mark, Circle):
        (x, y), r = mark.center, mark.radius
        return x - r, y - r, x + r, y + r
    if isinstance(mark, Text):
        (x, y), wide = mark.at, text_width(mark.text, mark.size, mark.bold)
        left = x - {"start": 0.0, "middle": wide / 2, "end": wide}[mark.anchor]
        return left, y - 0.8 * mark.size, left + wide, y + 0.22 * mark.size
    xs, ys = zip(*mark.points, strict=True)
    return min(xs), min(ys), max(xs), max(ys)


def moved(mark: Mark, dx: float, dy: float) -> Mark:
    """The same mark elsewhere."""
    if isinstance(mark, Circle):
        x, y = mark.center
        return Circle((x + dx, y + dy), mark.radius, mark.fill, mark.stroke, mark.width)
    if isinstance(mark, Text):
        x, y = mark.at
        return Text((x + dx, y + dy), mark.text, mark.size, mark.anchor, mark.bold, mark.color)
    points = tuple((x + dx, y + dy) for x, y in mark.points)
    if isinstance(mark, Polygon):
        return Polygon(points, mark.fill, mark.stroke, mark.width)
    return Line(points, mark.stroke, mark.width, mark.dashed, mark.curved)


# Advance widths of Helvetica in 1/1000 of its size, from space to tilde (Adobe's font metrics).
_WIDTHS = (
    278, 278, 355, 556, 556, 889, 667, 191, 333, 333, 389, 584, 278, 333, 278, 278,
    556, 556, 556, 556, 556, 556, 556, 556, 556, 556, 278, 278, 584, 584, 584, 556,
    1015, 667, 667, 722, 722, 667, 611, 778, 722, 278, 500, 667, 556, 833, 722, 778,
    667, 778, 722, 667, 611, 722, 667, 944, 667, 667, 611, 278, 278, 278, 469, 556,
    333, 556, 556, 500, 556, 556, 278, 556, 556, 222, 222, 500, 222, 833, 556, 556,
    556, 556, 333, 500, 278, 556, 500, 722, 500, 500, 500, 334, 260, 334, 584,
)  # fmt: skip


def text_width(text: str, size: float, bold: bool = False) -> float:
    """How wide a line is, in points; bold letters are some 6% wider."""
    units = sum(_WIDTHS[ord(ch) - 32] if 32 <= ord(ch) < 127 else 584 for ch in text)
    return units * size / 1000 * (1.06 if bold else 1.0)


def curve_points(points: tuple[Point, ...], steps: int = 24) -> list[Point]:
    """A cubic Bezier curve as a polyline, for writers that have no curves."""
    (x0, y0), (x1, y1), (x2, y2), (x3, y3) = points
    made = []
    for step in range(steps + 1):
        t = step / steps
        a, b, c, d = (1 - t) ** 3, 3 * t * (1 - t) ** 2, 3 * t * t * (1 - t), t**3
        made.append((a * x0 + b * x1 + c * x2 + d * x3, a * y0 + b * y1 + c * y2 + d * y3))
    return made

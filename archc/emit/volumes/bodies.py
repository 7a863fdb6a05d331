"""How items are drawn: cuboids, sheets, bars and dots, windows on them, and the sizes beside."""

from __future__ import annotations

from .drawing import Circle, Drawing, Line, Point, Polygon, Text
from .scale import BAR, DOTS, SHEETS, SIGN, Scale
from .spots import Spot

FILL = {
    "conv": "#cfe3f5",
    "pool": "#f9d3b4",
    "resize": "#bfe8db",
    "dense": "#dcd6ee",
    "block": "#c9d6e6",
    "input": "#f2f2f2",
    "fuse": "#e6e6e6",
}
INK = {
    "conv": "#2f6fa7",
    "pool": "#c46a17",
    "resize": "#1c8a6a",
    "dense": "#6a51a3",
    "block": "#44617d",
    "input": "#777777",
    "fuse": "#666666",
}
OTHER = ("#f6f1c9", "#8d7f1e")
SIZES = 7.0


def colors(family: str) -> tuple[str, str]:
    """Fill and line of a family of operators."""
    return (FILL[family], INK[family]) if family in FILL else OTHER


def shade(color: str, factor: float) -> str:
    """Darker (below 1), or nearer to white (above)."""
    parts = [int(color[i : i + 2], 16) for i in (1, 3, 5)]
    if factor > 1:
        parts = [round(255 - (255 - p) * (2 - factor)) for p in parts]
    else:
        parts = [round(p * factor) for p in parts]
    return "#" + "".join(f"{p:02x}" for p in parts)


class Face:
    """The geometry of a spot: its front's corners, and points on its left and right side."""

    def __init__(self, spot: Spot) -> None:
        size = spot.size
        self.spot = spot
        self.x0, self.x1 = spot.left, spot.left + size.width
        self.y0, self.y1 = spot.top + size.dy, spot.bottom
        self.dx, self.dy = size.dx, size.dy

    def side(self, x: float, row: float, column: float) -> Point:
        """A point of the map at x: row and column as parts of its sides."""
        return (x + column * self.dx, self.y0 + row * (self.y1 - self.y0) - column * self.dy)

    def plane(self, x: float) -> tuple[Point, ...]:
        """The whole map at x."""
        return self.window(x, 0.5, 0.5, 1.0, 1.0)

    def window(
        self, x: float, row: float, column: float, high: float, wide: float
    ) -> tuple[Point, ...]:
        """A window of a map, around a middle."""
        a, b = row - high / 2, row + high / 2
        c, d = column - wide / 2, column + wide / 2
        return (self.side(x, a, c), self.side(x, a, d), self.side(x, b, d), self.side(x, b, c))


def draw_body(drawing: Drawing, spot: Spot, scale: Scale) -> None:
    """The body of one item."""
    item = spot.item
    fill, ink = colors(item.family)
    if item.training:
        fill = shade(fill, 1.6)
    if item.kind == "sign":
        drawing.marks.append(Circle((spot.x, spot.y), SIGN, "#ffffff", "#333333", 1.0))
        _sign(drawing, item.lines[0], spot)
    elif len(item.shape) <= 1:
        _vector(drawing, spot, fill, ink)
    elif len(item.shape) > 1 and item.shape[0] <= SHEETS and not item.parts:
        face = Face(spot)
        for k in range(item.shape[0]):
            x = face.x0 + (face.x1 - face.x0) * (k / max(1, item.shape[0] - 1))
            if face.dx:
                drawing.marks.append(Polygon(face.plane(x), shade(fill, 1.25), ink))
            else:
                drawing.marks.append(Line((face.side(x, 0, 0), face.side(x, 1, 0)), ink, 1.6))
    else:
        _cuboid(drawing, spot, scale, fill, ink)


def _cuboid(drawing: Drawing, spot: Spot, scale: Scale, fill: str, ink: str) -> None:
    face = Face(spot)
    corners = face.side(face.x0, 0, 0), face.side(face.x1, 0, 0)
    front = (*corners, face.side(face.x1, 1, 0), face.side(face.x0, 1, 0))
    drawing.marks.append(Polygon(front, fill, ink))
    if face.dx:
        top = (*corners, face.side(face.x1, 0, 1), face.side(face.x0, 0, 1))
        drawing.marks.append(Polygon(top, shade(fill, 1.5), ink))
        drawing.marks.append(Polygon(face.plane(face.x1), shade(fill, 0.88), ink))
    for part in _inner(spot, scale):
        x = face.x0 + part * (face.x1 - face.x0)
        way = (face.side(x, 1, 0), face.side(x, 0, 0), face.side(x, 0, 1))
        drawing.marks.append(Line(way, ink, 0.8))


def _inner(spot: Spot, scale: Scale) -> list[float]:
    """Where a body is divided: between what was joined, or between a few groups of channels."""
    item = spot.item
    if item.parts:
        lengths = [max(scale.channels(p[0]), 1.0) for p in item.parts if p]
    elif 2 <= item.groups <= 4:
        lengths = [1.0] * item.groups
    else:
        return []
    total, at, found = sum(lengths), 0.0, []
    for length in lengths[:-1]:
        at += length
        found.append(at / total)
    return found


def _vector(drawing: Drawing, spot: Spot, fill: str, ink: str) -> None:
    """A bar, or a few units one by one."""
    if (spot.item.shape and spot.item.shape[0] <= DOTS) or not spot.item.shape:
        for place in unit_places(spot):
            drawing.marks.append(Circle(place, 4.6, shade(fill, 1.2), ink))
        return
    x0, x1 = spot.x - BAR / 2, spot.x + BAR / 2
    corners = ((x0, spot.top), (x1, spot.top), (x1, spot.bottom), (x0, spot.bottom))
    drawing.marks.append(Polygon(corners, fill, ink))


def unit_places(spot: Spot) -> list[Point]:
    """Middles of the units of a small vector; nothing for others."""
    shape = spot.item.shape
    units = shape[0] if shape else 1
    if len(shape) > 1 or units > DOTS or spot.item.kind == "sign":
        return []
    step = (spot.bottom - spot.top) / units
    return [(spot.x, spot.top + (k + 0.5) * step) for k in range(units)]


def _sign(drawing: Drawing, sign: str, spot: Spot) -> None:
    """Signs are drawn, not written: fonts set them at different heights."""
    x, y, r = spot.x, spot.y, 0.5 * SIGN
    ways: dict[str, list[tuple[Point, Point]]] = {
        "+": [((x - r, y), (x + r, y)), ((x, y - r), (x, y + r))],
        "×": [((x - r, y - r), (x + r, y + r)), ((x - r, y + r), (x + r, y - r))],
        "−": [((x - r, y), (x + r, y))],
    }
    if sign in ways:
        drawing.marks += [Line(way, "#333333", 1.3) for way in ways[sign]]
    else:
        drawing.marks.append(Text((x, y + 2.0), sign, 5.5))


def shows_window(tail: Spot, head: Spot) -> bool:
    """Are two neighbours joined by the lines of a window? Into another lane they would lead across
    the labels."""
    near = (tail.strip, tail.lane) == (head.strip, head.lane) and head.column == tail.column + 1
    maps = tail.item.kind == "volume" and len(tail.item.shape) > 1
    return near and maps and head.item.kernel is not None


def size_texts(spot: Spot) -> list[Text]:
    """Channels below the front; rows and columns at their edges, unless they were said just
    before; ×n above."""
    item, face = spot.item, Face(spot)
    made = []
    if item.count > 1 and item.kind == "volume":
        made.append(Text((spot.x - 2.0, spot.top - 4), f"×{item.count}", 9.0, "end", bold=True))
    if item.kind == "sign":
        return made
    if len(item.shape) <= 1:
        units = str(item.shape[0]) if item.shape else "1"
        return [*made, Text((spot.x, spot.bottom + 9), units, SIZES)]
    middle = (face.x0 + face.x1) / 2
    made.append(Text((middle, face.y1 + 8.5), str(item.shape[0]), SIZES))
    if spot.said:
        return made
    high = item.shape[-2] if len(item.shape) > 2 else item.shape[1]
    # of a flat body, below the arrow that comes in
    low = max(face.y1 - 3, spot.y + 8.5)
    made.append(Text((face.x0 - 2.5, low), str(high), SIZES, "end"))
    if face.dx:
        at = (face.x1 + face.dx / 2 + 3, face.y1 - face.dy / 2 + 6.5)
        made.append(Text(at, str(item.shape[-1]), SIZES, "start"))
    if len(item.shape) > 3:
        whole = "×".join(map(str, item.shape[1:]))
        made.append(Text((spot.x + 2.0, spot.top - 4), whole, SIZES, "start"))
    return made

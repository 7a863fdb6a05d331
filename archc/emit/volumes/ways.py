"""How ways are drawn: lines of a window that meet in one unit, the fan of a dense layer, arrows."""

from __future__ import annotations

from math import hypot

from .bodies import Face, colors, shade, unit_places
from .drawing import Drawing, Line, Point, Polygon
from .figure import Figure, Way
from .layout import Layout, Spot

GREY = "#5f6368"
SKIP = "#b5179e"


def draw_below(drawing: Drawing, figure: Figure, layout: Layout) -> None:
    """What lies behind the bodies: the fans of dense layers."""
    for way in figure.ways:
        tail, head = layout.spots[way.tail], layout.spots[way.head]
        if not head.item.dense or not _near(tail, head) or tail.item.kind == "sign":
            continue
        fill, ink = colors("dense")
        if unit_places(tail) and unit_places(head):
            drawing.marks += [
                Line((a, b), shade(ink, 1.45), 0.4)
                for a in unit_places(tail)
                for b in unit_places(head)
            ]
            continue
        face = Face(tail)
        x = tail.x if len(tail.item.shape) < 2 else face.x1 + face.dx
        upper, lower = (x, tail.top), (x if not face.dx else face.x1, tail.bottom)
        area = (upper, (head.x, head.top), (head.x, head.bottom), lower)
        drawing.marks.append(Polygon(area, shade(fill, 1.6)))
        drawing.marks += [Line((area[0], area[1]), ink, 0.5), Line((area[3], area[2]), ink, 0.5)]


def draw_above(drawing: Drawing, figure: Figure, layout: Layout) -> None:
    """What lies over the bodies: windows, arrows and arcs."""
    for way in figure.ways:
        tail, head = layout.spots[way.tail], layout.spots[way.head]
        if tail.strip != head.strip:
            _broken(drawing, tail, head)
        elif way.kind == "size":
            _size_only(drawing, tail, head)
        elif head.item.dense and _near(tail, head) and tail.item.kind != "sign":
            continue
        elif _blocked(layout, tail, head):
            _arc(drawing, tail, head, way)
        elif _near(tail, head) and _window(drawing, tail, head):
            continue
        else:
            _arrow(drawing, tail, head, way)


def _near(tail: Spot, head: Spot) -> bool:
    return tail.strip == head.strip and head.column == tail.column + 1


def _blocked(layout: Layout, tail: Spot, head: Spot) -> bool:
    """Is something in the straight way between two items of one lane?"""
    return tail.lane == head.lane and any(
        s.lane == tail.lane and tail.column < s.column < head.column for s in layout.spots
    )


# ---------------------------------------------------------------------------- windows


def _window(drawing: Drawing, tail: Spot, head: Spot) -> bool:
    """A window on the tail's last map, and lines from its corners to the unit that it makes (from
    one unit to a window, for a transposed convolution). False where there is nothing to show."""
    kernel = head.item.kernel
    shapes = (tail.item.shape, head.item.shape)
    if kernel is None or len(shapes[0]) < 2 or tail.item.kind == "sign":
        return False
    _, ink = colors(head.item.family)
    near, far = Face(tail), Face(head)
    whole, one = (shapes[1], shapes[0]) if kernel.outwards else shapes
    high = _part(kernel.size, whole, -2 if len(whole) > 2 else -1)
    wide = _part(kernel.size, whole, -1)
    if kernel.outwards and len(shapes[1]) > 1:
        corners = far.window(far.x0, 0.5, 0.5, high, wide)
        point = near.side(near.x1, 0.5, 0.5)
    else:
        corners = near.window(near.x1, 0.5, 0.5, high, wide)
        point = far.side(far.x0, 0.5, 0.5) if len(one) > 1 else (head.x, head.y)
    drawing.marks.append(Polygon(corners, "", ink, 0.9))
    drawing.marks += [Line((corner, point), ink, 0.5) for corner in corners]
    return True


def _part(size: tuple[int, ...], shape: tuple[int, ...], axis: int) -> float:
    """A kernel's side as a part of the map's, drawn large enough to be seen. Lengths are drawn as
    square roots; a window is drawn in that scale, too."""
    side = size[axis] if len(size) >= -axis else size[-1]
    part: float = min(1.0, side / max(1, shape[axis])) ** 0.5
    return max(0.08, min(1.0, part))


# ---------------------------------------------------------------------------- arrows


def _exit(spot: Spot) -> Point:
    """Where an arrow leaves: the middle of the last map."""
    if spot.item.kind == "sign" or len(spot.item.shape) < 2:
        return (spot.x + spot.size.wide / 2, spot.y)
    face = Face(spot)
    return (face.x1 + face.dx / 2, spot.y)


def _entry(spot: Spot) -> Point:
    """Where an arrow ends: at the left edge, on the axis."""
    if spot.item.kind == "sign" or len(spot.item.shape) < 2:
        return (spot.x - spot.size.wide / 2, spot.y)
    face = Face(spot)
    y = min(max(spot.y, face.y0), face.y1)
    x = face.x0 if y == spot.y else face.x0 + face.dx / 2
    return (x - 1.0, spot.y)


def _ink(way: Way, tail: Spot, head: Spot) -> tuple[str, float, bool]:
    """Colour, width, dashed."""
    training = tail.item.training or head.item.training
    return (SKIP, 1.1, training) if way.kind == "skip" else (GREY, 0.9, training)


def _arrow(drawing: Drawing, tail: Spot, head: Spot, way: Way) -> None:
    """A straight arrow on one lane; a bend where the lane changes."""
    color, width, dashed = _ink(way, tail, head)
    (x0, y0), (x1, y1) = _exit(tail), _entry(head)
    if head.item.kind == "sign" and abs(y1 - y0) > 3 and head.column - tail.column > 0:
        x1, y1 = head.x, head.y + (head.size.high / 2 if y0 > head.y else -head.size.high / 2)
        before = (x1, y1 + (6 if y0 > head.y else -6))
        drawing.marks.append(
            Line(((x0, y0), ((x0 + x1) / 2, y0), (x1, y0), (x1, y1)), color, width, dashed, True)
        )
        _tip(drawing, before, (x1, y1), color)
        return
    if abs(y1 - y0) < 0.5:
        drawing.marks.append(Line(((x0, y0), (x1, y1)), color, width, dashed))
    elif head.column - tail.column > 1:
        turn = max(x0, x1 - 34.0)
        drawing.marks.append(Line(((x0, y0), (turn, y0)), color, width, dashed))
        _bend(drawing, (turn, y0), (x1, y1), color, width, dashed)
    else:
        _bend(drawing, (x0, y0), (x1, y1), color, width, dashed)
    _tip(drawing, (x1 - 6, y1), (x1, y1), color)


def _bend(
    drawing: Drawing, start: Point, end: Point, color: str, width: float, dashed: bool
) -> None:
    middle = (start[0] + end[0]) / 2
    points = (start, (middle, start[1]), (middle, end[1]), end)
    drawing.marks.append(Line(points, color, width, dashed, True))


def _arc(drawing: Drawing, tail: Spot, head: Spot, way: Way) -> None:
    """A way around what is between, above it."""
    color, width, dashed = _ink(way, tail, head)
    face = Face(tail)
    x0 = tail.x if tail.item.kind == "sign" else (face.x0 + face.x1 + face.dx) / 2
    start, end = (x0, tail.top), (head.x, head.top)
    lift = max(18.0, start[1] - end[1], end[1] - start[1]) + 3.0 * (head.column - tail.column)
    high = min(start[1], end[1]) - lift
    points = (start, (x0, high), (head.x, high), end)
    drawing.marks.append(Line(points, color, width, dashed, True))
    _tip(drawing, (end[0], end[1] - 6), end, color)


def _size_only(drawing: Drawing, tail: Spot, head: Spot) -> None:
    """Only the size of the tail is read: a dotted line without a tip."""
    drawing.marks.append(Line((_exit(tail), _entry(head)), "#a0a0a0", 0.6, True))


def _broken(drawing: Drawing, tail: Spot, head: Spot) -> None:
    """A way that goes on on the next line of the figure."""
    for at, end in ((_exit(tail), 20.0), (_entry(head), 0.0)):
        x = at[0] + end
        drawing.marks.append(Line(((x - 20.0, at[1]), (x, at[1])), GREY, 0.9))
        _tip(drawing, (x - 6, at[1]), (x, at[1]), GREY)


def _tip(drawing: Drawing, before: Point, end: Point, color: str) -> None:
    """The head of an arrow."""
    dx, dy = end[0] - before[0], end[1] - before[1]
    length = hypot(dx, dy) or 1.0
    ux, uy = dx / length, dy / length
    base = (end[0] - 5.0 * ux, end[1] - 5.0 * uy)
    points = (
        end,
        (base[0] - 2.2 * uy, base[1] + 2.2 * ux),
        (base[0] + 2.2 * uy, base[1] - 2.2 * ux),
    )
    drawing.marks.append(Polygon(points, color))

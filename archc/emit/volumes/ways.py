"""How ways are drawn: lines of a window that meet in one unit, the fan of a dense layer, arrows."""

from __future__ import annotations

from itertools import pairwise
from math import hypot, sqrt

from .bodies import Face, colors, shade, shows_window, unit_places
from .drawing import Drawing, Line, Point, Polygon
from .figure import Figure, Way
from .places import ABOVE, LEVEL, crown
from .spots import Layout, Spot

GREY = "#5f6368"
SKIP = "#b5179e"
RADIUS = 7.0


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
    for number, way in enumerate(figure.ways):
        tail, head = layout.spots[way.tail], layout.spots[way.head]
        route = layout.routes[number]
        if route == "broken":
            _broken(drawing, layout, tail, head)
        elif way.kind != "size" and _near(tail, head) and _joined(drawing, tail, head):
            continue
        elif route == "over":
            _over(drawing, layout, number, way)
        else:
            _arrow(drawing, layout, route, way)


def _joined(drawing: Drawing, tail: Spot, head: Spot) -> bool:
    """Are two neighbours joined by more than an arrow: a fan (drawn below them) or a window?"""
    if head.item.dense and tail.item.kind != "sign":
        return True
    return _window(drawing, tail, head)


def _near(tail: Spot, head: Spot) -> bool:
    return tail.strip == head.strip and head.column == tail.column + 1


# ---------------------------------------------------------------------------- windows


def _window(drawing: Drawing, tail: Spot, head: Spot) -> bool:
    """A window on the tail's last map, and lines from its corners to the unit that it makes (from
    one unit to a window, for a transposed convolution). False where there is nothing to show."""
    kernel = head.item.kernel
    shapes = (tail.item.shape, head.item.shape)
    if kernel is None or not shows_window(tail, head):
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
    """Colour, width, dashed. A way that only tells a size is pale and dashed."""
    if way.kind == "size":
        return "#a0a0a0", 0.6, True
    training = tail.item.training or head.item.training
    return (SKIP, 1.1, training) if way.kind == "skip" else (GREY, 0.9, training)


def _arrow(drawing: Drawing, layout: Layout, route: str, way: Way) -> None:
    """Along the lane; into another lane in the corridor before the head or after the tail, or, for
    a sign, from below or above."""
    tail, head = layout.spots[way.tail], layout.spots[way.head]
    color, width, dashed = _ink(way, tail, head)
    start, end = _exit(tail), _entry(head)
    if route == "rise":
        side = 1 if start[1] > head.y else -1
        end = (head.x, head.y + side * head.size.high / 2)
        _path(drawing, (start, (end[0], start[1]), end), color, width, dashed)
        _tip(drawing, (end[0], end[1] + side * 6), end, color, way)
        return
    column = head.column if route == "late" else tail.column + 1
    if route == "straight" or column not in layout.corridors:
        drawing.marks.append(Line((start, end), color, width, dashed))
        _tip(drawing, start, end, color, way)
        return
    left, right = layout.corridors[column]
    left, right = max(left, start[0]), min(right, end[0])
    middle = (left + right) / 2
    drawing.marks.append(Line((start, (left, start[1])), color, width, dashed))
    bend = ((left, start[1]), (middle, start[1]), (middle, end[1]), (right, end[1]))
    drawing.marks.append(Line(bend, color, width, dashed, True))
    drawing.marks.append(Line(((right, end[1]), end), color, width, dashed))
    _tip(drawing, (end[0] - 6, end[1]), end, color, way)


def _over(drawing: Drawing, layout: Layout, number: int, way: Way) -> None:
    """Up, over what stands between, and down."""
    tail, head = layout.spots[way.tail], layout.spots[way.head]
    color, width, dashed = _ink(way, tail, head)
    columns = range(tail.column, head.column + 1)
    under = [s for s in layout.spots if s.lane == tail.lane and s.column in columns]
    high = min(s.top - crown(s) for s in under) - ABOVE - LEVEL * layout.levels[number]
    # what ends at a body and what begins there stand apart
    shift = 3.0 + min(2.0 * layout.levels[number], 6.0)
    x0 = tail.x + shift + (0.0 if tail.item.kind == "sign" else tail.size.dx / 2)
    x1 = head.x - shift + (0.0 if head.item.kind == "sign" else head.size.dx / 2)
    end = (x1, _roof(head, x1))
    _path(drawing, ((x0, _roof(tail, x0)), (x0, high), (x1, high), end), color, width, dashed)
    _tip(drawing, (x1, end[1] - 6), end, color, way)


def _roof(spot: Spot, x: float) -> float:
    """The upper edge of a body at x."""
    if spot.item.kind == "sign":
        return spot.y - sqrt(max(0.0, (spot.size.high / 2) ** 2 - (x - spot.x) ** 2))
    face = Face(spot)
    if x >= face.x0 + face.dx or not face.dx:
        return spot.top
    return face.y0 - face.dy * max(0.0, x - face.x0) / face.dx


def _path(
    drawing: Drawing, points: tuple[Point, ...], color: str, width: float, dashed: bool
) -> None:
    """Straight lines with round corners."""
    at = points[0]
    for corner, after in pairwise(points[1:]):
        r = min(RADIUS, _far(at, corner) / 2, _far(corner, after) / 2)
        near, far = _toward(corner, at, r), _toward(corner, after, r)
        drawing.marks.append(Line((at, near), color, width, dashed))
        drawing.marks.append(Line((near, corner, corner, far), color, width, dashed, True))
        at = far
    drawing.marks.append(Line((at, points[-1]), color, width, dashed))


def _far(a: Point, b: Point) -> float:
    return hypot(b[0] - a[0], b[1] - a[1])


def _toward(start: Point, end: Point, length: float) -> Point:
    """The point so far from the start."""
    part = length / (_far(start, end) or 1.0)
    return (start[0] + (end[0] - start[0]) * part, start[1] + (end[1] - start[1]) * part)


def _broken(drawing: Drawing, layout: Layout, tail: Spot, head: Spot) -> None:
    """A way that goes on on the next line of the figure: it leaves to the right, and comes in from
    the left, or from above where others stand there."""
    x, y = _exit(tail)
    if tail.column == layout.strips[tail.strip].stop - 1:
        drawing.marks.append(Line(((x, y), (x + 20.0, y)), GREY, 0.9))
        _tip(drawing, (x + 14, y), (x + 20.0, y), GREY)
    x, y = _entry(head)
    if head.column > layout.strips[head.strip].start and head.lane == 0:
        x, y = head.x, _roof(head, head.x)
        drawing.marks.append(Line(((x, y - 16.0), (x, y)), GREY, 0.9))
        _tip(drawing, (x, y - 6), (x, y), GREY)
        return
    drawing.marks.append(Line(((x - 20.0, y), (x, y)), GREY, 0.9))
    _tip(drawing, (x - 6, y), (x, y), GREY)


def _tip(drawing: Drawing, before: Point, end: Point, color: str, way: Way | None = None) -> None:
    """The head of an arrow; a way that only tells a size has none."""
    if way is not None and way.kind == "size":
        return
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

"""How ways are led: straight, over what stands between, or in a corridor to another lane."""

from __future__ import annotations

from .figure import Figure, Way
from .spots import Layout

CHANGES = ("late", "early")
"""Ways that change their lane in a corridor: before the head's column, or after the tail's."""


def lead(figure: Figure, layout: Layout) -> None:
    """Find a route for every way. Columns, lanes and strips are known, places are not."""
    taken = {(s.lane, s.column) for s in layout.spots}
    layout.routes = [_route(layout, way, taken) for way in figure.ways]
    layout.levels = _levels(figure, layout)


def _route(layout: Layout, way: Way, taken: set[tuple[int, int]]) -> str:
    """ "broken" (goes on on another strip), "straight", "over", "rise" (into a sign, from above or
    below), "late", "early"."""
    tail, head = layout.spots[way.tail], layout.spots[way.head]
    if tail.strip != head.strip:
        return "broken"
    between = range(tail.column + 1, head.column)
    here = any((tail.lane, c) in taken for c in between)
    if tail.lane == head.lane:
        return "over" if here else "straight"
    if head.item.kind == "sign" and not here and (tail.lane, head.column) not in taken:
        low, high = sorted((tail.lane, head.lane))
        if not any((lane, head.column) in taken for lane in range(low + 1, high)):
            return "rise"
    if here and not any((head.lane, c) in taken for c in between):
        return "early"
    return "late"


def _levels(figure: Figure, layout: Layout) -> dict[int, int]:
    """Ways over others stand on levels, short ones below: no two on one level cross."""
    spans: dict[tuple[int, int], list[tuple[int, int, int]]] = {}
    for number, way in enumerate(figure.ways):
        tail, head = layout.spots[way.tail], layout.spots[way.head]
        if layout.routes[number] == "over":
            found = spans.setdefault((tail.strip, tail.lane), [])
            found.append((head.column - tail.column, tail.column, number))
    levels: dict[int, int] = {}
    for found in spans.values():
        placed: list[tuple[int, int, int]] = []
        for long, start, number in sorted(found):
            end = start + long
            under = [v for a, b, v in placed if a < end and start < b]
            levels[number] = max(under, default=-1) + 1
            placed.append((start, end, levels[number]))
    return levels

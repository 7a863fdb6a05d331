"""Titles of open blocks and groups, over a line above what is in them."""

from __future__ import annotations

from .drawing import Drawing, Line, Text, text_width
from .figure import Figure
from .places import ABOVE, LEVEL, crown
from .spots import TITLE, WORDS, Layout, Spot, inside, often


def draw_titles(drawing: Drawing, shown: Figure, layout: Layout) -> None:
    """Innermost blocks on the longest path, and whatever stands for several, wherever it is."""
    parents = {number: parent for number, parent, _ in shown.clusters}
    drawn: list[tuple[int, float, float, int]] = []
    for number, _, title in shown.clusters[1:]:
        within = inside(shown, layout, number)
        main = [s for s in within if s.lane == 0 and not layout.rows]
        counted = often(title)[1]
        nested = any(parents[s.item.cluster] == number for s in main)
        if not title or not within or (nested and not counted):
            continue
        if not main:
            if counted:
                _local(drawing, title, [s for s in within if s.lane == within[0].lane])
            continue
        for strip in sorted({s.strip for s in main}):
            here = [s for s in main if s.strip == strip]
            left, right = min(s.left for s in here), max(s.right for s in here)
            below = [k for n, a, b, k in drawn if n == strip and a < right and left < b]
            level = max(below, default=-1) + 1
            drawn.append((strip, left, right, level))
            _title(drawing, title, left, right, _above(shown, layout, strip) - TITLE * level)


def _local(drawing: Drawing, title: str, here: list[Spot]) -> None:
    """Right above bodies, in the room that they have for it."""
    for strip in sorted({s.strip for s in here}):
        some = [s for s in here if s.strip == strip]
        high = min(s.top - crown(s) for s in some) + TITLE - 4.0
        _title(drawing, title, min(s.left for s in some), max(s.right for s in some), high)


def _title(drawing: Drawing, title: str, left: float, right: float, y: float) -> None:
    bracket(drawing, left, right, y, -3.0)
    text = _fitted(title, right - left)
    drawing.marks.append(Text(((left + right) / 2, y - 4), text, WORDS, color="#444444"))


def bracket(drawing: Drawing, left: float, right: float, y: float, tick: float = 3.0) -> None:
    way = ((left, y - tick), (left, y), (right, y), (right, y - tick))
    drawing.marks.append(Line(way, "#888888", 0.6))


def _above(shown: Figure, layout: Layout, strip: int) -> float:
    """Over all bodies of a strip, and over the ways above them."""
    high = min(y for (s, _), y in layout.ceilings.items() if s == strip) - 8.0
    strips = {n: layout.spots[shown.ways[n].tail].strip for n in layout.levels}
    arcs = [layout.levels[n] for n, s in strips.items() if s == strip]
    return high - (LEVEL * max(arcs) + ABOVE + 4.0 if arcs else 0.0)


def _fitted(title: str, wide: float) -> str:
    """As much of a title as has room, and in any case how often: first without arguments, then the
    first word, then its start."""
    base, count = often(title)
    for text in (base, base.partition("(")[0], base.split()[0]):
        if text_width(text + count, WORDS) <= wide + 4.0:
            return text + count
    text = base.split()[0]
    while text and text_width(text + "…" + count, WORDS) > wide + 4.0:
        text = text[:-1]
    return (text + "…" if text else "") + count

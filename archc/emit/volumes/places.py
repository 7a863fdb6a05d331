"""Places: lines of a figure, heights of lanes, and columns as near as bodies and words allow."""

from __future__ import annotations

from itertools import pairwise
from math import ceil

from .bodies import shows_window, size_texts
from .drawing import bounds
from .figure import Figure, Way
from .routes import CHANGES, lead
from .spots import LEADING, TITLE, Layout, Spot, inside, label_lines, often

GAP = 24.0
"""Between a volume and the next, for the lines of its window."""

NARROW = 14.0
"""The same before and after a sign."""

LONGEST = 1300.0
"""A line of volumes that is much longer goes on below."""

WIDEST = 2000.0
"""The same where each resolution has its row: an arch is better not broken."""

BESIDE = 6.0
"""Between anything and what is beside it."""

APART = 120.0
"""A line is rather so much longer or shorter than broken where a branch begins."""

CORRIDOR = 30.0
"""Width of the way from lane to lane."""

LEVEL = 7.0
"""Between ways that are led above others."""

ABOVE = 9.0
"""From the highest body to the first of them."""

Rect = tuple[float, float, float, float]
"""Left, top, right, bottom."""


def place(figure: Figure, layout: Layout) -> None:
    """Strips, then heights, then columns: each needs what is before it."""
    _break(figure, layout)
    lead(figure, layout)
    _entitle(figure, layout)
    _place_y(figure, layout)
    _say_sizes(figure, layout)
    _place_x(figure, layout)


# ---------------------------------------------------------------------------- strips


def _break(figure: Figure, layout: Layout) -> None:
    """Lines of about the same length, broken where one tensor crosses."""
    ends = _estimate(layout)
    most = WIDEST if layout.rows else LONGEST
    whole = ends[-1]
    count = 1 if whole <= 1.2 * most else ceil(whole / most)
    cuts = [0]
    allowed = _cuts(figure, layout)
    for k in range(1, count):
        aim = whole * k / count
        near = [c for c in allowed if c > cuts[-1]]
        best = min(near, key=lambda c: abs(ends[c - 1] - aim) + APART * (allowed[c] - 1), default=0)
        if best and abs(ends[best - 1] - aim) < 0.6 * whole / count:
            cuts.append(best)
    layout.strips = [range(a, b) for a, b in pairwise([*cuts, len(ends)])]
    for number, columns in enumerate(layout.strips):
        for spot in layout.spots:
            if spot.column in columns:
                spot.strip = number


def _estimate(layout: Layout) -> list[float]:
    """About where each column ends."""
    wide = [0.0] * (max(s.column for s in layout.spots) + 1)
    for spot in layout.spots:
        label = 0.0 if spot.shared >= 0 or spot.item.kind == "sign" else spot.label_width + 6
        wide[spot.column] = max(wide[spot.column], spot.size.wide + GAP, label)
    ends, x = [], 0.0
    for each in wide:
        x += each
        ends.append(x)
    return ends


def _cuts(figure: Figure, layout: Layout) -> dict[int, int]:
    """Columns before which a line may be broken, and by how many ways: they leave one item."""
    crossing: dict[int, list[int]] = {}
    for way in figure.ways:
        a, b = layout.spots[way.tail].column, layout.spots[way.head].column
        for column in range(min(a, b) + 1, max(a, b) + 1):
            crossing.setdefault(column, []).append(way.tail)
    signs = {s.column for s in layout.spots if s.item.kind == "sign"}
    return {
        column: len(tails)
        for column, tails in sorted(crossing.items())
        if len(set(tails)) == 1 and column not in signs
    }


# ---------------------------------------------------------------------------- heights


def _entitle(figure: Figure, layout: Layout) -> None:
    """Which bodies need room for a title: what stands for several must say so. Those on the
    longest path of a line have theirs above the whole line."""
    for number, _, title in figure.clusters[1:]:
        within = inside(figure, layout, number)
        if often(title)[1] and (layout.rows or not any(s.lane == 0 for s in within)):
            for spot in within:
                spot.titled = spot.titled or spot.lane == within[0].lane


def _place_y(figure: Figure, layout: Layout) -> None:
    """Lanes below each other, on each line of the figure and where branches are apart."""
    over: dict[tuple[int, int], int] = {}
    for number, height in layout.levels.items():
        spot = layout.spots[figure.ways[number].tail]
        over[spot.strip, spot.lane] = max(over.get((spot.strip, spot.lane), 0), height + 1)
    floor = 0.0
    for strip in range(len(layout.strips)):
        here = [s for s in layout.spots if s.strip == strip]
        main = [s.size.high / 2 for s in here if s.lane == 0 and s.item.kind == "volume"]
        level = max(main, default=0.0)
        arcs = {lane: n for (number, lane), n in over.items() if number == strip}
        for region in [here] if layout.rows else _regions(here):
            _stack(region, layout.rows, level, arcs)
        top = min(s.top - _headroom(s, arcs) for s in here) - 22.0
        for spot in here:
            spot.y += floor - top
            spot.label_y += floor - top
        for lane in {s.lane for s in here}:
            tops = [s.top - crown(s) for s in here if s.lane == lane]
            layout.ceilings[strip, lane] = min(tops)
        floor = max(s.label_y + LEADING * len(s.label) for s in here) + 8.0


def crown(spot: Spot) -> float:
    """Room for what is written above a body."""
    words = 13.0 if spot.item.count > 1 or len(spot.item.shape) > 3 else 2.0
    return words + (TITLE if spot.titled else 0.0)


def _headroom(spot: Spot, arcs: dict[int, int]) -> float:
    """Room above a body for words and for the ways of its lane."""
    return crown(spot) + (LEVEL * arcs[spot.lane] + ABOVE if spot.lane in arcs else 0.0)


def _regions(here: list[Spot]) -> list[list[Spot]]:
    """Runs of columns that branches connect; others are regions of one column each."""
    side = sorted({s.column for s in here if s.lane})
    region: dict[int, int] = {}
    for column in side:
        region[column] = region.get(column - 1, column)
    groups: dict[int, list[Spot]] = {}
    for spot in here:
        groups.setdefault(region.get(spot.column, -1 - spot.column), []).append(spot)
    return list(groups.values())


def _stack(region: list[Spot], rows: bool, level: float, arcs: dict[int, int]) -> None:
    """Lanes of a region from the middle outwards (rows: from the top). Labels of the longest path
    stand on one level along the whole line, those of others along their region."""
    lanes: dict[int, list[Spot]] = {}
    for spot in region:
        lanes.setdefault(spot.lane, []).append(spot)
    words: dict[int, float] = {}
    up: dict[int, float] = {}
    down: dict[int, float] = {}
    for n, found in lanes.items():
        bodies = [s.size.high / 2 for s in found if s.item.kind == "volume"]
        words[n] = level if n == 0 and not rows else max(bodies, default=0.0)
        crowns = max(_headroom(s, {}) for s in found)
        up[n] = max(s.size.high / 2 for s in found) + crowns
        up[n] += LEVEL * arcs[n] + ABOVE if n in arcs else 0.0
        down[n] = words[n] + 12.0 + LEADING * max(len(s.label) for s in found)
    order = sorted(lanes)
    middle = order[0] if rows or 0 not in lanes else 0
    y = {middle: 0.0}
    for above, n in pairwise(order):
        if above >= middle:
            y[n] = y[above] + down[above] + up[n] + 12.0
    for below, n in pairwise(order[::-1]):
        if below <= middle:
            y[n] = y[below] - up[below] - down[n] - 12.0
    for n, found in lanes.items():
        for spot in found:
            spot.y = y[n]
            far = spot.size.high / 2 if rows else words[n]
            spot.label_y = y[n] + (
                spot.size.high / 2 + 9.0 if spot.item.kind == "sign" else far + 20.0
            )


# ---------------------------------------------------------------------------- columns


def _say_sizes(figure: Figure, layout: Layout) -> None:
    """Sizes stand beside bodies, where they are not those of the body right before."""
    before = {w.head: w.tail for w in reversed(figure.ways) if w.kind != "size"}
    for spot in layout.spots:
        tail = layout.spots[before[spot.item.id]] if spot.item.id in before else None
        spot.said = (
            tail is not None
            and tail.item.shape[1:] == spot.item.shape[1:]
            and (tail.lane, tail.strip) == (spot.lane, spot.strip)
        )


def _place_x(figure: Figure, layout: Layout) -> None:
    """Columns from left to right: nothing covers anything, and every way has its room."""
    into: dict[int, list[tuple[Way, str]]] = {}
    for way, route in zip(figure.ways, layout.routes, strict=True):
        into.setdefault(way.head, []).append((way, route))
    turns = _turns(figure, layout)
    columns: dict[int, list[Spot]] = {}
    for spot in layout.spots:
        columns.setdefault(spot.column, []).append(spot)
    runs = _excess(layout)
    for strip in layout.strips:
        placed: list[Rect] = []
        x, last = 0.0, 0.0
        for column in strip:
            here = columns[column]
            rects = [r for s in here for r in _rects(s, layout, into.get(s.item.id, []), runs)]
            least = [x + 12.0] if column > strip.start else [-min(r[0] for r in rects)]
            least += [b[2] - a[0] + BESIDE for a in rects for b in placed if _level(a, b)]
            for spot in here:
                for way, route in into.get(spot.item.id, []):
                    tail = layout.spots[way.tail]
                    if route != "broken" and way.kind != "size":
                        least.append(tail.right + _gap(tail, spot) + spot.size.wide / 2)
            if column in turns and column > strip.start:
                left = -min(r[0] for r in rects)
                least.append(last + CORRIDOR + left)
                x = max(least)
                layout.corridors[column] = (x - left - CORRIDOR + 2.0, x - left - 2.0)
            x = max(least)
            for spot in here:
                spot.x = x
            placed += [(a[0] + x, a[1], a[2] + x, a[3]) for a in rects]
            last = max(r[2] for r in placed)


def _turns(figure: Figure, layout: Layout) -> set[int]:
    """Columns before which a way changes its lane."""
    found = set()
    for way, route in zip(figure.ways, layout.routes, strict=True):
        tail, head = layout.spots[way.tail], layout.spots[way.head]
        if route in CHANGES and not shows_window(tail, head):
            found.add(head.column if route == "late" else tail.column + 1)
    return found


def _gap(tail: Spot, head: Spot) -> float:
    return NARROW if "sign" in (tail.item.kind, head.item.kind) else GAP


def _level(a: Rect, b: Rect) -> bool:
    """Are they at one height?"""
    return a[1] < b[3] and b[1] < a[3]


def _excess(layout: Layout) -> dict[int, tuple[int, int, float]]:
    """For runs with one label, by their first item: the first and the last column, and how far the
    label reaches beyond the bodies on each side."""
    runs: dict[int, list[Spot]] = {}
    for spot in layout.spots:
        if spot.shared >= 0:
            runs.setdefault(spot.shared * len(layout.strips) + spot.strip, []).append(spot)
    found: dict[int, tuple[int, int, float]] = {}
    for run in runs.values():
        wide = sum(s.size.wide for s in run) + GAP * (len(run) - 1)
        beyond = max(0.0, (run[0].label_width - wide) / 2)
        for spot in run:
            found[spot.item.id] = (run[0].column, run[-1].column, beyond)
    return found


def _rects(
    spot: Spot,
    layout: Layout,
    into: list[tuple[Way, str]],
    runs: dict[int, tuple[int, int, float]],
) -> list[Rect]:
    """What a spot covers, around x = 0: body, sizes, label, and ways that come from below."""
    half = spot.size.wide / 2
    left = half + 22.0 if any(route == "broken" for _, route in into) else half
    made = [(-left, spot.top - 1.0, half, spot.bottom + 1.0)]
    made += [bounds(text) for text in size_texts(spot)]
    if spot.item.id in runs:
        first, last, beyond = runs[spot.item.id]
        a = half + (beyond if spot.column == first else 0.0)
        b = half + (beyond if spot.column == last else 0.0)
        high = spot.label_y - 10.0
        made.append((-a, high, b, spot.label_y + LEADING * len(spot.label)))
    else:
        made += [bounds(text) for text in label_lines(spot)]
    for way, route in into:
        if route == "rise":
            low, high = sorted((spot.y, layout.spots[way.tail].y))
            made.append((-3.0, low, 3.0, high))
    return made

"""Where items stand: columns in the order of execution, lanes for branches or rows for resolutions.

Two arrangements. A *line* puts the longest path on one axis and branches above and below it, and
breaks into several lines where it grows long. *Rows* put each resolution on a row of its own, which
makes the U of a U-Net and the parallel streams of an HRNet.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise

from .drawing import text_width
from .figure import Figure, Item
from .scale import Scale, Size

NAME = 8.5
WORDS = 7.5
"""Sizes of names and of the words below them."""

LEADING = 9.5
GAP = 26.0
"""Between a volume and the next, for the lines of its window."""

LONGEST = 1300.0
"""A line of volumes that is longer goes on below."""


@dataclass(slots=True)
class Spot:
    """An item's place: the middle of its body, and where its label begins."""

    item: Item
    size: Size
    column: int
    lane: int
    label: list[tuple[str, bool]]
    """Lines of text, and whether they are bold."""
    label_width: float
    x: float = 0.0
    y: float = 0.0
    label_y: float = 0.0
    strip: int = 0
    """Which line of a broken figure it is on."""
    shared: int = -1
    """The first item of a run of equal ones that have one label, -1 for none."""

    @property
    def left(self) -> float:
        return self.x - self.size.wide / 2

    @property
    def right(self) -> float:
        """Of the whole body, columns included."""
        return self.x + self.size.wide / 2

    @property
    def top(self) -> float:
        return self.y - self.size.high / 2

    @property
    def bottom(self) -> float:
        return self.y + self.size.high / 2


@dataclass(slots=True)
class Layout:
    """Spots by item, and for each line of the figure the columns that it holds."""

    spots: list[Spot]
    rows: bool
    strips: list[range] = field(default_factory=list)


def arrange(figure: Figure, scale: Scale) -> Layout:
    """Places for all items of a figure."""
    columns = _columns(figure)
    lanes = _row_lanes(figure, columns) if figure.branched else _lanes(figure, columns)
    spots = []
    for item in figure.items:
        label = _label(item)
        wide = max((text_width(t, NAME if b else WORDS, b) for t, b in label), default=0.0)
        spots.append(Spot(item, scale.of(item), columns[item.id], lanes[item.id], label, wide))
    _share_labels(figure, spots)
    layout = Layout(spots, figure.branched)
    _place_x(figure, layout)
    _place_y(layout)
    return layout


# ---------------------------------------------------------------------------- columns and lanes


def _columns(figure: Figure) -> list[int]:
    """The longest way from an input; an input stands right before what reads it first."""
    column = [0] * len(figure.items)
    heads: list[list[int]] = [[] for _ in figure.items]
    fed = [False] * len(figure.items)
    for way in figure.ways:
        if way.kind != "size":
            heads[way.tail].append(way.head)
            fed[way.head] = True
    for item in figure.items:  # in the order of execution
        for head in heads[item.id]:
            column[head] = max(column[head], column[item.id] + 1)
    for item in figure.items:
        if not fed[item.id] and heads[item.id]:
            column[item.id] = max(0, min(column[h] for h in heads[item.id]) - 1)
    used = {c: i for i, c in enumerate(sorted(set(column)))}
    return [used[c] for c in column]


def _chain(figure: Figure, left: set[int], column: list[int]) -> list[int]:
    """The longest path through the items that are left; shortcuts count for nothing."""
    best: dict[int, tuple[int, int]] = {}
    into: dict[int, list[int]] = {}
    for way in figure.ways:
        if way.kind == "" and way.tail in left and way.head in left:
            into.setdefault(way.head, []).append(way.tail)
    for number in sorted(left):
        long, before = max(((best[t][0], -t) for t in into.get(number, [])), default=(0, 1))
        best[number] = (long + 1, -before)
    end = max(best, key=lambda n: (best[n][0], -n))
    path = [end]
    while best[path[-1]][1] >= 0:
        path.append(best[path[-1]][1])
    return path[::-1]


def _lanes(figure: Figure, column: list[int]) -> list[int]:
    """Lane 0 is the longest path; each further chain takes the free lane nearest to it."""
    lane = [0] * len(figure.items)
    left = {item.id for item in figure.items}
    taken: dict[int, list[tuple[int, int]]] = {}
    while left:
        path = _chain(figure, left, column)
        span = (column[path[0]], column[path[-1]])
        order = [0] if not taken else [n for k in range(1, len(lane) + 1) for n in (k, -k)]
        for number in order:
            if all(span[1] < a or b < span[0] for a, b in taken.get(number, [])):
                break
        taken.setdefault(number, []).append(span)
        for item in path:
            lane[item] = number
        left.difference_update(path)
    return lane


def _row_lanes(figure: Figure, column: list[int]) -> list[int]:
    """One row a resolution, largest first; where several meet in one place, the row has lanes."""
    before: dict[int, int] = {}
    for way in figure.ways:
        if way.kind != "size":
            before.setdefault(way.head, way.tail)
    area: list[int] = []
    for item in figure.items:
        size = 1
        for n in item.shape[1:]:
            size *= n
        flat = len(item.shape) < 2 and item.id in before
        area.append(area[before[item.id]] if flat else size)
    row = {a: i for i, a in enumerate(sorted(set(area), reverse=True))}
    taken: dict[tuple[int, int, int], int] = {}
    sub: list[int] = []
    for item in figure.items:
        here = sub[before[item.id]] if item.id in before and before[item.id] < len(sub) else 0
        if item.id in before and area[before[item.id]] != area[item.id]:
            here = 0
        if item.kind == "sign":
            here = 0
        for lane in [here, *range(len(figure.items))]:
            if (row[area[item.id]], column[item.id], lane) not in taken:
                break
        taken[row[area[item.id]], column[item.id], lane] = item.id
        sub.append(lane)
    places = sorted({(row[area[i.id]], sub[i.id]) for i in figure.items})
    number = {place: n for n, place in enumerate(places)}
    return [number[row[area[i.id]], sub[i.id]] for i in figure.items]


# ---------------------------------------------------------------------------- labels


def _label(item: Item) -> list[tuple[str, bool]]:
    """Name, what makes it, how often, which output it is."""
    lines = [(item.name, True)] if item.name else []
    if item.kind == "sign":
        return [(f"+ {', '.join(item.lines[1:])}", False)] if item.lines[1:] else []
    steps = list(item.lines)
    if steps:
        lines += [(part, False) for part in _wrapped(steps[0], 24)]
        rest = ", ".join(steps[1:])
        if rest:
            lines += [(part, False) for part in _wrapped("+ " + rest, 24)]
    lines += [(name, True) for name in item.gives[:3] if name != item.name]
    return lines


def _wrapped(text: str, most: int) -> list[str]:
    """Words in lines of some length; a word that is longer is cut."""
    lines = [""]
    for word in text.split(" "):
        word = word if len(word) <= most + 8 else word[: most + 7] + "…"
        if lines[-1] and len(lines[-1]) + 1 + len(word) > most:
            lines.append(word)
        else:
            lines[-1] = f"{lines[-1]} {word}".strip()
    return lines


def _share_labels(figure: Figure, spots: list[Spot]) -> None:
    """Equal layers in a row without names have one label, in their middle."""
    into: dict[int, list[int]] = {}
    out: dict[int, list[int]] = {}
    for way in figure.ways:
        into.setdefault(way.head, []).append(way.tail)
        out.setdefault(way.tail, []).append(way.head)
    for spot in spots:
        item = spot.item
        tails = into.get(item.id, [])
        if len(tails) != 1 or len(out[tails[0]]) != 1 or item.name or not spot.label:
            continue
        before = spots[tails[0]]
        same = before.label == spot.label and before.item.shape == item.shape
        if same and before.lane == spot.lane and before.column == spot.column - 1:
            spot.shared = before.shared if before.shared >= 0 else before.item.id
            before.shared = spot.shared


# ---------------------------------------------------------------------------- places


def _half(spot: Spot) -> float:
    """How far to each side of its middle an item needs room for its label."""
    return 0.0 if spot.shared >= 0 else spot.label_width / 2


def _place_x(figure: Figure, layout: Layout) -> None:
    """Columns from left to right, as near as bodies and labels of each lane allow."""
    by_column: dict[int, list[Spot]] = {}
    for spot in layout.spots:
        by_column.setdefault(spot.column, []).append(spot)
    cuts = _cuts(figure, layout)
    last: dict[int, Spot] = {}
    right, x, start, strip = 0.0, 0.0, 0, 0
    begun = 0.0
    for column in sorted(by_column):
        here = by_column[column]
        x = max([x + 2.0, *(_need(last.get(s.lane), s, right) for s in here)])
        if x - begun > LONGEST and column in cuts:
            layout.strips.append(range(start, column))
            start, strip, last = column, strip + 1, {}
            x = begun = max(s.size.wide / 2 for s in here)
        for spot in here:
            spot.x, spot.strip = x, strip
            last[spot.lane] = spot
        right = max(s.right for s in here)
    layout.strips.append(range(start, len(by_column)))


def _need(before: Spot | None, spot: Spot, right: float) -> float:
    """The least x of a spot: behind the one before on its lane, and behind the column before."""
    gap = GAP * (0.55 if "sign" in (spot.item.kind, before.item.kind if before else "") else 1.0)
    least = right + gap + spot.size.wide / 2 if right else spot.size.wide / 2
    if before is None:
        return least
    labels = before.x + _half(before) + _half(spot) + 8.0
    if (before.shared >= 0 and spot.shared < 0) or (spot.shared >= 0 and before.shared < 0):
        labels = before.x + spot.label_width / 2 + before.label_width / 4 + 8.0
    return max(least, before.right + gap + spot.size.wide / 2, labels)


def _cuts(figure: Figure, layout: Layout) -> set[int]:
    """Columns before which a line may be broken: a single way crosses there."""
    if layout.rows:
        return set()
    crossing: dict[int, int] = {}
    for way in figure.ways:
        a, b = layout.spots[way.tail].column, layout.spots[way.head].column
        for column in range(min(a, b) + 1, max(a, b) + 1):
            crossing[column] = crossing.get(column, 0) + 1
    return {
        s.column for s in layout.spots if crossing.get(s.column) == 1 and s.item.kind == "volume"
    }


def _place_y(layout: Layout) -> None:
    """Lanes below each other, on each line of the figure and where branches are apart."""
    floor = 0.0
    for strip in range(len(layout.strips)):
        here = [s for s in layout.spots if s.strip == strip]
        regions = [here] if layout.rows else _regions(here)
        for region in regions:
            _stack(region, layout.rows)
        _level_labels(here, layout.rows)
        top = min(s.top for s in here) - 14.0 - _arches(here)
        for spot in here:
            spot.y += floor - top
            spot.label_y += floor - top
        floor = max(s.label_y + LEADING * len(s.label) for s in here) + 16.0


def _arches(here: list[Spot]) -> float:
    """Room above for ways that lead around others."""
    return 14.0 if any(s.item.kind == "sign" for s in here) else 0.0


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


def _stack(region: list[Spot], rows: bool) -> None:
    """Lanes of a region from the middle outwards (rows: from the top)."""
    lanes: dict[int, list[Spot]] = {}
    for spot in region:
        lanes.setdefault(spot.lane, []).append(spot)
    up = {n: max(s.size.high / 2 for s in found) for n, found in lanes.items()}
    down = {
        n: max(s.size.high / 2 + 14.0 + LEADING * len(s.label) for s in found)
        for n, found in lanes.items()
    }
    order = sorted(lanes)
    middle = order[0] if rows or 0 not in lanes else 0
    y = {middle: 0.0}
    for above, n in pairwise(order):
        if above >= middle:
            y[n] = y[above] + down[above] + up[n] + 10.0
    for below, n in pairwise(order[::-1]):
        if below <= middle:
            y[n] = y[below] - up[below] - down[n] - 10.0
    for n, found in lanes.items():
        for spot in found:
            spot.y = y[n]
            spot.label_y = y[n] + down[n]


def _level_labels(here: list[Spot], rows: bool) -> None:
    """Labels stand on one level: those of a lane, over the stretch that it runs through."""
    ordered = sorted(here, key=lambda s: s.column)
    stretches: dict[int, list[list[Spot]]] = {}
    for spot in ordered:
        runs = stretches.setdefault(spot.lane, [])
        joined = runs and (rows or not spot.lane or spot.column <= runs[-1][-1].column + 1)
        if joined and runs[-1][-1].y == spot.y:
            runs[-1].append(spot)
        else:
            runs.append([spot])
    for runs in stretches.values():
        for run in runs:
            level = (
                max(s.bottom for s in run if s.item.kind == "volume" or len(run) == 1) + 20.0
                if any(s.item.kind == "volume" for s in run)
                else max(s.bottom for s in run) + 9.0
            )
            for spot in run:
                spot.label_y = level if spot.item.kind == "volume" else spot.bottom + 9.0

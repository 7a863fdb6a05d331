"""Where items stand: columns in the order of execution, lanes for branches or rows for resolutions.

Two arrangements. A *line* puts the longest path on one axis and branches above and below it. *Rows*
put each resolution on a row of its own, which makes the U of a U-Net and the parallel streams of an
HRNet. Either breaks into several lines where it grows long.
"""

from __future__ import annotations

from .drawing import text_width
from .figure import Figure, Item
from .places import place
from .scale import Scale
from .spots import NAME, WORDS, Layout, Spot


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
    place(figure, layout)
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
    # a block that is one box has its name, and after two blanks what is called
    name, _, called = item.name.partition("  ")
    lines = [(part, True) for part in _wrapped(name, 24) if part]
    lines += [(part, False) for part in _wrapped(called, 24) if part]
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

"""Plots as SVG: bars by layer, and receptive fields against depth."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

from ...analysis.cells import short
from .html import Html, join, tag

WIDTH, HEIGHT = 760, 240
LEFT, RIGHT, TOP, BOTTOM = 56, 12, 14, 62
MOST_BARS = 240
MOST_DOTS = 800
MOST_NAMES = 40


class Bar(NamedTuple):
    """One layer (or several neighbours, where there are too many): a value and what is said."""

    name: str
    value: int
    tip: str
    anchor: str | None
    colour: str
    faint: bool = False


class Dot(NamedTuple):
    """A point at (x, y)."""

    x: int
    y: int
    tip: str
    anchor: str | None


def bars(title: str, items: Sequence[Bar], together: Callable[[Sequence[int]], int]) -> Html:
    """Bars in order; of too many, neighbours are one, their values taken `together`."""
    shown = _binned(items, together)
    top = max([bar.value for bar in shown], default=0)
    ticks = ticks_to(top)
    step = (WIDTH - LEFT - RIGHT) / max(1, len(shown))
    parts = [_grid(ticks)]
    for i, bar in enumerate(shown):
        height = _height(bar.value, ticks[-1])
        rect = tag(
            "rect",
            x=_number(LEFT + i * step + step * 0.1),
            y=_number(HEIGHT - BOTTOM - height),
            width=_number(step * 0.8),
            height=_number(height),
            fill=bar.colour,
            fill_opacity=0.35 if bar.faint else None,
            data_tip=bar.tip,
        )
        parts.append(_link(rect, bar.anchor))
    parts.append(_names([bar.name for bar in shown], step))
    note = "" if len(shown) == len(items) else f" ({len(items):,} layers, neighbours together)"
    return _figure(title + note, parts)


def curve(title: str, dots: Sequence[Dot], limit: int | None, across: str) -> Html:
    """Points, and a line along the highest; `limit` is drawn as a dashed line."""
    right = max([dot.x for dot in dots], default=1) or 1
    ticks = ticks_to(max([*(dot.y for dot in dots), limit or 0], default=1))

    def place(x: int, y: int) -> tuple[float, float]:
        return LEFT + 8 + x / right * (WIDTH - LEFT - RIGHT - 16), HEIGHT - BOTTOM - _height(
            y, ticks[-1]
        )

    parts = [_grid(ticks)]
    if limit is not None:
        y = _number(place(0, limit)[1])
        parts.append(tag("line", x1=LEFT, x2=WIDTH - RIGHT, y1=y, y2=y, class_="limit"))
    highest: dict[int, int] = {}
    for dot in dots:
        highest[dot.x] = max(highest.get(dot.x, 0), dot.y)
    corners = [place(x, y) for x, y in sorted(highest.items())]
    if corners:
        way = "L".join(f"{_number(x)},{_number(y)}" for x, y in corners)
        parts.append(tag("path", d=f"M{way}", class_="way"))
    # Of very many, some: the line has them all.
    for dot in dots[:: -(-len(dots) // MOST_DOTS) or 1]:
        x, y = map(_number, place(dot.x, dot.y))
        circle = tag("circle", cx=x, cy=y, r=3, class_="dot", data_tip=dot.tip)
        parts.append(_link(circle, dot.anchor))
    marks = [value for value in ticks_to(right) if value <= right and value == int(value)]
    for value in marks:
        x = _number(place(int(value), 0)[0])
        parts.append(tag("text", f"{value:g}", x=x, y=HEIGHT - BOTTOM + 16, text_anchor="middle"))
    middle = (LEFT + WIDTH - RIGHT) / 2
    parts.append(tag("text", across, x=middle, y=HEIGHT - BOTTOM + 36, text_anchor="middle"))
    return _figure(title, parts)


def ticks_to(top: float) -> list[float]:
    """0 and round steps up to the first at or above `top`: 1, 2 or 5 times a power of ten."""
    if top <= 0:
        return [0, 1]
    power = 10.0 ** math.floor(math.log10(top / 5))
    step = next(s * power for s in (1, 2, 5, 10) if s * power >= top / 5 * (1 - 1e-9))
    ticks = [0.0]
    while ticks[-1] < top:
        ticks.append(round(step * len(ticks), 10))
    return ticks


def _binned(items: Sequence[Bar], together: Callable[[Sequence[int]], int]) -> list[Bar]:
    if len(items) <= MOST_BARS:
        return list(items)
    width = -(-len(items) // MOST_BARS)
    found: list[Bar] = []
    for start in range(0, len(items), width):
        part = items[start : start + width]
        value = together([bar.value for bar in part])
        first, last = part[0], part[-1]
        name = f"{first.name} … {last.name}"
        tip = f"{name}\n{value:,}"
        found.append(Bar(name, value, tip, first.anchor, first.colour, first.faint))
    return found


def _height(value: float, top: float) -> float:
    return value / top * (HEIGHT - TOP - BOTTOM) if top else 0.0


def _grid(ticks: list[float]) -> Html:
    parts: list[str] = []
    for value in ticks:
        y = _number(HEIGHT - BOTTOM - _height(value, ticks[-1]))
        parts.append(tag("line", x1=LEFT, x2=WIDTH - RIGHT, y1=y, y2=y, class_="grid"))
        text = short(round(value)) if value >= 1000 else f"{value:g}"
        parts.append(
            tag("text", _plain(text), x=LEFT - 6, y=_number(float(y) + 4), text_anchor="end")
        )
    return join(*parts)


def _plain(text: str) -> str:
    """`2M` instead of `2.000M`."""
    digits, unit = (text[:-1], text[-1]) if text[-1].isalpha() else (text, "")
    return (digits.rstrip("0").rstrip(".") if "." in digits else digits) + unit


def _names(names: list[str], step: float) -> Html:
    """Names below the bars; of too many, the outermost scopes where they begin."""
    if len(names) > MOST_NAMES:
        names = [name.partition(".")[0] for name in names]
        names = ["" if i and names[i - 1] == name else name for i, name in enumerate(names)]
    parts: list[str] = []
    free = 0.0
    for i, name in enumerate(names):
        x, y = LEFT + (i + 0.5) * step, HEIGHT - BOTTOM + 10
        if not name or x < free:
            continue
        free = x + 11
        shown = name if len(name) <= 16 else f"…{name[-15:]}"
        where = f"translate({_number(x + 3)} {y}) rotate(-40)"
        parts.append(tag("text", shown, text_anchor="end", transform=where, class_="name"))
    return join(*parts)


def _link(shape: Html, anchor: str | None) -> Html:
    return tag("a", shape, href=f"#{anchor}", data_line=anchor) if anchor else shape


def _figure(title: str, parts: list[Html]) -> Html:
    svg = tag("svg", *parts, viewBox=f"0 0 {WIDTH} {HEIGHT}", role="img", aria_label=title)
    return tag("figure", tag("figcaption", title), svg)


def _number(value: float) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".")

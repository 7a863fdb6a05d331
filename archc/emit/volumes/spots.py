"""Where an item stands, and what is written at it."""

from __future__ import annotations

from dataclasses import dataclass, field

from .drawing import Text
from .figure import Figure, Item
from .scale import Size

NAME = 8.5
WORDS = 7.5
"""Sizes of names and of the words below them."""

LEADING = 9.5

TITLE = 15.0
"""Height of a title with the line under it."""


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
    titled: bool = False
    """A title stands right above it."""
    said: bool = False
    """Its rows and columns are those of the body right before."""

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
    """Spots by item, and how they stand to each other."""

    spots: list[Spot]
    rows: bool
    strips: list[range] = field(default_factory=list)
    """For each line of the figure the columns that it holds."""
    routes: list[str] = field(default_factory=list)
    """How each way of the figure is led, in their order (`routes.py`)."""
    levels: dict[int, int] = field(default_factory=dict)
    """For each way that is led above others, by its number, how many ways it passes over."""
    corridors: dict[int, tuple[float, float]] = field(default_factory=dict)
    """Columns before which ways change their lane: from where to where nothing else stands."""
    ceilings: dict[tuple[int, int], float] = field(default_factory=dict)
    """The highest body and words of a lane on a strip."""


def often(title: str) -> tuple[str, str]:
    """A title without how often what it names is there, and that (" ×3", or "")."""
    base, sign, count = title.rpartition(" ×")
    return (base, sign + count) if sign and count.isdigit() else (title, "")


def inside(figure: Figure, layout: Layout, number: int) -> list[Spot]:
    """What is in a cluster and in those in it, from left to right."""
    within = {number}
    for inner, parent, _ in figure.clusters:  # a cluster comes after the one around it
        if parent in within:
            within.add(inner)
    return sorted((s for s in layout.spots if s.item.cluster in within), key=lambda s: s.column)


def label_lines(spot: Spot) -> list[Text]:
    """Its label as marks around x = 0; a sign has its words at its lower right."""
    made = []
    for k, (text, bold) in enumerate(spot.label):
        size = NAME if bold else WORDS
        color = "#111111" if bold else "#333333"
        sign = spot.item.kind == "sign"
        at = (4.0 if sign else 0.0, spot.label_y + k * LEADING)
        made.append(Text(at, text, size, "start" if sign else "middle", bold, color))
    return made

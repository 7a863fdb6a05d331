"""The sources, with the shapes that leave each line beside it."""

from __future__ import annotations

import re
from collections.abc import Sequence

from ...analysis import LayerRow
from ...analysis.cells import short
from ...ops import Shape
from ...source import Source
from .figures import Figures
from .html import Html, escaped, join, tag

_PARTS = re.compile(
    r"(?P<comment>#[^\r\n]*)|(?P<string>\"[^\"\r\n]*\")|(?P<arrow>->)"
    r"|(?P<number>\b[0-9][0-9_]*(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?[KMGT]?\b)"
    r"|\b(?P<keyword>and|as|block|const|default|else|expect|false|for|if|in|input|network|not|or"
    r"|output|recipe|repeat|share|skip|then|true|use|via|when|where)\b"
)


class Beside:
    """What stands beside a line: shapes in order, and sums over the layers of the line."""

    __slots__ = ("count", "macs", "params", "shapes")

    def __init__(self) -> None:
        self.shapes: dict[Shape, None] = {}
        self.params = 0
        self.macs = 0
        self.count = 0

    @property
    def text(self) -> str:
        """`64×56×56`, or the first and the last of several."""
        texts = ["×".join(map(str, shape)) for shape in self.shapes]
        if len(texts) > 3:
            texts = [texts[0], "…", texts[-1]]
        return " → ".join(texts)

    @property
    def tip(self) -> str:
        """The sums."""
        what = "1 layer" if self.count == 1 else f"{self.count:,} layers and blocks"
        return f"{what}\n{self.params:,} parameters\n{short(self.macs)} MACs"


def listing(figures: Figures, sources: Sequence[Source], marked: set[str]) -> Html:
    """Every source, the spec itself first; `marked` are the lines that a diagnostic is about."""
    beside = _beside(figures)
    parts: list[str] = []
    for number, source in enumerate(sources):
        lines = [
            _line(f"f{number}-{i}", i, source.line(i), beside, marked)
            for i in range(1, len(source.text.splitlines()) + 1)
        ]
        parts.append(tag("h3", source.name))
        parts.append(tag("div", *lines, class_="code"))
    return join(*parts)


def _beside(figures: Figures) -> dict[str, Beside]:
    found: dict[str, Beside] = {}
    for line in figures.lines:
        row = line.row
        anchor = figures.anchor(row.site)
        if anchor is None or not (isinstance(row, LayerRow) or row.calls):
            continue
        entry = found.setdefault(anchor, Beside())
        entry.shapes.setdefault(row.shape)
        entry.params += row.params
        entry.macs += row.macs
        entry.count += 1
    return found


def _line(anchor: str, number: int, text: str, beside: dict[str, Beside], marked: set[str]) -> Html:
    entry = beside.get(anchor)
    shape: str = ""
    if entry is not None:
        shape = tag("span", entry.text, class_="shape", data_tip=entry.tip)
    return tag(
        "div",
        tag("a", str(number), class_="no", href=f"#{anchor}"),
        tag("code", _coloured(text)),
        shape,
        id=anchor,
        class_="line marked" if anchor in marked else "line",
        data_line=anchor if entry is not None else None,
    )


def _coloured(text: str) -> Html:
    out: list[str] = []
    last = 0
    for match in _PARTS.finditer(text):
        out.append(escaped(text[last : match.start()]))
        out.append(tag("span", match.group(), class_=match.lastgroup))
        last = match.end()
    out.append(escaped(text[last:]))
    return Html("".join(out))

"""A drawing as PNG, by Pillow: painted three times as large as asked, then made smaller, which
smooths edges."""

from __future__ import annotations

import io
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .drawing import Circle, Drawing, Line, Mark, Polygon, curve_points

if TYPE_CHECKING:
    from PIL.ImageDraw import ImageDraw

SCALE = 2.0
"""Pixels a point: figures are read on dense screens and printed."""

INSTEAD = {"×": "x", "‖": "||", "→": "->", "−": "-", "…": "..."}
"""Signs that the font which Pillow carries may not have."""

SMOOTH = 3
MOST = 60_000_000
"""Pixels that are painted at most; larger figures are made coarser."""


def write(drawing: Drawing) -> bytes:
    """The file. Raises ImportError where Pillow is missing."""
    from PIL import Image, ImageDraw

    area = drawing.width * drawing.height * (SCALE * SMOOTH) ** 2
    scale = SCALE * min(1.0, (MOST / area) ** 0.5)
    size = (max(1, round(drawing.width * scale)), max(1, round(drawing.height * scale)))
    image = Image.new("RGB", (size[0] * SMOOTH, size[1] * SMOOTH), "#ffffff")
    pen = _Pen(ImageDraw.Draw(image), scale * SMOOTH)
    for mark in drawing.marks:
        pen.paint(mark)
    out = io.BytesIO()
    image.resize(size, Image.Resampling.BOX).save(out, "PNG", optimize=False)
    return out.getvalue()


class _Pen:
    """Paints marks; a unit of the drawing is `scale` pixels."""

    def __init__(self, draw: ImageDraw, scale: float) -> None:
        self.draw = draw
        self.scale = scale
        self.fonts: dict[tuple[str, int], Any] = {}

    def paint(self, mark: Mark) -> None:
        s = self.scale
        if isinstance(mark, Polygon):
            points = [(x * s, y * s) for x, y in mark.points]
            if mark.fill:
                self.draw.polygon(points, fill=mark.fill)
            if mark.stroke:
                self._line([*points, points[0]], mark.stroke, mark.width)
        elif isinstance(mark, Circle):
            (x, y), r = mark.center, mark.radius
            box = ((x - r) * s, (y - r) * s, (x + r) * s, (y + r) * s)
            self.draw.ellipse(box, mark.fill, mark.stroke or None, max(1, round(mark.width * s)))
        elif isinstance(mark, Line):
            way = curve_points(mark.points) if mark.curved else list(mark.points)
            for part in _dashes(way) if mark.dashed else [way]:
                self._line([(x * s, y * s) for x, y in part], mark.stroke, mark.width)
        else:
            anchor = {"start": "ls", "middle": "ms", "end": "rs"}[mark.anchor]
            x, y = mark.at
            shown, font = self._written(mark.text, mark.size)
            heavy = round(mark.size * s / 40) if mark.bold else 0
            self.draw.text(
                (x * s, y * s), shown, fill=mark.color, font=font,
                anchor=anchor, stroke_width=heavy, stroke_fill=mark.color,
            )  # fmt: skip

    def _line(self, points: list[tuple[float, float]], color: str, width: float) -> None:
        self.draw.line(points, fill=color, width=max(1, round(width * self.scale)), joint="curve")

    def _written(self, text: str, size: float) -> tuple[str, Any]:
        """A text and its font: the one that Pillow carries, which has little beyond ASCII; for
        other letters the one that Matplotlib carries, if it is there, which runs a tenth wider."""
        shown = "".join(INSTEAD.get(ch, ch) for ch in text)
        if shown.isascii():
            return shown, self._font("", size)
        file = _letters()
        if file:
            return text, self._font(file, size * 0.9)
        return shown.encode("ascii", "replace").decode(), self._font("", size)

    def _font(self, file: str, size: float) -> Any:
        """A font file, or Pillow's own font. None is looked for on the machine."""
        from PIL import ImageFont

        pixels = max(1, round(size * self.scale))
        if (file, pixels) not in self.fonts:
            self.fonts[file, pixels] = (
                ImageFont.truetype(file, pixels) if file else ImageFont.load_default(pixels)
            )
        return self.fonts[file, pixels]


def _letters() -> str:
    """DejaVu Sans, from Matplotlib; "" where that is missing."""
    found = find_spec("matplotlib")
    if found is None or found.origin is None:
        return ""
    file = Path(found.origin).parent / "mpl-data" / "fonts" / "ttf" / "DejaVuSans.ttf"
    return str(file) if file.is_file() else ""


def _dashes(
    way: list[tuple[float, float]], on: float = 3.0, off: float = 2.0
) -> list[list[tuple[float, float]]]:
    """A polyline as its dashes."""
    made: list[list[tuple[float, float]]] = []
    at, drawing = 0.0, True
    part = [way[0]]
    for (x0, y0), (x1, y1) in pairwise(way):
        length = ((x1 - x0) ** 2 + (y1 - y0) ** 2) ** 0.5
        done = 0.0
        while length - done > 1e-9:
            step = min((on if drawing else off) - at, length - done)
            done += step
            at += step
            t = done / length
            here = (x0 + (x1 - x0) * t, y0 + (y1 - y0) * t)
            if drawing:
                part.append(here)
            if at >= (on if drawing else off) - 1e-9:
                if drawing:
                    made.append(part)
                drawing, at, part = not drawing, 0.0, [here]
    if drawing and len(part) > 1:
        made.append(part)
    return made

"""A drawing as PDF 1.4: one page of vectors, with the standard fonts that every viewer has.

Written by hand (ISO 32000-1): polygons, curves and Helvetica are a dozen operators, which no
dependency is worth. The same drawing gives the same bytes: there is no date in the file.
"""

from __future__ import annotations

import zlib

from .drawing import Circle, Drawing, Line, Mark, Point, Polygon, Text, text_width
from .svg import number

ROUND = 0.5523
"""Where the control points of a quarter of a circle lie, as a part of its radius."""

INSTEAD = {"‖": "||", "→": "->", "−": "\N{EN DASH}"}
"""Signs that the standard fonts do not have."""


def write(drawing: Drawing) -> bytes:
    """The file. Characters outside of Windows-1252, which the standard fonts have, become `?`."""
    content = zlib.compress("\n".join(_page(drawing)).encode("ascii"), 9)
    box = f"[0 0 {number(drawing.width)} {number(drawing.height)}]"
    fonts = "/F1 5 0 R /F2 6 0 R"
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        f"<< /Type /Page /Parent 2 0 R /MediaBox {box} /Contents 4 0 R"
        f" /Resources << /Font << {fonts} >> >> >>".encode(),
        b"<< /Length %d /Filter /FlateDecode >>\nstream\n%b\nendstream" % (len(content), content),
        _font("Helvetica"),
        _font("Helvetica-Bold"),
        f"<< /Title {_string(drawing.title)} /Creator (archc) >>".encode("ascii"),
    ]
    return _file(objects)


def _font(name: str) -> bytes:
    return (
        f"<< /Type /Font /Subtype /Type1 /BaseFont /{name} /Encoding /WinAnsiEncoding >>".encode()
    )


def _file(objects: list[bytes]) -> bytes:
    """Objects 1..n (the first is the catalog, the last the document's information)."""
    made = bytearray(b"%PDF-1.4\n%\xe2\xe3\xcf\xd3\n")
    places = []
    for index, text in enumerate(objects):
        places.append(len(made))
        made += b"%d 0 obj\n%b\nendobj\n" % (index + 1, text)
    start = len(made)
    made += b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    for place in places:
        made += b"%010d 00000 n \n" % place
    made += b"trailer\n<< /Size %d /Root 1 0 R /Info %d 0 R >>\n" % (
        len(objects) + 1,
        len(objects),
    )
    made += b"startxref\n%d\n%%%%EOF\n" % start
    return bytes(made)


def _page(drawing: Drawing) -> list[str]:
    """The page's operators. One matrix turns y downwards, as in the drawing."""
    lines = [f"1 0 0 -1 0 {number(drawing.height)} cm", "1 j"]
    for mark in drawing.marks:
        lines += _mark(mark)
    return lines


def _mark(mark: Mark) -> list[str]:
    if isinstance(mark, Polygon):
        return _area([*_way(mark.points), "h"], mark.fill, mark.stroke, mark.width)
    if isinstance(mark, Circle):
        return _area(_circle(mark.center, mark.radius), mark.fill, mark.stroke, mark.width)
    if isinstance(mark, Line):
        dash = "[3 2] 0 d" if mark.dashed else "[] 0 d"
        ink = [dash, f"{_color(mark.stroke)} RG {number(mark.width)} w"]
        return [*ink, *_way(mark.points, mark.curved), "S", "[] 0 d"]
    return _text(mark)


def _way(points: tuple[Point, ...], curved: bool = False) -> list[str]:
    places = [f"{number(x)} {number(y)}" for x, y in points]
    if curved:
        return [f"{places[0]} m", " ".join(places[1:]) + " c"]
    return [f"{places[0]} m", *(f"{p} l" for p in places[1:])]


def _circle(center: Point, r: float) -> list[str]:
    (x, y), k = center, ROUND * r
    quarters = (
        (x + r, y + k, x + k, y + r, x, y + r),
        (x - k, y + r, x - r, y + k, x - r, y),
        (x - r, y - k, x - k, y - r, x, y - r),
        (x + k, y - r, x + r, y - k, x + r, y),
    )
    ways = [" ".join(map(number, quarter)) + " c" for quarter in quarters]
    return [f"{number(x + r)} {number(y)} m", *ways, "h"]


def _area(way: list[str], fill: str, stroke: str, width: float) -> list[str]:
    """A closed path, filled and stroked; colours are set before the path, as they must be."""
    ink = [f"{_color(fill)} rg"] if fill else []
    if stroke:
        ink.append(f"{_color(stroke)} RG {number(width)} w")
    how = {(True, True): "B", (True, False): "f", (False, True): "S", (False, False): "n"}
    return [*ink, *way, how[bool(fill), bool(stroke)]]


def _color(text: str) -> str:
    return " ".join(number(int(text[i : i + 2], 16) / 255) for i in (1, 3, 5))


def _text(mark: Text) -> list[str]:
    """Text stands upright in spite of the page's matrix, by a matrix of its own."""
    (x, y), font = mark.at, "F2" if mark.bold else "F1"
    wide = text_width(mark.text, mark.size, mark.bold)
    x -= {"start": 0.0, "middle": wide / 2, "end": wide}[mark.anchor]
    place = f"1 0 0 -1 {number(x)} {number(y)} Tm"
    ink = f"{_color(mark.color)} rg"
    return ["BT", ink, f"/{font} {number(mark.size)} Tf", place, f"{_string(mark.text)} Tj", "ET"]


def _string(text: str) -> str:
    """A string object in hexadecimal: nothing in it can end it."""
    known = "".join(INSTEAD.get(ch, ch) for ch in text)
    return "<" + known.encode("cp1252", "replace").hex() + ">"

"""A drawing as SVG: one self-contained file without scripts, links or fonts."""

from __future__ import annotations

from html import escape

from .drawing import Circle, Drawing, Line, Mark, Polygon


def write(drawing: Drawing) -> bytes:
    """The file. Text is escaped; what XML may not hold becomes U+FFFD."""
    wide, high = number(drawing.width), number(drawing.height)
    lines = [
        '<?xml version="1.0" encoding="UTF-8"?>',
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{wide}" height="{high}"'
        f' viewBox="0 0 {wide} {high}" font-family="Helvetica, Arial, sans-serif">',
        f"<title>{clean(drawing.title)}</title>",
        f'<rect width="{wide}" height="{high}" fill="#ffffff"/>',
    ]
    lines += [_mark(mark) for mark in drawing.marks]
    lines.append("</svg>")
    return ("\n".join(lines) + "\n").encode()


def number(value: float) -> str:
    """Two decimals are finer than any screen or printer; `-0` is 0."""
    text = f"{value:.2f}".rstrip("0").rstrip(".")
    return "0" if text == "-0" else text


def clean(text: str) -> str:
    """Text for XML."""
    shown = "".join(ch if ch.isprintable() else "\N{REPLACEMENT CHARACTER}" for ch in text)
    return escape(shown, quote=True)


def _mark(mark: Mark) -> str:
    if isinstance(mark, Polygon):
        points = " ".join(f"{number(x)},{number(y)}" for x, y in mark.points)
        return (
            f'<polygon points="{points}" fill="{mark.fill or "none"}"'
            f"{_stroke(mark.stroke, mark.width)}/>"
        )
    if isinstance(mark, Circle):
        x, y = mark.center
        return (
            f'<circle cx="{number(x)}" cy="{number(y)}" r="{number(mark.radius)}"'
            f' fill="{mark.fill}"{_stroke(mark.stroke, mark.width)}/>'
        )
    if isinstance(mark, Line):
        places = [f"{number(x)} {number(y)}" for x, y in mark.points]
        way = f"M{places[0]} " + (
            "C" + " ".join(places[1:]) if mark.curved else " ".join("L" + p for p in places[1:])
        )
        dash = ' stroke-dasharray="3 2"' if mark.dashed else ""
        return f'<path d="{way}" fill="none"{_stroke(mark.stroke, mark.width)}{dash}/>'
    x, y = mark.at
    bold = ' font-weight="bold"' if mark.bold else ""
    return (
        f'<text x="{number(x)}" y="{number(y)}" font-size="{number(mark.size)}"'
        f' text-anchor="{mark.anchor}" fill="{mark.color}"{bold}>{clean(mark.text)}</text>'
    )


def _stroke(color: str, width: float) -> str:
    if not color:
        return ""
    return f' stroke="{color}" stroke-width="{number(width)}" stroke-linejoin="round"'

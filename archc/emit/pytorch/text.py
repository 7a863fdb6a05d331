"""Text that a spec gives freely (documentation), and heads of functions."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Sequence
from typing import Any

from .code import WIDTH, literal
from .solve import ABSENT


def safe(text: str) -> str:
    """Documentation that cannot end a docstring: no control characters, no triple quotes."""
    plain = "".join(ch if ch == "\n" or (ch.isprintable() and ch != "\\") else " " for ch in text)
    plain = plain.replace('"""', "'''")
    while '""' in plain:
        plain = plain.replace('""', '"')
    return re.sub(r"[ \t]+\n", "\n", plain).strip()


def wrapped(text: str, width: int) -> list[str]:
    """Documentation as lines: its own where they fit, its paragraphs filled anew where not."""
    lines: list[str] = []
    for paragraph in safe(text).split("\n\n"):
        own = paragraph.splitlines()
        if any(len(line) > width for line in own):
            own = textwrap.wrap(" ".join(own), width, break_on_hyphens=False)
        lines += ["", *own] if lines else own
    return lines


def docstring(text: str, indent: int = 4, more: Sequence[str] = ()) -> str:
    """A docstring of a spec's documentation and lines of archc's own; "" where there is none."""
    pad = " " * indent
    lines = wrapped(text, WIDTH - indent - 6)
    if more:
        lines += ["", *more] if lines else list(more)
    if not lines:
        return ""
    if len(lines) == 1:
        end = " " if lines[0].endswith('"') else ""
        start = " " if lines[0].startswith('"') else ""
        return f'{pad}"""{start}{lines[0]}{end}"""'
    body = "\n".join(f"{pad}{line}".rstrip() for line in lines[1:])
    start = " " if lines[0].startswith('"') else ""
    return f'{pad}"""{start}{lines[0]}\n{body}\n{pad}"""'


def signature(name: str, params: Sequence[tuple[str, str, Any]], result: str = "None") -> list[str]:
    """`def name(self, a: int, b: int = 1) -> result:`, broken as a formatter does."""
    parts = ["self"]
    for param, kind, default in params:
        parts.append(f"{param}: {kind}" + ("" if default is ABSENT else f" = {literal(default)}"))
    one = f"    def {name}({', '.join(parts)}) -> {result}:"
    if len(one) <= WIDTH:
        return [one]
    inner = f"        {', '.join(parts)}"
    if len(inner) <= WIDTH:
        return [f"    def {name}(", inner, f"    ) -> {result}:"]
    return [f"    def {name}(", *(f"        {part}," for part in parts), f"    ) -> {result}:"]

"""Lines of code as a formatter leaves them."""

from __future__ import annotations

from collections.abc import Sequence

WIDTH = 100
"""Columns of a script."""


def call(start: str, arguments: Sequence[str], end: str = ")", within: int = 0) -> list[str]:
    """`x = f(a, b)` on one line if it fits, else its arguments on one of their own, else on many.

    `start` ends with the bracket, `end` begins with the one that closes it. `within`: columns to
    the left that are not part of the lines.
    """
    line = f"{start}{', '.join(arguments)}{end}"
    if within + len(line) <= WIDTH:
        return [line]
    indent = " " * (len(start) - len(start.lstrip()))
    inner = f"{indent}    {', '.join(arguments)}"
    if within + len(inner) <= WIDTH:
        return [start, inner, indent + end]
    return [start, *(f"{indent}    {argument}," for argument in arguments), indent + end]


def comprehension(start: str, value: str, loop: str, end: str = ")") -> list[str]:
    """`f(value for x in xs)` on one line if it fits, else on lines of its own."""
    made = call(start, [f"{value} {loop}"], end)
    if len(made) == 3 and len(made[1].rstrip(",")) > WIDTH:
        indent = " " * (len(start) - len(start.lstrip()) + 4)
        return [start, indent + value, indent + loop, made[2]]
    return made


def lines(*parts: str | list[str]) -> str:
    """Text out of lines and lists of lines; empty lists leave nothing."""
    flat = [line for part in parts for line in ([part] if isinstance(part, str) else part)]
    return "\n".join(flat)

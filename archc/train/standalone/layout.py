"""Lines of code as a formatter leaves them."""

from __future__ import annotations

import ast
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
    if within + len(inner) <= WIDTH and start.endswith("("):  # lists and dictionaries are spread
        return [start, inner, indent + end]
    return [start, *(f"{indent}    {argument}," for argument in arguments), indent + end]


def comprehension(start: str, value: str, loop: str, end: str = ")") -> list[str]:
    """`f(value for x in xs)` on one line if it fits, else on lines of its own."""
    if len(f"{start}{value} {loop}{end}") <= WIDTH:
        return [f"{start}{value} {loop}{end}"]
    outer = " " * (len(start) - len(start.lstrip()))
    inner = f"{outer}    "
    if len(f"{inner}{value} {loop}") <= WIDTH:
        return [start, f"{inner}{value} {loop}", outer + end]
    return [start, inner + value, inner + loop, outer + end]


def filled(statement: str) -> str:
    """A statement with a list that is too long for a line, the list on as few lines as will do."""
    found = next((n for n in ast.walk(ast.parse(statement)) if isinstance(n, ast.List)), None)
    if found is None:
        return statement
    items = [ast.get_source_segment(statement, item) or "" for item in found.elts]
    rows = [""]
    for item in items:
        if len(f"    {rows[-1]} {item},") > WIDTH:
            rows.append("")
        rows[-1] += f" {item}," if rows[-1] else f"{item},"
    inner = "\n".join(f"    {row}" for row in rows)
    start, end = statement.split(ast.get_source_segment(statement, found) or "[]", 1)
    return f"{start}[\n{inner}\n]{end}  # fmt: skip"


def lines(*parts: str | list[str]) -> str:
    """Text out of lines and lists of lines; empty lists leave nothing."""
    flat = [line for part in parts for line in ([part] if isinstance(part, str) else part)]
    return "\n".join(flat)

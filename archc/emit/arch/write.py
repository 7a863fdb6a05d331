"""The file: one block for every body that differs in its text, the network last."""

from __future__ import annotations

import textwrap

from ...graph import Graph
from ...ops import names as operators
from .bodies import BodyWriter
from .errors import Unwritable
from .names import KEYWORDS, identifier

__all__ = ["Unwritable", "source"]


def source(graph: Graph, doc: str = "") -> str:
    """The .arch text of a network; `doc` is the comment above it. Raises `Unwritable`."""
    taken = {*operators(), *KEYWORDS, graph.name}
    names: dict[int, str] = {}
    known: dict[str, str] = {}
    parts: list[str] = []
    for index, body in enumerate(graph.bodies[:-1]):
        lines = BodyWriter(graph, index, names, taken).block()
        text = "\n".join(lines)
        if text not in known:
            name = _unused(identifier(body.block.rsplit(".", 1)[-1], "Block"), taken)
            taken.add(name)
            known[text] = name
            first = not any(
                b.block == body.block and i in names for i, b in enumerate(graph.bodies)
            )
            parts.append(_comment(body.doc if first else "") + f"block {name}{text}")
        names[index] = known[text]
    main = "\n".join(BodyWriter(graph, len(graph.bodies) - 1, names, taken).network())
    parts.append(_comment(doc) + f"network {graph.name} {main}")
    return "\n\n".join(parts) + "\n"


def _unused(name: str, taken: set[str]) -> str:
    """The name, with a number where another has it."""
    number, found = 1, name
    while found in taken:
        number += 1
        found = f"{name}{number}"
    return found


def _comment(doc: str) -> str:
    lines = [wrapped for line in doc.splitlines() for wrapped in textwrap.wrap(line, 120) or [""]]
    return "".join(f"# {line}".rstrip() + "\n" for line in lines)

"""DOT text to pictures, by the Graphviz that the `pygraphviz` wheel carries: no system `dot`."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

PATIENCE = 20.0
"""Seconds that the first layout may take; the second, which is a simpler one, twice as long."""

LARGEST = 10_000
"""Boxes that are laid out at most; far fewer can be read."""

QUICK = ("-Gnslimit=1", "-Gnslimit1=1", "-Gmclimit=0.1", "-Gsplines=line")
"""Graphviz optimizes a little only, and draws straight lines."""


class LayoutError(ValueError):
    """Graphviz makes no picture of this text."""


def render(dot: str, format: str, patience: float = PATIENCE) -> bytes:
    """The picture as bytes; `format` is svg, png or pdf.

    Graphviz ends its process on some graphs, and takes hours on others with many edges, so it runs
    in a process of its own. What fails there is tried once more, with labels that have no part in
    the layout and less effort. Raises LayoutError where that fails, too.
    """
    size = ("-Gdpi=110",) if format == "png" else ()
    made = _drawn(dot, format, size, patience)
    if not made:
        made = _drawn(_outside(dot), format, (*size, *QUICK), 2 * patience)
    if not made:
        raise LayoutError(f"Graphviz made no {format}, or not within {3 * patience:.0f} seconds")
    return made


def _drawn(dot: str, format: str, args: tuple[str, ...], patience: float) -> bytes:
    """What Graphviz makes; nothing if it fails. Its remarks are not for users."""
    child = Path(__file__).with_name("child.py")
    try:
        done = subprocess.run(
            [sys.executable, "-P", str(child), format, *args],
            input=dot.encode(),
            capture_output=True,
            timeout=patience,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return b""
    return done.stdout if done.returncode == 0 else b""


def _outside(dot: str) -> str:
    """The same with labels of edges that are placed after the layout. Texts of a spec cannot stand
    where the attributes of an edge begin: ids are ours."""
    lines = []
    for line in dot.split("\n"):
        ends, bracket, attributes = line.partition(" [")
        if " -> " in ends and attributes.startswith("label="):
            attributes = "x" + attributes
        lines.append(ends + bracket + attributes)
    return "\n".join(lines)

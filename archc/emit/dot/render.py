"""DOT text to pictures, by the Graphviz that the `pygraphviz` wheel carries: no system `dot`."""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager


def render(dot: str, format: str) -> bytes:
    """The picture as bytes; `format` is svg, png or pdf. Raises ValueError where there is none."""
    with warnings.catch_warnings(), _silent():
        warnings.simplefilter("ignore")  # Graphviz's remarks on layout are not for users
        import pygraphviz

        graph = pygraphviz.AGraph(string=dot)
        made = graph.draw(format=format, prog="dot", args="-Gdpi=110" if format == "png" else "")
    if not isinstance(made, bytes) or not made:
        raise ValueError(f"Graphviz made no {format}")
    return made


@contextmanager
def _silent() -> Iterator[None]:
    """Fontconfig writes its own remarks straight to the process's standard error."""
    sys.stderr.flush()
    kept = os.dup(2)
    void = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(void, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(void)

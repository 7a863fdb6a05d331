"""Graphviz in a process of its own: `python child.py FORMAT [ARGS]`, DOT text in, a picture out.

Graphviz ends its process on graphs that it cannot lay out, and takes its time on large ones.
Nothing but pygraphviz is imported: this file is run by its path.
"""

from __future__ import annotations

import sys
import warnings


def main() -> int:
    """Draw standard input to standard output; 1 where nothing was made."""
    import pygraphviz

    warnings.simplefilter("ignore")  # Graphviz's remarks on layout are not for users
    graph = pygraphviz.AGraph(string=sys.stdin.buffer.read().decode("utf-8"))
    made = graph.draw(format=sys.argv[1], prog="dot", args=" ".join(sys.argv[2:]))
    if not isinstance(made, bytes) or not made:
        return 1
    sys.stdout.buffer.write(made)
    return 0


if __name__ == "__main__":
    sys.exit(main())

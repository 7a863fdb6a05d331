"""`archc dump`: what a stage of the compiler leaves, for the curious and for bug reports."""

from __future__ import annotations

import argparse
from typing import Any

from ..source import Source, Span
from ..syntax.frozen import Frozen
from .common import compiled, complain


def dump(args: argparse.Namespace) -> int:
    """Print the state after a stage."""
    state = compiled(args, args.spec, stop_after=args.after)
    if args.after == "text" and state.source is not None:
        print(state.source.text, end="")
    elif args.after == "syntax" and state.program is not None:
        print("\n".join(tree_lines(state.program.unit.file)))
    else:
        for network in state.networks:
            if args.after == "graph":
                print(network.graph.model_dump_json(indent=1))
            elif network.report is not None:
                for row in network.report.layers():
                    print(row.path, row.op, list(row.shape), row.params, row.macs)
                for claim in network.claims:
                    print("holds" if claim.holds else "fails", claim.text)
    complain(args, state.diagnostics)
    return 1 if state.failed else 0


def tree_lines(root: Any) -> list[str]:
    """A syntax tree as indented lines; iterative, so depth is no matter."""
    lines: list[str] = []
    pending: list[tuple[int, str, Any]] = [(0, "", root)]
    while pending:
        depth, name, node = pending.pop()
        lead = "  " * depth + (f"{name}: " if name else "")
        if isinstance(node, Frozen):
            lines.append(f"{lead}{type(node).__name__}")
            hidden = ("span", "source", "comments")
            inner = [(n, getattr(node, n)) for n in node.fields if n not in hidden]
            pending.extend((depth + 1, n, v) for n, v in reversed(inner))
        elif isinstance(node, tuple) and not isinstance(node, (Span, Source)):
            lines.append(f"{lead}{len(node)} items" if node else f"{lead}none")
            pending.extend((depth + 1, "", v) for v in reversed(node))
        else:
            lines.append(f"{lead}{node!r}")
    return lines

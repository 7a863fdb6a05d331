"""Text of a .arch file to its syntax tree."""

from __future__ import annotations

import gc

from ..diagnostics import Diagnostics
from ..source import Source
from . import tree
from .load import MAX_BYTES, read
from .parser import Rejected, parse_plain
from .tokens import scan

__all__ = ["MAX_BYTES", "parse", "parse_expr", "read"]


def parse(source: Source, diagnostics: Diagnostics) -> tree.File:
    """The tree of a text. Never fails: what could not be read is left out and reported (E01).

    `File.broken` holds the names that the text left out would have declared, and `incomplete` marks
    the bodies it was left out of, so that nobody complains about what is not there.
    """
    # A megabyte is millions of objects, none of them in a cycle: looking for some is wasted.
    collects = gc.isenabled()
    gc.disable()
    try:
        return _parse(source, diagnostics)
    finally:
        if collects:
            gc.enable()


def _parse(source: Source, diagnostics: Diagnostics) -> tree.File:
    tokens = scan(source)
    noticed = Rejected(0)
    if len(tokens) and not tokens.reports:
        try:
            declarations, docs = parse_plain(source, tokens, "start")
        except Rejected as rejected:
            noticed = rejected
        else:
            before = tokens.starts[0]
            return tree.File(source, docs.of_file(before), declarations, docs.all())
    from .broken import parse_broken

    return parse_broken(source, tokens, diagnostics, noticed)


def parse_expr(source: Source, diagnostics: Diagnostics) -> tree.Expr | None:
    """A text that is one expression, as in `--set depths=[3,4,23,3]`; None if it is not (E01)."""
    tokens = scan(source)
    try:
        value: tree.Expr = parse_plain(source, tokens, "expr")[0]
        return value
    except Rejected:
        from .broken import broken_expression

        broken_expression(source, tokens, diagnostics)
        return None

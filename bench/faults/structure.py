"""Mistakes of structure: what is left out, swapped, or not closed."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from random import Random
from typing import Any

from archc.syntax import tree

from .walk import Edit, Found, Spec, called, inside, walk

BRANCHES = (tree.Skip, tree.ListExpr, tree.Comprehension, tree.IfStage)


def _fixed(*edits: Edit) -> Any:
    return lambda _: edits


def sites(node: Any, parents: tuple[Any, ...], spec: Spec) -> Iterator[Found]:
    """Projections, layers of branches, arguments, lists."""
    if inside(parents, tree.Recipe, tree.Expect, tree.StageLabel):
        return
    if isinstance(node, tree.Skip) and node.via is not None:
        end = spec.text.rindex("}", 0, node.via.span.start) + 1
        yield Found("projection", _fixed((end, node.via.span.end, "")))
    if isinstance(node, tree.IfStage) and node.no is not None:
        names = [_only(node.yes), _only(node.no)]
        if "identity" in names:
            yield Found("projection", _fixed((node.span.start, node.span.end, "identity")))
    chain = _chain(node)
    if chain and _in_branch(node, parents):
        yield from _dropped(node, chain)
    yield from _swapped(node)
    if isinstance(node, tree.ListExpr) and node.items:
        yield Found("list length", lambda chance: _resized(node, spec, chance))


def _only(stage: Any) -> str | None:
    return stage.name[0].name if isinstance(stage, tree.Apply) and len(stage.name) == 1 else None


def _chain(node: Any) -> tuple[Any, ...]:
    stages = (tree.Pipeline, tree.Group, tree.Repeat, tree.ForStage, tree.Skip)
    return node.stages if isinstance(node, stages) else ()


def _in_branch(node: Any, parents: tuple[Any, ...]) -> bool:
    """Is it one of several paths: of a skip, a `fuse`, a list, or a block that fuses values?"""
    around = (*parents, node)
    if inside(around, *BRANCHES) or any(called(p) == "fuse" for p in parents):
        return True
    blocks = [p for p in parents if isinstance(p, (tree.Block, tree.Network))]
    return any(
        isinstance(part, tree.Call) and called(part) == "fuse"
        for b in blocks
        for part, _ in walk(b)
    )


def _dropped(node: Any, chain: tuple[Any, ...]) -> Iterator[Found]:
    """One layer left out, with the arrow before it (or after it, at the beginning)."""
    for i, stage in enumerate(chain):
        if not isinstance(stage, tree.Apply):
            continue
        if i > 0 or isinstance(node, tree.Pipeline):
            start = chain[i - 1].span.end if i > 0 else node.start.span.end
            yield Found("dropped layer", _fixed((start, stage.span.end, "")))
        elif len(chain) > 1:
            yield Found("dropped layer", _fixed((stage.span.start, chain[1].span.start, "")))


def _swapped(node: Any) -> Iterator[Found]:
    """Two arguments next to each other, both by position or both by name: their values."""
    args = getattr(node, "args", None) if called(node) else None
    items = args.items if isinstance(args, tree.Args) else ()
    for one, other in pairwise(items):
        if (one.name is None) != (other.name is None):
            continue
        a, b = one.value.span, other.value.span
        if a.text != b.text:
            edits = ((a.start, a.end, b.text), (b.start, b.end, a.text))
            yield Found("swapped arguments", _fixed(*edits))


def _resized(node: tree.ListExpr, spec: Spec, chance: Random) -> tuple[Edit, ...]:
    """One element less, or one twice."""
    items = node.items
    i = chance.randrange(len(items))
    span = items[i].span
    if chance.random() < 0.5 and len(items) > 1:
        if i + 1 < len(items):
            return ((span.start, items[i + 1].span.start, ""),)
        return ((items[i - 1].span.end, span.end, ""),)
    return ((span.end, span.end, f", {span.text}"),)


# ---------------------------------------------------------------------------- tokens


def tokens(spec: Spec) -> Iterator[Found]:
    """Closing brackets and commas."""
    marks = spec.tokens
    for i, mark in enumerate(marks):
        if mark.group() in ("}", ")", "]"):
            edit = (mark.start(), mark.end(), "")
            yield Found("unclosed bracket", _fixed(edit), "brackets that do not pair")
        elif mark.group() == "," and 0 < i < len(marks) - 1:
            yield _comma(spec, i)


def _comma(spec: Spec, i: int) -> Found:
    """A comma left out. Two operands side by side are no expression; `a -b` and `a [0]` are."""
    before, mark, after = spec.tokens[i - 1 : i + 2]
    edit = (mark.start(), mark.end(), "")
    ends = before.lastgroup in ("name", "number", "string") or before.group() in (")", "]")
    begins = after.lastgroup in ("name", "number", "string")
    if after.group() in (")", "]", "}"):
        return Found("missing comma", _fixed(edit), unclear="a comma at the end of a list")
    if ends and begins:
        return Found("missing comma", _fixed(edit), "two operands without anything between")
    return Found("missing comma", _fixed(edit), unclear="without the comma it is one expression")

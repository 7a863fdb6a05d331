"""Arguments of operators, and the way to a part of a named value."""

from __future__ import annotations

from collections.abc import Callable

from ...graph import Tree
from ...ops import REF, Op
from ...ops.describe import spell


def arguments(op: Op, reference: Callable[[], str]) -> str:
    """The arguments of an operator; `reference` gives the name of the next value among them."""
    given = {name: value for name, value in op.given().items() if name not in op.hidden}
    needed = {
        spelled
        for spelled, (field, _) in op._facts().items()
        if type(op).model_fields[field].is_required() or spelled in _LEADING
    }
    order = op.parameters()
    args: list[str] = []
    for spelled, value in given.items():
        text = reference() if value == REF else spell(value)
        plain = spelled in needed and order[len(args)] == spelled
        args.append(text if plain else f"{spelled}={text}")
    return ", ".join(args)


_LEADING = frozenset({"kernel", "p", "factor", "amounts", "slope"})
"""Parameters with defaults that are written first and without their names all the same."""


def subtrees(tree: Tree) -> list[Tree]:
    """A tree and all within it."""
    if isinstance(tree, int):
        return [tree]
    return [tree, *(inner for part in tree for inner in subtrees(part))]


def path_to(name: str, tree: Tree, wanted: Tree) -> str:
    """How to get to a part of a named tree: `name[1][0]`."""
    if tree is wanted or (isinstance(tree, int) and tree == wanted):
        return name
    if not isinstance(tree, int):
        for i, part in enumerate(tree):
            if any(
                inner is wanted or (isinstance(inner, int) and inner == wanted)
                for inner in subtrees(part)
            ):
                return path_to(f"{name}[{i}]", part, wanted)
    raise AssertionError("a subtree of the tree")

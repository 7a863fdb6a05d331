"""Wrong numbers: channels, kernels, strides, borders, entries of tables, claims."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random
from typing import Any

from archc.syntax import tree

from .walk import Edit, Found, Spec, called, inside

ROLES = {
    "channels": """channels features width widths out growth stem pooled b1 b2 b3 b4 squeezed middle
    last bottleneck outputs hidden units""",
    "kernel": "kernel",
    "stride": "stride",
    "padding": "pad amounts",
}
ROLE = {name: role for role, names in ROLES.items() for name in names.split()}
"""What kind of number a parameter of this name is; all others are just numbers."""
BORDERS = ("valid", "half", "full", "0", "1", "2")


def sites(node: Any, parents: tuple[Any, ...], spec: Spec) -> Iterator[Found]:
    """Where a number stands that can be another."""
    if inside(parents, tree.Recipe, tree.StageLabel, tree.String):
        return
    if isinstance(node, tree.Number):
        if inside(parents, tree.Expect):
            yield _claim(node, parents)
        elif isinstance(node.value, int) and node.text.replace("_", "").isdigit():
            yield _number(role(node, parents, spec), node)
    elif isinstance(node, tree.Name) and node.name in BORDERS and _is_border(parents, spec, node):
        start, end = node.span.start, node.span.end

        def edits(chance: Random) -> tuple[Edit, ...]:
            return ((start, end, chance.choice([b for b in BORDERS if b != node.name])),)

        yield Found("padding", edits)


def role(node: Any, parents: tuple[Any, ...], spec: Spec) -> str:
    """The kind of a number by the parameter that it is for."""
    inner: Any = node
    for i in range(len(parents) - 1, -1, -1):
        parent = parents[i]
        if isinstance(parent, tree.Index) and inner is parent.index:
            return "number"
        if isinstance(parent, (tree.Compare, tree.Targets)):
            return "number"
        if isinstance(parent, (tree.IfStage, tree.Ternary)) and inner is parent.test:
            return "number"
        if isinstance(parent, tree.Input):
            return "channels" if parent.dims and inner is parent.dims[0] else "number"
        if isinstance(parent, tree.Param):
            return ROLE.get(parent.name.name, "number")
        if isinstance(parent, tree.Arg):
            if parent.name is not None:
                return ROLE.get(parent.name.name, "number")
            owner = next((p for p in reversed(parents[:i]) if called(p)), None)
            slots = spec.slots(called(owner) or "") if owner is not None else []
            items = owner.args.items if owner is not None and owner.args else ()
            at = next((k for k, arg in enumerate(items) if arg is parent), len(slots))
            return ROLE.get(slots[at], "number") if at < len(slots) else "number"
        inner = parent
    return "number"


def _is_border(parents: tuple[Any, ...], spec: Spec, node: Any) -> bool:
    return role(node, parents, spec) == "padding"


def _number(kind: str, node: tree.Number) -> Found:
    value = int(node.value)
    near = {
        "channels": [value + 1, value - 1, 2 * value, value // 2, value + 8],
        "kernel": [value + 1, value - 1, value + 2, value - 2],
        "stride": [1, 2, 3, 4],
        "padding": [value + 1, value - 1, value + 2],
    }.get(kind, [value + 1, value - 1, value + 2])
    least = 0 if kind in ("padding", "number") else 1
    choices = sorted({n for n in near if n >= least and n != value})

    def edits(chance: Random) -> tuple[Edit, ...]:
        return ((node.span.start, node.span.end, str(chance.choice(choices))),)

    return Found(kind, edits)


def _claim(node: tree.Number, parents: tuple[Any, ...]) -> Found:
    """The last digit of a claim's figure one up or down."""
    text = node.text.rstrip("KMGT")
    suffix = node.text[len(text) :]
    point = len(text) - text.index(".") - 1 if "." in text else 0
    value = int(text.replace("_", "").replace(".", ""))

    def edits(chance: Random) -> tuple[Edit, ...]:
        digits = str(value + chance.choice([1, -1] if value > 1 else [1])).rjust(point + 1, "0")
        made = f"{digits[:-point]}.{digits[-point:]}" if point else f"{int(digits):_}"
        return ((node.span.start, node.span.end, made + suffix),)

    claim = next(p for p in parents if isinstance(p, tree.Expect))
    compare = claim.claim
    if not isinstance(compare, tree.Compare) or compare.ops[0] not in ("==", "~="):
        return Found("claim", edits, unclear="a claim of a bound also holds one further")
    if not text.replace("_", "").replace(".", "").isdigit():
        return Found("claim", lambda _: ())
    return Found("claim", edits, "a figure that was true before")

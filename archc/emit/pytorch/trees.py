"""Small questions about units, their keys and the trees of their values."""

from __future__ import annotations

from dataclasses import replace

from ...graph import Tree, leaves
from .layers import Unit


def drop_identities(unit: Unit, looped: set[int]) -> None:
    """Let what reads an identity read its input. Those in loops stay until iterations are compared:
    where one has an identity, another may have a layer."""
    real: dict[int, int] = {}

    def follow(tree: Tree) -> Tree:
        return real.get(tree, tree) if isinstance(tree, int) else [follow(part) for part in tree]

    kept = []
    for step in unit.steps:
        step.takes = tuple(follow(tree) for tree in step.takes)
        step.inputs = tuple(real.get(i, i) for i in step.inputs)
        if step.is_identity and id(step) not in looped:
            real[step.outputs[0]] = step.inputs[0]
        else:
            kept.append(step)
    if real:
        unit.steps = kept
        unit.outputs = [replace(out, value=follow(out.value)) for out in unit.outputs]


def unread_inputs(unit: Unit) -> set[int]:
    """Inputs that no step reads, other than an only one."""
    read = {i for step in unit.steps for i in step.inputs}
    read.update(i for out in unit.outputs for i in leaves(out.value))
    unread = {n for n, i in enumerate(unit.inputs) if not read.intersection(leaves(i.value))}
    return unread if len(unread) < len(unit.inputs) else set()


def stem(key: str) -> str:
    """The label of a group: the last part of its key that is not a number."""
    words = [part for part in key.split(".") if not part.isdigit()]
    return words[-1] if words else "part"


def split(trees: list[Tree], values: tuple[int, ...]) -> tuple[Tree, ...]:
    """Flat values of a call in the shape of the callee's trees."""
    rest = iter(values)

    def fill(tree: Tree) -> Tree:
        return next(rest) if isinstance(tree, int) else [fill(part) for part in tree]

    return tuple(fill(tree) for tree in trees)

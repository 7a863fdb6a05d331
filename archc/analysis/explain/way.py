"""The longest path through weight layers: which layers make up a depth."""

from __future__ import annotations

from ...graph import leaves
from .find import find
from .flat import Flat, FlatNode


def longest(flat: Flat, target: str | int | None) -> list[str]:
    """Paths of the weight layers on a longest path, in order: to the outputs at inference (None),
    to a value of the network's body, or inside of a label."""
    inside = range(len(flat.nodes))
    if isinstance(target, str):
        item = find(flat, target).items[0]
        if isinstance(item, FlatNode):
            at = flat.producer[item.outputs[0]]
            inside = range(at, at + 1)
        else:
            inside = range(item.first, item.last)
    reach, before = _reach(flat, inside)
    made = [v for i in inside for v in flat.nodes[i].outputs]
    if isinstance(target, int):
        ends = [flat.main[target]]
    elif target is None:
        outputs = [end for end in flat.report.graph.main.outputs if not end.training]
        ends = [flat.main[v] for end in outputs for v in leaves(end.value)]
    else:
        ends = made
    if not ends:
        return []
    return _walk(flat, max(ends, key=lambda v: reach.get(v, 0)), before)


def _reach(flat: Flat, inside: range) -> tuple[dict[int, int], dict[int, int]]:
    """Weight layers on the longest path to each value made inside, and the value before it."""
    reach: dict[int, int] = {}
    before: dict[int, int] = {}
    for i in inside:
        node = flat.nodes[i]
        fact = flat.walker.facts[node.place.index][node.n]
        assert fact is not None  # flat nodes are operators
        read = [v for v, how in zip(node.inputs, fact.reads, strict=True) if how is not None]
        best = max(read, key=lambda v: reach.get(v, 0), default=-1)
        for v in node.outputs:
            reach[v] = reach.get(best, 0) + fact.weighty
            before[v] = best
    return reach, before


def _walk(flat: Flat, value: int, before: dict[int, int]) -> list[str]:
    found: list[str] = []
    while value in before:
        node = flat.nodes[flat.producer[value]]
        fact = flat.walker.facts[node.place.index][node.n]
        if fact is not None and fact.weighty:
            found.append(node.path)
        value = before[value]
    return found[::-1]

"""What a claim speaks of: a label (what is inside it) or a value (all that it depends on)."""

from __future__ import annotations

from ..graph import Body, Graph, join, leaves
from .measures import ALL, MAIN, SKIP, Counts, Measures
from .rows import Place, Walker, leaving, owns


class Target:
    """A part of a body: `parts` of its nodes (see `measures`), and the values that leave it.

    `listed`: several values leave it, or a list. `inside`: it is what stands inside a label, so
    that its depth is that of any value made there.
    """

    __slots__ = ("inside", "listed", "parts", "place", "values")

    def __init__(
        self,
        place: Place,
        parts: list[int],
        values: list[int],
        listed: bool = False,
        inside: bool = True,
    ) -> None:
        self.inside = inside
        self.place = place
        self.parts = parts
        self.values = values
        self.listed = listed


class UnknownTarget(LookupError):
    """There is no such label."""


def of_value(walker: Walker, value: int) -> Target:
    """Everything that a value of the network's body depends on."""
    place = walker.main_place()
    parts = walker.measures.ancestors(walker.graph.main, [value])
    return Target(place, parts, [value], inside=False)


def of_network(walker: Walker) -> Target:
    """All that is there at inference."""
    place, body = walker.main_place(), walker.graph.main
    values = [v for end in body.outputs if not end.training for v in leaves(end.value)]
    parts = walker.measures.parts(place.index, MAIN)
    return Target(place, parts, values, inside=False)


def of_path(walker: Walker, path: str) -> Target:
    """What stands at or below a path, in whichever body; `UnknownTarget` if nothing does."""
    place, rest = walker.main_place(), path
    while True:
        body = walker.graph.bodies[place.index]
        found = _within(body, rest, place)
        if found is not None:
            return found
        step = _call_on_the_way(body, rest)
        if step is None:
            raise UnknownTarget(path)
        rest = rest[len(body.nodes[step].name) + 1 :]
        place = walker.called(place, step)


def _within(body: Body, path: str, place: Place) -> Target | None:
    below = path + "."
    parts = [SKIP] * len(body.nodes)
    last = -1
    for n, node in enumerate(body.nodes):
        for name in (node.name, node.module):
            if name is not None and (name == path or name.startswith(below)):
                parts[n] = ALL
                last = n
    tree = body.labels.get(path)
    if last < 0 and tree is None:
        return None
    if tree is not None:
        return Target(place, parts, leaves(tree), not isinstance(tree, int))
    for scope in body.scopes:
        if scope.path == path and scope.labelled and scope.first < scope.last:
            values = leaving(body, scope)
            return Target(place, parts, values, len(values) > 1)
    return Target(place, parts, list(body.nodes[last].outputs[:1]))


def _call_on_the_way(body: Body, path: str) -> int | None:
    """The call with the longest name that `path` goes through."""
    best, length = None, -1
    for n, node in enumerate(body.nodes):
        if node.body >= 0 and len(node.name) > length and path.startswith(node.name + "."):
            best, length = n, len(node.name)
    return best


def counts(measures: Measures, target: Target) -> Counts:
    """Sums over a target."""
    return measures.sum_of(target.place.index, target.parts)


def breakdown(walker: Walker, target: Target, measure: str) -> list[tuple[str, int]]:
    """Path and count (a field of `Counts`) of each operator within a target, where it is not 0."""
    found: list[tuple[str, int]] = []
    _break_down(walker, target.place.index, target.place.path, target.parts, measure, found)
    return found


def _break_down(
    walker: Walker,
    index: int,
    path: str,
    parts: list[int],
    measure: str,
    found: list[tuple[str, int]],
) -> None:
    nodes, facts = walker.graph.bodies[index].nodes, walker.facts[index]
    shared, seen = walker.measures.shared(index), set[str]()
    works = measure in ("macs", "neurons", "operators")
    for n, node in enumerate(nodes):
        if parts[n] == SKIP:
            continue
        fact = facts[n]
        if not owns(node, shared, seen) and not works:
            continue
        if fact is None:
            inner = walker.measures.parts(node.body, parts[n])
            _break_down(walker, node.body, join(path, node.name), inner, measure, found)
        else:
            if measure == "operators":
                figure = int(fact.counted)
            else:
                figure = (
                    fact.units * fact.weighty if measure == "neurons" else getattr(fact, measure)
                )
            if figure:
                found.append((join(path, node.name), figure))


def depth(graph: Graph, measures: Measures, target: Target) -> int:
    """Weight layers on the longest path within a target, or to the value that is the target."""
    body = graph.bodies[target.place.index]
    kept = [n for n, part in zip(body.nodes, target.parts, strict=True) if part != SKIP]
    made = {v for node in kept for v in node.outputs}
    reach = [-1 if v in made else 0 for v in range(len(body.values))]
    measures.extend_depths(target.place.index, reach, target.parts)
    return max([0, *(reach[v] for v in (made if target.inside else target.values))])

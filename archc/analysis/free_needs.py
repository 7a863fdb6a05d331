"""What the layers of a network need of its free sizes, as conditions, each with its place."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import NamedTuple

from ..conditions import Branch, Condition, TooManyPaths, branch, equals, explore, probe
from ..dims import Floor, Linear, form_of, form_text, is_free
from ..graph import Body, Graph, Shape
from ..ops import Op, OpError
from ..ops.windows import SameWindow, Window
from .free_sets import threshold


class Need(NamedTuple):
    """A condition on the free sizes, and what makes it one.

    `what` is an operator or an input's pattern; `arrives` are the shapes that it gets.
    """

    condition: Condition
    what: str
    file: str
    line: int
    arrives: tuple[Shape, ...] = ()

    def forms(self) -> list[Linear]:
        """The free sizes that arrive."""
        return [form_of(n) for shape in self.arrives for n in shape if is_free(n)]


class Needs:
    """All needs of a graph.

    `build`: without these there is no such network. `weights`: without these it has other weights
    than at the sizes at hand. `whole`: without these a window leaves units at an end unread.
    """

    def __init__(self, graph: Graph) -> None:
        self.build: list[Need] = []
        self.weights: list[Need] = []
        self.whole: list[Need] = []
        self.steps: dict[Floor, tuple[int, str, Linear]] = {}
        """For a floor, the line and file of the layer that first made it, and the size before."""
        self._seen: set[tuple[object, ...]] = set()
        for body in graph.bodies:
            for n, node in enumerate(body.nodes):
                if node.op >= 0:
                    self._node(graph, body, n)

    def _node(self, graph: Graph, body: Body, n: int) -> None:
        node = body.nodes[n]
        xs = tuple(body.values[v].shape for v in node.inputs)
        op = graph.ops[node.op]
        if not any(is_free(size) for x in xs for size in x):
            return
        outs = tuple(body.values[v].shape for v in node.outputs)
        # A fixed number of channels that was taken here is taken at other sizes, too.
        forms = tuple(tuple(form_of(n) for i, n in enumerate(x) if i or is_free(n)) for x in xs)
        key = (node.op, forms, graph.sites[node.site].line)
        if key in self._seen:
            return
        self._seen.add(key)
        site = graph.sites[node.site]
        self._note_steps(op, xs, outs, site.line, site.file)
        about = (op.op, site.file, site.line, xs)
        made = _takes(op, xs, outs)
        if made is not True:
            self.build.append(Need(made, *about))
        made = _same_weights(op, xs[0])
        if made is not True:
            self.weights.append(Need(made, *about))
        for made in _reads_all(op, xs):
            self.whole.append(Need(made, *about))

    def _note_steps(
        self, op: Op, xs: tuple[Shape, ...], outs: tuple[Shape, ...], line: int, file: str
    ) -> None:
        """Where windows in steps make floors of sizes."""
        axes = op.reads(*xs)[0] or ()
        for axis, before, after in zip(axes, xs[0][1:], outs[0][1:], strict=False):
            if isinstance(axis, Window) and is_free(before) and is_free(after):
                old = form_of(before)
                for atom in floors(form_of(after)):
                    if atom not in floors(old):
                        self.steps.setdefault(atom, (line, file, old))


def floors(form: Linear) -> list[Floor]:
    """The floors that a sum is made of."""
    return [atom for atom, _ in form.terms if isinstance(atom, Floor)]


def shape_text(shape: Shape) -> str:
    """A shape with the expressions of what is free: `[64, H//2, W//2]`."""
    return "[" + ", ".join(map(form_text, shape)) + "]"


def _takes(op: Op, xs: tuple[Shape, ...], outs: tuple[Shape, ...]) -> Condition:
    """When an operator takes its inputs, and gives what it gives here."""
    if type(op).check is Op.check and len(xs) == 1:
        return True
    shapes = tuple(probe(x) for x in xs)
    expected = [probe(n) for x in outs for n in x]
    several = len(xs) > 1  # the result may follow one input or another

    def check() -> bool:
        try:
            op.check(*shapes)
        except OpError:
            return False
        return True

    def alike() -> bool:
        found = [n for x in op.outputs(*shapes)[: len(outs)] for n in x]
        return all(n == m for n, m in zip(found, expected, strict=False))

    try:
        made = explore(check, refuses=True)
        if several and made is not False:
            made = _where(made, explore(alike))
    except TooManyPaths:
        return None
    return made


def _where(condition: Condition, alike: Condition) -> Condition:
    """The condition, unknown where the result has other sizes than it has here."""
    if alike is True or condition is False:
        return condition
    if not isinstance(alike, Branch):
        return None
    return branch(alike.atom, _where(condition, alike.yes), _where(condition, alike.no))


def _same_weights(op: Op, x: Shape) -> Condition:
    """When the weights have the shapes that they have here."""
    made: Condition = True
    tensors = {**op.weights(x), **op.buffers(x)}
    for size in {form_of(n): n for shape in tensors.values() for n in shape if is_free(n)}.values():
        made = both(made, equals(form_of(size), int(size)))
    return made


def both(a: Condition, b: Condition) -> Condition:
    """Two conditions at once."""
    if a is True or b is False:
        return b
    if b is True or a is False:
        return a
    if isinstance(a, Branch):
        return branch(a.atom, both(a.yes, b), both(a.no, b))
    if isinstance(b, Branch):
        return branch(b.atom, both(a, b.yes), both(a, b.no))
    return None


def _reads_all(op: Op, xs: tuple[Shape, ...]) -> Iterator[Condition]:
    """For each axis over which windows move in steps, when none of its units is left over."""
    for axis, n in zip(op.reads(*xs)[0] or (), xs[0][1:], strict=False):
        if not isinstance(axis, Window) or isinstance(axis, SameWindow) or not is_free(n):
            continue
        if axis.ceil or axis.stride == 1:
            continue
        rest = (probe(n) + (axis.lo + axis.hi - axis.extent)) % axis.stride
        # The padding at the end may be left over, and what lies between windows is skipped anyway.
        spare = axis.hi + max(axis.stride - axis.extent, 0)
        if spare < axis.stride - 1:
            yield explore(partial(_at_most, rest, spare))


def _at_most(size: int, most: int) -> bool:
    return size <= most


def strongest(needs: list[Need]) -> list[Need]:
    """Without needs of a smallest size that others imply: a deep network has one at every layer."""
    least = [_least(need.condition) for need in needs]
    best: dict[str, tuple[int, int]] = {}
    for i, sizes in enumerate(least):
        for name, size in (sizes or {}).items():
            best[name] = max(best.get(name, (0, i)), (size, i))
    kept = {i for _, i in best.values()}
    return [n for i, n in enumerate(needs) if least[i] is None or i in kept]


def _least(condition: Condition) -> dict[str, int] | None:
    """The smallest sizes, of a condition that asks for nothing else."""
    found: dict[str, int] = {}
    while isinstance(condition, Branch):
        bound = threshold(condition.atom)
        if bound is None or condition.no is not False:
            return None
        name, size = bound
        found[name] = max(found.get(name, 1), size)
        condition = condition.yes
    return found if condition is True else None

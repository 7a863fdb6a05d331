"""A network as a flat list of layers, to be compared with another: what each computes, what it is
called and what feeds it; and the keys of its state_dict, in the order of the emitted module.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from ..graph import Graph, Node, Shape, join, leaves
from ..ops import Op, OpError
from .facts import plain
from .measures import input_values, output_values
from .report import Report
from .rows import LayerRow


class Source(NamedTuple):
    """What makes a value: layer (-1: the network's inputs) and which of its results (or inputs)."""

    layer: int
    port: int


@dataclass(slots=True, eq=False)
class Layer:
    """An operator at its place.

    `names` are the parts of its path; `strong` says of each whether the user wrote it (`conv1` as
    a label), so that it identifies the layer; numbers and counted names do not. `xs` are the shapes
    that come in. `text` and `form` are equal for layers that are written the same, and for those
    that compute the same function of inputs of the same shapes.
    """

    index: int
    row: LayerRow
    op: Op
    names: tuple[str, ...]
    strong: tuple[bool, ...]
    xs: tuple[Shape, ...]
    results: tuple[Shape, ...]
    inputs: tuple[Source, ...]
    text: int
    form: int

    @property
    def path(self) -> str:
        return self.row.path

    @property
    def module(self) -> str:
        """Path of the module that it uses: the prefix of its keys in the state_dict."""
        return self.row.module or self.row.path

    @property
    def weighty(self) -> bool:
        return bool(self.op.weights(self.xs[0]))

    def tensors(self) -> dict[str, Shape]:
        """Its state_dict entries by name: weights, then persistent buffers."""
        x = self.xs[0]
        found = {**self.op.weights(x), **self.op.buffers(x)}
        return {name: plain(shape) for name, shape in found.items()}


class Numbers:
    """Gives equal things equal small numbers, across the networks that are compared."""

    def __init__(self) -> None:
        self._known: dict[object, int] = {}
        # by identity: the graphs that are compared keep their operators
        self._texts: dict[int, int] = {}
        self._forms: dict[tuple[int, tuple[Shape, ...]], int] = {}

    def of(self, thing: object) -> int:
        return self._known.setdefault(thing, len(self._known))

    def text(self, op: Op) -> int:
        """Equal for operators that are written the same, defaults spelled out or not."""
        found = self._texts.get(id(op))
        if found is None:
            given = sorted(op.given().items())
            found = self._texts[id(op)] = self.of(("text", op.op, repr(given)))
        return found

    def form(self, op: Op, xs: tuple[Shape, ...]) -> int:
        """Equal for operators that are the same in PyTorch for inputs of these shapes, however they
        are written: `pad=half` and `pad=1` are one for a kernel of 3. The values of given weights,
        what is frozen and how weights start belong to it."""
        found = self._forms.get((id(op), xs))
        if found is None:
            found = self._forms[id(op), xs] = self.of(("form", op.op, xs, _torch(op, xs)))
        return found


def _torch(op: Op, xs: tuple[Shape, ...]) -> str:
    try:
        made = op.torch(*xs)
    except (OpError, NotImplementedError):
        return repr(sorted(op.given().items()))  # it has no form there: its arguments stand for it
    return repr((made.module, made.function, made.setup))


@dataclass(slots=True)
class Flat:
    """A network, its blocks unrolled. `outputs`: name, source and whether it is for training."""

    report: Report
    layers: list[Layer]
    inputs: list[tuple[str, Shape]]
    outputs: list[tuple[str, Source, bool]] = field(default_factory=list)

    @property
    def name(self) -> str:
        return self.report.name

    def state(self) -> dict[str, Shape]:
        """Keys and shapes of the emitted module's state_dict, in its order.

        A module registers its parts as they are first used, and a list all of its entries at once.
        """
        found: dict[str, Shape] = {}
        for layer in self.layers:
            for name, shape in layer.tensors().items():
                found[join(layer.module, name)] = shape
        return {key: found[key] for key in _registered(found)}


def flat(report: Report, numbers: Numbers) -> Flat:
    """The layers of a network. `numbers` is shared by the networks that are compared."""
    return _Flattening(report, numbers).made()


class _Flattening:
    def __init__(self, report: Report, numbers: Numbers) -> None:
        self.graph: Graph = report.graph
        self.numbers = numbers
        self.report = report
        self.rows = report.layers()
        self.layers: list[Layer] = []

    def made(self) -> Flat:
        body = self.graph.main
        given = [Source(-1, i) for i, _ in enumerate(input_values(body))]
        values = self._run(len(self.graph.bodies) - 1, given, (), ())
        shapes = [plain(body.values[v].shape) for v in input_values(body)]
        names = [end.name for end in body.inputs for _ in leaves(end.value)]
        outputs = [
            (end.name or "", values[v], end.training)
            for end in body.outputs
            if not end.hidden
            for v in leaves(end.value)
        ]
        return Flat(self.report, self.layers, list(zip(names, shapes, strict=True)), outputs)

    def _run(
        self, index: int, given: list[Source], names: tuple[str, ...], strong: tuple[bool, ...]
    ) -> dict[int, Source]:
        """Adds the layers of a body; the sources of its values."""
        body = self.graph.bodies[index]
        values = dict(zip(input_values(body), given, strict=True))
        for node in body.nodes:
            path = (*names, *node.name.split("."))
            known = (*strong, *_strong(node))
            sources = [values[v] for v in node.inputs]
            if node.op < 0:
                inner = self._run(node.body, sources, path, known)
                ends = output_values(self.graph.bodies[node.body])
                values.update((v, inner[e]) for v, e in zip(node.outputs, ends, strict=True))
                continue
            at, op = len(self.layers), self.graph.ops[node.op]
            xs = tuple([plain(body.values[v].shape) for v in node.inputs])
            results = tuple([plain(body.values[v].shape) for v in node.outputs])
            text, form = self.numbers.text(op), self.numbers.form(op, xs)
            self.layers.append(
                Layer(at, next(self.rows), op, path, known, xs, results, tuple(sources), text, form)
            )
            values.update((v, Source(at, port)) for port, v in enumerate(node.outputs))
        return values


def _strong(node: Node) -> Iterator[bool]:
    """For each part of a node's name: was it written by the user?"""
    *scopes, last = node.name.split(".")
    for name in scopes:
        yield not name.isdigit()
    yield node.labelled and not last.isdigit()


def _registered(keys: dict[str, Shape]) -> Iterator[str]:
    """Keys in the order in which modules register what they hold."""
    root: dict[str, Any] = {}
    for key in keys:
        at = root
        for part in key.split("."):
            at = at.setdefault(part, {})
    pending = [("", root)] if root else []
    while pending:
        prefix, held = pending.pop()
        if not held:
            yield prefix
            continue
        parts = list(held)
        if all(part.isdigit() for part in parts):
            parts.sort(key=int)
        pending += [(join(prefix, part), held[part]) for part in reversed(parts)]

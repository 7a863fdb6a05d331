"""What training keeps: the tensors that autograd saves for the backward pass.

Definition: the bytes of all storages that hold a tensor saved for the backward pass of the emitted
module in training, in float32, without parameters and buffers; each storage counts once, that of an
input like any other. Equal to what `torch.autograd.graph.saved_tensors_hooks` sees.

Each body is worked out once for each kind of inputs that it is called with: strides, which of them
autograd follows, and which share memory.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from ..graph import Body, Graph
from ..ops import Op
from .facts import FactTable, plain
from .measures import ALL, MAIN, SKIP, Measures, input_values, output_values
from .memory_rules import RULES, Rule, Tape, unknown
from .memory_tensors import Sizes, Storage, Tensor, fresh
from .memory_windows import WINDOWS

_BATCH = 2
"""Samples for which bytes are worked out: with one, parts of a split tensor would be contiguous."""

Given = tuple[tuple[Sizes, Sizes, bool, int, int], ...]
"""What a body depends on of its inputs: shape, strides, followed by autograd, bytes of an element,
and which of the storages (numbered as they first occur)."""


class Saved(NamedTuple):
    """Bytes saved for the backward pass of a batch: `fixed + batch * sample`."""

    fixed: int
    sample: int

    def of(self, batch: int) -> int:
        return self.fixed + batch * self.sample


class _Result(NamedTuple):
    """What a body leaves: results (a storage number each; those of the inputs come first, None if
    it did not run), storages of its own that leave it, the saved among all those, and what is saved
    of those that stay inside."""

    outputs: list[tuple[Sizes, Sizes, bool, int, int] | None]
    made: list[tuple[int, bool]]
    saved: list[int]
    fixed: int
    scaled: int


class TrainingMemory:
    """Saved tensors of one graph. `cuda`: as the kernels of a GPU keep them.

    `auxiliary`: with the outputs that are there in training only, as the emitted module trains.
    """

    def __init__(
        self,
        graph: Graph,
        batch: int = _BATCH,
        cuda: bool = False,
        auxiliary: bool = True,
        facts: FactTable | None = None,
    ) -> None:
        self.graph = graph
        self.batch = batch
        self.cuda = cuda
        self.facts = facts or FactTable(graph)
        self.measures = Measures(graph, self.facts)
        self._part = ALL if auxiliary else MAIN
        self._known: dict[tuple[int, int, Given], _Result] = {}

    def saved(self) -> Saved:
        """Of the network, its inputs not followed by autograd (they are data)."""
        body = self.graph.main
        given: Given = tuple(
            (t.shape, t.strides, False, t.item, n)
            for n, v in enumerate(input_values(body))
            for t in [fresh((self.batch, *plain(body.values[v].shape)), False)]
        )
        index = len(self.graph.bodies) - 1
        result = self._run(index, self._part, given)
        inputs = _tensors(given)[1]
        everything = [*((s.bytes, s.scales) for s in inputs), *result.made]
        fixed, scaled = result.fixed, result.scaled
        for n in result.saved:
            size, scales = everything[n]
            if scales:
                scaled += size
            else:
                fixed += size
        return Saved(fixed, scaled // self.batch)

    def _run(self, index: int, part: int, given: Given) -> _Result:
        key = (index, part, given)
        found = self._known.get(key)
        if found is None:
            found = self._known[key] = self._work(index, part, given)
        return found

    def _work(self, index: int, part: int, given: Given) -> _Result:
        body = self.graph.bodies[index]
        tape = Tape(self.cuda)
        inputs, storages = _tensors(given)
        values: dict[int, Tensor] = dict(zip(input_values(body), inputs, strict=True))
        parts, facts = self.measures.parts(index, part), self.facts[index]
        fixed = scaled = 0
        for n, node in enumerate(body.nodes):
            if parts[n] == SKIP:
                continue
            fact = facts[n]
            xs = [values[v] for v in node.inputs]
            ys: Sequence[Tensor | None]
            if fact is not None:
                if node.role == "skip" and getattr(fact.op, "by", "") == "sum":
                    xs.reverse()  # the emitter writes body + shortcut, and the first lays out
                ys = applied(tape, fact.op, xs, [plain(body.values[v].shape) for v in node.outputs])
            else:
                ys, inside = self._call(tape, node.body, parts[n], xs)
                fixed += inside[0]
                scaled += inside[1]
            values.update((v, y) for v, y in zip(node.outputs, ys, strict=False) if y is not None)
        return _result(body, values, storages, tape, fixed, scaled)

    def _call(
        self, tape: Tape, index: int, part: int, xs: list[Tensor]
    ) -> tuple[list[Tensor | None], tuple[int, int]]:
        """A called body: its results, and what it saves of its own (fixed, by the batch)."""
        numbers: dict[Storage, int] = {}
        given: Given = tuple(
            (x.shape, x.strides, x.grad, x.item, numbers.setdefault(x.storage, len(numbers)))
            for x in xs
        )
        result = self._run(index, part, given)
        storages = [*numbers, *(Storage(size, scales) for size, scales in result.made)]
        for n in result.saved:
            tape.saved[storages[n]] = None
        ys = [
            None if end is None else Tensor(end[0], end[1], storages[end[4]], end[2], end[3])
            for end in result.outputs
        ]
        return ys, (result.fixed, result.scaled)


def saved_bytes(graph: Graph, batch: int) -> int:
    """Bytes that autograd keeps for one backward pass of the emitted module, on a CPU."""
    return TrainingMemory(graph, batch).saved().of(batch)


def applied(tape: Tape, op: Op, xs: list[Tensor], shapes: list[Sizes]) -> list[Tensor]:
    rule: Rule = RULES.get(op.op) or WINDOWS.get(op.op) or unknown
    return rule(tape, op, xs, shapes)


def _tensors(given: Given) -> tuple[list[Tensor], list[Storage]]:
    """Stand-ins for the inputs of a body, and their storages in the order of their numbers."""
    storages: list[Storage] = []
    tensors = []
    for shape, strides, grad, item, number in given:
        if number == len(storages):
            storages.append(fresh(shape, False, item=item).storage)
        tensors.append(Tensor(shape, strides, storages[number], grad, item))
    return tensors, storages


def _result(
    body: Body,
    values: dict[int, Tensor],
    storages: list[Storage],
    tape: Tape,
    fixed: int,
    scaled: int,
) -> _Result:
    numbers = {storage: n for n, storage in enumerate(storages)}
    arrived = len(numbers)
    outputs: list[tuple[Sizes, Sizes, bool, int, int] | None] = []
    for v in output_values(body):
        y = values.get(v)
        if y is None:
            outputs.append(None)
            continue
        number = numbers.setdefault(y.storage, len(numbers))
        outputs.append((y.shape, y.strides, y.grad, y.item, number))
    saved = []
    for storage in tape.saved:
        known = numbers.get(storage)
        if known is not None:
            saved.append(known)
        elif storage.scales:
            scaled += storage.bytes
        else:
            fixed += storage.bytes
    made = [(storage.bytes, storage.scales) for storage in list(numbers)[arrived:]]
    return _Result(outputs, made, saved, fixed, scaled)

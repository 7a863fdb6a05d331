"""Every layer in its turn: the shapes that PyTorch's own operations give, in the order in which
they run, against the values of the graph. Layers that are functions in the emitted code have no
module that could be watched; their operations are seen here all the same.
"""

from __future__ import annotations

from collections import Counter
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from ..graph import Graph, Shape
from ..ops import Op
from .modules import plain, walk

SILENT = frozenset({"identity", "dropout", "drop_path"})
"""Layers that do nothing at inference: there is no operation to be seen."""

KINDS: dict[str, str] = {
    "conv": "convolution",
    "conv_transpose": "convolution",
    "batchnorm": "batch_norm",
    "instancenorm": "batch_norm",
    "relu": "relu.default",
    "sigmoid": "sigmoid.default",
    "tanh": "tanh.default",
    "scaled_tanh": "tanh.default",
}
"""What the operation of a layer has in its name. There must be as many as there are such layers;
those of the others may be anything."""


JOINS = {"sum": "add.Tensor", "concat": "cat.default"}
"""The operation of a `fuse`, by how it joins."""
PLAIN = frozenset(
    ["conv", "conv_transpose", "linear", "batchnorm", "relu", "relu6", "sigmoid", "tanh", "silu"]
    + ["gelu", "pool", "upsample", "flatten", "fuse", "dropout", "drop_path", "identity"]
)
"""Layers of which none adds or joins by itself; among these, joins are counted."""


class Step(NamedTuple):
    """One operation: its name, and the shapes of its results without the batch."""

    name: str
    shapes: tuple[Shape, ...]


class Steps(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Notes every operation that runs."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.seen: list[Step] = []

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        result = func(*args, **(kwargs or {}))
        parts = result if isinstance(result, (tuple, list)) else [result]
        shapes = tuple(tuple(t.shape[1:]) for t in parts if isinstance(t, Tensor))
        name = func.__name__
        if name == "add.Tensor" and not all(isinstance(a, Tensor) for a in args):
            name = "add.Scalar"  # where a sum begins: 0 + x
        self.seen.append(Step(name, shapes))
        return result


def steps(module: torch.nn.Module, xs: list[Tensor]) -> list[Step]:
    """The operations of one inference."""
    seen = Steps()
    with seen, torch.no_grad():
        module(*xs)
    return seen.seen


def in_order(graph: Graph, parts: list[bool], seen: list[Step]) -> tuple[int, str]:
    """How many layers of the graph were found, one after another, among the operations; and what
    was not, or not as often. `parts`: by node of the network's body, does it run at inference?"""
    at = found = 0
    skipping = ""
    due: Counter[str] = Counter()
    for path, index, n in walk(graph):
        body = graph.bodies[index]
        if index == len(graph.bodies) - 1:
            skipping = "" if parts[n] else path
        node = body.nodes[n]
        if skipping or node.op < 0 or _silent(graph, index, n):
            continue
        shape = plain(body.values[node.outputs[0]].shape)
        kind = KINDS.get(graph.ops[node.op].op, "")
        due[kind] += 1
        due.update(_joins(graph.ops[node.op], len(node.inputs)))
        while at < len(seen) and not (
            shape in seen[at].shapes and (not kind or _named(seen[at].name, kind))
        ):
            at += 1
        if at == len(seen):
            return found, f"{path or node.name}: no operation gives {list(shape)} in its turn"
        found += 1
        at += 1
    counted = dict.fromkeys(KINDS.values())
    if all(_is_plain(op) for op in graph.ops):
        counted |= dict.fromkeys(JOINS.values())
    for kind in counted:
        times = sum(_named(step.name, kind) for step in seen)
        if times != due[kind]:
            return found, f"{due[kind]} times {kind.partition('.')[0]}, in PyTorch {times}"
    return found, ""


def _joins(op: Op, values: int) -> dict[str, int]:
    """The operations that a `fuse` takes, by name."""
    by = getattr(op, "by", "") if op.op == "fuse" else ""
    if by == "sum":
        return {"add.Tensor": values - 1}
    return {"cat.default": 1} if by == "concat" else {}


def _is_plain(op: Op) -> bool:
    """It neither adds nor concatenates, or is a `fuse` that does so in the usual way."""
    if getattr(op, "pad", None) == "same" or getattr(op, "pad_mode", "zeros") != "zeros":
        return False
    return op.op in PLAIN and (op.op != "fuse" or getattr(op, "by", "") in JOINS)


def _named(name: str, kind: str) -> bool:
    """`relu.default` is no `leaky_relu.default`."""
    return name == kind or ("." not in kind and kind in name)


def _silent(graph: Graph, index: int, n: int) -> bool:
    """No operation stands for the node."""
    body = graph.bodies[index]
    node = body.nodes[n]
    op = graph.ops[node.op]
    if op.op in SILENT or (op.op == "fuse" and len(node.inputs) == 1):
        return True
    shape = body.values[node.inputs[0]].shape
    # nothing to flatten, cut off or split: the very tensor that came
    return plain(shape) == plain(body.values[node.outputs[0]].shape) and op.op in (
        "flatten",
        "crop",
        "pad",
        "split",
    )

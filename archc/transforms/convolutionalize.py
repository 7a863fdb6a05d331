"""`convolutionalize`: linear layers become convolutions, so a network takes any larger image and
gives a map of outputs, one for each window of the size that it was trained at. Long et al. 2015,
figure 2.

`flatten` goes; the linear layer after it becomes a convolution whose kernel is the whole map, those
after that become 1x1. A pool that left one place per channel becomes a window of stride 1.
"""

from __future__ import annotations

from typing import Any

from ..graph import Body, Graph, Shape, leaves
from ..ops import Op, operator
from .error import TransformError
from .rebuild import Rebuild, Rebuilt

ELEMENTWISE = frozenset(
    ["relu", "relu6", "leaky_relu", "elu", "gelu", "silu", "hardswish", "hardsigmoid", "sigmoid"]
    + ["tanh", "scaled_tanh", "softplus", "exp", "identity", "dropout", "drop_path"]
)
"""They do to each unit what they do to every other, wherever it stands."""
CHANNELWISE = frozenset(
    ["prelu", "batchnorm", "softmax", "maxout", "lrn", "scale", "fuse", "split", "layernorm"]
)
"""They treat features as they treat channels: the same where each channel is one feature."""


def convolutionalize(graph: Graph) -> Rebuilt:
    """Raises TransformError where a layer after `flatten` has no counterpart that moves on maps."""
    leading = [_leads_to_flatten(graph, body) for body in graph.bodies]
    known: dict[tuple[int, Any], Op] = {}

    def decide(index: int, n: int, shapes: list[Shape]) -> Op | None:
        body = graph.bodies[index]
        node = body.nodes[n]
        op = graph.ops[node.op]
        old = [body.values[v].shape for v in node.inputs]
        if op.op == "flatten":
            return None
        if op.op == "pool" and n in leading[index]:
            return _windowed(op, node.op, shapes[0], known)
        if len(old[0]) > 1 or len(shapes[0]) == 1:
            if len({len(x) for x in shapes}) > 1 and len({len(x) for x in old}) == 1:
                raise TransformError(f"`{node.name}` joins features with maps")
            return op
        if op.op == "linear":
            return _kept(known, node.op, shapes[0][1:], lambda: _convolution(op, shapes[0]))
        single = all(n == 1 for x in shapes for n in x[1:])
        if op.op in ELEMENTWISE or (op.op in CHANNELWISE and single):
            if op.op == "layernorm":
                return _kept(known, node.op, (), lambda: _over_channels(op))
            return op
        raise TransformError(f"`{node.name}`: `{op.op}` after `flatten` has no form over maps")

    return Rebuild(graph, decide).run()


def _kept(known: dict[tuple[int, Any], Op], number: int, key: Any, make: Any) -> Op:
    """The same operator for the same, so that equal blocks stay equal."""
    place = (number, tuple(int(n) for n in key))
    if place not in known:
        known[place] = make()
    return known[place]


def _convolution(op: Op, x: Shape) -> Op:
    """The convolution whose kernel covers the map that was flattened."""
    kernel = [int(n) for n in x[1:]]
    given = op.given()
    args: dict[str, Any] = {
        "channels": given.pop("features"),
        "kernel": kernel[0] if len(set(kernel)) == 1 else kernel,
        **given,
    }
    if isinstance(args.get("weight"), (tuple, list)):
        args["weight"] = [_shaped(row, (int(x[0]), *kernel)) for row in args["weight"]]
    return operator("conv").make(args)


def _shaped(row: Any, shape: tuple[int, ...]) -> Any:
    """A row of numbers as a nested list."""
    if len(shape) == 1:
        return list(row)
    part = len(row) // shape[0]
    return [_shaped(row[i * part : (i + 1) * part], shape[1:]) for i in range(shape[0])]


def _over_channels(op: Op) -> Op:
    return type(op).make({**op.given(), "over": "channels"})


def _windowed(op: Op, number: int, x: Shape, known: dict[tuple[int, Any], Op]) -> Op | None:
    """The pool with a window, where it divides the map; None where it does nothing."""
    sizes = [int(n) for n in x[1:]]
    target = getattr(op, "to", None) or (1,) * len(sizes)
    if getattr(op, "kernel", None) != "global" and getattr(op, "to", None) is None:
        return op  # it has a window
    if tuple(target) == tuple(sizes):
        return None
    if any(n % m for n, m in zip(sizes, target, strict=True)):
        return op  # windows of several sizes: this pool stays adaptive
    kernel = [n // m for n, m in zip(sizes, target, strict=True)]
    stride = [1 if m == 1 else k for k, m in zip(kernel, target, strict=True)]
    args: dict[str, Any] = {
        "kernel": kernel[0] if len(set(kernel)) == 1 else kernel,
        "stride": stride[0] if len(set(stride)) == 1 else stride,
        "by": getattr(op, "by", "max"),
    }
    return _kept(known, number, sizes, lambda: type(op).make(args))


def _leads_to_flatten(graph: Graph, body: Body) -> set[int]:
    """Pools whose result goes to a `flatten` and nowhere else, but for elementwise layers."""
    takers: dict[int, list[int]] = {}
    for n, node in enumerate(body.nodes):
        for v in node.inputs:
            takers.setdefault(v, []).append(n)
    for end in body.outputs:
        for v in leaves(end.value):
            takers.setdefault(v, []).append(-1)
    found = set()
    for n, node in enumerate(body.nodes):
        if node.op < 0 or graph.ops[node.op].op != "pool":
            continue
        after = takers.get(node.outputs[0], [])
        while len(after) == 1 and after[0] >= 0 and body.nodes[after[0]].op >= 0:
            following = body.nodes[after[0]]
            kind = graph.ops[following.op].op
            if kind == "flatten":
                found.add(n)
                break
            if kind not in ELEMENTWISE:
                break
            after = takers.get(following.outputs[0], [])
    return found

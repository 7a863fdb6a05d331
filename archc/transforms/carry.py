"""Weights of a transformed network, from those of the network that it was made of."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from ..graph import join
from ..ops import Op
from .rebuild import Rebuilt

State = Mapping[str, Any]
"""state_dict: tensors of any framework that has `reshape`, arithmetic and `rsqrt`."""


class Place(NamedTuple):
    """An operator with weights: its new and old path, its operator, the shape that reaches it, and
    the path and operator of a normalisation folded into it."""

    path: str
    old: str
    op: Op
    x: tuple[int, ...]
    norm: str = ""
    folded: Op | None = None


def carry(made: Rebuilt, state: State) -> dict[str, Any]:
    """The state_dict of the transformed network, in the order of its graph."""
    found: dict[str, Any] = {}
    for place in _places(made):
        shapes = {**place.op.weights(place.x), **place.op.buffers(place.x)}
        if place.folded is not None:
            for name, tensor in _folded(place, state).items():
                found[join(place.path, name)] = tensor.reshape(_plain(shapes[name]))
            continue
        for name, shape in shapes.items():
            found[join(place.path, name)] = state[join(place.old, name)].reshape(_plain(shape))
    return found


def _places(made: Rebuilt) -> Iterator[Place]:
    pending = [(len(made.graph.bodies) - 1, "", "", 0)]
    while pending:
        index, path, before, n = pending.pop()
        body = made.graph.bodies[index]
        if n == len(body.nodes):
            continue
        pending.append((index, path, before, n + 1))
        source, origins = made.origins[index]
        old = made.old.bodies[source]
        node, origin = body.nodes[n], origins[n]
        was = old.nodes[origin.node]
        here = join(path, node.module or node.name)
        there = join(before, was.module or was.name)
        if node.op < 0:
            pending.append((node.body, here, there, 0))
            continue
        op, x = made.graph.ops[node.op], body.values[node.inputs[0]].shape
        if origin.folded < 0:
            yield Place(here, there, op, x)
            continue
        norm = old.nodes[origin.folded]
        yield Place(
            here, there, op, x, join(before, norm.module or norm.name), made.old.ops[norm.op]
        )


def _folded(place: Place, state: State) -> dict[str, Any]:
    """Weight and bias of a layer whose normalisation is folded into it:
    (w x + b - mean) · s + shift = (s w) x + (b - mean) · s + shift, with s = scale / deviation."""
    weight = state[join(place.old, "weight")]
    mean, variance = (state[join(place.norm, f"running_{k}")] for k in ("mean", "var"))
    scale = (variance + getattr(place.folded, "eps")).rsqrt()  # noqa: B009
    shift = 0.0
    if join(place.norm, "weight") in state:
        scale = scale * state[join(place.norm, "weight")]
        shift = state[join(place.norm, "bias")]
    key = join(place.old, "bias")
    bias = (state[key] - mean if key in state else -mean) * scale + shift
    if place.op.op == "conv_transpose":
        groups = int(getattr(place.op, "groups"))  # noqa: B009
        inputs, outputs, *kernel = weight.shape
        grouped = weight.reshape(groups, inputs // groups, outputs, *kernel)
        return {
            "weight": grouped * scale.reshape(groups, 1, outputs, *(1 for _ in kernel)),
            "bias": bias,
        }
    return {"weight": weight * scale.reshape(-1, *(1 for _ in weight.shape[1:])), "bias": bias}


def _plain(shape: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(int(n) for n in shape)

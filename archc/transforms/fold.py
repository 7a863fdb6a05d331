"""`fold-batchnorm`: at inference, a batch normalisation is a factor and a shift per channel, which
the layer before it can have in its own weights."""

from __future__ import annotations

from typing import Any

from ..graph import Body, Graph, Shape, leaves
from ..ops import Op
from .rebuild import Rebuild, Rebuilt

HOSTS = ("conv", "conv_transpose", "linear")
"""Layers that a normalisation folds into."""
STARTS = ("weight", "bias", "init", "bias_init")
"""Arguments that say how weights start, which they no longer do."""


def fold_batchnorm(graph: Graph) -> Rebuilt:
    """Each batchnorm that alone takes the result of a convolution or linear layer becomes part of
    it. Others stay: after a sum or a pool there is no weight to fold into."""
    folds = {i: _pairs(graph, body) for i, body in enumerate(graph.bodies)}
    hosts: dict[int, Op] = {}

    def decide(index: int, n: int, shapes: list[Shape]) -> Op:
        number = graph.bodies[index].nodes[n].op
        op = graph.ops[number]
        if n not in folds[index]:
            return op
        if number not in hosts:
            hosts[number] = _with_bias(op)
        return hosts[number]

    return Rebuild(graph, decide, folds).run()


def _with_bias(op: Op) -> Op:
    given: dict[str, Any] = {k: v for k, v in op.given().items() if k not in STARTS}
    return type(op).make(given)


def _pairs(graph: Graph, body: Body) -> dict[int, int]:
    """Host -> batchnorm, by node."""
    takers: dict[int, list[int]] = {}
    for n, node in enumerate(body.nodes):
        for v in node.inputs:
            takers.setdefault(v, []).append(n)
    ends = {v for end in body.outputs for v in leaves(end.value)}
    pairs: dict[int, int] = {}
    for n, node in enumerate(body.nodes):
        if node.op < 0 or graph.ops[node.op].op not in HOSTS:
            continue
        result = node.outputs[0]
        after = takers.get(result, [])
        if len(after) == 1 and result not in ends and _folds(graph, body, after[0]):
            pairs[n] = after[0]
    return _agreed(body, pairs)


def _folds(graph: Graph, body: Body, n: int) -> bool:
    """Is it a batchnorm that keeps its statistics?"""
    number = body.nodes[n].op
    op = graph.ops[number] if number >= 0 else None
    return op is not None and op.op == "batchnorm" and op.count_buffers((1,)) > 0


def _agreed(body: Body, pairs: dict[int, int]) -> dict[int, int]:
    """Without pairs of shared modules of which one is also used apart, or with another partner."""
    paths = [node.module or node.name for node in body.nodes]
    partners: dict[str, set[str]] = {}
    back = {norm: host for host, norm in pairs.items()}
    for n, path in enumerate(paths):
        other = pairs.get(n, back.get(n, -1))
        partners.setdefault(path, set()).add(paths[other] if other >= 0 else "")
    return {
        host: norm
        for host, norm in pairs.items()
        if partners[paths[host]] == {paths[norm]} and partners[paths[norm]] == {paths[host]}
    }

"""Lints of the end of a network: what its last map sees, and what its loss expects."""

from __future__ import annotations

from ...graph import Node, leaves
from ...ops import Op
from ...source import Span
from ..measures import input_values, output_values
from ..rows import Place
from .scene import Scene

_AFTER = (
    "linear", "flatten", "dropout", "softmax", "batchnorm", "layernorm", "relu", "gelu", "silu",
    "hardswish", "tanh", "sigmoid", "conv", "identity",
)  # fmt: skip
"""What a classifier may have behind its global pooling."""


_DEEP = 4
"""Weight layers below which a network is a sketch, not a classifier."""


def small_field(scene: Scene) -> None:
    """W106: the units that a classifier averages do not see the whole image."""
    graph, walker = scene.graph, scene.report.walker
    if scene.report.depth < _DEEP:
        return
    for end in graph.main.outputs:
        if end.training or end.hidden or not isinstance(end.value, int):
            continue
        if len(graph.main.values[end.value].shape) > 1:
            continue
        found = _pooled(scene, end.value)
        if found is None:
            continue
        place, node = found
        seen, at = walker.figures(place, node.inputs[0]), scene.place(node)
        sizes = _input_sizes(scene)
        if seen is None or at is None or len(sizes) != len(seen.size):
            continue
        short = [(f, n) for f, n in zip(seen.size, sizes, strict=True) if f is not None and f < n]
        if short:
            what = " x ".join("all" if f is None else str(f) for f in seen.size)
            whole = " x ".join(map(str, sizes))
            message = f"the units averaged here see {what} of {whole}: none sees the whole image"
            help = "more layers, strides or dilation before it; or a smaller input"
            notes = () if scene.sizes is None else (scene.sizes,)
            scene.warn("W106", message, at, notes=notes, help=help)


def _input_sizes(scene: Scene) -> list[int]:
    """Spatial sizes of the input that receptive fields are over."""
    body, name = scene.graph.main, scene.report.receptive_source
    for end in body.inputs:
        for v in leaves(end.value):
            if len(body.values[v].shape) > 1:
                return [int(n) for n in body.values[v].shape[1:]] if name else []
    return []


def _pooled(scene: Scene, value: int) -> tuple[Place, Node] | None:
    """The global average pooling that a classifier's output rests on, and the body it stands in."""
    graph, walker = scene.graph, scene.report.walker
    place = walker.main_place()
    above: list[tuple[Place, Node]] = []
    while True:
        body = graph.bodies[place.index]
        made = body.values[value]
        if made.node < 0:
            if not above:
                return None
            inner = input_values(body).index(value)
            place, node = above.pop()
            value = node.inputs[inner]
            continue
        node = body.nodes[made.node]
        if node.op < 0:
            above.append((place, node))
            place = walker.called(place, made.node)
            value = output_values(graph.bodies[node.body])[made.port]
            continue
        op = graph.ops[node.op]
        if op.op == "pool" and getattr(op, "kernel", None) == "global":
            return (place, node) if getattr(op, "by", "") == "avg" else None
        # A convolution behind the pooling has one place left; before it, there is no pooling.
        flat = all(int(n) == 1 for n in body.values[node.inputs[0]].shape[1:])
        if op.op not in _AFTER or len(node.inputs) != 1 or not (flat or op.op == "flatten"):
            return None
        value = node.inputs[0]


def softmax_before_loss(scene: Scene) -> None:
    """W108: cross_entropy takes logits and has a softmax of its own."""
    outputs = [end for end in scene.graph.main.outputs if not end.hidden]
    for output, name, span in scene.losses:
        if name != "cross_entropy":
            continue
        for end in outputs:
            if output not in (None, end.name) or not isinstance(end.value, int):
                continue
            found = _last(scene, end.value)
            if found is None or found[1].op != "softmax":
                continue
            at = scene.place(found[0])
            if at is not None:
                _warn_softmax(scene, at, span)


def _warn_softmax(scene: Scene, at: Span, loss: Span) -> None:
    from ...diagnostics import Edit, Fix, Label

    fixes: tuple[Fix, ...] = ()
    ahead = at.source.text[: at.start].rstrip()
    if ahead.endswith("->") and ":" not in at.text:
        start = len(ahead[:-2].rstrip())
        edit = Edit(Span(at.source, start, at.end), "")
        fixes = (Fix("give logits (the network's results change)", (edit,)),)
    message = "softmax before cross_entropy, which has one of its own: gradients vanish"
    help = "let the network give logits; `softmax` is for reading them"
    also = (Label(loss, "takes logits"),)
    scene.warn("W108", message, at, also=also, help=help, fixes=fixes)


def _last(scene: Scene, value: int) -> tuple[Node, Op] | None:
    """The operator that makes an output of the network, inside of blocks too."""
    body = scene.graph.main
    while body.values[value].node >= 0:
        made = body.values[value]
        node = body.nodes[made.node]
        if node.op >= 0:
            return node, scene.graph.ops[node.op]
        body = scene.graph.bodies[node.body]
        value = output_values(body)[made.port]
    return None

"""Lints of neighbours: layers that undo or repeat what the one before them does."""

from __future__ import annotations

from math import prod

from ...diagnostics import Fix, Label
from ...graph import Node
from .scene import Scene, key_of, with_argument

_BIASED = ("conv", "conv_transpose", "linear")
_POINTWISE = (
    "relu", "relu6", "leaky_relu", "prelu", "elu", "gelu", "silu", "hardswish", "hardsigmoid",
    "sigmoid", "tanh", "scaled_tanh", "softplus", "identity", "flatten", "unflatten",
)  # fmt: skip
_LINEAR_BETWEEN = ("dropout", "identity", "flatten", "unflatten")


def bias_before_batchnorm(scene: Scene) -> None:
    """W102: batchnorm subtracts the mean, and the bias with it.

    The fix is safe only where every layer that the stage makes is followed by a batchnorm; `lint`
    sees to that, since it knows all networks.
    """
    moot: dict[int, Node] = {}
    for body, norm, _ in scene.nodes("batchnorm"):
        made = scene.maker(body, norm.inputs[0])
        if made is None or made[1].op not in _BIASED or made[0].module is not None:
            continue
        if getattr(made[1], "bias", None) is True:
            moot[id(made[0])] = norm
    for _, node, op in scene.nodes(*_BIASED):
        at = scene.place(node)
        if at is None:
            continue
        if id(node) not in moot:
            scene.needed.add(key_of(at))
            continue
        there = scene.place(moot[id(node)])
        also = () if there is None else (Label(there, "subtracts the mean, and the bias with it"),)
        edit = with_argument(at, op.op, "bias", "false")
        fixes = () if edit is None else (Fix("leave the bias out", (edit,), True),)
        help = "`bias=false` here, or in a `default` for all of them"
        message = f"the bias of `{op.op}` has no effect: a batchnorm follows"
        scene.warn("W102", message, at, also=also, help=help, fixes=fixes)


def collapsing_linear(scene: Scene) -> None:
    """W107: two linear layers with nothing nonlinear between them are one.

    A narrow layer in the middle is a factorisation on purpose where it saves weights.
    """
    for body, node, _ in scene.nodes("linear"):
        first = scene.before(body, node.inputs[0], _LINEAR_BETWEEN)
        at = scene.place(node)
        if at is None or first is None or first[1].op != "linear":
            continue
        width = int(body.values[first[0].inputs[0]].shape[0])
        middle, out = (int(body.values[n.outputs[0]].shape[0]) for n in (first[0], node))
        if middle * (width + out) < width * out:
            continue
        there = scene.place(first[0])
        also = () if there is None else (Label(there, "the first"),)
        message = "two linear layers with nothing nonlinear between them are one"
        help = f"put an activation between them, or write `linear({out})` alone"
        scene.warn("W107", message, at, "the second", also=also, help=help)


def dropout_before_batchnorm(scene: Scene) -> None:
    """W109: the variance that batchnorm learns with dropout is not that of evaluation."""
    for body, node, _ in scene.nodes("batchnorm"):
        found = scene.before(body, node.inputs[0], _POINTWISE)
        p = getattr(found[1], "p", 0) if found is not None and found[1].op == "dropout" else 0
        if found is None or p == 0:
            continue
        at = scene.place(found[0]) or scene.place(node)
        if at is None:
            continue
        norm = scene.place(node)
        also = () if norm is None or norm == at else (Label(norm, "averages what is left"),)
        message = "dropout before batchnorm: its averages are wrong in evaluation"
        note = f"in training, dropout multiplies the mean square of units by {_gain(p)}"
        help = "put the dropout behind the last batchnorm, or leave one of them out"
        scene.warn("W109", message, at, also=also, notes=(note,), help=help)


def _gain(p: float) -> str:
    return "anything" if p >= 1 else f"{1 / (1 - p):.3g}"


def heavy_linear(scene: Scene) -> None:
    """W112: one linear layer holds more than half of a convolutional network's parameters."""
    total = scene.report.params
    if total < _LARGE or not any(op.op == "conv" for op in scene.graph.ops):
        return
    for body, node, op in scene.nodes("linear"):
        x = tuple(int(n) for n in body.values[node.inputs[0]].shape)
        held = 0 if op.is_frozen else op.count_weights(x)
        at = scene.place(node)
        if 2 * held <= total or at is None:
            continue
        share = f"{100 * held / total:.0f}%"
        message = f"this layer holds {held:,} of {total:,} parameters ({share})"
        note = f"{prod(x):,} features x {op.given()['features']:,}"
        help = "`pool(global, by=avg)` before it takes the map to one place"
        scene.warn("W112", message, at, notes=(note,), help=help)


_LARGE = 1_000_000
"""Parameters below which it does not matter where they are."""

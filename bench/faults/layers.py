"""The operators of specs as PyTorch itself builds them, on tensors without numbers.

The signatures are written by hand from the language's reference: nothing of archc's operators,
shape rules or checks is used here, so PyTorch alone says whether a layer can be built and applied.
Shapes are without the batch, as in specs; inside, a batch of two goes through.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor, nn

from . import spatial
from .tensors import (
    Answer,
    RefusedError,
    Shape,
    applied,
    empty,
    fits,
    whole,
)


@dataclass(frozen=True)
class Made:
    """What a layer is and gives: equal descriptions are equal layers."""

    text: str
    outputs: tuple[Shape, ...]
    weights: int
    pooled: Shape | None = None


def apply(name: str, given: dict[str, Any], inputs: tuple[Shape, ...]) -> Made:
    """Build an operator and apply it to values of the given shapes. Raises RefusedError."""
    return _apply(name, tuple(sorted(given.items())), inputs)


@lru_cache(maxsize=200_000)
def _apply(name: str, given: tuple[tuple[str, Any], ...], inputs: tuple[Shape, ...]) -> Made:
    arguments = {"source" if key == "from" else key: value for key, value in given}
    try:
        values = [empty(shape) for shape in inputs]
        text, found, weights, pooled = OPERATORS[name](*values, **arguments)
    except (RuntimeError, ValueError, TypeError, IndexError, KeyError, OverflowError) as error:
        raise RefusedError(
            f"{name}: {str(error).splitlines()[0] if str(error) else error!r}"
        ) from None
    outputs = tuple(tuple(one.shape[1:]) for one in (found if isinstance(found, list) else [found]))
    if any(size < 1 for shape in outputs for size in shape):
        raise RefusedError(f"{name}: an empty output {outputs}")
    return Made(text, outputs, weights, pooled)


def parameters(name: str) -> list[str]:
    """The names that an operator's parameters have in specs."""
    found = [p for p in inspect.signature(OPERATORS[name]).parameters if p not in ("x", "xs")]
    return ["from" if p == "source" else p for p in found]


def _fuse(*xs: Tensor, by: Any = "sum") -> Answer:
    """By the reference: equal shapes, but for channels in `concat` and sizes of 1 in `product`."""
    if not xs:
        raise ValueError("nothing to fuse")
    if by == "concat":
        return "concat", torch.cat(xs, dim=1), 0, None
    if by not in ("sum", "product", "difference", "max", "mean"):
        raise ValueError(f"by={by}")
    if by == "product":
        if len({x.dim() for x in xs}) > 1:
            raise ValueError("ranks differ")
        return by, torch.broadcast_tensors(*xs)[0], 0, None
    if len({x.shape for x in xs}) > 1:
        raise ValueError(f"shapes differ: {[tuple(x.shape[1:]) for x in xs]}")
    return by, xs[0], 0, None


def _split(x: Tensor, parts: Any) -> Answer:
    whole(parts)
    if isinstance(parts, int):
        if x.shape[1] % parts:
            raise ValueError(f"{x.shape[1]} channels in {parts} parts")
        return f"split {parts}", list(x.chunk(parts, dim=1)), 0, None
    return f"split {parts}", list(x.split(list(parts), dim=1)), 0, None


def _channel_shuffle(x: Tensor, groups: Any) -> Answer:
    whole(groups)
    parts = x.unflatten(1, (groups, x.shape[1] // groups)).transpose(1, 2)
    return f"shuffle {groups}", parts.flatten(1, 2), 0, None


def _linear(
    x: Tensor,
    features: Any,
    over: Any = None,
    bias: Any = True,
    weight: Any = None,
    init: Any = None,
    bias_init: Any = None,
    frozen: Any = False,
) -> Answer:
    whole(features)
    more = (over, bias, weight, init, bias_init, frozen)
    if over == "channels":
        x = x.movedim(1, -1)
    elif x.dim() != 2:
        raise ValueError(f"a row of features is due, not {tuple(x.shape[1:])}")
    module = nn.Linear(x.shape[-1], features, bias=bias is not False, device="meta")
    fits(weight, tuple(module.weight.shape))
    text, out, weights, _ = applied(module, x, *more)
    return text, out.movedim(-1, 1) if over == "channels" else out, weights, None


def _rbf(
    x: Tensor, features: Any, weight: Any = None, init: Any = None, frozen: Any = False
) -> Answer:
    if x.dim() != 2:
        raise ValueError(f"a row of features is due, not {tuple(x.shape[1:])}")
    module = nn.Linear(x.shape[1], features, bias=False, device="meta")
    fits(weight, tuple(module.weight.shape))
    return applied(module, x, "rbf", weight, init, frozen)


def _flatten(x: Tensor) -> Answer:
    return applied(nn.Flatten(), x)


def _unflatten(x: Tensor, shape: Any) -> Answer:
    if x.dim() != 2:
        raise ValueError("not a row")
    return applied(nn.Unflatten(1, tuple(shape)), x)


def _batchnorm(
    x: Tensor,
    eps: Any = 1e-05,
    momentum: Any = 0.1,
    affine: Any = True,
    track_stats: Any = True,
    init: Any = None,
    bias_init: Any = None,
    frozen: Any = False,
) -> Answer:
    cls = {2: nn.BatchNorm1d, 3: nn.BatchNorm1d, 4: nn.BatchNorm2d, 5: nn.BatchNorm3d}[x.dim()]
    rate = None if momentum == "cumulative" else momentum
    module = cls(x.shape[1], eps, rate, affine, track_stats, device="meta")
    return applied(module, x, init, bias_init, frozen)


def _layernorm(
    x: Tensor,
    over: Any = "all",
    eps: Any = 1e-05,
    affine: Any = True,
    init: Any = None,
    bias_init: Any = None,
    frozen: Any = False,
) -> Answer:
    more = (over, init, bias_init, frozen)
    if over == "channels":
        x = x.movedim(1, -1)
    elif over != "all":
        raise ValueError(f"over={over}")
    shape = x.shape[-1:] if over == "channels" else x.shape[1:]
    module = nn.LayerNorm(tuple(shape), eps, affine, device="meta")
    text, out, weights, _ = applied(module, x, *more)
    return text, out.movedim(-1, 1) if over == "channels" else out, weights, None


def _groupnorm(
    x: Tensor,
    groups: Any,
    eps: Any = 1e-05,
    affine: Any = True,
    init: Any = None,
    bias_init: Any = None,
    frozen: Any = False,
) -> Answer:
    return applied(nn.GroupNorm(groups, x.shape[1], eps, affine, device="meta"), x)


def _lrn(x: Tensor, size: Any, alpha: Any = 0.0001, beta: Any = 0.75, k: Any = 1) -> Answer:
    whole(size)
    return applied(nn.LocalResponseNorm(size, alpha, beta, k), x)


def _dropout(x: Tensor, p: Any = 0.5, by: Any = "element") -> Answer:
    channels = {3: nn.Dropout1d, 4: nn.Dropout2d, 5: nn.Dropout3d}
    return applied(channels[x.dim()](p) if by == "channel" else nn.Dropout(p), x, by)


def _drop_path(x: Tensor, p: Any) -> Answer:
    return f"drop_path {nn.Dropout(p)}", x, 0, None


def _scale(x: Tensor, init: Any = None, frozen: Any = False) -> Answer:
    return repr(("scale", init, frozen)), x, x.shape[1], None


def _prelu(x: Tensor, per: Any = "layer", init: Any = None, frozen: Any = False) -> Answer:
    return applied(nn.PReLU(x.shape[1] if per == "channel" else 1, device="meta"), x, init, frozen)


def _maxout(x: Tensor, pieces: Any = 2) -> Answer:
    whole(pieces)
    out = x.unflatten(1, (x.shape[1] // pieces, pieces)).amax(2)
    return f"maxout {pieces}", out, 0, None


def _elementwise(name: str, *names: str) -> Callable[..., Answer]:
    """A function of each unit with the named parameters."""

    def run(x: Tensor, *args: Any, **kwargs: Any) -> Answer:
        return repr((name, args, sorted(kwargs.items()))), x, 0, None

    parameters = [
        inspect.Parameter(n, inspect.Parameter.POSITIONAL_OR_KEYWORD) for n in ("x", *names)
    ]
    run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    return run


OPERATORS: dict[str, Callable[..., Answer]] = {
    "conv": spatial.conv,
    "conv_transpose": spatial.conv_transpose,
    "locally_connected": spatial.locally_connected,
    "pool": spatial.pool,
    "unpool": spatial.unpool,
    "roi_align": spatial.roi_align,
    "upsample": spatial.upsample,
    "pad": spatial.border,
    "crop": spatial.crop,
    "fuse": _fuse,
    "split": _split,
    "channel_shuffle": _channel_shuffle,
    "linear": _linear,
    "rbf": _rbf,
    "flatten": _flatten,
    "unflatten": _unflatten,
    "batchnorm": _batchnorm,
    "layernorm": _layernorm,
    "groupnorm": _groupnorm,
    "lrn": _lrn,
    "dropout": _dropout,
    "drop_path": _drop_path,
    "scale": _scale,
    "prelu": _prelu,
    "maxout": _maxout,
    "identity": _elementwise("identity"),
    "elu": _elementwise("elu", "alpha"),
    "leaky_relu": _elementwise("leaky_relu", "slope"),
    "gelu": _elementwise("gelu", "approximate"),
    "softmax": _elementwise("softmax", "over"),
    "softplus": _elementwise("softplus", "beta", "threshold"),
    "scaled_tanh": _elementwise("scaled_tanh", "amplitude", "slope"),
    **{
        name: _elementwise(name)
        for name in (
            "relu", "relu6", "silu", "hardswish", "hardsigmoid", "sigmoid", "tanh", "exp"
        )
    },
}  # fmt: skip
"""By the language's reference; `pixel_shuffle` and `instancenorm` stand in no spec."""
INITIALISERS = frozenset(
    [
        "zeros",
        "ones",
        "constant",
        "normal",
        "trunc_normal",
        "uniform",
        "xavier_uniform",
        "xavier_normal",
        "kaiming_uniform",
        "kaiming_normal",
        "orthogonal",
        "dirac",
        "bilinear",
    ]
)
TAKES_WORDS: dict[str, frozenset[str]] = {
    "pad": frozenset(["valid", "half", "full", "same"]),
    "by": frozenset(
        [
            "max",
            "avg",
            "sum",
            "concat",
            "product",
            "difference",
            "mean",
            "nearest",
            "linear",
            "bilinear",
            "trilinear",
            "bicubic",
            "zeros",
            "reflect",
            "replicate",
            "circular",
            "element",
            "channel",
        ]
    ),
    "kernel": frozenset(["global"]),
    "over": frozenset(["channels", "places", "all"]),
    "pad_mode": frozenset(["zeros", "reflect", "replicate", "circular"]),
    "per": frozenset(["layer", "channel"]),
    "momentum": frozenset(["cumulative"]),
    "approximate": frozenset(["none", "tanh"]),
    "init": INITIALISERS,
    "bias_init": INITIALISERS,
}
"""Which words may stand for which parameter."""

"""The operators of specs as PyTorch itself builds them, on tensors that have shapes and no numbers.

The signatures are written by hand from the language's reference: nothing of archc's operators, shape
rules or checks is used here, so PyTorch alone says whether a layer can be built and applied.
Shapes are without the batch, as in specs; inside, a batch of two goes through.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

Shape = tuple[int, ...]
BATCH = 2  # batch normalisation of one place needs more than one sample


class RefusedError(Exception):
    """A layer cannot be built, or not be applied to what arrives."""


@dataclass(frozen=True)
class Ref:
    """A value given as an argument: `crop(to=v)`, `unpool(from=v)`."""

    shape: Shape
    pooled: Shape | None
    """What came into the max pool that made it."""
    key: int = field(default=0, compare=False)
    """Which value it is."""


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
        values = [_empty(shape) for shape in inputs]
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


Answer = tuple[str, "Tensor | list[Tensor]", int, "Shape | None"]


def _empty(shape: Shape) -> Tensor:
    return torch.empty((BATCH, *shape), device="meta")


def _of(module: nn.Module, x: Tensor, *more: Any, pooled: Shape | None = None) -> Answer:
    """A module, applied."""
    count = sum(p.numel() for p in module.parameters())
    return repr((module, more)), module(x), count, pooled


def _axes(x: Tensor) -> int:
    axes = x.dim() - 2
    if axes not in (1, 2, 3):
        raise ValueError(f"a map is due, not {tuple(x.shape[1:])}")
    return axes


def _per_axis(value: Any, axes: int) -> tuple[Any, ...]:
    found = tuple(value) if isinstance(value, Sequence) else (value,) * axes
    if len(found) != axes:
        raise ValueError(f"{value} for {axes} axes")
    return found


def _whole(*values: Any) -> None:
    """PyTorch takes a channel count of 0 and lets some wrong types pass until later."""
    for value in values:
        for one in value if isinstance(value, Sequence) else (value,):
            if isinstance(one, bool) or not isinstance(one, int) or one < 1:
                raise ValueError(f"{one!r} where a count is due")


def _sides(pad: Any, kernel: Any, stride: Any, dilation: Any, x: Tensor) -> list[tuple[int, int]]:
    """(before, after) per axis of a border as specs write it."""
    axes = _axes(x)
    kernels, dilations = _per_axis(kernel, axes), _per_axis(dilation, axes)
    if pad == "valid":
        return [(0, 0)] * axes
    if pad == "half":
        return [(d * (k // 2),) * 2 for k, d in zip(kernels, dilations, strict=True)]
    if pad == "full":
        return [(d * (k - 1),) * 2 for k, d in zip(kernels, dilations, strict=True)]
    if pad == "same":
        found = []
        for n, k, s, d in zip(
            x.shape[2:], kernels, _per_axis(stride, axes), dilations, strict=True
        ):
            total = max(0, (-(-n // s) - 1) * s + d * (k - 1) + 1 - n)
            found.append((total // 2, total - total // 2))
        return found
    if isinstance(pad, str):
        raise ValueError(f"pad={pad}")
    return [_per_axis(p, 2) for p in _per_axis(pad, axes)]


def _bordered(x: Tensor, sides: list[tuple[int, int]], value: float = 0) -> tuple[Tensor, Any]:
    """The border that a layer adds by itself, after F.pad did what is not the same on both sides."""
    if any(lo < 0 or hi < 0 for lo, hi in sides):
        raise ValueError("a negative border")
    if all(lo == hi for lo, hi in sides):
        return x, tuple(lo for lo, _ in sides)
    flat = [side for pair in reversed(sides) for side in pair]
    return F.pad(x, flat, value=value), 0


def _given(weight: Any, due: Shape) -> None:
    """Weights that a spec gives must be a tensor of the layer's shape, or one number for all."""
    if weight is not None and not isinstance(weight, (int, float)):
        found = tuple(torch.tensor(weight).shape)
        if found != due:
            raise ValueError(f"weights of {found} where {due} is due")


def _conv(x, channels, kernel, stride=1, pad=0, dilation=1, groups=1, pad_mode="zeros", bias=True,
          weight=None, init=None, bias_init=None, frozen=False):  # fmt: skip
    axes = _axes(x)
    _whole(channels, kernel, stride, dilation, groups)
    sides = _sides(pad, kernel, stride, dilation, x)
    x, border = _bordered(x, sides)
    cls = (nn.Conv1d, nn.Conv2d, nn.Conv3d)[axes - 1]
    module = cls(
        x.shape[1], channels, _per_axis(kernel, axes), _per_axis(stride, axes), border,
        _per_axis(dilation, axes), groups, bias=bias is not False, padding_mode=pad_mode,
        device="meta",
    )  # fmt: skip
    _given(weight, tuple(module.weight.shape))
    if isinstance(bias, tuple):
        _given(bias, (channels,))
    return _of(module, x, sides, bias, weight, init, bias_init, frozen)


def _conv_transpose(x, channels, kernel, stride=1, pad=0, output_pad=0, dilation=1, groups=1,
                    bias=True, weight=None, init=None, bias_init=None, frozen=False):  # fmt: skip
    axes = _axes(x)
    _whole(channels, kernel, stride, dilation, groups)
    sides = _sides(pad, kernel, stride, dilation, x)
    border = tuple(lo for lo, _ in sides)
    cls = (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)[axes - 1]
    module = cls(
        x.shape[1], channels, _per_axis(kernel, axes), _per_axis(stride, axes), border,
        _per_axis(output_pad, axes), groups, bias is not False, _per_axis(dilation, axes),
        device="meta",
    )  # fmt: skip
    _given(weight, tuple(module.weight.shape))
    return _of(module, x, sides, weight, init, bias_init, frozen)


def _locally_connected(x, channels, kernel, stride=1, pad=0, bias=True, weight=None, init=None,
                       bias_init=None, frozen=False):  # fmt: skip
    text, out, weights, _ = _conv(x, channels, kernel, stride, pad, bias=bias)
    places = out.shape[2:].numel()
    return f"local {text} {(weight, init, bias_init, frozen)}", out, weights * places, None


def _pool(x, kernel=None, stride=None, pad=0, dilation=1, ceil=False, by="max", to=None,
          count_pad=None):  # fmt: skip
    axes = _axes(x)
    if by not in ("max", "avg", "sum"):
        raise ValueError(f"by={by}")
    pooled = tuple(x.shape[1:])
    if (kernel is None) == (to is None):
        raise ValueError("kernel or to")
    if kernel == "global" or to is not None:
        if to is not None:
            _whole(to)
        size = (1,) * axes if to is None else _per_axis(to, axes)
        average = (nn.AdaptiveAvgPool1d, nn.AdaptiveAvgPool2d, nn.AdaptiveAvgPool3d)[axes - 1]
        highest = (nn.AdaptiveMaxPool1d, nn.AdaptiveMaxPool2d, nn.AdaptiveMaxPool3d)[axes - 1]
        return _of((highest if by == "max" else average)(size), x, by)
    _whole(kernel, dilation)
    windows = _per_axis(kernel, axes)
    steps = windows if stride is None else _per_axis(stride, axes)
    _whole(steps)
    sides = _sides(pad, kernel, steps, dilation, x)
    x, border = _bordered(x, sides, float("-inf") if by == "max" else 0)
    if by == "max":
        cls = (nn.MaxPool1d, nn.MaxPool2d, nn.MaxPool3d)[axes - 1]
        module = cls(windows, steps, border, _per_axis(dilation, axes), ceil_mode=ceil)
        return _of(module, x, sides, pooled=pooled)
    cls = (nn.AvgPool1d, nn.AvgPool2d, nn.AvgPool3d)[axes - 1]
    module = cls(windows, steps, border, ceil, count_pad is not False)
    return _of(module, x, sides, by)


def _unpool(x, kernel=2, stride=None, pad=0, source=None):
    axes = _axes(x)
    if source is None or source.pooled is None:
        raise ValueError("`from` is no max pool")
    where = torch.empty((BATCH, *source.shape), dtype=torch.int64, device="meta")
    undo = (F.max_unpool1d, F.max_unpool2d, F.max_unpool3d)[axes - 1]
    if tuple(x.shape[1:]) != source.shape:
        raise ValueError(f"{tuple(x.shape[1:])} where the pool gave {source.shape}")
    out = undo(x, where, kernel, stride, pad, output_size=source.pooled[1:])
    return repr(("unpool", kernel, stride, pad, out.shape)), out, 0, None


def _roi_align(x, boxes, to, stride, samples=2):
    _whole(to, stride, samples)
    if _axes(x) != 2 or len(boxes.shape) != 2 or boxes.shape[1] != 4:
        raise ValueError(f"boxes of {boxes.shape}")
    out = _empty((x.shape[1], *_per_axis(to, 2)))
    return repr(("roi_align", boxes.shape, to, stride, samples)), out, 0, None


def _size(to: Any, x: Tensor) -> tuple[int, ...]:
    """The size that `to` asks for: another value's, or a list."""
    if isinstance(to, Ref):
        if len(to.shape) != x.dim() - 1:
            raise ValueError(f"the size of {to.shape}")
        return to.shape[1:]
    return _per_axis(to, _axes(x))


def _upsample(x, factor=None, to=None, by="nearest", align_corners=False):
    if (factor is None) == (to is None):
        raise ValueError("factor or to")
    flag = align_corners if by != "nearest" else None
    if to is not None:
        return _of(nn.Upsample(_size(to, x), mode=by, align_corners=flag), x)
    factors = tuple(float(f) for f in _per_axis(factor, _axes(x)))
    if min(factors) <= 0:
        raise ValueError(f"factor {factor}")
    return _of(nn.Upsample(scale_factor=factors, mode=by, align_corners=flag), x)


def _pad(x, amounts=None, to=None, by="zeros", value=0, over=None):
    if (amounts is None) == (to is None):
        raise ValueError("amounts or to")
    if over == "channels":
        sides = [_per_axis(amounts, 2)] + [(0, 0)] * _axes(x)
    elif to is not None:
        gaps = [m - n for n, m in zip(x.shape[2:], _size(to, x), strict=True)]
        sides = [(0, 0), *((gap // 2, gap - gap // 2) for gap in gaps)]
    else:
        sides = [(0, 0), *(_per_axis(a, 2) for a in _per_axis(amounts, _axes(x)))]
    if min(min(pair) for pair in sides) < 0:
        raise ValueError(f"a negative border {sides}")
    out = F.pad(x, [side for pair in reversed(sides) for side in pair])
    return repr(("pad", sides, by, value)), out, 0, None


def _crop(x, amounts=None, to=None, at=None):
    if (amounts is None) == (to is None) or (at is not None and to is None):
        raise ValueError("amounts or to")
    sizes = x.shape[2:]
    if to is not None:
        kept = _size(to, x)
        middle = tuple((n - m) // 2 for n, m in zip(sizes, kept, strict=True))
        starts = middle if at is None else _per_axis(at, _axes(x))
    else:
        sides = [_per_axis(a, 2) for a in _per_axis(amounts, _axes(x))]
        starts = tuple(lo for lo, _ in sides)
        kept = tuple(n - lo - hi for n, (lo, hi) in zip(sizes, sides, strict=True))
    for axis, (start, size) in enumerate(zip(starts, kept, strict=True)):
        if start < 0:
            raise ValueError(f"a crop from {start}")
        x = x.narrow(axis + 2, start, size)
    return repr(("crop", starts, kept)), x, 0, None


def _fuse(*xs, by="sum"):
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


def _split(x, parts):
    _whole(parts)
    if isinstance(parts, int):
        if x.shape[1] % parts:
            raise ValueError(f"{x.shape[1]} channels in {parts} parts")
        return f"split {parts}", list(x.chunk(parts, dim=1)), 0, None
    return f"split {parts}", list(x.split(list(parts), dim=1)), 0, None


def _channel_shuffle(x, groups):
    return (
        _of(nn.ChannelShuffle(groups), x.new_empty(x.shape)) if groups < 1 else _shuffled(x, groups)
    )


def _shuffled(x: Tensor, groups: int) -> Answer:
    parts = x.unflatten(1, (groups, x.shape[1] // groups)).transpose(1, 2)
    return f"shuffle {groups}", parts.flatten(1, 2), 0, None


def _linear(x, features, over=None, bias=True, weight=None, init=None, bias_init=None,
            frozen=False):  # fmt: skip
    _whole(features)
    more = (over, bias, weight, init, bias_init, frozen)
    if over == "channels":
        x = x.movedim(1, -1)
    elif x.dim() != 2:
        raise ValueError(f"a row of features is due, not {tuple(x.shape[1:])}")
    module = nn.Linear(x.shape[-1], features, bias=bias is not False, device="meta")
    _given(weight, tuple(module.weight.shape))
    text, out, weights, _ = _of(module, x, *more)
    return text, out.movedim(-1, 1) if over == "channels" else out, weights, None


def _rbf(x, features, weight=None, init=None, frozen=False):
    if x.dim() != 2:
        raise ValueError(f"a row of features is due, not {tuple(x.shape[1:])}")
    module = nn.Linear(x.shape[1], features, bias=False, device="meta")
    _given(weight, tuple(module.weight.shape))
    return _of(module, x, "rbf", weight, init, frozen)


def _flatten(x):
    return _of(nn.Flatten(), x)


def _unflatten(x, shape):
    if x.dim() != 2:
        raise ValueError("not a row")
    return _of(nn.Unflatten(1, tuple(shape)), x)


def _batchnorm(x, eps=1e-5, momentum=0.1, affine=True, track_stats=True, init=None,
               bias_init=None, frozen=False):  # fmt: skip
    cls = {2: nn.BatchNorm1d, 3: nn.BatchNorm1d, 4: nn.BatchNorm2d, 5: nn.BatchNorm3d}[x.dim()]
    rate = None if momentum == "cumulative" else momentum
    module = cls(x.shape[1], eps, rate, affine, track_stats, device="meta")
    return _of(module, x, init, bias_init, frozen)


def _layernorm(x, over="all", eps=1e-5, affine=True, init=None, bias_init=None, frozen=False):
    more = (over, init, bias_init, frozen)
    if over == "channels":
        x = x.movedim(1, -1)
    elif over != "all":
        raise ValueError(f"over={over}")
    shape = x.shape[-1:] if over == "channels" else x.shape[1:]
    module = nn.LayerNorm(tuple(shape), eps, affine, device="meta")
    text, out, weights, _ = _of(module, x, *more)
    return text, out.movedim(-1, 1) if over == "channels" else out, weights, None


def _groupnorm(x, groups, eps=1e-5, affine=True, init=None, bias_init=None, frozen=False):
    return _of(nn.GroupNorm(groups, x.shape[1], eps, affine, device="meta"), x)


def _lrn(x, size, alpha=1e-4, beta=0.75, k=1):
    _whole(size)
    return _of(nn.LocalResponseNorm(size, alpha, beta, k), x)


def _dropout(x, p=0.5, by="element"):
    channels = {3: nn.Dropout1d, 4: nn.Dropout2d, 5: nn.Dropout3d}
    return _of(channels[x.dim()](p) if by == "channel" else nn.Dropout(p), x, by)


def _drop_path(x, p):
    return f"drop_path {nn.Dropout(p)}", x, 0, None


def _scale(x, init=None, frozen=False):
    return repr(("scale", init, frozen)), x, x.shape[1], None


def _prelu(x, per="layer", init=None, frozen=False):
    return _of(nn.PReLU(x.shape[1] if per == "channel" else 1, device="meta"), x, init, frozen)


def _maxout(x, pieces=2):
    _whole(pieces)
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
    "conv": _conv,
    "conv_transpose": _conv_transpose,
    "locally_connected": _locally_connected,
    "pool": _pool,
    "unpool": _unpool,
    "roi_align": _roi_align,
    "upsample": _upsample,
    "pad": _pad,
    "crop": _crop,
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

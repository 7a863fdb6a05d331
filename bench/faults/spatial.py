"""Operators over places: convolutions, pools, changes of size."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .tensors import (
    BATCH,
    Answer,
    Ref,
    applied,
    empty,
    fits,
    per_axis,
    rank,
    whole,
)


def _sides(pad: Any, kernel: Any, stride: Any, dilation: Any, x: Tensor) -> list[tuple[int, int]]:
    """(before, after) per axis of a border as specs write it."""
    axes = rank(x)
    kernels, dilations = per_axis(kernel, axes), per_axis(dilation, axes)
    if pad == "valid":
        return [(0, 0)] * axes
    if pad == "half":
        return [(d * (k // 2),) * 2 for k, d in zip(kernels, dilations, strict=True)]
    if pad == "full":
        return [(d * (k - 1),) * 2 for k, d in zip(kernels, dilations, strict=True)]
    if pad == "same":
        found = []
        for n, k, s, d in zip(x.shape[2:], kernels, per_axis(stride, axes), dilations, strict=True):
            total = max(0, (-(-n // s) - 1) * s + d * (k - 1) + 1 - n)
            found.append((total // 2, total - total // 2))
        return found
    if isinstance(pad, str):
        raise ValueError(f"pad={pad}")
    return [per_axis(p, 2) for p in per_axis(pad, axes)]


def _bordered(x: Tensor, sides: list[tuple[int, int]], value: float = 0) -> tuple[Tensor, Any]:
    """The border that a layer adds by itself, after F.pad did one that differs by side."""
    if any(lo < 0 or hi < 0 for lo, hi in sides):
        raise ValueError("a negative border")
    if all(lo == hi for lo, hi in sides):
        return x, tuple(lo for lo, _ in sides)
    flat = [side for pair in reversed(sides) for side in pair]
    return F.pad(x, flat, value=value), 0


def conv(
    x: Tensor,
    channels: Any,
    kernel: Any,
    stride: Any = 1,
    pad: Any = 0,
    dilation: Any = 1,
    groups: Any = 1,
    pad_mode: Any = "zeros",
    bias: Any = True,
    weight: Any = None,
    init: Any = None,
    bias_init: Any = None,
    frozen: Any = False,
) -> Answer:
    axes = rank(x)
    whole(channels, kernel, stride, dilation, groups)
    sides = _sides(pad, kernel, stride, dilation, x)
    x, border = _bordered(x, sides)
    cls = (nn.Conv1d, nn.Conv2d, nn.Conv3d)[axes - 1]
    module = cls(
        x.shape[1], channels, per_axis(kernel, axes), per_axis(stride, axes), border,
        per_axis(dilation, axes), groups, bias=bias is not False, padding_mode=pad_mode,
        device="meta",
    )  # fmt: skip
    fits(weight, tuple(module.weight.shape))
    if isinstance(bias, tuple):
        fits(bias, (channels,))
    return applied(module, x, sides, bias, weight, init, bias_init, frozen)


def conv_transpose(
    x: Tensor,
    channels: Any,
    kernel: Any,
    stride: Any = 1,
    pad: Any = 0,
    output_pad: Any = 0,
    dilation: Any = 1,
    groups: Any = 1,
    bias: Any = True,
    weight: Any = None,
    init: Any = None,
    bias_init: Any = None,
    frozen: Any = False,
) -> Answer:
    axes = rank(x)
    whole(channels, kernel, stride, dilation, groups)
    sides = _sides(pad, kernel, stride, dilation, x)
    border = tuple(lo for lo, _ in sides)
    cls = (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)[axes - 1]
    module = cls(
        x.shape[1], channels, per_axis(kernel, axes), per_axis(stride, axes), border,
        per_axis(output_pad, axes), groups, bias is not False, per_axis(dilation, axes),
        device="meta",
    )  # fmt: skip
    fits(weight, tuple(module.weight.shape))
    return applied(module, x, sides, weight, init, bias_init, frozen)


def locally_connected(
    x: Tensor,
    channels: Any,
    kernel: Any,
    stride: Any = 1,
    pad: Any = 0,
    bias: Any = True,
    weight: Any = None,
    init: Any = None,
    bias_init: Any = None,
    frozen: Any = False,
) -> Answer:
    text, out, weights, _ = conv(x, channels, kernel, stride, pad, bias=bias)
    places = out.shape[2:].numel()
    return f"local {text} {(weight, init, bias_init, frozen)}", out, weights * places, None


def pool(
    x: Tensor,
    kernel: Any = None,
    stride: Any = None,
    pad: Any = 0,
    dilation: Any = 1,
    ceil: Any = False,
    by: Any = "max",
    to: Any = None,
    count_pad: Any = None,
) -> Answer:
    axes = rank(x)
    if by not in ("max", "avg", "sum"):
        raise ValueError(f"by={by}")
    pooled = tuple(x.shape[1:])
    if (kernel is None) == (to is None):
        raise ValueError("kernel or to")
    if kernel == "global" or to is not None:
        if to is not None:
            whole(to)
        size = (1,) * axes if to is None else per_axis(to, axes)
        average = (nn.AdaptiveAvgPool1d, nn.AdaptiveAvgPool2d, nn.AdaptiveAvgPool3d)[axes - 1]
        highest = (nn.AdaptiveMaxPool1d, nn.AdaptiveMaxPool2d, nn.AdaptiveMaxPool3d)[axes - 1]
        return applied((highest if by == "max" else average)(size), x, by)
    whole(kernel, dilation)
    windows = per_axis(kernel, axes)
    steps = windows if stride is None else per_axis(stride, axes)
    whole(steps)
    sides = _sides(pad, kernel, steps, dilation, x)
    x, border = _bordered(x, sides, float("-inf") if by == "max" else 0)
    if by == "max":
        cls = (nn.MaxPool1d, nn.MaxPool2d, nn.MaxPool3d)[axes - 1]
        module = cls(windows, steps, border, per_axis(dilation, axes), ceil_mode=ceil)
        return applied(module, x, sides, pooled=pooled)
    cls = (nn.AvgPool1d, nn.AvgPool2d, nn.AvgPool3d)[axes - 1]
    module = cls(windows, steps, border, ceil, count_pad is not False)
    return applied(module, x, sides, by)


def unpool(
    x: Tensor, kernel: Any = 2, stride: Any = None, pad: Any = 0, source: Any = None
) -> Answer:
    axes = rank(x)
    if source is None or source.pooled is None:
        raise ValueError("`from` is no max pool")
    where = torch.empty((BATCH, *source.shape), dtype=torch.int64, device="meta")
    undo = (F.max_unpool1d, F.max_unpool2d, F.max_unpool3d)[axes - 1]
    if tuple(x.shape[1:]) != source.shape:
        raise ValueError(f"{tuple(x.shape[1:])} where the pool gave {source.shape}")
    out = undo(x, where, kernel, stride, pad, output_size=source.pooled[1:])
    return repr(("unpool", kernel, stride, pad, out.shape)), out, 0, None


def roi_align(x: Tensor, boxes: Any, to: Any, stride: Any, samples: Any = 2) -> Answer:
    whole(to, stride, samples)
    if rank(x) != 2 or len(boxes.shape) != 2 or boxes.shape[1] != 4:
        raise ValueError(f"boxes of {boxes.shape}")
    out = empty((x.shape[1], *per_axis(to, 2)))
    return repr(("roi_align", boxes.shape, to, stride, samples)), out, 0, None


def _size(to: Any, x: Tensor) -> tuple[int, ...]:
    """The size that `to` asks for: another value's, or a list."""
    if isinstance(to, Ref):
        if len(to.shape) != x.dim() - 1:
            raise ValueError(f"the size of {to.shape}")
        return to.shape[1:]
    return per_axis(to, rank(x))


def upsample(
    x: Tensor, factor: Any = None, to: Any = None, by: Any = "nearest", align_corners: Any = False
) -> Answer:
    if (factor is None) == (to is None):
        raise ValueError("factor or to")
    flag = align_corners if by != "nearest" else None
    if to is not None:
        return applied(nn.Upsample(_size(to, x), mode=by, align_corners=flag), x)
    factors = tuple(float(f) for f in per_axis(factor, rank(x)))
    if min(factors) <= 0:
        raise ValueError(f"factor {factor}")
    return applied(nn.Upsample(scale_factor=factors, mode=by, align_corners=flag), x)


def border(
    x: Tensor,
    amounts: Any = None,
    to: Any = None,
    by: Any = "zeros",
    value: Any = 0,
    over: Any = None,
) -> Answer:
    if (amounts is None) == (to is None):
        raise ValueError("amounts or to")
    if over == "channels":
        sides = [per_axis(amounts, 2)] + [(0, 0)] * rank(x)
    elif to is not None:
        gaps = [m - n for n, m in zip(x.shape[2:], _size(to, x), strict=True)]
        sides = [(0, 0), *((gap // 2, gap - gap // 2) for gap in gaps)]
    else:
        sides = [(0, 0), *(per_axis(a, 2) for a in per_axis(amounts, rank(x)))]
    if min(min(pair) for pair in sides) < 0:
        raise ValueError(f"a negative border {sides}")
    out = F.pad(x, [side for pair in reversed(sides) for side in pair])
    return repr(("pad", sides, by, value)), out, 0, None


def crop(x: Tensor, amounts: Any = None, to: Any = None, at: Any = None) -> Answer:
    if (amounts is None) == (to is None) or (at is not None and to is None):
        raise ValueError("amounts or to")
    sizes = x.shape[2:]
    if to is not None:
        kept = _size(to, x)
        middle = tuple((n - m) // 2 for n, m in zip(sizes, kept, strict=True))
        starts = middle if at is None else per_axis(at, rank(x))
    else:
        sides = [per_axis(a, 2) for a in per_axis(amounts, rank(x))]
        starts = tuple(lo for lo, _ in sides)
        kept = tuple(n - lo - hi for n, (lo, hi) in zip(sizes, sides, strict=True))
    for axis, (start, size) in enumerate(zip(starts, kept, strict=True)):
        if start < 0:
            raise ValueError(f"a crop from {start}")
        x = x.narrow(axis + 2, start, size)
    return repr(("crop", starts, kept)), x, 0, None

"""One image through a network, and what comes out as an image."""

from __future__ import annotations

import io
from math import ceil, isqrt
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor, nn

from ..data.picture import FORMATS, MOST_PIXELS, load_image
from ..device import memory_advice
from ..errors import TrainError
from ..folder.rundir import write_atomic

MOST_TILES = 64
GAP = 2
"""Pixels between tiles."""


def run_image(module: nn.Module, image: Path, result: Path, channels: int) -> str:
    """Put an image through a module at its own size, write the (first) output, say what was done.

    `channels`: of the module's input. Pixels go in as 0..1. One output channel becomes a grey
    image, three a coloured one, any other number a sheet of grey tiles. Raises TrainError E0805 (no
    image, or too large), E0806 (the network cannot take it, or gives no image), E0708 (cannot
    write), E0811 (memory).
    """
    kind = _format_of(result)
    said: list[str] = []
    x = load_image(image, channels, said)
    y = _through(module, x)
    picture = to_picture(y, said)
    data = io.BytesIO()
    picture.save(data, format=kind)
    write_atomic(result, data.getvalue())
    height, width = x.shape[1:]
    head = f"{image.name}: {width}×{height}, to {result} ({'×'.join(map(str, y.shape))})"
    return "\n".join([head, *(f"  {line}" for line in said)])


def _through(module: nn.Module, x: Tensor) -> Tensor:
    """The (first) output, [C, H, W]."""
    size = "×".join(map(str, x.shape))
    module.eval()
    try:
        with torch.no_grad(), memory_advice(1):
            y = module(x[None])
    except RuntimeError as error:
        why = str(error).strip().splitlines()
        raise TrainError(
            "E0806",
            f"the network cannot take this image ({size})",
            notes=tuple(why[:1]),
            help="scale the image to the size that the network's input states",
        ) from None
    while not isinstance(y, Tensor):
        y = y[0]
    if y.ndim != 4:
        given = "×".join(map(str, y.shape[1:]))
        raise TrainError("E0806", f"the network gives {given} numbers, which are no image")
    return y[0]


# --------------------------------------------------------------------------- out


def to_picture(y: Tensor, said: list[str]) -> Image.Image:
    """[C, H, W] of any range as an image; how the range was mapped is added to `said`."""
    y = _mapped(y.float().cpu(), said)
    if len(y) not in (1, 3):
        y = _sheet(y, said)
    data = (y * 255).round().to(torch.uint8)
    height, width = data.shape[1:]
    flat = data.permute(1, 2, 0).contiguous().flatten()
    mode = "L" if len(data) == 1 else "RGB"
    return Image.frombytes(mode, (width, height), bytes(flat.untyped_storage()))


def _mapped(y: Tensor, said: list[str]) -> Tensor:
    """Into 0..1: as it is, else divided by the largest value, signs dropped."""
    if not bool(torch.isfinite(y).all()):
        said.append("values that are no numbers are black")
        y = torch.nan_to_num(y, nan=0.0, posinf=0.0, neginf=0.0)
    low, high = float(y.min()), float(y.max())
    if low >= 0 and high <= 1:
        said.append("values 0 to 1 are black to white")
        return y
    if low < 0:
        top = max(-low, high)
        said.append(
            f"values {low:.4g} to {high:.4g} lose their signs; 0 to {top:.4g} are black to white"
        )
        y, high = y.abs(), top
    else:
        said.append(f"values 0 to {high:.4g} are black to white")
    return y / high


def _sheet(y: Tensor, said: list[str]) -> Tensor:
    """[1, H, W]: the channels as tiles, row by row, on a grey ground."""
    count, height, width = y.shape
    fit = max(1, MOST_PIXELS // ((height + GAP) * (width + GAP)))
    shown = min(count, MOST_TILES, fit)
    columns = isqrt(shown - 1) + 1
    rows = ceil(shown / columns)
    sheet = torch.full((1, rows * (height + GAP) - GAP, columns * (width + GAP) - GAP), 0.5)
    for i in range(shown):
        top, left = (i // columns) * (height + GAP), (i % columns) * (width + GAP)
        sheet[0, top : top + height, left : left + width] = y[i]
    some = f"the first {shown} of {count}" if shown < count else f"{count}"
    said.append(f"{some} channels as tiles, row by row")
    return sheet


def _format_of(path: Path) -> str:
    kind = Image.registered_extensions().get(path.suffix.lower())
    if kind not in FORMATS:
        raise TrainError(
            "E0708",
            f"cannot write `{path}`: `{path.suffix}` is no picture format",
            help="write to a .png",
        )
    return kind

"""One image through a network, and what comes out as an image."""

from __future__ import annotations

import io
import warnings
from math import ceil, isqrt
from pathlib import Path

import torch
from PIL import Image, ImageOps, UnidentifiedImageError
from torch import Tensor, nn

from .device import memory_advice
from .errors import TrainError
from .rundir import write_atomic

FORMATS = ("PNG", "JPEG", "BMP", "GIF", "TIFF", "WEBP", "PPM")
MOST_PIXELS = 64_000_000
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


# --------------------------------------------------------------------------- in


def load_image(path: Path, channels: int, said: list[str]) -> Tensor:
    """An image as float32 [channels, H, W] in 0..1. What had to be changed is added to `said`."""
    x = _tensor(open_image(path, said), said)
    if not bool(torch.isfinite(x).all()):  # of floating-point pixels
        raise _unreadable(path, "some of its pixels are no finite numbers")
    return _channels(x, channels, said)


def open_image(path: Path, said: list[str] | None = None) -> Image.Image:
    """An image, unpacked and turned upright; of several in one file, the first.

    Raises TrainError E0805: no image, or too large. `said` gets what is left out.
    """
    if path.exists() and not path.is_file():  # opening a pipe would wait for a writer
        raise _unreadable(path, "it is not a regular file")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # on what is odd and can be read all the same
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(path, formats=FORMATS) as opened:
                _check_size(path, opened.size)
                turned = ImageOps.exif_transpose(opened)
                turned.load()
                turned.format = opened.format
                if said is not None and getattr(opened, "is_animated", False):
                    said.append("the first picture of several in the file")
                return turned
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise _unreadable(path, f"it has more than {MOST_PIXELS:,} pixels") from None
    except UnidentifiedImageError:
        raise _unreadable(path, f"it is no image ({', '.join(FORMATS)})") from None
    except MemoryError:
        raise
    except Exception as error:  # of a damaged file, decoders raise almost anything
        why = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise _unreadable(path, why or type(error).__name__) from None


def _check_size(path: Path, size: tuple[int, int]) -> None:
    """Before anything is unpacked: a small file can promise a large image."""
    width, height = size
    if width * height > MOST_PIXELS:
        raise _unreadable(path, f"{width}×{height} is more than {MOST_PIXELS:,} pixels")


def _tensor(image: Image.Image, said: list[str]) -> Tensor:
    """[C, H, W] in 0..1, with the image's own channels: 1, 3, or 4 where it has alpha."""
    mode = image.mode
    if mode in ("I;16", "I;16B", "I;16L", "I"):
        # 16-bit PNGs arrive as `I;16` or, from older readers, as `I`
        return _bytes(image.convert("I"), torch.int32).float().clamp(0, 65535) / 65535
    if mode == "F":
        said.append("floating-point pixels are taken as they are")
        return _bytes(image, torch.float32)
    if mode not in ("L", "RGB", "RGBA"):
        alpha = mode in ("LA", "PA", "La") or "transparency" in image.info
        image = image.convert("RGBA" if alpha else "L" if mode == "1" else "RGB")
        said.append(f"converted from {mode} to {image.mode}")
    return _bytes(image, torch.uint8).float() / 255


def _bytes(image: Image.Image, dtype: torch.dtype) -> Tensor:
    flat = torch.frombuffer(bytearray(image.tobytes()), dtype=dtype)
    return flat.reshape(image.height, image.width, -1).permute(2, 0, 1)


def _channels(x: Tensor, channels: int, said: list[str]) -> Tensor:
    """Grey, RGB and RGBA into each other."""
    have = len(x)
    if have == channels:
        return x
    if channels not in (1, 3, 4):
        raise TrainError(
            "E0806", f"the network takes {channels} channels; an image gives 1, 3 or 4"
        )
    if have == 4:
        said.append("its alpha channel is left out")
        x = x[:3]
    if channels == 1 and len(x) == 3:
        said.append("made grey: 0.299 red + 0.587 green + 0.114 blue")  # ITU-R BT.601
        x = (x * torch.tensor([0.299, 0.587, 0.114])[:, None, None]).sum(0, keepdim=True)
    elif channels >= 3 and len(x) == 1:
        said.append("grey, given to red, green and blue alike")
        x = x.expand(3, -1, -1)
    if channels == 4:
        said.append("opaque: its alpha channel is 1")
        x = torch.cat([x, torch.ones_like(x[:1])])
    return x


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


def _unreadable(path: Path, why: str) -> TrainError:
    return TrainError("E0805", f"cannot read `{path}`: {why}")

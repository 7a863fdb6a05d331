"""One image file as numbers."""

from __future__ import annotations

import warnings
from pathlib import Path

import torch
from PIL import Image, ImageOps, UnidentifiedImageError
from torch import Tensor

from ..errors import TrainError

FORMATS = ("PNG", "JPEG", "BMP", "GIF", "TIFF", "WEBP", "PPM")
MOST_PIXELS = 64_000_000


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


def _unreadable(path: Path, why: str) -> TrainError:
    return TrainError("E0805", f"cannot read `{path}`: {why}")

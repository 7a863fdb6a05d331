"""Images in folders: by class, with masks, or one and what it should become."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from .choices import Images, Masks, Pair
from .errors import TrainError
from .run import load_image, open_image
from .samples import Data, Split, check_memory, halves

ENDINGS = (
    ".png",
    ".jpg",
    ".jpeg",
    ".bmp",
    ".gif",
    ".tif",
    ".tiff",
    ".webp",
    ".ppm",
    ".pgm",
    ".pbm",
)
PARTS = ("train", "test")
MASK_MODES = ("1", "L", "P", "I;16", "I;16B", "I;16L", "I")
MOST_LABEL = 32_767
"""Masks are kept as int16."""


def read_images(folder: Path, source: Images) -> Data:
    """One class per folder, in the order of their names. Raises TrainError E0805 or E0811."""
    parts = _parts(folder)
    names = sorted({path.name for part in parts for path in _folders(part)})
    if len(names) < 2:
        raise _wrong(folder, f"{len(names)} folders with images in it; there must be one per class")
    found: list[list[tuple[Path, int]]] = []
    for part in parts:
        here = {path.name: path for path in _folders(part)}
        files = [
            (file, label)
            for label, name in enumerate(names)
            if name in here
            for file in _files(here[name])
        ]
        if len(files) < 2:
            raise _wrong(part, f"{len(files)} images in the folders of its classes")
        found.append(files)
    splits = []
    for part, files in zip(parts, found, strict=True):
        x = _pixels([file for file, _ in files], source.size, source.channels)
        y = torch.tensor([label for _, label in files])
        splits.append(Split(x, y, str(part), str(part)))
    train, test = _both(splits, source.test, source.seed)
    return Data(train, test, folder, names=names)


def read_masks(folder: Path, source: Masks) -> Data:
    """Images and masks of the same names. Raises TrainError E0805 or E0811."""
    splits = []
    for part in _parts(folder):
        images = _named(part / "images")
        masks = _named(part / "masks")
        for one, others, what in ((images, masks, "mask"), (masks, images, "image")):
            alone = sorted(set(one) - set(others))
            if alone:
                raise _wrong(one[alone[0]], f"no {what} of that name ({len(alone)} in all)")
        if len(images) < 2:
            raise _wrong(part, f"{len(images)} pairs in its folders `images` and `masks`")
        order = sorted(images)
        labels = [read_mask(masks[name]) for name in order]
        files = [images[name] for name in order]
        beside = list(zip((masks[name] for name in order), labels, strict=True))
        x = _pixels(files, source.size, source.channels, beside)
        squares = [squared(mask[None, None], source.size, "nearest")[0, 0] for mask in labels]
        y = torch.stack(squares)
        splits.append(Split(x, y, str(part / "images"), str(part / "masks")))
    train, test = _both(splits, source.test, source.seed)
    return Data(train, test, folder)


def read_pair(image: Path, target: Path, source: Pair) -> Data:
    """One image [1, C, H, W] in 0..1 and its target, alike. Raises TrainError E0805."""
    x, y = (load_image(path, source.channels, [])[None] for path in (image, target))
    if x.shape != y.shape:
        raise _wrong(target, f"{_by(y)} pixels, but `{image}` has {_by(x)}")
    split = Split(x, y, str(image), str(target))
    return Data(split, split, image, ["one pair of images: it is trained on, and tested on"])


# --------------------------------------------------------------------------- folders


def _parts(folder: Path) -> list[Path]:
    """`train` and `test`, or the folder itself."""
    there = [folder / part for part in PARTS if (folder / part).is_dir()]
    return there if len(there) == len(PARTS) else [folder]


def _folders(folder: Path) -> list[Path]:
    try:
        return [path for path in folder.iterdir() if path.is_dir() and _files(path)]
    except OSError as error:
        raise _wrong(folder, error.strerror or str(error)) from None


def _files(folder: Path) -> list[Path]:
    """The image files of a folder by name; hidden files and notes beside them are left out."""
    try:
        files = [path for path in folder.iterdir() if path.suffix.lower() in ENDINGS]
    except OSError as error:
        raise _wrong(folder, error.strerror or str(error)) from None
    return sorted(path for path in files if not path.name.startswith(".") and path.is_file())


def _named(folder: Path) -> dict[str, Path]:
    """The image files of a folder by stem."""
    if not folder.is_dir():
        raise TrainError("E0805", f"there is no folder `{folder}`")
    return {path.stem: path for path in _files(folder)}


def _both(splits: list[Split], share: float, seed: int) -> tuple[Split, Split]:
    """Training and test set, one held out where there is but one."""
    if len(splits) == 2:
        return splits[0], splits[1]
    train, test = halves(len(splits[0]), share, seed)
    return splits[0].take(train), splits[0].take(test)


# --------------------------------------------------------------------------- pixels


def _pixels(
    files: Sequence[Path],
    side: int | None,
    channels: int,
    masks: Sequence[tuple[Path, Tensor]] = (),
) -> Tensor:
    """[N, channels, H, W] bytes. `masks`: one per image, or none; each must be as large as it."""
    made: Tensor | None = None
    for i, file in enumerate(files):
        image = load_image(file, channels, [])
        size = (image.shape[1], image.shape[2])
        if masks and tuple(masks[i][1].shape) != size:
            path, mask = masks[i]
            raise _wrong(path, f"{_by(mask)} pixels, but its image {size[1]}×{size[0]}")
        pixels = (squared(image[None], side, "bilinear")[0] * 255).round().clamp(0, 255).byte()
        if made is None:
            check_memory(f"{len(files):,} images", len(files) * pixels.numel())
            made = torch.empty((len(files), *pixels.shape), dtype=torch.uint8)
        if pixels.shape != made.shape[1:]:
            raise TrainError(
                "E0805",
                f"`{file}` has {_by(pixels)} pixels, `{files[0]}` {_by(made)}",
                help="bring all to one size: `size=64`",
            )
        made[i] = pixels
    assert made is not None
    return made


def squared(x: Tensor, side: int | None, mode: str) -> Tensor:
    """[1, C, H, W] resized so that its shorter side is `side`, and cropped at its middle."""
    if side is None or x.shape[-2:] == (side, side):
        return x
    height, width = x.shape[-2:]
    factor = side / min(height, width)
    size = [max(round(height * factor), side), max(round(width * factor), side)]
    smooth = {"antialias": True, "align_corners": False} if mode == "bilinear" else {}
    kind = "nearest-exact" if mode == "nearest" else mode
    x = F.interpolate(x.float(), size, mode=kind, **smooth).to(x.dtype)
    top, left = (size[0] - side) // 2, (size[1] - side) // 2
    return x[..., top : top + side, left : left + side]


def read_mask(path: Path) -> Tensor:
    """Class numbers [H, W], int16, of a grey or palette image. Raises TrainError E0805."""
    image = open_image(path)
    if image.mode not in MASK_MODES:
        raise _wrong(
            path, f"{image.mode} pixels; a mask has one number per pixel (grey or palette)"
        )
    if image.mode == "1":
        image = image.convert("L").point(lambda v: v // 255)
    wide = image.mode not in ("L", "P")
    data = bytearray((image.convert("I") if wide else image).tobytes())
    flat = torch.frombuffer(data, dtype=torch.int32 if wide else torch.uint8).int()
    if int(flat.max()) > MOST_LABEL or int(flat.min()) < 0:
        worst = int(flat.max()) if int(flat.max()) > MOST_LABEL else int(flat.min())
        raise _wrong(path, f"{worst} as a class number, which is out of range")
    return flat.short().reshape(image.height, image.width)


def _by(x: Tensor) -> str:
    return f"{x.shape[-1]}×{x.shape[-2]}"


def _wrong(path: Path, has: str) -> TrainError:
    return TrainError("E0805", f"`{path}` has {has}")

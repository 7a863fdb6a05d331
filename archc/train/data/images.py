"""Images in folders: by class, with masks, or one and what it should become."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterable, Sequence, Sized
from functools import partial
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from ..errors import TrainError, gathered, raise_all
from ..settings.choices import Images, Masks, Pair
from .picture import load_image, open_image
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
MOST_ERRORS = 10
"""Damaged files that are named; the rest are not looked at."""


def read_images(folder: Path, source: Images) -> Data:
    """One class per folder, in the order of their names. Raises TrainError E0805 or E0811."""
    parts = _parts(folder)
    notes: list[str] = []
    there = [_classes(part, notes) for part in parts]
    names = sorted(there[0])
    if len(names) < 2:
        raise _no_classes(parts[0], names)
    for part, here in zip(parts, there, strict=True):
        new = sorted(here.keys() - set(names))
        if new:
            raise TrainError("E0805", f"`{part / new[0]}` is a class that `{parts[0]}` has not")
    splits = []
    for part, here in zip(parts, there, strict=True):
        pairs = [(file, label) for label, name in enumerate(names) for file in here.get(name, ())]
        if len(pairs) < 2:
            raise _wrong(part, f"{_count(pairs, 'image')} in the folders of its classes")
        files = [file for file, _ in pairs]
        x = _pixels(files, source.size, source.channels, notes)
        y = torch.tensor([label for _, label in pairs])
        splits.append(Split(x, y, str(part), str(part), files=files))
    train, test = _both(splits, source.test, source.seed)
    return Data(train, test, folder, notes, [_text(name) for name in names])


def read_masks(folder: Path, source: Masks) -> Data:
    """Images and masks of the same names. Raises TrainError E0805 or E0811."""
    splits = []
    notes: list[str] = []
    for part in _parts(folder):
        images = _named(part / "images")
        masks = _named(part / "masks")
        for one, others, what in ((images, masks, "mask"), (masks, images, "image")):
            alone = sorted(set(one) - set(others))
            if alone:
                raise _wrong(one[alone[0]], f"no {what} of that name ({len(alone)} in all)")
        if len(images) < 2:
            pairs = _count(images, "pair")
            raise _wrong(part, f"{pairs} in its folders `images` and `masks`; there must be two")
        order = sorted(images)
        paths = [masks[name] for name in order]
        labels: list[Tensor] = []
        _each(paths, lambda path: labels.append(read_mask(path)))  # noqa: B023 -- called at once
        files = [images[name] for name in order]
        beside = list(zip(paths, labels, strict=True))
        x = _pixels(files, source.size, source.channels, notes, beside)
        squares = [squared(mask[None, None], source.size, "nearest")[0, 0] for mask in labels]
        y = torch.stack(squares)
        splits.append(Split(x, y, str(part / "images"), str(part / "masks"), files=paths))
    train, test = _both(splits, source.test, source.seed)
    return Data(train, test, folder, notes)


def read_pair(image: Path, target: Path, source: Pair) -> Data:
    """One image [1, C, H, W] in 0..1 and its target, alike. Raises TrainError E0805."""
    x, y = gathered(partial(_picture, path, source.channels) for path in (image, target))
    if x.shape != y.shape:
        raise _wrong(target, f"{_by(y)} pixels, but `{image}` has {_by(x)}")
    split = Split(x, y, str(image), str(target))
    return Data(split, split, image, ["one pair of images: it is trained on, and tested on"])


def _picture(path: Path, channels: int) -> Tensor:
    return load_image(path, channels, [])[None]


def _each(files: Iterable[Path], read: Callable[[Path], None]) -> None:
    """Read files one after the other; raise what was wrong with the first few damaged ones."""
    errors: list[TrainError] = []
    for file in files:
        try:
            read(file)
        except TrainError as error:
            errors.append(error)
            if len(errors) == MOST_ERRORS:
                break
    raise_all(errors)


# --------------------------------------------------------------------------- folders


def _parts(folder: Path) -> list[Path]:
    """`train` and `test`, or the folder itself."""
    there = [folder / part for part in PARTS if (folder / part).is_dir()]
    return there if len(there) == len(PARTS) else [folder]


def _classes(part: Path, notes: list[str]) -> dict[str, list[Path]]:
    """The folders with images in them, by name; what is left out is added to `notes`."""
    found = {path.name: _files(path) for path in _entries(part) if path.is_dir()}
    for name, files in sorted(found.items()):
        if not files:
            notes.append(f"{_text(str(part / name))} has no images in it: it is no class")
        elif any(entry.is_dir() for entry in os.scandir(part / name)):
            notes.append(f"folders within {_text(str(part / name))} are left out")
    return {name: files for name, files in found.items() if files}


def _no_classes(part: Path, names: Sequence[str]) -> TrainError:
    inside = sorted(path.name for path in _entries(part) if path.is_dir())
    help = "put the images of each class into a folder of their own"
    if "train" in inside:
        help = f"of {', '.join(inside)}, name the one to test on `test`, or give `train` alone"
    found = f"images of {_count(names, 'class')}"
    return TrainError(
        "E0805", f"`{part}` has {found}; there must be two or more, in a folder each", help=help
    )


def _entries(folder: Path) -> list[Path]:
    try:
        return list(folder.iterdir())
    except OSError as error:
        raise TrainError("E0805", f"cannot read `{folder}`: {error.strerror or error}") from None


def _files(folder: Path) -> list[Path]:
    """The image files of a folder by name; hidden files and notes beside them are left out."""
    files = (path for path in _entries(folder) if path.suffix.lower() in ENDINGS)
    shown = (path for path in files if not path.name.startswith("."))
    # a link to nowhere is kept: reading it says so
    return sorted(path for path in shown if path.is_file() or not path.exists())


def _named(folder: Path) -> dict[str, Path]:
    """The image files of a folder by stem."""
    if not folder.is_dir():
        raise TrainError("E0805", f"there is no folder `{folder}`")
    found: dict[str, Path] = {}
    for path in _files(folder):
        if path.stem in found:
            raise TrainError(
                "E0805", f"`{found[path.stem]}` and `{path.name}` beside it have one name"
            )
        found[path.stem] = path
    return found


def _count(things: Sized, what: str) -> str:
    """`1 image`, `2 classes`."""
    plural = what + ("es" if what.endswith("s") else "s")
    return f"{len(things)} {what if len(things) == 1 else plural}"


def _text(name: str) -> str:
    """A file's name as text on one line that can be written anywhere.

    What is not UTF-8 in it, or would move a terminal's cursor, is spelled out.
    """
    text = name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


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
    notes: list[str],
    masks: Sequence[tuple[Path, Tensor]] = (),
) -> Tensor:
    """[N, channels, H, W] bytes. `masks`: one per image, or none; each must be as large as it.

    What had to be changed is counted and added to `notes`.
    """
    beside = dict(zip(files, masks, strict=True)) if masks else {}
    changes: Counter[str] = Counter()
    number = {file: i for i, file in enumerate(files)}
    made = torch.empty(0, dtype=torch.uint8)

    def read(file: Path) -> None:
        nonlocal made
        said: list[str] = []
        image = load_image(file, channels, said)
        changes.update(said)
        size = (image.shape[1], image.shape[2])
        if file in beside and tuple(beside[file][1].shape) != size:
            path, mask = beside[file]
            raise _wrong(path, f"{_by(mask)} pixels, but its image {size[1]}×{size[0]}")
        low, high = float(image.min()), float(image.max())
        if low < 0 or high > 1:  # of floating-point pixels
            why = f"pixels from {low:g} to {high:g}; 0 is black, 1 is white"
            raise _wrong(file, why)
        pixels = (squared(image[None], side, "bilinear")[0] * 255).round().clamp(0, 255).byte()
        if not len(made):
            check_memory(f"{len(files):,} images", len(files) * pixels.numel())
            made = torch.empty((len(files), *pixels.shape), dtype=torch.uint8)
        if pixels.shape != made.shape[1:]:
            raise TrainError(
                "E0805",
                f"`{file}` has {_by(pixels)} pixels, `{files[0]}` {_by(made)}",
                help=f"bring all to one size: `size={min(made.shape[2:])}`",
            )
        made[number[file]] = pixels

    _each(files, read)
    notes += [f"{count:,} of {len(files):,} images: {what}" for what, count in changes.items()]
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
    if image.format == "JPEG":
        raise TrainError(
            "E0805",
            f"`{path}` is a JPEG, which does not keep class numbers: it blurs pixels",
            help="save masks as PNG",
        )
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

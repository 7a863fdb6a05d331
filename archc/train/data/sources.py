"""Where data come from: finding them, reading them. One function per source, in `SOURCES`."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch
from torch import Tensor

from ... import data as packaged
from ...source import Span
from ..errors import TrainError, gathered
from ..settings.choices import (
    Choice,
    Digits,
    Filtered,
    Idx,
    Images,
    Keypoints,
    Masks,
    Npz,
    Pair,
    Scenes,
)
from .idx import read_idx
from .images import read_images, read_masks, read_pair
from .making import make_filtered, make_keypoints, make_scenes
from .npz import read_npz
from .samples import Data, Split

__all__ = ["Data", "Split", "load"]

SYSTEM = Path("/usr/share/datasets")
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
IMAGES, LABELS = "-images-idx3-ubyte", "-labels-idx1-ubyte"
SPLITS = ("train", "t10k")


def load(source: Choice, spec_dir: Path, *, trusted: bool, span: Span | None = None) -> Data:
    """Find and read the data of a recipe.

    A spec may name what lies below its project or in the known folders; `trusted` (the user's own
    command line named it) may lie anywhere. Raises TrainError E0804 (not found, with the places
    looked at), E0805 (unreadable) or E0811 (larger than memory).
    """
    try:
        return SOURCES[type(source)](source, spec_dir, trusted)
    except TrainError as error:
        error.span = error.span or span
        raise


# --------------------------------------------------------------------------- finding


def cache_folder() -> Path:
    """The user's own data sets: `archc/datasets` in the cache folder (XDG base directories)."""
    base = os.environ.get("XDG_CACHE_HOME", "")
    root = Path(base) if os.path.isabs(base) else Path.home() / ".cache"
    return root / "archc" / "datasets"


def project_root(folder: Path) -> Path:
    """The nearest folder upwards with a pyproject.toml or .git, else the folder itself."""
    folder = folder.resolve()
    for candidate in (folder, *folder.parents):
        if (candidate / "pyproject.toml").exists() or (candidate / ".git").exists():
            return candidate
    return folder


def places(name: str, spec_dir: Path, trusted: bool) -> list[Path]:
    """Where a data set of that name or path may lie, in the order of looking."""
    given = Path(name)
    beside = spec_dir / given  # an absolute path stays as it is
    if not trusted and not beside.resolve().is_relative_to(project_root(spec_dir)):
        raise TrainError(
            "E0804",
            f"the spec names data outside its project: `{name}`",
            notes=(f"the project is `{project_root(spec_dir)}`",),
            help="name it on the command line, with `--set data=...`, if you trust the spec",
        )
    found = [beside]
    if trusted and not given.is_absolute():
        found.insert(0, Path.cwd() / given)
    if NAME.fullmatch(name):
        found += [cache_folder() / name, SYSTEM / name, packaged.FOLDER / name]
    return list(dict.fromkeys(found))


def _missing(what: str, name: str, looked: list[Path]) -> TrainError:
    return TrainError(
        "E0804",
        f"{what} `{name}` cannot be found",
        notes=tuple(f"not in `{path}`" for path in looked),
        help="put it into one of these places, or give its path",
    )


# --------------------------------------------------------------------------- idx


def _idx_file(folder: Path, name: str) -> Path | None:
    """The file, gzipped or not; `train-images.idx3-ubyte` is an old spelling of the same."""
    for stem in (name, name.replace("-idx", ".idx")):
        for path in (folder / stem, folder / (stem + ".gz")):
            if path.is_file():
                return path
    return None


def _idx_files(folder: Path) -> list[Path | None]:
    """Images and labels of the training set, then of the test set."""
    return [_idx_file(folder, split + kind) for split in SPLITS for kind in (IMAGES, LABELS)]


def _load_idx(source: Choice, spec_dir: Path, trusted: bool) -> Data:
    assert isinstance(source, Idx)
    looked = places(source.path, spec_dir, trusted)
    notes: list[str] = []
    stand_in = packaged.STAND_INS.get(source.path)
    for folder in looked + ([packaged.FOLDER / stand_in] if stand_in else []):
        files = _idx_files(folder)
        if any(files):
            break
    else:
        raise _missing("data set", source.path, looked)
    names = [split + kind for split in SPLITS for kind in (IMAGES, LABELS)]
    missing = [name for name, file in zip(names, files, strict=True) if file is None]
    if missing:
        raise TrainError("E0804", f"`{folder}` lacks {', '.join(missing)} (with or without .gz)")
    if stand_in and folder.name == stand_in:
        notes.append(
            f"{source.path} is not installed here: this is the packaged subset {stand_in}. "
            f"The full set is looked for in {', '.join(str(p) for p in looked[:-1])}"
        )
    present = [file for file in files if file is not None]
    pairs = (present[:2], present[2:])
    train, test = gathered(partial(_idx_split, *pair) for pair in pairs)
    return Data(train, test, folder, notes, list(packaged.CLASSES.get(folder.name, ())))


def _idx_split(images: Path, labels: Path) -> Split:
    x, y = gathered([partial(read_idx, images, 3), partial(read_idx, labels, 1)])
    if len(x) != len(y):
        raise TrainError(
            "E0805", f"`{images}` holds {len(x):,} images, but `{labels}` {len(y):,} labels"
        )
    return Split(x[:, None], y.long(), str(images), str(labels))


# --------------------------------------------------------------------------- npz


def _load_npz(source: Choice, spec_dir: Path, trusted: bool) -> Data:
    assert isinstance(source, Npz)
    looked = places(source.path, spec_dir, trusted)
    for path in looked:
        if path.is_file():
            break
    else:
        raise _missing("file", source.path, looked)
    arrays = read_npz(path, ("x_train", "y_train", "x_test", "y_test"))
    splits = gathered(
        partial(_npz_split, path, part, arrays, source.keypoints) for part in ("train", "test")
    )
    bytes_of = [split.x.dtype == torch.uint8 for split in splits]
    if bytes_of[0] != bytes_of[1]:
        first, second = ("bytes (uint8)" if each else "other numbers" for each in bytes_of)
        raise TrainError(
            "E0805",
            f"`{path}`: x_train holds {first}, but x_test {second}",
            notes=("bytes stand for 0 to 1, so the two would have different ranges",),
            help="store both as one type",
        )
    return Data(splits[0], splits[1], path)


def _npz_split(path: Path, part: str, arrays: dict[str, Tensor], keypoints: bool) -> Split:
    x, y = arrays[f"x_{part}"], arrays[f"y_{part}"]
    if len(x) != len(y):
        raise TrainError(
            "E0805", f"`{path}`: {len(x):,} records in x_{part}, but {len(y):,} in y_{part}"
        )
    if len(x) == 0:
        raise TrainError("E0805", f"`{path}`: x_{part} is empty")
    read = _points if keypoints else _targets
    x, y = gathered([partial(_samples, path, f"x_{part}", x), partial(read, path, f"y_{part}", y)])
    at = (f"{path}: x_{part}", f"{path}: y_{part}")
    return Split(x, y, *at, keypoints=keypoints)


def _samples(path: Path, name: str, x: Tensor) -> Tensor:
    """[N, H, W] is grey images, [N] one number each; bytes stay bytes, all else becomes float32."""
    _check_numbers(path, name, x)
    if len(x) and not x.numel():
        raise TrainError("E0805", f"`{path}`: {name} is {list(x.shape)}: records of no numbers")
    if x.ndim in (1, 3):
        x = x[:, None]
    return x if x.dtype == torch.uint8 else x.float()


def _points(path: Path, name: str, y: Tensor) -> Tensor:
    """[N, K, 3] float32; all are to be seen where the file does not say."""
    if y.ndim != 3 or y.shape[2] not in (2, 3):
        shape = ", ".join(map(str, y.shape))
        raise TrainError(
            "E0805", f"`{path}`: {name} is [{shape}]; keypoints are [samples, keypoints, 2 or 3]"
        )
    _check_numbers(path, name, y)
    y = y.float()
    if y.shape[2] == 2:
        return torch.cat([y, torch.ones_like(y[..., :1])], 2)
    odd = ((y[..., 2] < 0) | (y[..., 2] > 2)).any(1).nonzero().flatten()
    if len(odd):
        record = int(odd[0])
        raise TrainError(
            "E0805",
            f"`{path}`: record {record} of {name} has a keypoint that is neither seen nor hidden",
            notes=("the third number says whether it is: 0 hidden, 1 (or 2, as COCO has it) seen",),
        )
    return y


def _check_numbers(path: Path, name: str, values: Tensor) -> None:
    """Raise TrainError E0805 at the first record that holds what is no finite number."""
    if values.is_floating_point():
        bad = ~torch.isfinite(values).reshape(len(values), -1).all(1)
        if bool(bad.any()):
            record = int(bad.nonzero()[0])
            raise TrainError("E0805", f"`{path}`: record {record} of {name} is not a number")


def _targets(path: Path, name: str, y: Tensor) -> Tensor:
    """Whole numbers are classes, fractions values. One per sample: [N] classes, [N, 1] values.

    Both come as either in data sets, and masks [N, H, W] with an axis for their one channel.
    """
    if y.is_floating_point():
        _check_numbers(path, name, y)
        return y.float() if y.ndim > 1 else y.float()[:, None]
    y = y.long()
    below = (y < 0).reshape(len(y), -1).any(1).nonzero().flatten()
    if len(below):
        record = int(below[0])
        raise TrainError(
            "E0805",
            f"label {int(y[record].min())} in record {record} of `{path}: {name}` is out of range",
            notes=("whole numbers are classes, which count from 0",),
            help="give what belongs to no class a number of its own, and name it: `ignore = 255`; "
            "store what are values, not classes, as fractions (float)",
        )
    if y.ndim in (2, 4) and y.shape[1] == 1:
        return y[:, 0]
    return y[..., 0] if y.ndim == 4 and y.shape[3] == 1 else y


# --------------------------------------------------------------------------- images


def _found(name: str, spec_dir: Path, trusted: bool, folder: bool) -> Path:
    """The first place where there is a folder (or file) of that name."""
    looked = places(name, spec_dir, trusted)
    for path in looked:
        if path.is_dir() if folder else path.is_file():
            return path
    raise _missing("folder" if folder else "file", name, looked)


def _load_images(source: Choice, spec_dir: Path, trusted: bool) -> Data:
    assert isinstance(source, Images)
    return read_images(_found(source.path, spec_dir, trusted, folder=True), source)


def _load_masks(source: Choice, spec_dir: Path, trusted: bool) -> Data:
    assert isinstance(source, Masks)
    return read_masks(_found(source.path, spec_dir, trusted, folder=True), source)


def _load_pair(source: Choice, spec_dir: Path, trusted: bool) -> Data:
    assert isinstance(source, Pair)
    image, target = (
        _found(name, spec_dir, trusted, folder=False) for name in (source.image, source.target)
    )
    return read_pair(image, target, source)


# --------------------------------------------------------------------------- without files


def _load_digits(source: Choice, spec_dir: Path, trusted: bool) -> Data:
    folder = packaged.FOLDER / "digits"
    train, test = (_idx_split(*(folder / (part + kind + ".gz") for kind in (IMAGES, LABELS)))
                   for part in SPLITS)  # fmt: skip
    return Data(train, test, folder)


def _load_made(source: Choice, spec_dir: Path, trusted: bool) -> Data:
    if isinstance(source, Scenes):
        return make_scenes(source)
    if isinstance(source, Keypoints):
        return make_keypoints(source)
    assert isinstance(source, Filtered)
    return make_filtered(source)


SOURCES: dict[type[Choice], Callable[[Choice, Path, bool], Data]] = {
    Idx: _load_idx,
    Npz: _load_npz,
    Images: _load_images,
    Masks: _load_masks,
    Pair: _load_pair,
    Digits: _load_digits,
    Scenes: _load_made,
    Keypoints: _load_made,
    Filtered: _load_made,
}

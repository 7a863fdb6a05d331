"""NumPy's .npz: named arrays in a zip. Read without ever unpickling."""

from __future__ import annotations

import os
import zipfile
import zlib
from functools import partial
from pathlib import Path

import torch
from torch import Tensor

from ..errors import TrainError, gathered

UNREADABLE = (
    ValueError,  # a header that is none, and every pickle
    EOFError,
    OSError,
    KeyError,
    MemoryError,
    OverflowError,
    NotImplementedError,  # a compression that zipfile lacks
    RuntimeError,  # an encrypted member
    zipfile.BadZipFile,
    zlib.error,
)
"""What NumPy and zipfile raise on files that they cannot read."""


def read_npz(path: Path, names: tuple[str, ...]) -> dict[str, Tensor]:
    """The named arrays of a file, as tensors of their own dtype.

    Raises TrainError E0805 where an array is missing, damaged or holds Python objects, E0811 where
    the arrays would not fit into memory.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            members = {info.filename: info.file_size for info in archive.infolist()}
    except OSError as error:
        raise _unreadable(str(path), error.strerror or str(error)) from None
    except UNREADABLE:
        raise TrainError(
            "E0805",
            f"cannot read `{path}`: it is no .npz file, or its end is missing",
            help="`numpy.savez(file, x_train=..., y_train=..., x_test=..., y_test=...)` writes one",
        ) from None
    missing = [name for name in names if f"{name}.npy" not in members]
    if missing:
        held = [name.removesuffix(".npy") for name in list(members)[:8]]
        raise TrainError(
            "E0805",
            f"`{path}` lacks {', '.join(missing)}",
            notes=(f"it holds {', '.join(held) or 'nothing'}",),
        )
    need = sum(members[f"{name}.npy"] for name in names)
    have = physical_memory()
    if have is not None and need > have:
        raise TrainError(
            "E0811",
            f"`{path}` unpacks to {need / 1e9:.1f} GB; this machine has {have / 1e9:.1f} GB",
        )
    arrays = gathered(partial(_array, path, name) for name in names)
    return dict(zip(names, arrays, strict=True))


def _array(path: Path, name: str) -> Tensor:
    import numpy as np

    try:
        with np.load(path, allow_pickle=False) as archive:
            array = archive[name]
    except UNREADABLE as error:
        raise _unreadable(f"{name} of `{path}`", str(error).strip() or "it is damaged") from None
    if not isinstance(array, np.ndarray):  # a member that does not begin as an array is given raw
        raise _unreadable(f"{name} of `{path}`", "it does not start like an array of NumPy")
    if array.ndim == 0 or array.dtype.kind not in "uifb":
        kind = f"{array.dtype} of shape {array.shape}"
        raise TrainError("E0805", f"{name} of `{path}` is {kind}, not an array of numbers")
    if array.dtype == np.uint64 and array.size and array.max() > np.iinfo(np.int64).max:
        raise TrainError("E0805", f"{name} of `{path}` holds {array.max()}, which is out of range")
    if array.dtype.kind == "f":
        with np.errstate(over="ignore"):  # infinities are seen, and refused, with their record
            array = array.astype(np.float32)
    elif array.dtype.kind == "b":
        array = array.astype(np.uint8)
    elif array.dtype != np.uint8:
        array = array.astype(np.int64)  # torch lacks most operations on other whole numbers
    return torch.from_numpy(np.ascontiguousarray(array))


def _unreadable(what: str, why: str) -> TrainError:
    what = what if "`" in what else f"`{what}`"
    return TrainError("E0805", f"cannot read {what}: {why}")


def physical_memory() -> int | None:
    """Bytes of main memory, where the system says."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return None

"""The IDX format of MNIST and its kin: a header, then unsigned bytes. Gzipped or not.

Source: LeCun, Cortes, Burges, "The MNIST database", section on file formats: two zero bytes, the
element type (0x08: unsigned byte), the number of axes, each axis as a big-endian 32-bit number,
then the elements, last axis fastest.
"""

from __future__ import annotations

import gzip
import stat
import struct
import zlib
from math import prod
from pathlib import Path
from typing import BinaryIO

import torch
from torch import Tensor

from ..errors import TrainError

UNSIGNED_BYTE = 0x08
GZIP_MAGIC = b"\x1f\x8b"
DEFLATE_LIMIT = 1032
"""No deflate stream expands by more: a larger promise is a lie, seen before memory is taken."""


def read_idx(path: Path, axes: int) -> Tensor:
    """The uint8 tensor in a file, which must have that many axes.

    Raises TrainError E0805 naming the file and, of a truncated one, the record where it ends.
    """
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise _unreadable(path, "it is not a regular file")
        with open(path, "rb") as raw:
            packed = raw.read(2) == GZIP_MAGIC
            raw.seek(0)
            if packed:
                with gzip.open(raw) as unpacked:
                    return _read(path, unpacked, axes, path.stat().st_size * DEFLATE_LIMIT)
            return _read(path, raw, axes, path.stat().st_size)
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise _unreadable(path, f"its gzip stream is damaged ({error})") from None
    except OSError as error:
        raise _unreadable(path, error.strerror or str(error)) from None


def _read(path: Path, file: BinaryIO | gzip.GzipFile, axes: int, most: int) -> Tensor:
    shape = _header(path, file, axes)
    promised, record = prod(shape), prod(shape[1:])
    if promised == 0:
        raise _unreadable(path, f"its header says {_by(shape)}: nothing is in it")
    data = bytearray()
    broken = ""
    try:
        data += file.read(min(promised, most))
        if len(data) == promised and file.read(1):
            raise _unreadable(path, f"more follows after the {shape[0]} records of its header")
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        broken = f" ({error})"
    if len(data) < promised:
        where = f"it ends in record {len(data) // record}" if data else "its records are missing"
        raise _unreadable(
            path, f"{where}{broken}, but its header promises {shape[0]} records of {record} bytes"
        )
    return torch.frombuffer(data, dtype=torch.uint8).reshape(shape)


def _header(path: Path, file: BinaryIO | gzip.GzipFile, axes: int) -> tuple[int, ...]:
    head = file.read(4)
    if len(head) < 4 or head[:2] != b"\0\0":
        raise _unreadable(path, f"it does not start like an IDX file (magic {head.hex(' ')})")
    if head[2] != UNSIGNED_BYTE:
        raise _unreadable(path, f"its element type is 0x{head[2]:02x}; unsigned bytes are 0x08")
    if head[3] != axes:
        raise _unreadable(path, f"it has {head[3]} axes instead of {axes}")
    sizes = file.read(4 * axes)
    if len(sizes) < 4 * axes:
        raise _unreadable(path, "it ends within its header")
    return struct.unpack(f">{axes}I", sizes)


def _by(shape: tuple[int, ...]) -> str:
    return "x".join(str(n) for n in shape)


def _unreadable(path: Path, why: str) -> TrainError:
    return TrainError("E0805", f"cannot read `{path}`: {why}")

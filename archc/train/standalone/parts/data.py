"""Reading data where they are."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

DATA = Path("data")


def read_idx(name: str) -> Tensor:
    """A file as MNIST ships, gzipped or not: a header with the shape, then bytes."""
    path = next(p for p in (DATA / name, DATA / f"{name}.gz") if p.exists())
    data = path.read_bytes()
    if path.suffix == ".gz":
        data = gzip.decompress(data)
    ndim = data[3]
    shape = np.frombuffer(data, ">u4", ndim, offset=4).astype(int)
    return torch.tensor(np.frombuffer(data, np.uint8, offset=4 + 4 * ndim).reshape(shape))


def load_idx(split: str) -> tuple[Tensor, Tensor]:
    """Images [N, 1, H, W] as bytes, and their classes [N]."""
    x, y = read_idx(f"{split}-images-idx3-ubyte"), read_idx(f"{split}-labels-idx1-ubyte")
    return x[:, None], y.long()

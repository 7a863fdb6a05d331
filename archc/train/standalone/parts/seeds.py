"""Random numbers and precision."""

from __future__ import annotations

import hashlib

import torch

SEED = 0


def keyed(*key: object) -> torch.Generator:
    """Random numbers for one purpose: keyed("order", epoch). Nothing else shifts them."""
    text = "/".join(map(str, (SEED, *key))).encode()
    number = int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "big") >> 1
    return torch.Generator().manual_seed(number)


def mixed_precision(device: torch.device) -> torch.autocast:
    """bfloat16 on a GPU with units for it (since Ampere), float32 elsewhere."""
    enabled = device.type == "cuda" and torch.cuda.get_device_capability(device)[0] >= 8
    return torch.autocast(device.type, torch.bfloat16, enabled=enabled)

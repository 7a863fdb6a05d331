"""What autograd keeps for the backward pass, on the meta device: storages are real there."""

from __future__ import annotations

import warnings
from typing import Any

import torch
from torch import Tensor, nn

from ..analysis.training_memory import saved_bytes
from ..graph import Graph
from . import Proof

BATCH = 2


def prove_saved(graph: Graph, module: nn.Module, xs: list[Tensor]) -> Proof:
    """Bytes that a forward pass of `module` (in training mode) on `xs` (of `BATCH`) saves: each
    storage once, the input's too, parameters and buffers left out."""
    computed, found = saved_bytes(graph, BATCH), saved_by_autograd(module, xs)
    note = f"bytes, batch {BATCH}, float32"
    return Proof("saved for backward", f"{computed:,}", f"{found:,}", computed == found, note)


def saved_by_autograd(module: nn.Module, xs: list[Tensor]) -> int:
    """As PyTorch's hooks on saved tensors see it."""
    own = {t.untyped_storage()._cdata for t in (*module.parameters(), *module.buffers())}
    found: dict[int, Any] = {}

    def pack(t: Tensor) -> Tensor:
        storage = t.untyped_storage()
        if storage._cdata not in own:
            found[storage._cdata] = storage  # kept, so that no other takes its address
        return t

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda t: t), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        module(*xs)
    return sum(storage.nbytes() for storage in found.values())

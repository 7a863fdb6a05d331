"""Checkpoints: safetensors, whole or not at all. Nothing is ever unpickled."""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from ..diagnostics import closest
from .errors import TrainError


def packed(module: nn.Module, facts: dict[str, str]) -> bytes:
    """Parameters and buffers of a module, under their state_dict names, as a safetensors file.

    `facts` goes into its header. Tensors that share memory are written once for each name.
    """
    tensors = {
        name: tensor.detach().cpu().contiguous().clone()
        for name, tensor in module.state_dict().items()
    }
    return save(tensors, {"format": "pt", **facts})


def all_finite(module: nn.Module) -> bool:
    """No parameter or buffer holds a NaN or an infinity. Waits for the device."""
    found = [torch.isfinite(t).all() for t in module.state_dict().values() if t.is_floating_point()]
    return not found or bool(torch.stack(found).all())


def read(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Tensors and facts of a checkpoint. Raises TrainError E0808 where it is none."""
    try:
        with safe_open(path, framework="pt") as file:
            names = list(file.keys())
            return {name: file.get_tensor(name) for name in names}, dict(file.metadata() or {})
    except (SafetensorError, OSError) as error:
        raise TrainError("E0808", f"cannot read the checkpoint `{path}`: {error}") from None


def restore(path: Path, module: nn.Module) -> dict[str, str]:
    """Load a checkpoint into a module; names and shapes must match. Returns its facts.

    Raises TrainError E0808, naming what differs, and then leaves the module as it was.
    """
    tensors, facts = read(path)
    own = module.state_dict()
    notes = []
    for name in own.keys() - tensors.keys():
        near = closest(name, tensors)
        notes.append(f"missing `{name}`" + (f"; it has `{near}`" if near else ""))
    notes += [f"unexpected `{name}`" for name in tensors.keys() - own.keys()]
    for name in own.keys() & tensors.keys():
        here, there = list(own[name].shape), list(tensors[name].shape)
        if here != there:
            notes.append(f"`{name}` is {there}, the network's is {here}")
    if notes:
        notes.sort()
        more = len(notes) - 8
        shown = notes[:8] + ([f"and {more} more"] if more > 0 else [])
        raise TrainError(
            "E0808", f"the checkpoint `{path}` is of another network", notes=tuple(shown)
        )
    module.load_state_dict(tensors)
    return facts

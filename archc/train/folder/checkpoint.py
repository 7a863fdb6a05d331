"""Checkpoints: safetensors, whole or not at all. Nothing is ever unpickled."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from ...diagnostics import closest
from ..errors import TrainError

HEADER = "archc"
"""The entry of a safetensors header that holds our facts, as JSON."""
SHOWN = 4
"""Names of each kind of difference that are shown."""


def packed(module: nn.Module, facts: dict[str, str]) -> bytes:
    """Parameters and buffers of a module, under their state_dict names, as a safetensors file.

    `facts` goes into its header. Tensors that share memory are written once for each name. The same
    tensors and facts give the same bytes.
    """
    tensors = {
        name: tensor.detach().cpu().contiguous().clone()
        for name, tensor in module.state_dict().items()
    }
    # one entry: the library writes several in an order that changes from process to process
    return save(tensors, {HEADER: json.dumps(facts)})


def all_finite(module: nn.Module) -> bool:
    """No parameter or buffer holds a NaN or an infinity. Waits for the device."""
    found = [torch.isfinite(t).all() for t in module.state_dict().values() if t.is_floating_point()]
    return not found or bool(torch.stack(found).all())


def read(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Tensors and facts of a checkpoint. Raises TrainError E0808 where it is none."""
    try:
        with safe_open(path, framework="pt") as file:
            names = list(file.keys())
            facts = json.loads((file.metadata() or {}).get(HEADER, "{}"))
            if not isinstance(facts, dict):
                raise ValueError(f"its entry `{HEADER}` holds no facts")
            return {name: file.get_tensor(name) for name in names}, facts
    except SafetensorError as error:
        why = str(error).removeprefix("Error while deserializing header: ")
        raise TrainError(
            "E0808",
            f"cannot read the checkpoint `{path}`: it is no safetensors file, or damaged ({why})",
        ) from None
    except (OSError, ValueError) as error:
        raise TrainError("E0808", f"cannot read the checkpoint `{path}`: {error}") from None


def restore(path: Path, module: nn.Module) -> dict[str, str]:
    """Load a checkpoint into a module; names and shapes must match. Returns its facts.

    Raises TrainError E0808, naming what differs, and then leaves the module as it was.
    """
    tensors, facts = read(path)
    compare(path, tensors, module.state_dict())
    module.load_state_dict(tensors)
    return facts


def compare(path: Path, tensors: Mapping[str, Tensor], own: Mapping[str, Tensor]) -> None:
    """Raise TrainError E0808 where names or shapes of a file's tensors are not a module's own."""
    missing = sorted(own.keys() - tensors.keys())
    unexpected = sorted(tensors.keys() - own.keys())
    reshaped = [n for n in own if n in tensors and own[n].shape != tensors[n].shape]
    if missing or unexpected or reshaped:
        raise TrainError(
            "E0808",
            f"the checkpoint `{path}` is of another network",
            notes=(
                *_some("missing", [_with_hint(name, tensors) for name in missing]),
                *_some("unexpected", [f"`{name}`" for name in unexpected]),
                *_some(
                    "of another shape",
                    [f"`{n}` {list(tensors[n].shape)}, not {list(own[n].shape)}" for n in reshaped],
                ),
            ),
        )


def check_values(path: Path, tensors: Mapping[str, Tensor], own: Mapping[str, Tensor]) -> None:
    """Raise TrainError E0808 where tensors of a file, by a module's names, cannot be its values.

    Whole numbers are no weights, but those of a quantized network, whose scales lie elsewhere; NaN
    and infinity are what is left of a training that went wrong.
    """
    for name, tensor in tensors.items():
        if name not in own or not own[name].is_floating_point():
            continue
        if not tensor.is_floating_point():
            kind = str(tensor.dtype).removeprefix("torch.")
            raise TrainError(
                "E0808",
                f"`{name}` of `{path}` is of {kind}, which are no weights",
                help="save the weights as floating point, before they are quantized",
            )
        if not bool(torch.isfinite(tensor).all()):
            raise TrainError(
                "E0808",
                f"`{name}` of `{path}` holds numbers that are not finite",
                help="take a checkpoint from before the training went wrong",
            )


def _with_hint(name: str, tensors: Mapping[str, Tensor]) -> str:
    near = closest(name, tensors)
    return f"`{name}` (it has `{near}`)" if near else f"`{name}`"


def _some(kind: str, names: list[str]) -> list[str]:
    """One note on differences of a kind, if there are any."""
    more = [f"and {len(names) - SHOWN} more"] if len(names) > SHOWN else []
    return [f"{kind}: {', '.join(names[:SHOWN] + more)}"] if names else []

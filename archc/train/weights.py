"""Weights out of files, safetensors or torch's, and by name into modules. No file runs code."""

from __future__ import annotations

import pickle
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from . import checkpoint
from .build import instantiate
from .errors import TrainError

ZIP, PICKLE = b"PK\x03\x04", b"\x80"
"""How a file of `torch.save` begins: today's, and that of torch before 1.6."""
BEST, LAST = "best.safetensors", "last.safetensors"
INSIDE = ("state_dict", "model_state_dict", "model", "module", "net", "weights", "params")
"""Under which keys training programs keep the state_dict among other things."""


def file_of(path: Path) -> Path:
    """The file itself; of a run's folder, the weights of its best epoch, else the latest."""
    if not path.is_dir():
        return path
    found = [path / name for name in (BEST, LAST) if (path / name).is_file()]
    if not found:
        raise TrainError("E0808", f"`{path}` is a folder without {BEST} or {LAST}")
    return found[0]


def read_weights(path: Path) -> dict[str, Tensor]:
    """The tensors of a safetensors file, or of a file of `torch.save`, by name, on the CPU.

    A torch file may hold a state_dict, or one among other things (`{"state_dict": ..., "epoch":
    ...}`); what is no tensor is left out. It is read with `weights_only=True`: nothing in it runs.
    Raises TrainError E0808 where it cannot be read, or holds no tensors.
    """
    path = file_of(path)
    try:
        with open(path, "rb") as file:
            start = file.read(4)
    except OSError as error:
        raise _unreadable(path, error.strerror or str(error)) from None
    if start == ZIP or start[:1] == PICKLE:
        return _tensors(path, _load(path))
    return checkpoint.read(path)[0]


def _load(path: Path) -> Any:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # on old formats: it is read all the same
            return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError:
        raise TrainError(
            "E0808",
            f"`{path}` holds more than tensors, so it is not read",
            notes=("a pickle can run code; only tensors and plain values are taken",),
            help="save it again with `torch.save(model.state_dict(), ...)`, or as safetensors",
        ) from None
    except Exception as error:  # of a damaged file, torch raises almost anything
        why = str(error).strip().splitlines() or [type(error).__name__]
        raise _unreadable(path, why[0]) from None


def _tensors(path: Path, found: Any) -> dict[str, Tensor]:
    """The state_dict of what `torch.save` wrote."""
    for _ in range(3):  # `{"model": {"state_dict": ...}}`
        if not isinstance(found, Mapping):
            break
        tensors = {str(name): v for name, v in found.items() if _plain(v)}
        if tensors:
            return tensors
        found = next((found[key] for key in INSIDE if isinstance(found.get(key), Mapping)), None)
    raise TrainError(
        "E0808",
        f"`{path}` holds no tensors by name",
        help=f"a state_dict is looked for at the top, and under {', '.join(INSIDE)}",
    )


def _plain(value: Any) -> bool:
    """A tensor that others can be copied from: not sparse, not quantized, with numbers."""
    if not isinstance(value, Tensor) or value.is_meta or value.is_quantized:
        return False
    return value.layout == torch.strided


def _unreadable(path: Path, why: str) -> TrainError:
    return TrainError("E0808", f"cannot read the weights in `{path}`: {why}")


def live(source: str, name: str, weights: Path | None, seed: int = 0) -> nn.Module:
    """A module of emitted source with the weights of a file, or with fresh ones of a seed.

    The caller's random state stays as it is. Raises TrainError E0808 where the file does not fit.
    """
    with torch.random.fork_rng([]):
        torch.manual_seed(seed)
        module = instantiate(source, name)
    if weights is not None:
        load_all(weights, module)
    return module


def load_all(path: Path, module: nn.Module) -> None:
    """Give a module all weights of a file: names and shapes must be the module's own.

    A counter of batches (`num_batches_tracked`), which old files lack, may be missing. Raises
    TrainError E0808, naming what differs, and then leaves the module as it was.
    """
    tensors = read_weights(path)
    own = module.state_dict()
    for name, value in own.items():
        if name.endswith("num_batches_tracked"):
            tensors.setdefault(name, value)
    checkpoint.compare(path, tensors, own)
    module.load_state_dict(tensors)

"""Weights out of files, safetensors or torch's, and by name into modules. No file runs code."""

from __future__ import annotations

import pickle
import stat
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ..build import instantiate
from ..errors import TrainError
from . import checkpoint

ZIP, PICKLE = b"PK\x03\x04", b"\x80"
"""How a file of `torch.save` begins: today's, and that of torch before 1.6."""
BEST, LAST = "best.safetensors", "last.safetensors"
INSIDE = ("state_dict", "model_state_dict", "model", "module", "net", "weights", "params")
"""Under which keys training programs keep the state_dict among other things."""
COUNTER = "num_batches_tracked"
"""Ends the name of a buffer that counts batches and that old files lack."""


def file_of(path: Path) -> Path:
    """The file itself; of a run's folder, the weights of its best epoch, else the latest."""
    if not path.is_dir():
        return path
    found = [path / name for name in (BEST, LAST) if (path / name).is_file()]
    if not found:
        raise TrainError(
            "E0808",
            f"`{path}` is a folder without {BEST} or {LAST}",
            help="a run has them from the end of its first epoch on",
        )
    return found[0]


def read_weights(path: Path) -> dict[str, Tensor]:
    """The tensors of a safetensors file, or of a file of `torch.save`, by name, on the CPU.

    A torch file may hold a state_dict, or one among other things (`{"state_dict": ..., "epoch":
    ...}`); what is no tensor is left out. It is read with `weights_only=True`: nothing in it runs.
    Raises TrainError E0808 where it cannot be read, or holds no tensors.
    """
    path = file_of(path)
    try:
        if not stat.S_ISREG(path.stat().st_mode):  # opening a pipe would wait for a writer
            raise _unreadable(path, "it is not a regular file")
        with open(path, "rb") as file:
            start = file.read(4)
    except OSError as error:
        raise _unreadable(path, error.strerror or str(error)) from None
    if start == ZIP or start[:1] == PICKLE:
        return _tensors(path, _load(path))
    found = checkpoint.read(path)[0]
    if not found:
        raise TrainError("E0808", f"`{path}` holds no tensors")
    return found


def _load(path: Path) -> Any:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # on old formats: it is read all the same
            return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError:
        raise TrainError(
            "E0808",
            f"`{path}` holds more than tensors, or is damaged, so it is not read",
            notes=("a pickle can run code; only tensors and plain values are taken",),
            help="save it again with `torch.save(model.state_dict(), ...)`, or as safetensors",
        ) from None
    except Exception as error:  # of a damaged file, torch raises almost anything
        why = str(error).strip()
        if "TorchScript" in why:
            raise TrainError(
                "E0808",
                f"`{path}` is a TorchScript program, which is not read: it can run code",
                help="save its weights: `torch.save(torch.jit.load(file).state_dict(), ...)`",
            ) from None
        if "PytorchStreamReader" in why or "hasRecord" in why:
            why = "its zip archive is damaged, or not one of `torch.save`"
        raise _unreadable(path, (why.splitlines() or [type(error).__name__])[0]) from None


def _tensors(path: Path, found: Any) -> dict[str, Tensor]:
    """The state_dict of what `torch.save` wrote: at the top, or where it lies among other things.

    Beside a state_dict there may be tensors, such as the mean of the images: most of them win.
    """
    best: dict[str, Tensor] = {}
    for _ in range(3):  # `{"model": {"state_dict": ...}}`
        if not isinstance(found, Mapping):
            break
        tensors = {str(name): v for name, v in found.items() if _plain(v)}
        best = tensors if len(tensors) > len(best) else best
        found = next((found[key] for key in INSIDE if isinstance(found.get(key), Mapping)), None)
    if best:
        return best
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

    A prefix that all names have (`module.` of DataParallel) is taken off. A counter of batches
    (`num_batches_tracked`), which old files lack, may be missing. Raises TrainError E0808, naming
    what differs, and then leaves the module as it was.
    """
    path = file_of(path)
    own = module.state_dict()
    tensors = _unprefixed(read_weights(path), own)
    for name, value in own.items():
        if name.endswith(COUNTER):
            tensors.setdefault(name, value)
    checkpoint.compare(path, tensors, own)
    checkpoint.check_values(path, tensors, own)
    module.load_state_dict(tensors)


def _unprefixed(tensors: dict[str, Tensor], own: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors by names without what all of them begin with, where that gives the module's."""
    wanted = {name for name in own if not name.endswith(COUNTER)}
    parts = next(iter(tensors)).split(".")
    for n in range(1, len(parts)):
        prefix = ".".join(parts[:n]) + "."
        if not all(name.startswith(prefix) for name in tensors):
            break
        bare = {name.removeprefix(prefix): tensor for name, tensor in tensors.items()}
        if wanted <= bare.keys() <= own.keys():
            return bare
    return tensors

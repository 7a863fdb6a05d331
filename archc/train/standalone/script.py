"""One recipe as a stand-alone script: constants, the functions that it needs, and its own loop."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ..choices import Fit, Idx, Npz
from ..fitting import Prepared
from ..objective import Head
from ..recipe import Recipe
from ..sizing import way
from ..sources import Data
from . import loop
from .losses import Criteria
from .pieces import functions, imports, names_in, needed

COMMENTS = {
    "HELD_OUT": "training samples to choose the best epoch by",
    "ACCUMULATE": "parts that a batch is computed in",
    "WARMUP": "share of the run until the learning rate is at its peak",
    "START": "of LR, where it begins",
    "END": "of LR, where it ends",
    "FACTOR": "of the learning rate, at each of the epochs below",
    "CLIP": "longest gradient",
    "EMA": "decay per step of the running average of the weights",
    "PATIENCE": "epochs without a better one until it stops",
    "LAYER_LR": "factors of the learning rate; the first pattern that fits counts",
    "IGNORED": "class of places that do not count",
    "SIZE": "height and width of the input",
    "SIGMA": "width of a keypoint's hill, in cells",
}


@dataclass(frozen=True)
class Case:
    """What a script is about, and what is known of its data."""

    network: str
    """The class that the module beside the script defines."""
    module: str
    """The name of that module."""
    spec: str
    """The name of the spec's file."""
    recipe: Recipe
    heads: Sequence[Head]
    measured: int
    """Which main output the metric is of."""
    classes: int
    """Channels of that output."""
    shape: tuple[int, ...]
    """Of the network's input, without the batch."""
    data: Data
    ready: Prepared
    init: bytes | None
    """Weights to start from, as `torch.save` writes a state_dict."""

    @property
    def kind(self) -> str:
        return self.ready.train.kind

    @property
    def image(self) -> bool:
        return len(self.shape) == 3


@dataclass(frozen=True)
class Script:
    """The text, and files that belong beside it, by name."""

    text: str
    files: dict[str, bytes]


def script(case: Case, stem: str = "train") -> Script:
    """Write out a case; `stem` is the script's name, from which its files have theirs."""
    files: dict[str, bytes] = {}
    constants = _constants(case)
    direct = _source(case)
    if direct is None:
        files[f"{stem}_data.npz"] = _arrays(case.ready)
    where = direct or f'Path(__file__).with_name("{stem}_data.npz")'
    constants = {"DATA": where, **constants}
    if case.init is not None:
        files[f"{stem}_init.pt"] = case.init
        constants["INIT"] = f'Path(__file__).with_name("{stem}_init.pt")'
    criteria = Criteria(case.heads, case.kind, case.ready.ignoring, _size(case))
    constants |= criteria.constants
    own = [*criteria.functions, *loop.functions(case, criteria)]
    parts = [functions()[name] for name in needed(own)]
    code = [*parts, *own]
    names = set().union(*(names_in(piece) for piece in code))
    values = {name: value for name, value in constants.items() if name in names}
    names |= set().union(*(names_in(value) for value in values.values()))
    written = [
        f"{_title(case, stem)}",
        "from __future__ import annotations",
        imports(names, case.module, case.network),
        "\n".join(_constant(name, value) for name, value in values.items()) + "\n",
        "\n\n\n".join(code) + "\n",
        'if __name__ == "__main__":\n    main()',
    ]
    return Script("\n\n".join(written) + "\n", files)


def _constant(name: str, value: str) -> str:
    comment = f"  # {COMMENTS[name]}" if name in COMMENTS else ""
    return f"{name} = {value}{comment}"


def _title(case: Case, stem: str) -> str:
    return f'''"""Train {case.network} by the recipe `{case.recipe.name}` of {case.spec}.

The losses are those of `archc train` on the same device. Beside this file lies {case.module}.py.

    python {stem}.py
    python {stem}.py --epochs 2 --device cpu --log losses.csv
"""'''


def _size(case: Case) -> tuple[int, int]:
    """Height and width of the input images."""
    return (case.shape[1], case.shape[2]) if case.image else (1, 1)


def _constants(case: Case) -> dict[str, str]:
    """Every constant that a script may need; what it does not refer to is left out."""
    recipe, ready = case.recipe, case.ready
    optimizer: Any = recipe.optimizer
    schedule = recipe.schedule
    found: dict[str, Any] = {
        "SEED": recipe.seed,
        "EPOCHS": recipe.epochs,
        "BATCH": min(recipe.batch, len(ready.train)),
        "ACCUMULATE": recipe.accumulate,
        "LR": optimizer.lr,
        "WARMUP": schedule.warmup,
        "START": getattr(schedule, "start", None),
        "END": getattr(schedule, "end", None),
        "FACTOR": getattr(schedule, "factor", None),
        "FALLS": _falls(recipe),
        "CLIP": recipe.clip,
        "EMA": recipe.ema,
        "PATIENCE": recipe.patience,
        "HELD_OUT": len(ready.validation) if ready.validation else 0,
        "FREEZE": recipe.freeze,
        "LAYER_LR": [(rate.pattern, rate.factor) for rate in recipe.layer_lr],
        "CLASSES": max(case.classes, 2),
        "SIZE": _size(case),
        "IGNORED": -100,
    }
    made = {name: _literal(value) for name, value in found.items()}
    made["MEAN"], made["STD"] = _statistics(ready.mean), _statistics(ready.std)
    return made


def _literal(value: Any) -> str:
    text = repr(value)
    return text.replace("'", '"') if "'" in text and '"' not in text else text


def _statistics(values: torch.Tensor) -> str:
    """A tensor of one number per channel that broadcasts over the rest."""
    numbers = ", ".join(str(n) for n in values.flatten().tolist())
    shape = f".reshape({', '.join(['-1', *'1' * (values.ndim - 1)])})" if values.ndim > 1 else ""
    return f"torch.tensor([{numbers}]){shape}"


def _falls(recipe: Recipe) -> list[int]:
    schedule: Any = recipe.schedule
    if schedule.name != "step":
        return []
    if schedule.at is not None:
        return list(schedule.at)
    return list(range(schedule.every, recipe.epochs, schedule.every))


SELECTING = ("classes", "samples", "ignore", "permute")
"""Settings that change what the data are."""


def _source(case: Case) -> str | None:
    """The path of data that a script can read as they are; None where it gets arrays of its own."""
    recipe, where = case.recipe, case.data.where
    defaults = Recipe.model_fields
    if any(getattr(recipe, name) != defaults[name].default for name in SELECTING):
        return None
    if _remade(tuple(case.data.train.x.shape[1:]), case.shape, recipe.fit):
        return None
    source = recipe.data
    if isinstance(source, Idx) and _plain_names(Path(where)):
        return f"Path({_literal(str(where))})"
    plain = isinstance(source, Npz) and not source.keypoints
    return f"Path({_literal(str(where))})" if plain else None


def _remade(size: tuple[int, ...], shape: tuple[int, ...], fit: Fit) -> bool:
    """Do images reach the input by more than a border, or in more channels than they have?"""
    if len(size) != len(shape):
        return False
    if size[0] != shape[0] and size[-1] == shape[0]:  # channels last, which a script moves itself
        size = (size[-1], *size[:-1])
    found = way(size[1:], shape[1:], fit) if size[0] == shape[0] else None
    grey = len(shape) == 3 and (size[0], shape[0]) == (1, 3)
    return grey or (size != shape and found is not None and found.how != "pad")


def reader(case: Case) -> str | None:
    """Which function reads the data: `load_idx`, `load_npz`; None for arrays as prepared."""
    if _source(case) is None:
        return None
    return "load_idx" if isinstance(case.recipe.data, Idx) else "load_npz"


def _plain_names(folder: Path) -> bool:
    """Do the files have the names of today, gzipped or not?"""
    names = (
        f"{split}-{kind}-ubyte"
        for split in ("train", "t10k")
        for kind in ("images-idx3", "labels-idx1")
    )
    return all((folder / n).is_file() or (folder / f"{n}.gz").is_file() for n in names)


def _arrays(ready: Prepared) -> bytes:
    """Samples as the network takes them, but for their normalisation, as one file of arrays."""
    arrays = {}
    parts = {"train": ready.train, "validation": ready.validation, "test": ready.test}
    for name, split in parts.items():
        if split is not None:
            y = split.y if split.y.is_floating_point() else split.y.long()
            arrays[f"x_{name}"], arrays[f"y_{name}"] = split.x.numpy(), y.numpy()
    file = io.BytesIO()
    np.savez_compressed(file, allow_pickle=False, **arrays)
    return file.getvalue()

"""One recipe as a stand-alone script: constants, the functions that it needs, and its own loop."""

from __future__ import annotations

import builtins
import io
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

from ..data.fitting import Prepared
from ..settings.choices import Step
from ..settings.recipe import Recipe
from .augmenting import augmentation
from .case import Case
from .epoch import groups, train_epoch
from .evaluating import evaluate
from .layout import WIDTH, filled, lines
from .loading import loading, normalizing, source
from .losses import Criteria
from .main import main
from .pieces import IMPORTS, arranged, imports, names_in, names_of

COMMENTS = {
    "VALIDATION": "training samples held out to choose the best epoch by",
    "ACCUMULATE": "parts that a batch is computed in",
    "WARMUP": "share of the run until the learning rate is at its peak",
    "START": "of LR, where it begins",
    "END": "of LR, where it ends",
    "FACTOR": "of the learning rate, at each milestone",
    "EVERY": "epochs between two of them",
    "MILESTONES": "epochs",
    "CLIP": "norm of the gradient at most",
    "EMA": "decay per step of the running average of the weights",
    "PATIENCE": "epochs without a better one until it stops",
    "LAYER_LR": "factors of the learning rate; the first pattern that fits counts",
    "IGNORED": "class of places that do not count",
    "SIZE": "height and width of the images",
    "MIRRORED": "which keypoint each becomes in a mirror",
    "SIGMA": "of a keypoint's Gaussian, in cells of the heatmap",
    "WEIGHTS": "of the classes",
}
ABSENT = {
    "checkpoint": "checkpoints within the run",
    "tensorboard": "TensorBoard",
    "sync_batchnorm": "several processes",
}
"""Settings that a script has no part for, and what is missing with them."""

MASKED_ROWS = lines(
    "def class_rows(target: Tensor) -> Tensor:",
    '    """Class numbers as rows of 0 and 1, [N, CLASSES]; of ignored ones, all 0."""',
    "    return F.one_hot(target.clamp_min(0), CLASSES) * (target != IGNORED).float()[:, None]",
)
"""`class_rows` where some samples are of no class."""
MASKED_CONFUSION = lines(
    "def confusion_matrix(predicted: Tensor, target: Tensor) -> Tensor:",
    '    """Pixels that count, by true and by predicted class: [CLASSES, CLASSES]."""',
    "    cells = (target * CLASSES + predicted)[target != IGNORED]",
    "    return torch.bincount(cells, minlength=CLASSES**2).reshape(CLASSES, CLASSES)",
)
"""`confusion_matrix` where some pixels are of no class."""


@dataclass(frozen=True)
class Script:
    """The text, and files that belong beside it, by name."""

    text: str
    files: dict[str, bytes]


def script(case: Case, stem: str = "train") -> Script:
    """Write out a case; `stem` is the script's name, from which its files have theirs."""
    files: dict[str, bytes] = {}
    constants = {}
    found = source(case)
    if found is None:
        files[f"{stem}_data.npz"] = _arrays(case.ready)
        constants["DATA"] = f'Path(__file__).with_name("{stem}_data.npz")'
    else:
        constants["DATA"] = f"Path({_literal(str(found[0]))})"
    if case.init is not None:
        files[f"{stem}_init.pt"] = case.init
        constants["INIT"] = f'Path(__file__).with_name("{stem}_init.pt")'
    case = replace(case, called=_called(case))
    criteria = Criteria(case)
    constants |= _constants(case, criteria) | criteria.constants
    code = arranged(_own(case, criteria))
    names = set().union(*(names_in(piece) for piece in code))
    values = {name: value for name, value in constants.items() if name in names}
    names |= set().union(*(names_in(value) for value in values.values()))
    written = [
        _title(case, stem),
        "from __future__ import annotations",
        imports(names, _import(case)),
        "\n".join(_constant(name, value) for name, value in values.items()) + "\n",
        "\n\n\n".join(code) + "\n",
        'if __name__ == "__main__":\n    main()',
    ]
    return Script("\n\n".join(written) + "\n", files)


def _called(case: Case) -> str:
    """What the network's class is called in the script, where its name may have another meaning."""
    code = arranged(_own(replace(case, called="_"), Criteria(case)))
    used = set(IMPORTS).union(dir(builtins), *(names_of(piece) for piece in code))
    name = case.made
    while name in used:
        name += "Network"
    return name


def _import(case: Case) -> str:
    other = f" as {case.called}" if case.called != case.made else ""
    return f"from {case.module} import {case.made}{other}"


def _own(case: Case, criteria: Criteria) -> dict[str, list[str]]:
    """The functions that are written for the case, by the file of `parts` that they come after."""
    rows = [MASKED_ROWS] if case.soft and case.ignoring else []
    confusion = [MASKED_CONFUSION] if case.kind == "masks" and case.ignoring else []
    return {
        "data": [*loading(case), normalizing(case)],
        "blend": rows,
        "points": [piece for piece in [augmentation(case)] if piece],
        "weights": [piece for piece in [groups(case)] if piece],
        "losses": criteria.functions,
        "metrics": [*confusion, train_epoch(case, criteria), evaluate(case, criteria), main(case)],
    }


def _constant(name: str, value: str) -> str:
    words = COMMENTS.get(name.rstrip("_0123456789"))
    comment = f"  # {words}" if words else ""
    line = f"{name} = {value}"
    if len(line + comment) <= WIDTH:
        return line + comment
    above = f"# {words}\n" if words else ""
    return above + (line if len(line) <= WIDTH else filled(line))


def _title(case: Case, stem: str) -> str:
    recipe, defaults = case.recipe, Recipe.model_fields
    absent = [
        f"`{name}` ({what})"
        for name, what in ABSENT.items()
        if getattr(recipe, name) != defaults[name].default
    ]
    # a file may be called anything; within a text, only what does not end it
    spec = "".join(c if c.isprintable() and c not in '"\\' else "_" for c in case.spec)
    left_out = f"\nOf the recipe, it leaves out {' and '.join(absent)}.\n" if absent else ""
    return f'''"""Train {case.network} by the recipe `{recipe.name}` of {spec}.

The losses are those of `archc train` on the same device. Beside this file lies {case.module}.py.
{left_out}
    python {stem}.py
    python {stem}.py --epochs 2 --device cpu --log losses.txt
"""'''


def _constants(case: Case, criteria: Criteria) -> dict[str, str]:
    """Every constant that a script may need; what it does not refer to is left out."""
    recipe, ready = case.recipe, case.ready
    optimizer: Any = recipe.optimizer
    schedule = recipe.schedule
    found: dict[str, Any] = {
        "SEED": recipe.seed,
        "EPOCHS": recipe.epochs,
        "BATCH": recipe.batch,
        "ACCUMULATE": recipe.accumulate,
        "LR": optimizer.lr,
        "WARMUP": schedule.warmup,
        "START": getattr(schedule, "start", None),
        "END": getattr(schedule, "end", None),
        "FACTOR": getattr(schedule, "factor", None),
        "EVERY": schedule.every if isinstance(schedule, Step) else None,
        "MILESTONES": schedule.at if isinstance(schedule, Step) else None,
        "CLIP": recipe.clip,
        "EMA": recipe.ema,
        "PATIENCE": recipe.patience,
        "VALIDATION": len(ready.validation) if ready.validation else 0,
        "FREEZE": recipe.freeze,
        "LAYER_LR": [(rate.pattern, rate.factor) for rate in recipe.layer_lr],
        "CLASSES": criteria.most if case.soft else case.classes,
        "SIZE": case.size,
        "MIRRORED": list(ready.train.mirrored),
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
    flat = values.flatten()
    runs = torch.unique_consecutive(flat)
    each = len(flat) // len(runs)
    # of images as rows, every number of a channel has the channel's
    repeated = len(runs) < len(flat) and torch.equal(runs.repeat_interleave(each), flat)
    numbers = ", ".join(_single(n) for n in (runs if repeated else flat).tolist())
    made = f"torch.tensor([{numbers}])" + (f".repeat_interleave({each})" if repeated else "")
    ones = ", ".join(["-1", *"1" * (values.ndim - 1)])
    return f"{made}.reshape({ones})" if values.ndim > 1 else made


def _single(number: float) -> str:
    """The shortest text of a float32."""
    return str(np.float32(number))


def _arrays(ready: Prepared) -> bytes:
    """Samples as the network takes them, but for their normalisation, as one file of arrays."""
    arrays = {}
    parts = {"train": ready.train, "validation": ready.validation, "test": ready.test}
    for name, split in parts.items():
        if split is not None:
            arrays[f"x_{name}"], arrays[f"y_{name}"] = split.x.numpy(), split.y.numpy()
    file = io.BytesIO()
    np.savez_compressed(file, allow_pickle=False, **arrays)
    return file.getvalue()

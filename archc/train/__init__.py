"""Training: the only room besides `verify` (and the API's `module()`) that imports torch.

What a recipe may say is in `recipe` and `choices`, without torch; `fit` imports the rest.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from .errors import Elsewhere, Interrupted, TrainError

if TYPE_CHECKING:
    from torch import nn

    from .settings.recipe import Recipe
    from .training import Result

__all__ = ["Elsewhere", "Interrupted", "TrainError", "fit", "require_torch", "run_image", "speaks"]


def speaks() -> bool:
    """Of several processes that train one network, is this the one that writes and prints?"""
    return os.environ.get("RANK", "0") == "0"


def require_torch() -> None:
    """Raise TrainError E0809 where the `torch` extra is not installed."""
    # Threads that wait by spinning slow each other down tenfold on a machine that has other work.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    missing = []
    for name in ("torch", "numpy", "safetensors", "PIL", "matplotlib"):
        try:
            __import__(name)
        except ModuleNotFoundError as error:
            missing.append("pillow" if error.name == "PIL" else str(error.name))
        except (ImportError, OSError) as error:  # damaged, or too little memory for its code
            why = (str(error).splitlines() or ["no reason is given"])[0]
            raise TrainError(
                "E0809",
                f"`{name}` is installed, and cannot be loaded: {why}",
                help='pip install --force-reinstall "archc[torch]", or give it more memory',
            ) from None
    if missing:
        raise TrainError(
            "E0809",
            f"training needs {', '.join(missing)}, which is not installed",
            help='pip install "archc[torch]"',
        )


def fit(
    module: nn.Module | Callable[[], nn.Module],
    recipe: Recipe,
    *,
    inputs: Mapping[str, tuple[int, ...]],
    outputs: Sequence[tuple[str | None, bool]],
    run_dir: Path | Callable[[], Path],
    device: str | None,
    out: TextIO,
    spec_dir: Path,
    spec_text: str,
    terminal: TextIO | None = None,
    resume: bool = False,
    code: str | None = None,
    command: Mapping[str, Any] | None = None,
) -> Result:
    """Train a module by a recipe, and evaluate it on the test set.

    `module`: a module, or what makes one: then the recipe's seed also covers the initial weights.
    `inputs`: name to shape, without the batch. `outputs`: (name, in training only) in the order of
    their declarations; the module returns the main ones, then in training the others.
    `run_dir`: the run's own folder, or what makes it (`rundir.new_run_dir`) once the data are seen
    to fit. `device`: as torch names it; None: a GPU if there is one. `out` gets lines; the bar goes
    to `terminal` (None: standard error) if that is a terminal. `spec_dir`: where the spec lies
    (relative paths start there); `spec_text` is kept with the run. `resume`: go on with the run in
    the folder. `code`: text that tells the network from any other (None: the spec's). `command`:
    how the run was asked for, as JSON; it is kept with the settings.

    Raises TrainError for all that can go wrong, `Interrupted` after Ctrl-C, SIGTERM or
    SIGHUP; `Elsewhere` where another process of the same run says what went wrong.
    """
    require_torch()
    from .training import fit

    return fit(
        module,
        recipe,
        inputs=inputs,
        outputs=outputs,
        run_dir=run_dir,
        device=device,
        out=out,
        spec_dir=spec_dir,
        spec_text=spec_text,
        terminal=terminal,
        resume=resume,
        code=code,
        command=command,
    )


def run_image(module: nn.Module, image: Path, result: Path, channels: int) -> str:
    """Put an image through a module, write what comes out as one; see `archc.train.using.run`."""
    require_torch()
    from .using.run import run_image

    return run_image(module, image, result, channels)

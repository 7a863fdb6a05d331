"""From a recipe and its data to what a script has to say."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch

from ..build import instantiate
from ..device import choose, numerics
from ..errors import TrainError
from ..fitting import Prepared, prepare
from ..objective import make_heads, tensors, values_of
from ..recipe import Recipe
from ..sources import load
from ..training import input_shape, placed, probe
from ..transfer import start
from .augmenting import KNOWN
from .script import Case


def make_case(
    recipe: Recipe,
    *,
    network: str,
    module: str,
    spec: str,
    code: str,
    inputs: Mapping[str, tuple[int, ...]],
    outputs: Sequence[tuple[str | None, bool]],
    spec_dir: Path,
) -> Case:
    """Load the data of a recipe and run two samples through its network, to see what they are.

    `module`: name of the file with the network's `code`. Raises TrainError as training does, and
    E0904 where a setting has no form in a script.
    """
    heads = make_heads(recipe, outputs)
    shape = input_shape(inputs)
    with placed(recipe, "data"):
        data = load(recipe.data, spec_dir, trusted=recipe.from_command_line("data"))
        ready = prepare(data, recipe, shape)
    _check_augment(recipe, ready)
    setup = choose(recipe, "cpu", len(shape), 0)
    with numerics(setup), placed(recipe, "data"):
        torch.manual_seed(recipe.seed)
        made = instantiate(code, network)
        init = None
        if start(made, recipe, spec_dir) is not None:
            file = io.BytesIO()
            torch.save(made.state_dict(), file)
            init = file.getvalue()
        _, objective = probe(made, heads, ready, setup)
        made.eval()
        with torch.no_grad():
            result = made(torch.zeros(1, *shape))
    out = tensors(values_of(result, len(objective.main))[objective.measured])[-1]
    return Case(
        network=network,
        module=module,
        spec=spec,
        recipe=recipe,
        heads=heads,
        measured=objective.measured,
        classes=out.shape[1] if out.ndim > 1 else 1,
        shape=shape,
        data=data,
        ready=ready,
        init=init,
    )


def _check_augment(recipe: Recipe, ready: Prepared) -> None:
    """Raise TrainError E0904 where a step has no form in a script."""
    split = ready.train
    moves = split.kind == "keypoints" or (split.kind == "values" and split.y.ndim == 4)
    for choice in recipe.augment:
        if type(choice) not in KNOWN or moves:
            what = f" of {split.kind}" if moves else ""
            raise TrainError(
                "E0904",
                f"`{choice.name}`{what} has no form in a stand-alone script",
                recipe.place("augment"),
                help="leave it out, or train with `archc train`",
            )

"""`archc build --with-train`: a stand-alone training script beside each module."""

from __future__ import annotations

import argparse
from pathlib import Path

from ..driver import Compilation, Compiled
from ..recipe import RecipeSpec
from .train import pick


def scripts(
    args: argparse.Namespace, state: Compilation, stem_of: dict[str, str]
) -> dict[Path, bytes] | None:
    """Paths and contents of the scripts and of what they read; None, and an error, without recipe.

    Networks without a recipe have none. One script is `train.py`, several are
    `train_<network>.py`. Raises TrainError.
    """
    from ..emit.pytorch import source
    from ..train import require_torch

    assert state.program is not None
    chosen = _recipes(args, state)
    if chosen is None:
        return None
    require_torch()
    from ..train.settings.recipe import Recipe
    from ..train.standalone import make_case, script

    files: dict[Path, bytes] = {}
    here = Path.cwd() if args.spec == "-" else Path(args.spec).resolve().parent
    for network, spec in chosen:
        report = network.report
        assert report is not None
        stem = "train" if len(chosen) == 1 else f"train_{stem_of[network.name]}"
        case = make_case(
            Recipe.read(spec, {}),
            network=network.name,
            module=stem_of[network.name],
            spec="a spec" if args.spec == "-" else Path(args.spec).name,
            code=source(network.graph, report, network.doc),
            inputs=dict(report.inputs),
            outputs=[(name, name in report.training_outputs) for name, _ in report.outputs],
            spec_dir=here,
        )
        made = script(case, stem)
        files[Path(args.out) / f"{stem}.py"] = made.text.encode()
        files |= {Path(args.out) / name: data for name, data in made.files.items()}
    return files


def _recipes(
    args: argparse.Namespace, state: Compilation
) -> list[tuple[Compiled, RecipeSpec]] | None:
    """The networks that have a recipe (that of the given name, else their first), with it.

    Where a network and a recipe are both named, they belong together, as `archc train` has it.
    """
    assert state.program is not None
    recipes = state.program.recipes()
    wanted = args.with_train or None
    both = wanted is not None and args.network is not None
    found = []
    for network in state.networks:
        fitting = [
            r
            for r in recipes
            if wanted in (None, r.name) and (both or r.network in (None, network.name))
        ]
        if fitting:
            found.append((network, fitting[0]))
    if found:
        return found
    args.recipe = wanted
    pick(args, recipes)  # which says what is wrong
    return None

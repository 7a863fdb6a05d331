"""`archc train`: the recipe of a spec, carried out."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..diagnostics import Diagnostic, Label, closest
from ..driver import Compilation, Compiled, Options, compile_spec
from ..elaborate.values import POISON
from .common import complain, one_network, refuse

if TYPE_CHECKING:
    from ..recipe import RecipeSpec
    from ..train import TrainError

INTERRUPTED = 130


def train(args: argparse.Namespace) -> int:
    """Train the network that a recipe is for; what was reached is the last line."""
    from ..train import Interrupted, TrainError, require_torch

    chosen = _choose(args)
    if chosen is None:
        return 1
    state, network, recipe = chosen
    try:
        require_torch()
        return _train(args, state, network, recipe)
    except TrainError as error:
        complain(args, [diagnostic(e) for e in error.each()])
        return 1
    except Interrupted as stop:
        print(stop.message, file=sys.stderr)
        return INTERRUPTED


def diagnostic(error: TrainError) -> Diagnostic:
    """A failure of training as a diagnostic."""
    labels = (Label(error.span),) if error.span is not None else ()
    return Diagnostic(error.code, error.message, labels, error.notes, error.help)


# ---------------------------------------------------------------------------- what to train


def _choose(args: argparse.Namespace) -> tuple[Compilation, Compiled, RecipeSpec] | None:
    """The recipe and its network, compiled with the parameters that `--set` gives it."""
    limits = {"max_nodes": args.max_nodes, "max_bytes": args.max_bytes}
    read = compile_spec(args.spec, Options(**limits), stop_after="syntax")
    if read.failed or read.program is None:
        complain(args, read.diagnostics)
        return None
    recipe = _recipe(args, read.program.recipes())
    if recipe is None:
        return None
    name = args.network or recipe.network or _only(list(read.program.networks))
    if name is None:
        refuse(
            args,
            "E0803",
            f"recipe `{recipe.name}` does not say for which network it is",
            help="choose one with --network, or write `recipe ... for Name`",
        )
        return None
    known = (
        {p.name.name for p in read.program.parameters(name)}
        if name in read.program.networks
        else set()
    )
    settings = {k: v for k, v in args.set if k in known}
    args.overrides = {k: v for k, v in args.set if k not in known}
    state = compile_spec(args.spec, Options(network=name, settings=settings, **limits))
    if not one_network(args, state):
        return None
    complain(args, state.diagnostics)
    return state, state.networks[0], recipe


def _recipe(args: argparse.Namespace, recipes: list[RecipeSpec]) -> RecipeSpec | None:
    """The recipe that is asked for, or the first one for the network."""
    names = [r.name for r in recipes]
    if args.recipe is not None:
        found = next((r for r in recipes if r.name == args.recipe), None)
        if found is None:
            meant = closest(args.recipe, names)
            refuse(
                args,
                "E0803",
                f"`{args.spec}` has no recipe `{args.recipe}`",
                help=f"did you mean `{meant}`?"
                if meant
                else f"its recipes: {', '.join(names) or 'none'}",
            )
        return found
    fitting = [r for r in recipes if args.network in (None, r.network) or r.network is None]
    if not fitting:
        refuse(
            args,
            "E0803",
            f"`{args.spec}` has no recipe" + (f" for `{args.network}`" if args.network else ""),
            help='write one: `recipe quick for Name { data = idx("fashion-mnist") }`',
        )
        return None
    return fitting[0]


def _only(names: list[str]) -> str | None:
    return names[0] if len(names) == 1 else None


# ---------------------------------------------------------------------------- training


def _train(
    args: argparse.Namespace, state: Compilation, network: Compiled, spec: RecipeSpec
) -> int:
    from ..emit.pytorch import source
    from ..train import fit
    from ..train.build import instantiate
    from ..train.recipe import Recipe
    from ..train.rundir import new_run_dir

    program, report = state.program, network.report
    assert program is not None and report is not None and state.source is not None
    overrides: dict[str, Any] = {}
    for key, text in args.overrides.items():
        overrides[key] = program.setting(text, key)
        if overrides[key] is POISON:
            complain(args, state.diagnostics)
            return 1
    if args.init is not None:
        overrides["init"] = args.init
    recipe = Recipe.read(spec, overrides)
    text = source(network.graph, report, network.doc)
    here = Path.cwd() if args.spec == "-" else Path(args.spec).resolve().parent
    training = report.training_outputs
    fit(
        lambda: instantiate(text, network.name),
        recipe,
        inputs=dict(report.inputs),
        outputs=[(name, name in training) for name, _ in report.outputs],
        run_dir=Path(args.out) if args.out else lambda: new_run_dir(Path("runs"), network.name),
        device=args.device,
        out=sys.stdout,
        spec_dir=here,
        spec_text=state.source.text,
    )
    return 0

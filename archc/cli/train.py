"""`archc train`: the recipe of a spec, carried out."""

from __future__ import annotations

import argparse
import hashlib
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..diagnostics import Diagnostic, Label, closest
from ..driver import Compilation, Compiled, Options, compile_spec
from ..elaborate.values import POISON
from .common import complain, one_network, refuse

if TYPE_CHECKING:
    from ..recipe import RecipeSpec
    from ..train import TrainError
    from ..train.settings.recipe import Recipe

USAGE, INTERRUPTED = 2, 130
PATIENCE = 2.0
"""Seconds that a process without a voice waits after a failure."""
REPEAT = "repeat.json"
"""In the folder of runs with several seeds: how they were asked for."""


def train(args: argparse.Namespace) -> int:
    """Train the network that a recipe is for; what was reached is the last line."""
    from ..train import Elsewhere, Interrupted, TrainError, require_torch, speaks

    code = 1
    args.silent = not speaks()
    try:
        if args.resume is not None:
            _recall(args)
        wrong = "SPEC is missing" if args.spec is None else ""
        if args.resume is not None and args.out is not None:
            wrong = "--resume says the folder, so -o cannot"
        if args.out == "":
            wrong = "-o needs the name of a folder"
        if wrong:
            print(f"archc train: {wrong}; see archc train --help", file=sys.stderr)
            return USAGE
        chosen = choose(args)
        if chosen is None:
            return 1
        require_torch()
        code = _train(args, *chosen)
    except TrainError as error:
        complain(args, [diagnostic(e) for e in error.each()])
    except Elsewhere:
        pass
    except Interrupted as stop:
        code = INTERRUPTED
        if speaks():
            with suppress(OSError):  # of a terminal that was closed
                print(stop.message, file=sys.stderr)
    finally:
        if args.silent and code == 1:
            # torchrun ends all processes once one has ended: first, let that one speak which does
            time.sleep(PATIENCE)
    return code


def _recall(args: argparse.Namespace) -> None:
    """Ask as the run was asked for, where the command line does not say otherwise."""
    from ..train.folder.rundir import SETTINGS, read_command

    run = Path(args.resume)
    plan = run / REPEAT
    said, command = read_command(plan if plan.exists() else run / SETTINGS)
    if args.repeat is not None and plan.exists():
        args.repeat = None  # as many as were asked for, see `repeat.json`
    args.expected = said.get("spec_sha256") if args.spec is None else None
    if args.spec is None:
        given = command.get("spec") or "-"
        # one that came from standard input, or that is gone, is in the run's folder only
        kept = given == "-" or not Path(given).exists()
        args.spec = str(run / "spec.arch") if kept else given
        if kept:
            args.home = command.get("folder") if given == "-" else str(Path(given).parent)
    for name in ("network", "recipe", "device", "init"):
        if getattr(args, name) is None:
            setattr(args, name, command.get(name))
    args.set = [(key, text) for key, text in command.get("set", [])] + args.set


def diagnostic(error: TrainError) -> Diagnostic:
    """A failure of training as a diagnostic."""
    labels = (Label(error.span),) if error.span is not None else ()
    return Diagnostic(error.code, error.message, labels, error.notes, error.help)


# ---------------------------------------------------------------------------- what to train


def choose(args: argparse.Namespace) -> tuple[Compilation, Compiled, RecipeSpec] | None:
    """The recipe and its network, compiled with the parameters that `--set` gives it."""
    limits = {"max_nodes": args.max_nodes, "max_bytes": args.max_bytes}
    read = compile_spec(args.spec, Options(**limits), stop_after="syntax")
    if read.failed or read.program is None:
        complain(args, read.diagnostics)
        return None
    recipe = pick(args, read.program.recipes())
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
    # the text is given on: standard input can be read but once
    chosen = Options(network=name, settings=settings, **limits)
    state = compile_spec(args.spec, chosen, source=read.source)
    if not one_network(args, state):
        return None
    complain(args, state.diagnostics)
    return state, state.networks[0], recipe


def pick(args: argparse.Namespace, recipes: list[RecipeSpec]) -> RecipeSpec | None:
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
    from ..train.folder.rundir import new_run_dir
    from ..train.repeat import Job, repeat

    report = network.report
    assert report is not None and state.source is not None
    recipe = recipe_of(args, state, spec)
    if recipe is None:
        return 1
    _expected(args, state.source.text)
    here = Path.cwd() if args.spec == "-" else Path(args.spec).resolve().parent
    job = Job(
        name=network.name,
        code=source(network.graph, report, network.doc),
        recipe=recipe,
        inputs=dict(report.inputs),
        outputs=[(name, name in report.training_outputs) for name, _ in report.outputs],
        device=args.device,
        spec_dir=Path(getattr(args, "home", None) or here),
        spec_text=state.source.text,
        command=_command(args, network.name, spec.name),
    )
    run = None if args.resume is None else Path(args.resume)
    if args.repeat is not None or (run is not None and (run / REPEAT).exists()):
        repeat(job, args.repeat, run or (Path(args.out) if args.out else None), run is not None)
    elif run is not None:
        job.fit(run, resume=True)
    else:
        job.fit(Path(args.out) if args.out else lambda: new_run_dir(Path("runs"), network.name))
    return 0


def recipe_of(args: argparse.Namespace, state: Compilation, spec: RecipeSpec) -> Recipe | None:
    """The recipe with what the command line says on top; None, and an error, where it cannot be.

    Raises TrainError E0801 or E0802.
    """
    from ..train.settings.recipe import Recipe

    assert state.program is not None
    overrides: dict[str, Any] = {}
    for key, text in args.overrides.items():
        overrides[key] = state.program.setting(text, key)
        if overrides[key] is POISON:
            complain(args, state.diagnostics)
            return None
    if args.init is not None:
        overrides["init"] = args.init
    for flag in ("deterministic", "tensorboard"):
        if getattr(args, flag):
            overrides[flag] = True
    # another network than the recipe's may have been asked for
    return Recipe.read(spec, overrides).of_network(state.networks[0].name)


def _command(args: argparse.Namespace, network: str, recipe: str) -> dict[str, Any]:
    """How the run was asked for: what `--resume` recalls."""
    home = getattr(args, "home", None)
    return {
        "spec": "-" if args.spec == "-" or home else str(Path(args.spec).resolve()),
        "folder": home or str(Path.cwd()),
        "network": network,
        "recipe": recipe,
        "set": [list(pair) for pair in args.set]
        + [[flag, "true"] for flag in ("deterministic", "tensorboard") if getattr(args, flag)],
        "init": args.init,
        "device": args.device,
    }


def _expected(args: argparse.Namespace, text: str) -> None:
    """A spec that `--resume` found by itself must be what it was. Raises TrainError E0812."""
    from ..train import TrainError

    expected = getattr(args, "expected", None)
    if expected is not None and hashlib.sha256(text.encode()).hexdigest() != expected:
        raise TrainError(
            "E0812",
            f"`{args.spec}` has changed since the run began",
            help="give it on the command line, before --resume, to see whether it still fits; "
            f"as it was, it is in `{Path(args.resume) / 'spec.arch'}`",
        )

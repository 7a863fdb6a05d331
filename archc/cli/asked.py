"""A run's folder, or a spec with a recipe, on a command line: which network, recipe and data."""

from __future__ import annotations

import argparse
import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..driver import Compiled
from .train import choose, recipe_of

if TYPE_CHECKING:
    from ..train.settings.recipe import Recipe


@dataclass(frozen=True)
class Asked:
    """What a command that needs a trained network is about."""

    network: Compiled
    recipe: Recipe
    spec_dir: Path
    """Where paths of the recipe's data start."""
    run: Path | None
    """The run's folder, where one was given."""
    settings: dict[str, Any]
    """Its settings.json."""


def asked(args: argparse.Namespace) -> Asked | None:
    """Out of `args.target`; None, and errors, where the spec or the recipe is wrong.

    A run's spec is the file that it was started with, as long as that is unchanged (it may use
    others beside it), else the copy in the run's folder. Raises TrainError E0808 where a folder
    holds no run, E0801 or E0802 where settings are wrong.
    """
    run = Path(args.target) if Path(args.target).is_dir() else None
    settings: dict[str, Any] = {}
    args.spec, home = args.target, None
    if run is not None:
        settings, home = _recall(args, run)
    args.init, args.deterministic, args.tensorboard = None, False, False
    chosen = choose(args)
    if chosen is None:
        return None
    state, network, spec = chosen
    recipe = recipe_of(args, state, spec)
    if recipe is None:
        return None
    here = Path.cwd() if args.spec == "-" else Path(args.spec).resolve().parent
    return Asked(network, recipe, home or here, run, settings)


def _recall(args: argparse.Namespace, run: Path) -> tuple[dict[str, Any], Path | None]:
    """Take over what the run was started with; gives its settings.json and its spec's folder."""
    from ..train.folder.rundir import SETTINGS, read_command

    settings, command = read_command(run / SETTINGS)
    given = command.get("spec") or "-"
    home = Path(command.get("folder") or ".") if given == "-" else Path(given).parent
    args.spec = str(run / "spec.arch")
    if given != "-" and _digest(Path(given)) == settings.get("spec_sha256"):
        args.spec = given
    for name in ("network", "recipe"):
        if getattr(args, name) is None:
            setattr(args, name, command.get(name))
    own = {name for name, _ in args.set}
    args.set = [(k, v) for k, v in command.get("set", []) if k not in own] + args.set
    return settings, home


def _digest(path: Path) -> str | None:
    """SHA-256 of a spec's text; None where there is no such file."""
    if not path.is_file():  # a pipe would be waited for
        return None
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError:
        return None

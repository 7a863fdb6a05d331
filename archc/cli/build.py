"""`archc build`: the PyTorch module, the diagram and the graph, written whole or not at all."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from ..driver import Compilation, Compiled, transformed
from .common import compiled, complain, one_network, refuse
from .files import write_all
from .pictures import DRAWN, Undrawn, mismatch, pictures

if TYPE_CHECKING:
    from ..source import Source


def build(args: argparse.Namespace) -> int:
    """Write what `--emit` asks for, for every network of the spec (or the chosen one)."""
    from ..emit.pytorch import EmitError

    wrong = mismatch(args.style, args.emit)
    if wrong is not None:
        return refuse(args, wrong.code, wrong.message, wrong.help)
    state = compiled(args, args.spec)
    if not one_network(args, state):
        return 1
    if args.transform:
        from ..transforms import TransformError

        try:
            state.networks = [transformed(n, args.transform) for n in state.networks]
        except TransformError as error:
            return refuse(args, "E0901", f"a network cannot be transformed: {error}")
    names = [stem(n) for n in state.networks]
    double = next((n for n in names if names.count(n) > 1), None)
    if double is not None:
        return refuse(
            args,
            "E0708",
            f"two networks would both be written to `{double}.py`",
            help="choose one with --network, or rename one",
        )
    files: dict[Path, bytes] = {}
    try:
        for network in state.networks:
            files.update(products(network, Path(args.out), args.emit, args.unfold, args.style))
            if "report" in args.emit:
                from .report import report_page

                path = Path(args.out) / f"{stem(network)}.html"
                files[path] = report_page(state, network).encode()
        if args.with_train is not None:
            made = _scripts(args, state)
            if made is None:
                return 1
            files |= made
    except EmitError as error:
        return refuse(args, "E0901", str(error))
    except Undrawn as error:
        return refuse(args, error.code, error.message, error.help)
    try:
        write_all(files)
    except OSError as error:
        return refuse(
            args,
            "E0708",
            f"`{error.filename or args.out}` cannot be written: {(error.strerror or '').lower()}",
            help="choose another folder with -o",
        )
    complain(args, state.diagnostics)
    for path in files:
        print(path)
    return 0


def _scripts(args: argparse.Namespace, state: Compilation) -> dict[Path, bytes] | None:
    """Training scripts; None where they cannot be made, which is said."""
    from ..train import TrainError
    from .train import diagnostic
    from .with_train import scripts

    try:
        return scripts(args, state, {network.name: stem(network) for network in state.networks})
    except TrainError as error:
        complain(args, [diagnostic(e) for e in error.each()])
        return None


def stem(network: Compiled) -> str:
    """File name of a network's products.

    A module must not hide one that others beside it import, nor be a training script's file: the
    network `Copy` is in `network_copy.py`.
    """
    name = network.name.lower()
    taken = name in sys.stdlib_module_names or name in ("numpy", "torch", "train")
    return f"network_{name}" if taken or name.startswith("train_") else name


def products(
    network: Compiled, out: Path, emit: tuple[str, ...], unfold: bool, style: str = "graph"
) -> dict[Path, bytes]:
    """Paths and contents of what is to be written. Raises EmitError, Undrawn."""
    files: dict[Path, bytes] = {}
    base = out / stem(network)
    if "model" in emit:
        from ..emit.pytorch import source

        text = source(network.graph, network.report, network.doc)
        files[base.with_suffix(".py")] = text.encode()
    drawn = [kind for kind in emit if kind in DRAWN]
    for kind, content in pictures(network, drawn, unfold, style).items():
        files[base.with_suffix("." + kind)] = content
    if "json" in emit:
        files[base.with_suffix(".json")] = network.graph.model_dump_json(indent=1).encode()
    return files


__all__ = ["Source", "build", "products", "stem"]

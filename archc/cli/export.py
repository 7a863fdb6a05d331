"""`archc export`: a network and its weights in a format that other programs read."""

from __future__ import annotations

import argparse
from pathlib import Path

from ..driver import Compiled
from .asked import asked
from .common import complain, refuse
from .modules import live, single
from .train import diagnostic

SUFFIXES = {"onnx": ".onnx", "torch-export": ".pt2", "safetensors": ".safetensors"}


def export(args: argparse.Namespace) -> int:
    """Write the file, after it was read back and run; say how well it agrees."""
    from ..emit.pytorch import EmitError
    from ..train import TrainError

    try:
        network, weights = _source(args)
        return 1 if network is None else _export(args, network, weights)
    except EmitError as error:
        return refuse(args, "E0901", str(error))
    except TrainError as error:
        complain(args, [diagnostic(e) for e in error.each()])
        return 1


def _source(args: argparse.Namespace) -> tuple[Compiled | None, Path | None]:
    """The network of a spec or of a run, and the file (or folder) with its weights."""
    weights = Path(args.weights) if args.weights else None
    if not Path(args.spec).is_dir():
        return single(args), weights
    args.target, args.recipe = args.spec, None
    found = asked(args)
    return (None, None) if found is None else (found.network, weights or found.run)


def _export(args: argparse.Namespace, network: Compiled, weights: Path | None) -> int:
    from ..train import require_torch

    require_torch()
    from ..train.using.export import export as write

    report = network.report
    assert report is not None
    said = write(
        lambda: live(network, weights),
        args.to,
        Path(args.out or network.name.lower() + SUFFIXES[args.to]),
        inputs=dict(report.inputs),
        outputs=[n or "output" for n, _ in report.outputs if n not in report.training_outputs],
        facts={"network": network.name},
    )
    print(said)
    if weights is None:
        print("  no --weights: they are fresh, of seed 0")
    free = ", ".join(f"{name} {list(shape)}" for name, shape in report.inputs)
    if args.to != "safetensors":
        print(f"  input {free}, any number of them")
    return 0

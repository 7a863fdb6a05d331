"""`archc export`: a network and its weights in a format that other programs read."""

from __future__ import annotations

import argparse
from pathlib import Path

from .common import complain, refuse
from .modules import live, single

SUFFIXES = {"onnx": ".onnx", "torch-export": ".pt2", "safetensors": ".safetensors"}


def export(args: argparse.Namespace) -> int:
    """Write the file, after it was read back and run; say how well it agrees."""
    from ..emit.pytorch import EmitError
    from ..train import TrainError, require_torch
    from .train import diagnostic

    network = single(args)
    if network is None:
        return 1
    report = network.report
    assert report is not None
    weights = Path(args.weights) if args.weights else None
    result = Path(args.out or network.name.lower() + SUFFIXES[args.to])
    try:
        require_torch()
        from ..train.export import export as write

        said = write(
            lambda: live(network, weights),
            args.to,
            result,
            inputs=dict(report.inputs),
            outputs=[n or "output" for n, _ in report.outputs if n not in report.training_outputs],
            facts={"network": network.name},
        )
    except EmitError as error:
        return refuse(args, "E0901", str(error))
    except TrainError as error:
        complain(args, [diagnostic(e) for e in error.each()])
        return 1
    print(said)
    if weights is None:
        print("  no --weights: they are fresh, of seed 0")
    free = ", ".join(f"{name} {list(shape)}" for name, shape in report.inputs)
    if args.to != "safetensors":
        print(f"  input {free}, any number of them")
    return 0

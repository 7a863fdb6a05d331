"""`archc run`: an image through a network that needs no training."""

from __future__ import annotations

import argparse
from pathlib import Path

from .common import compiled, complain, one_network, refuse


def run(args: argparse.Namespace) -> int:
    """Write what the network makes of an image as an image."""
    from ..train import TrainError, require_torch, run_image
    from .train import diagnostic

    state = compiled(args, args.spec)
    if not one_network(args, state):
        return 1
    if len(state.networks) > 1:
        names = ", ".join(n.name for n in state.networks)
        return refuse(
            args,
            "E0207",
            f"`{args.spec}` has several networks",
            help=f"choose one with --network: {names}",
        )
    network = state.networks[0]
    report = network.report
    assert report is not None
    shape = report.inputs[0][1]
    if len(report.inputs) != 1 or len(shape) != 3:
        return refuse(
            args,
            "E0806",
            f"`{network.name}` does not take one image",
            help="its input is [C, H, W]",
        )
    complain(args, state.diagnostics)
    image = Path(args.image)
    result = Path(args.out) if args.out else Path(f"{image.stem}-{network.name.lower()}.png")
    try:
        require_torch()
        from ..emit.pytorch import source
        from ..train.build import instantiate

        module = instantiate(source(network.graph, report, network.doc), network.name)
        print(run_image(module, image, result, shape[0]))
    except TrainError as error:
        complain(args, [diagnostic(e) for e in error.each()])
        return 1
    return 0

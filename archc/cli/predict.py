"""`archc predict`: images of one's own through a trained network."""

from __future__ import annotations

import argparse
from pathlib import Path

from .asked import Asked, asked
from .common import complain, refuse
from .train import diagnostic


def predict(args: argparse.Namespace) -> int:
    """Print what the network says of each image; masks and keypoints are written as pictures."""
    from ..train import TrainError, require_torch

    if not Path(args.target).is_dir():
        return refuse(
            args,
            "E0808",
            f"`{args.target}` is not the folder of a run",
            help="`archc train` makes one; it knows how its images were prepared",
        )
    try:
        found = asked(args)
        if found is None:
            return 1
        require_torch()
        lines = _predict(args, found)
    except TrainError as error:
        complain(args, [diagnostic(e) for e in error.each()])
        return 1
    print("\n".join(lines))
    return 0


def _predict(args: argparse.Namespace, found: Asked) -> list[str]:
    from ..train.device import choose
    from ..train.using.predict import predict as through
    from ..train.using.predict import trained
    from .modules import live

    report, recipe = found.network.report, found.recipe
    assert report is not None and found.run is not None
    outputs = [name for name, _ in report.outputs if name not in report.training_outputs]
    given = recipe.losses.get((outputs[0] or "output1").partition("[")[0])
    weights = Path(args.weights) if args.weights else found.run
    shape = report.inputs[0][1] if len(report.inputs) == 1 else ()
    net = trained(
        live(found.network, weights),
        choose(recipe, args.device, len(shape), 0),
        shape,
        given.loss if given else recipe.loss,
        recipe,
        found.settings,
    )
    return through(net, [Path(name) for name in args.images], Path(args.out), args.top)

"""`archc eval`: trained weights on a test set."""

from __future__ import annotations

import argparse
from pathlib import Path

from .asked import asked
from .common import complain, refuse
from .train import diagnostic


def evaluate(args: argparse.Namespace) -> int:
    """Print what the weights reach, the figures of each class below."""
    from ..train import TrainError, require_torch

    if args.data is not None:
        args.set = [*args.set, ("data", args.data)]
    try:
        found = asked(args)
        if found is None:
            return 1
        weights = Path(args.weights) if args.weights else found.run
        if weights is None:
            return refuse(
                args,
                "E0808",
                f"`{args.target}` is a spec, which has no weights",
                help="add --weights FILE, or name the folder of a run",
            )
        require_torch()
        from ..emit.pytorch import source
        from ..train.build import instantiate
        from ..train.using.evaluate import evaluate as measure

        network, report = found.network, found.network.report
        assert report is not None
        text = source(network.graph, report, network.doc)
        result = measure(
            lambda: instantiate(text, network.name),
            found.recipe,
            inputs=dict(report.inputs),
            outputs=[(name, name in report.training_outputs) for name, _ in report.outputs],
            weights=weights,
            device=args.device,
            spec_dir=found.spec_dir,
            folder=Path(args.out) if args.out else None,
            settings=found.settings,
        )
    except TrainError as error:
        complain(args, [diagnostic(e) for e in error.each()])
        return 1
    print("\n".join(result.lines))
    return 0

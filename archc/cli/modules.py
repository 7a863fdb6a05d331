"""What commands that run a network share: one network of a spec, live, with its weights."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from ..driver import Compiled
from .common import compiled, complain, one_network, refuse

if TYPE_CHECKING:
    from torch import nn


def single(args: argparse.Namespace) -> Compiled | None:
    """The network of a spec that the arguments choose; None, and an error, where it is not one."""
    state = compiled(args, args.spec)
    if not one_network(args, state):
        return None
    if len(state.networks) > 1:
        names = ", ".join(n.name for n in state.networks)
        refuse(
            args,
            "E0207",
            f"`{args.spec}` has several networks",
            help=f"choose one with --network: {names}",
        )
        return None
    complain(args, state.diagnostics)
    return state.networks[0]


def live(network: Compiled, weights: Path | None) -> nn.Module:
    """The network as a module with the weights of a file, or with fresh ones (seed 0).

    Raises EmitError where PyTorch has no form for it, TrainError E0808 where the file does not fit.
    """
    from ..emit.pytorch import source
    from ..train.folder.weights import live

    assert network.report is not None
    return live(source(network.graph, network.report, network.doc), network.name, weights)

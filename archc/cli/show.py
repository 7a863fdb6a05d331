"""`archc show`: a network as .arch text, every argument worked out; before or after transforms."""

from __future__ import annotations

import argparse

from ..driver import transformed
from .common import compiled, complain, one_network, refuse


def show(args: argparse.Namespace) -> int:
    """Print each network of the spec as text that checks and has the same figures."""
    from ..emit.arch import Unwritable, source
    from ..transforms import TransformError

    state = compiled(args, args.spec)
    if not one_network(args, state):
        return 1
    complain(args, state.diagnostics)
    for network in state.networks:
        try:
            text = source(transformed(network, args.transform).graph, network.doc)
        except TransformError as error:
            return refuse(args, "E0901", f"`{network.name}` cannot be transformed: {error}")
        except Unwritable as error:
            return refuse(args, "E0901", f"`{network.name}` cannot be written as .arch: {error}")
        print(text, end="" if network is state.networks[-1] else "\n")
    return 0

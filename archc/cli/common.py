"""What commands share: options to the driver, colour, and how mistakes are printed."""

from __future__ import annotations

import argparse
import os
import shutil
import sys
from typing import TextIO

from ..diagnostics import Diagnostic, Diagnostics
from ..driver import Compilation, Options, compile_spec
from ..source import Source


def options(args: argparse.Namespace) -> Options:
    """The driver's options out of a command's arguments."""
    return Options(
        network=args.network,
        settings=dict(args.set),
        sizes=getattr(args, "at", {}),
        max_nodes=args.max_nodes,
        max_bytes=args.max_bytes,
        tensor_cores=_tensor_cores(args),
    )


def _tensor_cores(args: argparse.Namespace) -> bool:
    """Is a device with tensor cores asked for, at 16 bits?"""
    if not getattr(args, "device", None) or getattr(args, "precision", "") != "bf16":
        return False
    from ..analysis.devices import DEVICES

    device = DEVICES.get(args.device)
    return device is not None and device.cuda and device.bf16 is not None


def compiled(args: argparse.Namespace, spec: str, stop_after: str | None = None) -> Compilation:
    """Compile a spec as the arguments say."""
    return compile_spec(spec, options(args), stop_after)


def colored(args: argparse.Namespace, stream: TextIO) -> bool:
    """NO_COLOR and pipes are respected; `--color` has the last word."""
    if args.color != "auto":
        return bool(args.color == "always")
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def width(stream: TextIO) -> int:
    """Columns of the terminal; 100 where there is none."""
    return shutil.get_terminal_size((100, 24)).columns if stream.isatty() else 100


def complain(args: argparse.Namespace, diagnostics: Diagnostics | list[Diagnostic]) -> None:
    """Print diagnostics on standard error."""
    items = list(diagnostics)
    if not items or getattr(args, "silent", False):  # one of several processes that do the same
        return
    from ..diagnostics.terminal import render

    sys.stdout.flush()
    color = colored(args, sys.stderr)
    print(render(items, color=color, width=width(sys.stderr)), file=sys.stderr)


def refuse(args: argparse.Namespace, code: str, message: str, help: str | None = None) -> int:
    """One mistake without a place in a spec."""
    complain(args, [Diagnostic(code, message, help=help)])
    return 1


def one_network(args: argparse.Namespace, state: Compilation) -> bool:
    """Is there something to work with? Otherwise say why not."""
    if state.failed:
        complain(args, state.diagnostics)
        return False
    if not state.networks:
        state.diagnostics.error(
            "E0207",
            f"`{state.path}` declares no network",
            help="a network is `network Name { input ... output ... }`",
        )
        complain(args, state.diagnostics)
        return False
    return True


__all__ = ["Source", "colored", "compiled", "complain", "one_network", "options", "refuse", "width"]

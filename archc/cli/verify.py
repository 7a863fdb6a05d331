"""`archc verify`: the report of every network, proven against PyTorch."""

from __future__ import annotations

import argparse
import json
import sys
from typing import TYPE_CHECKING, Any

from ..driver import Compiled
from .common import colored, compiled, complain, one_network, refuse

if TYPE_CHECKING:
    from ..verify import Mode, Proofs


def verify(args: argparse.Namespace) -> int:
    """Print a table of figure, computed, PyTorch and verdict; 1 on any difference."""
    failed = False
    documents: list[dict[str, Any]] = []
    for spec in args.specs:
        state = compiled(args, spec)
        if not one_network(args, state):
            failed = True
            continue
        complain(args, state.diagnostics)
        if not _have_torch(args):
            return 1
        for network in state.networks:
            proofs = _proofs(args, network)
            if proofs is None:
                failed = True
                continue
            failed = failed or bool(proofs.wrong)
            if args.format == "json":
                documents.append(_document(spec, network, proofs))
            else:
                print(_table(network.name, proofs, colored(args, sys.stdout)), flush=True)
    if args.format == "json":
        print(json.dumps(documents, indent=1))
    return 1 if failed else 0


def _proofs(args: argparse.Namespace, network: Compiled) -> Proofs | None:
    """None where the network has no form in PyTorch, which is said."""
    from ..emit.pytorch import EmitError, source
    from ..verify import verify as prove

    assert network.report is not None
    try:
        text = source(network.graph, network.report, network.doc)
    except EmitError as error:
        refuse(args, "E0901", str(error))
        return None
    mode: Mode = "meta" if args.meta else "data" if args.data else "auto"
    return prove(network.graph, network.report, text, mode, network.free_sizes())


def _have_torch(args: argparse.Namespace) -> bool:
    from importlib.util import find_spec

    if find_spec("torch") is not None:
        return True
    refuse(
        args,
        "E0809",
        "proofs need torch, which is not installed",
        help='pip install "archc[torch]"',
    )
    return False


def _document(spec: str, network: Compiled, proofs: Proofs) -> dict[str, Any]:
    """A network's proofs as docs/verify.md describes them."""
    assert network.report is not None
    return {
        "spec": spec,
        "network": network.name,
        "inputs": {name: list(shape) for name, shape in network.report.inputs},
        "agrees": not proofs.wrong,
        "data": proofs.data,
        "why_no_data": proofs.why or None,
        "proofs": [proof._asdict() for proof in proofs.proofs],
    }


def _table(name: str, proofs: Proofs, color: bool) -> str:
    rows = [("figure", "computed", "PyTorch", "")]
    for p in proofs.proofs:
        mark = "✓" if p.holds else "·" if p.holds is None else "✗"
        rows.append((p.figure, p.computed, p.pytorch, f"{mark} {p.note}".rstrip()))
    widths = [max(len(row[i]) for row in rows) for i in range(3)]
    lines = [name, ""]
    for row in rows:
        cells = [row[0].ljust(widths[0]), row[1].rjust(widths[1]), row[2].rjust(widths[2]), row[3]]
        lines.append("  ".join(cells).rstrip())
    wrong, every = len(proofs.wrong), sum(p.holds is not None for p in proofs.proofs)
    verdict = f"{wrong} of {every} figures differ" if wrong else f"{every} figures agree"
    paint, plain = ("\x1b[31m" if wrong else "\x1b[32m", "\x1b[0m") if color else ("", "")
    why = f"; receptive fields left out: {proofs.why}" if proofs.why else ""
    return "\n".join([*lines, "", f"{paint}{verdict}{plain}{why}", ""])

"""`archc verify`: the report of every network, proven against PyTorch."""

from __future__ import annotations

import argparse
import json
import sys

from .common import colored, compiled, complain, one_network, refuse


def verify(args: argparse.Namespace) -> int:
    """Print a table of figure, computed, PyTorch and verdict; 1 on any difference."""
    from ..train import TrainError
    from .train import diagnostic

    failed = False
    documents = []
    for spec in args.specs:
        state = compiled(args, spec)
        if not one_network(args, state):
            failed = True
            continue
        complain(args, state.diagnostics)
        try:
            _need_torch()
        except TrainError as error:
            complain(args, [diagnostic(e) for e in error.each()])
            return 1
        from ..emit.pytorch import EmitError, source
        from ..verify import verify as prove

        for network in state.networks:
            report = network.report
            assert report is not None
            try:
                text = source(network.graph, report, network.doc)
            except EmitError as error:
                failed = bool(refuse(args, "E0901", str(error)))
                continue
            proofs = prove(network.graph, report, text, fields=not args.meta)
            failed = failed or any(p.holds is False for p in proofs)
            if args.format == "json":
                rows = [p._asdict() for p in proofs]
                documents.append({"spec": spec, "network": network.name, "proofs": rows})
            else:
                print(_table(network.name, proofs, colored(args, sys.stdout)))
                sys.stdout.flush()
    if args.format == "json":
        print(json.dumps(documents, indent=1))
    return 1 if failed else 0


def _need_torch() -> None:
    from ..train import TrainError

    try:
        import torch  # noqa: F401
    except ImportError:
        raise TrainError(
            "E0809", "proofs need torch, which is not installed", help='pip install "archc[torch]"'
        ) from None


def _table(name: str, proofs: list, color: bool) -> str:  # type: ignore[type-arg]
    rows = [("figure", "computed", "PyTorch", "")]
    for p in proofs:
        mark = "✓" if p.holds else "·" if p.holds is None else "✗"
        rows.append((p.figure, p.computed, p.pytorch, f"{mark} {p.note}".rstrip()))
    widths = [max(len(row[i]) for row in rows) for i in range(3)]
    lines = [name, ""]
    for row in rows:
        cells = [row[0].ljust(widths[0]), row[1].rjust(widths[1]), row[2].rjust(widths[2]), row[3]]
        lines.append("  ".join(cells).rstrip())
    wrong = sum(p.holds is False for p in proofs)
    verdict = f"{wrong} of {len(proofs)} figures differ" if wrong else f"{len(proofs)} figures agree"
    paint = ("\x1b[31m" if wrong else "\x1b[32m") if color else ""
    return "\n".join([*lines, "", f"{paint}{verdict}{chr(27) + '[0m' if color else ''}", ""])

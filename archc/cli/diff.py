"""`archc diff A B`: what differs between two networks, or between two versions of a file."""

from __future__ import annotations

import argparse
import json
import sys
from typing import Any, NamedTuple

from .. import __version__
from ..analysis.diff import Change, Difference, compare
from ..diagnostics import Diagnostic, closest
from ..diagnostics.json import to_dict
from ..driver import Compilation, Compiled, Options, compile_spec
from .common import colored, complain, width
from .diff_text import headline, text
from .sweep import file_and_network

SCHEMA = "archc-diff-1"
"""Name and version of the JSON; the number grows when something is taken away or changes."""

FIGURES = (
    "params", "frozen", "macs", "depth", "neurons", "receptive_field", "activations", "inference",
    "training",
)  # fmt: skip


class Side(NamedTuple):
    """One of the two: its file, the network that is asked for, if any, and what came of it."""

    path: str
    wanted: str | None
    state: Compilation

    @property
    def names(self) -> list[str]:
        return [network.name for network in self.state.networks]


def diff(args: argparse.Namespace) -> int:
    """0 where both are the same, 1 where they differ or one is wrong."""
    if (args.a, args.b).count("-") == 2:
        print("archc diff: error: only one of the two can be standard input", file=sys.stderr)
        return 2
    a, b = _side(args, args.a, args.set), _side(args, args.b, [*args.set, *args.set_b])
    mistakes = [*a.state.diagnostics, *b.state.diagnostics]
    pairs: list[tuple[Compiled, Compiled]] = []
    if not any(item.severity == "error" for item in mistakes):
        pairs, refused = _pairs(a, b)
        mistakes += refused
    failed = any(item.severity == "error" for item in mistakes)
    found = [] if failed else [_compared(x, y) for x, y in pairs]
    lost = [] if failed else _unpaired(a, b, [x.name for x, _ in pairs])
    new = [] if failed else _unpaired(b, a, [y.name for _, y in pairs])
    if args.format == "json":
        print(json.dumps(_document(a, b, found, lost, new, mistakes), indent=1))
    else:
        complain(args, [item for item in mistakes if item.severity == "error"])
        if not failed:
            _print(args, found, lost, new)
    same = all(d.same for d in found) and not lost and not new
    return 0 if same and not failed else 1


def _side(args: argparse.Namespace, named: str, settings: list[tuple[str, str]]) -> Side:
    """Compile one of the two: FILE or FILE:NETWORK. Claims are not looked at: the old ones of a
    file need not hold for what it has become."""
    path, wanted = file_and_network(named)
    wanted = wanted or args.network
    options = Options(wanted, dict(settings), args.at, args.max_nodes, args.max_bytes)
    return Side(path, wanted, compile_spec(path, options, "analysis"))


def _pairs(a: Side, b: Side) -> tuple[list[tuple[Compiled, Compiled]], list[Diagnostic]]:
    """The networks to be compared: those named, the only ones, or those of equal names."""
    for side in (a, b):
        if not side.names:
            help = "a network is `network Name { input ... output ... }`"
            return [], [Diagnostic("E0207", f"`{side.path}` declares no network", help=help)]
    if len(a.names) == len(b.names) == 1:
        return [(a.state.networks[0], b.state.networks[0])], []
    if a.wanted is None and b.wanted is None:
        return [(a.state[name], b.state[name]) for name in a.names if name in b.names], []
    one, other = (a, b) if a.wanted is not None else (b, a)
    name = one.names[0]
    if name not in other.names:
        meant = closest(name, other.names)
        help = f"did you mean `{meant}`?" if meant else f"its networks: {', '.join(other.names)}"
        help += f"; `{other.path}:NAME` names another one"
        return [], [Diagnostic("E0207", f"`{other.path}` declares no network `{name}`", help=help)]
    return [(a.state[name], b.state[name])], []


def _unpaired(side: Side, other: Side, taken: list[str]) -> list[str]:
    """Networks of a file that the other lacks, where whole files are compared."""
    if side.wanted is not None or other.wanted is not None:
        return []
    return [name for name in side.names if name not in taken]


def _compared(x: Compiled, y: Compiled) -> Difference:
    assert x.report is not None and y.report is not None
    return compare(x.report, y.report)


def _print(
    args: argparse.Namespace, found: list[Difference], lost: list[str], new: list[str]
) -> None:
    color, columns = colored(args, sys.stdout), width(sys.stdout)
    several = len(found) + len(lost) + len(new) > 1
    blank = False
    for one in found:
        brief = several and one.same and one.checkpoints.verdict == "loads" and not one.changes
        if brief:
            print(f"{headline(one)}; checkpoints load")
        else:
            print(("\n" if blank else "") + text(one, args.unfold, color, columns))
        blank = True
    for name in lost:
        print(f"{name}: removed")
    for name in new:
        print(f"{name}: added")


# ---------------------------------------------------------------------------- JSON


def _document(
    a: Side,
    b: Side,
    found: list[Difference],
    lost: list[str],
    new: list[str],
    mistakes: list[Diagnostic],
) -> dict[str, Any]:
    """The document, as docs/compare.md describes it."""
    failed = any(item.severity == "error" for item in mistakes)
    return {
        "schema": SCHEMA,
        "archc": __version__,
        "a": a.path,
        "b": b.path,
        "same": None if failed else all(d.same for d in found) and not lost and not new,
        "networks": [_network(one) for one in found],
        "removed": lost,
        "added": new,
        "diagnostics": [to_dict(item) for item in mistakes],
    }


def _network(found: Difference) -> dict[str, Any]:
    before, after = found.before, found.after
    figures = {name: [getattr(before, name), getattr(after, name)] for name in FIGURES}
    state = found.checkpoints
    return {
        "a": found.a.name,
        "b": found.b.name,
        "same": found.same,
        "ends": [end._asdict() for end in found.ends],
        "changes": [_change(change) for change in found.changes],
        "figures": figures,
        "checkpoints": {
            "verdict": state.verdict,
            "same_order": state.same_order,
            "missing": state.direct.missing,
            "unexpected": state.direct.unexpected,
            "differing": _shapes(state.direct.differing),
            "renames": state.renames,
            "renamed": {
                "missing": state.renamed.missing,
                "unexpected": state.renamed.unexpected,
                "differing": _shapes(state.renamed.differing),
            },
            "astray": state.astray,
        },
    }


def _shapes(found: list[tuple[str, tuple[int, ...], tuple[int, ...]]]) -> list[dict[str, Any]]:
    return [{"key": key, "a": list(old), "b": list(new)} for key, old, new in found]


def _change(change: Change) -> dict[str, Any]:
    sides: dict[str, Any] = {}
    for name, layer in (("a", change.before), ("b", change.after)):
        sides[name] = None
        if layer is not None:
            row = layer.row
            sides[name] = {
                "path": row.path,
                "op": row.op,
                "args": row.args,
                "shape": list(row.shape),
                "params": row.params,
                "macs": row.macs,
                "file": row.site.file,
                "line": row.site.line,
            }
    details = [detail._asdict() for detail in change.details]
    return {"kind": change.kind, **sides, "details": details}

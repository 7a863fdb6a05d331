"""`archc check`: figures and claims of every network, every mistake where it stands."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from ..driver import Compilation, Compiled
from .common import colored, compiled, complain, width

if TYPE_CHECKING:
    from .costs import Asked, Costs
    from .jsonout import FreeEntry


def check(args: argparse.Namespace) -> int:
    """Check specs; 1 if anything is wrong in one."""
    ask = None
    if args.device or args.batch or args.convention or args.all_flops:
        from .costs import asked

        try:
            ask = asked(args)
        except ValueError as error:
            print(f"archc check: error: {error}", file=sys.stderr)
            return 2
    if args.fix and "-" in args.specs:
        print("archc check: error: --fix writes files, and `-` is none", file=sys.stderr)
        return 2
    if args.fix and not _fixed(args):
        return 1
    states = [compiled(args, spec) for spec in args.specs]
    if args.format in ("json", "sarif"):
        _machine(args, states, ask)
    else:
        for state in states:
            _people(args, state, args.format, ask)
    failed = any(state.failed for state in states)
    if args.deny_warnings:
        failed = failed or any(
            d.severity == "warning" for state in states for d in state.diagnostics
        )
    return 1 if failed else 0


def _fixed(args: argparse.Namespace) -> bool:
    """Apply safe fixes to the files; False where one cannot be written."""
    from .fix import fix

    return all([fix(args, spec) for spec in args.specs])  # noqa: C419 - try each


def sound(state: Compilation) -> bool:
    """Nothing is wrong but (maybe) claims, so the figures stand."""
    errors = [d for d in state.diagnostics if d.severity == "error"]
    return all(d.code == "E0601" for d in errors)


def _people(args: argparse.Namespace, state: Compilation, format: str, ask: Asked | None) -> None:
    """Tables on standard output, diagnostics on standard error."""
    from .tables import csv, markdown, table

    networks = state.networks if sound(state) else []
    if format == "csv" and networks:
        records = csv([n.report for n in networks if n.report is not None])
        sys.stdout.write(records if ask is None else _priced(records, state, ask))
    for i, network in enumerate(networks):
        assert network.report is not None
        if format == "markdown":
            print(markdown(network.report, unfold=args.unfold, claims=network.claims))
            if ask is not None:
                from . import costs

                print("\n" + costs.markdown(costs.Costs(network.graph, ask), args.unfold))
        elif format == "latex":
            from . import latex

            print(("\n" if i else "") + latex.table(network.report, args.unfold, args.symbolic))
            if ask is not None:
                from .costs import Costs

                print("\n" + latex.costs(network.name, Costs(network.graph, ask), args.unfold))
        elif format == "table":
            color, columns = colored(args, sys.stdout), width(sys.stdout)
            text = table(
                network.report,
                unfold=args.unfold,
                color=color,
                width=columns,
                claims=network.claims,
                facts=_facts(network, args.symbolic),
                symbolic=args.symbolic,
            )
            print(text if i == 0 else "\n" + text)
            if ask is not None:
                from . import costs

                priced = costs.Costs(network.graph, ask)
                print("\n" + costs.text(priced, args.unfold, color, columns))
    if not networks and not state.failed:
        print(f"{state.path}: no network to report on; its blocks and constants are read")
    complain(args, state.diagnostics)


def _facts(network: Compiled, symbolic: bool) -> list[tuple[str, str]]:
    """What a network needs of its free sizes, if it has any."""
    free = network.free_sizes()
    if free is None:
        return []
    from .free import lines

    return lines(free, network.closed_forms() if symbolic else None)


def _free(state: Compilation) -> dict[str, FreeEntry]:
    """The same for a document, by network."""
    found: dict[str, FreeEntry] = {}
    for network in state.networks:
        free = network.free_sizes()
        if free is not None:
            from .free import entry

            found[network.name] = entry(free, network.closed_forms())
    return found


def _costs(state: Compilation, ask: Asked) -> list[tuple[str, Costs]]:
    """What each network costs."""
    from .costs import Costs

    return [(n.graph.name, Costs(n.graph, ask)) for n in state.networks if n.report is not None]


def _priced(records: str, state: Compilation, ask: Asked) -> str:
    """Records of layers with what each costs."""
    from . import costs

    return costs.csv(records, _costs(state, ask))


def _machine(args: argparse.Namespace, states: list[Compilation], ask: Asked | None) -> None:
    """JSON on standard output: one document a spec (a list if there are several), or SARIF."""
    if args.format == "sarif":
        import json

        from ..diagnostics.sarif import to_sarif

        found = [d for state in states for d in state.diagnostics]
        print(json.dumps(to_sarif(found), indent=2))
        return
    from .jsonout import document, text

    made = []
    for state in states:
        networks = (
            [(n.report, n.claims) for n in state.networks if n.report] if sound(state) else []
        )
        free = _free(state) if networks else {}
        one = document(state.path, networks, list(state.diagnostics), free)
        if ask is not None:
            from .costs_json import with_costs

            one = with_costs(one, _costs(state, ask) if networks else [])
        made.append(one)
    if len(made) == 1:
        print(text(made[0]))
    else:
        print("[" + ",\n".join(text(m) for m in made) + "]")

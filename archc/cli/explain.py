"""`archc explain`: a diagnostic's page, or how figures of a layer, block or claim come about."""

from __future__ import annotations

import argparse
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from .common import colored, compiled, complain, refuse, width

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..analysis.explain import Cell, Explained, Explainer, UnknownLabel
    from ..analysis.explain.numbers import Number, Tensor
    from ..driver import Compilation
    from ..elaborate import Claim
    from ..graph import Shape
    from ..source import Source

MOST_LISTED = 12
LONGEST = 100
_ROUGH = re.compile(r"~=\s*([\d_.]+(?:[eE][+-]?\d+)?[KMGT]?)\s*\Z", re.ASCII)


def explain(args: argparse.Namespace) -> int:
    """Explain a code, or a part of a spec."""
    if not _is_spec(args):
        if args.format == "json":
            return _usage("--format json is for specs; pages of codes are text")
        from .words import code

        return code(args.what)
    given = (("--input", args.input), ("--weight", args.weight), ("--channel", args.channel))
    for option, value in given:
        if value is not None and args.cell is None:
            return _usage(f"{option} is for the unit of --at")
    if args.claim is not None and (args.label is not None or args.cell is not None):
        return _usage("--claim explains a line, so it goes without LABEL and --at")
    state = compiled(args, args.what)
    from .check import sound

    if not sound(state):
        complain(args, state.diagnostics)
        return 1
    if not state.networks:
        return _no_network(args, state)
    return _label(args, state) if args.claim is None else _claim(args, state)


def _is_spec(args: argparse.Namespace) -> bool:
    """Is the first argument a spec? Otherwise it is the code of a diagnostic."""
    asked = (args.label, args.claim, args.cell, args.channel, args.input, args.weight, args.network)
    if any(value is not None for value in asked) or args.set or args.at:
        return True
    what: str = args.what
    return what == "-" or what.endswith(".arch") or "/" in what or Path(what).is_file()


def _usage(message: str) -> int:
    print(f"archc explain: error: {message}", file=sys.stderr)
    return 2


def _no_network(args: argparse.Namespace, state: Compilation) -> int:
    return refuse(
        args,
        "E0207",
        f"`{state.path}` declares no network",
        help="a network is `network Name { input ... output ... }`",
    )


# ---------------------------------------------------------------------------- a label


def _label(args: argparse.Namespace, state: Compilation) -> int:
    """Explain a label of the first network that has it."""
    from ..analysis.explain import CellError, Explainer, UnknownLabel

    unknown: list[UnknownLabel] = []
    having: list[str] = []
    made: Explained | Cell | None = None
    for network in state.networks:
        assert network.report is not None  # all stages were run
        explainer = Explainer(network.report)
        try:
            if made is None:
                made = _made(args, explainer, state)
            else:
                explainer.has(args.label or "")
            having.append(network.name)
        except UnknownLabel as error:
            unknown.append(error)
        except CellError as error:
            return refuse(args, "E1001", str(error), error.help)
        except Refusal:
            complain(args, state.diagnostics)
            return 1
    if made is None:
        return _unknown(args, state, unknown)
    others = having[1:]
    if others and args.format != "json":
        from ..analysis.cells import clean

        more = f"{', '.join(others[:4])}{', ...' if len(others) > 4 else ''}"
        print(
            f"{having[0]} is the first network of {clean(state.path)} that has it; so have {more} "
            "(--network chooses)\n",
            file=sys.stderr,
        )
    _print(args, made, _line(state))
    return 0


def _made(args: argparse.Namespace, explainer: Explainer, state: Compilation) -> Explained | Cell:
    """The explanation of the label, or its worked unit."""
    if args.cell is None:
        return explainer.explain(args.label or "")
    from ..analysis.explain import Asked, CellError

    if args.label is None:
        raise CellError("--at works out a unit of one layer: say which", "archc explain SPEC LABEL")
    picture = None if args.input is None else _picture(args, state)
    return explainer.cell(args.label, Asked(args.cell, args.channel, picture, args.weight))


def _picture(args: argparse.Namespace, state: Compilation) -> Callable[[Shape], Tensor]:
    """The numbers of a CSV file, as the input of a layer."""
    import csv

    from ..analysis.explain.numbers import CellError, number_of, picture
    from ..syntax.load import read

    source = read(args.input, state.diagnostics, max_bytes=args.max_bytes)
    if source is None:
        raise Refusal
    planes: list[list[list[Number]]] = [[]]
    try:
        rows = list(csv.reader(source.text.splitlines(), quoting=csv.QUOTE_NONE))
    except csv.Error as error:
        raise CellError(f"{source.name} is no table of numbers: {error}") from None
    for row in rows:
        words = [word.strip() for word in row if word.strip()]
        if words:
            planes[-1].append([number_of(word, source.name) for word in words])
        elif planes[-1]:
            planes.append([])
    found = [plane for plane in planes if plane]
    return lambda x: picture(found, x, source.name)


class Refusal(Exception):
    """Something is wrong, and is in the diagnostics already."""


def _unknown(args: argparse.Namespace, state: Compilation, errors: list[UnknownLabel]) -> int:
    """E0208: no network has the label."""
    from ..analysis.cells import clean

    label = clean(args.label)
    label = label if len(label) <= LONGEST else f"{label[: LONGEST - 3]}..."
    names = " and ".join(f"`{n.name}`" for n in state.networks[:3])
    where = names if len(state.networks) <= 3 else f"any network of `{state.path}`"
    meant = next((e.meant for e in errors if e.meant is not None), None)
    several: list[str] = next((e.several for e in errors if e.several), [])
    if several:
        listed = ", ".join(several[:MOST_LISTED])
        more = ", ..." if len(several) > MOST_LISTED else ""
        message = f"`{label}` is the end of several paths in {where}"
        return refuse(args, "E0208", message, help=f"one of {listed}{more}")
    listed = ", ".join(errors[0].top[:MOST_LISTED])
    more = ", ..." if len(errors[0].top) > MOST_LISTED else ""
    help = f"did you mean `{meant}`?" if meant else f"its labels: {listed}{more}"
    return refuse(args, "E0208", f"no layer or block `{label}` in {where}", help=help)


def _print(
    args: argparse.Namespace, made: Explained | Cell, line: Callable[[str, int], str]
) -> None:
    if args.format == "json":
        from .explain_json import document

        print(document(made))
        return
    from ..analysis.explain import Cell

    color, columns = colored(args, sys.stdout), width(sys.stdout)
    if isinstance(made, Cell):
        from .explain_cell import text as board

        print(board(made, line, color, columns))
        return
    from .explain_text import text

    print(text(made, line, color, columns))


# ---------------------------------------------------------------------------- a claim


def _claim(args: argparse.Namespace, state: Compilation) -> int:
    """Explain the claims on a line of the spec."""
    from ..analysis.explain import Explainer
    from ..analysis.explain.claims import explain_claim
    from ..analysis.explain.model import Place

    found = []
    for network in state.networks:
        claims = [c for c in network.claims if _stands_on(c, args.claim, state)]
        explainer = None
        for claim in claims:
            assert network.report is not None  # all stages were run
            explainer = explainer or Explainer(network.report)
            place = Place(claim.span.source.name, claim.line)
            found.append(explain_claim(explainer, claim, place, _tolerance(claim.text)))
    if not found:
        lines = sorted({claim.line for network in state.networks for claim in network.claims})
        if state.options.as_written:
            listed = ", ".join(map(str, lines[:MOST_LISTED])) or "it has none"
            help = f"claims (`expect`) of `{state.path}` stand on these lines: {listed}"
        else:
            help = "claims are about the network as written: leave out --set and --at-size"
        return refuse(args, "E1002", f"no claim on line {args.claim} of `{state.path}`", help)
    if args.format == "json":
        from .explain_json import documents

        print(documents(found))
        return 0
    from .explain_claim import text

    for i, made in enumerate(found):
        body = text(made, _line(state), colored(args, sys.stdout), width(sys.stdout))
        print(body if i == 0 else "\n" + body)
    return 0


def _stands_on(claim: Claim, line: int, state: Compilation) -> bool:
    """Is it on this line of the spec itself, and was it evaluated?"""
    return claim.line == line and claim.span.source is state.source and claim.holds is not None


def _tolerance(claim: str) -> float | None:
    """How far a figure may be from the claimed one; None for claims that are no equations."""
    from ..elaborate.builtins import precision

    rough = _ROUGH.search(claim)
    if rough is not None:
        return precision(rough[1]) / 2
    return 0.0 if "==" in claim else None


# ---------------------------------------------------------------------------- the source


def _line(state: Compilation) -> Callable[[str, int], str]:
    """Gives the text of a line of the spec, or of a file that it uses."""
    sources: dict[str, Source] = {}
    pending = [state.program.unit] if state.program is not None else []
    while pending:
        unit = pending.pop()
        if unit.source.name not in sources:
            sources[unit.source.name] = unit.source
            pending += [used for used, _ in unit.imported.values()]
            pending += unit.aliases.values()

    def line(file: str, number: int) -> str:
        source = sources.get(file)
        return source.line(number).strip() if source is not None else ""

    return line

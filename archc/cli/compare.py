"""`archc compare SPEC...`: networks side by side, one a row; sweeps over parameters and sizes."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from ..analysis.compare import Totals, totals
from ..diagnostics import Diagnostic
from ..driver import Compilation, Options, compile_spec
from .common import complain, refuse
from .compare_tables import FORMATTERS, Comparison, Row, label
from .files import write_all
from .sweep import Sweep, file_and_network, grid, refused


def compare(args: argparse.Namespace) -> int:
    """Print the table, write the plot; 1 where a spec is wrong or no point of a sweep checks."""
    wrong = refused(args.sweep, args.set) or _plot_refused(args)
    if wrong:
        print(f"archc compare: error: {wrong}", file=sys.stderr)
        return 2
    rows: list[Row] = []
    failed = False
    for spec in args.specs:
        try:
            found = _spec(args, spec)
        except ValueError as error:
            print(f"archc compare: error: {error}", file=sys.stderr)
            return 2
        failed = failed or not found
        rows += found
    if not rows:
        return 1
    names = [one.name for one in args.sweep]
    made = Comparison(rows, names, args.batch, args.optimizer)
    if any(row.totals is not None for row in rows) or args.format == "json":
        sys.stdout.write(FORMATTERS[args.format](made))
        sys.stdout.flush()
    if args.sweep and all(row.totals is None for row in rows):
        complain(args, _distinct(rows))
        return 1
    if args.plot and _plot(args, made):
        return 1
    return 1 if failed else 0


# ---------------------------------------------------------------------------- rows


def _spec(args: argparse.Namespace, named: str) -> list[Row]:
    """The rows of a spec; none where it is wrong, which is said."""
    path, network = file_and_network(named)
    options = Options(
        network or args.network, dict(args.set), args.at, args.max_nodes, args.max_bytes
    )
    if not args.sweep:
        state = compile_spec(path, options, "analysis")
        if state.failed or not state.networks:
            _say(args, state)
            return []
        return [_row(args, path, n.name, {}, state) for n in state.networks]
    return _swept(args, path, options)


def _swept(args: argparse.Namespace, path: str, options: Options) -> list[Row]:
    """The rows of a spec at every point of the grid."""
    first = compile_spec(path, options, "syntax")
    if first.failed or first.program is None:
        _say(args, first)
        return []
    wanted = _networks(first, options, args.sweep)
    if not wanted:
        # the driver knows what to say of a name that no network has
        there = _there(options, options.network, next(grid(args.sweep)), set())
        state = compile_spec(path, there, "analysis", source=first.source)
        if not state.failed:
            names = " and ".join(f"`{one.name}`" for one in args.sweep)
            state.diagnostics.error("E0301", f"no network here has all of {names}")
        _say(args, state)
        return []
    rows: list[Row] = []
    for network, sizes in wanted:
        for point in grid(args.sweep):
            there = _there(options, network, point, sizes)
            state = compile_spec(path, there, "analysis", source=first.source)
            rows.append(_row(args, path, network, point, state))
    return rows


def _networks(
    state: Compilation, options: Options, sweeps: list[Sweep]
) -> list[tuple[str, set[str]]]:
    """Networks that have all of the names, and which of these are free sizes of their inputs.

    Raises ValueError where a size is given what is none.
    """
    program = state.program
    assert program is not None
    found = []
    for network in program.networks if options.network is None else [options.network]:
        if network not in program.networks:
            continue
        parameters = {p.name.name for p in program.parameters(network)}
        rest = {one.name for one in sweeps} - parameters
        point = {one.name: one.values[0] for one in sweeps if one.name in parameters}
        if rest and not rest <= _free(state, options, network, point):
            continue
        for one in sweeps:
            if one.name in rest and not all(v.isdigit() and int(v) for v in one.values):
                raise ValueError(f"`{one.name}` is a size; its values are whole numbers above 0")
        found.append((network, rest))
    return found


def _free(state: Compilation, options: Options, network: str, point: dict[str, str]) -> set[str]:
    """The free sizes of a network's inputs."""
    for settings in ({}, point):
        there = _there(options, network, settings, set())
        made = compile_spec(state.path, there, "graph", source=state.source)
        if made.networks:
            return set(made.networks[0].graph.main.rows)
    return set()


def _there(
    options: Options, network: str | None, point: dict[str, str], sizes: set[str]
) -> Options:
    """The options for a network at a point."""
    settings = {k: v for k, v in point.items() if k not in sizes}
    at = {k: int(v) for k, v in point.items() if k in sizes}
    return Options(
        network,
        {**options.settings, **settings},
        {**options.sizes, **at},
        options.max_nodes,
        options.max_bytes,
    )


def _row(
    args: argparse.Namespace, path: str, network: str, point: dict[str, str], state: Compilation
) -> Row:
    """A compiled network as a row; what is wrong with it, if it is."""
    errors = [item for item in state.diagnostics if item.severity == "error"]
    found: Totals | None = None
    if not errors:
        report = state[network].report
        assert report is not None  # compiled up to its analysis
        found = totals(report, args.batch, args.optimizer)
    return Row(path, network, point, found, errors)


def _say(args: argparse.Namespace, state: Compilation) -> None:
    """Why a spec has no rows."""
    if not state.failed:
        state.diagnostics.error(
            "E0207",
            f"`{state.path}` declares no network",
            help="a network is `network Name { input ... output ... }`",
        )
    complain(args, [item for item in state.diagnostics if item.severity == "error"])


def _distinct(rows: list[Row]) -> list[Diagnostic]:
    """The mistakes of all rows, those that are said alike once."""
    found: dict[tuple[str, str], Diagnostic] = {}
    for row in rows:
        for item in row.errors:
            found.setdefault((item.code, item.message), item)
    return list(found.values())


# ---------------------------------------------------------------------------- plot


def _plot_refused(args: argparse.Namespace) -> str:
    """What is wrong with the arguments of the plot; empty where nothing is."""
    if not args.plot:
        return "--x and --y are axes of a plot; --plot FILE says where" if args.x or args.y else ""
    if Path(args.plot).suffix not in (".svg", ".png"):
        return f"--plot writes FILE.svg or FILE.png, not {args.plot}"
    return ""


def _plot(args: argparse.Namespace, made: Comparison) -> int:
    """Write the plot; 1 where that cannot be done, which is said."""
    from .compare_draw import png, svg
    from .compare_plot import panels

    points = [(label(made, row), row.totals) for row in made.rows if row.totals is not None]
    drawn = panels(points, args.x, args.y)
    path = Path(args.plot)
    try:
        content = svg(drawn).encode() if path.suffix == ".svg" else png(drawn)
    except ModuleNotFoundError as error:
        help = 'pip install "archc[torch]", or write FILE.svg'
        return refuse(args, "E0809", f"a PNG needs {error.name}, which is not installed", help)
    try:
        write_all({path: content})
    except OSError as error:
        text = (error.strerror or "").lower()
        return refuse(args, "E0708", f"`{error.filename or path}` cannot be written: {text}")
    print(path, file=sys.stderr)
    return 0

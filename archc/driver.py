"""The pipeline, as a list of named stages: text, syntax, graph, analysis, claims, recipes, lints.

Each stage adds to a `Compilation`, can be stopped after, and can be dumped as text
(`archc dump SPEC --after graph`). Emission, training and proofs start from what it leaves.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from .diagnostics import Diagnostic, Diagnostics, TooManyErrors, closest
from .elaborate import Claim, Elaborated, Limits, Program, load
from .elaborate.wanted import wanted
from .source import Source, Span

if TYPE_CHECKING:
    from .analysis import Report
    from .analysis.free import FreeSizes
    from .analysis.lints import Loss
    from .dims import Linear
    from .graph import Graph
    from .recipe import RecipeSpec


@dataclass(frozen=True, slots=True)
class Options:
    """What is compiled, and where.

    `settings` are network parameters and `sizes` free sizes from outside, as text by name.
    """

    network: str | None = None
    settings: dict[str, str] = field(default_factory=dict)
    sizes: dict[str, int] = field(default_factory=dict)
    max_nodes: int = 1_000_000
    max_bytes: int = 1_000_000
    tensor_cores: bool = False
    """It is to run on a device with tensor cores, at 16 bits: what wastes them is said (W113)."""

    @property
    def as_written(self) -> bool:
        """Nothing was changed from outside, so claims are about this."""
        return not self.settings and not self.sizes


@dataclass(slots=True)
class Compiled:
    """One network: its graph, its figures, and what came of its claims."""

    name: str
    doc: str
    elaborated: Elaborated
    graph: Graph
    report: Report | None = None
    claims: list[Claim] = field(default_factory=list)
    _free: FreeSizes | None = None

    def free_sizes(self) -> FreeSizes | None:
        """What it needs of its free sizes; None where it has none."""
        if self._free is None and self.graph.main.rows:
            from .analysis.free import FreeSizes, Need

            self._free = FreeSizes(
                self.graph,
                [condition for _, condition in self.elaborated.wheres()],
                [
                    Need(condition, text, span.source.name, span.line)
                    for text, span, condition in self.elaborated.demands()
                ],
            )
        return self._free

    def closed_forms(self) -> tuple[Linear, Linear]:
        """(params, MACs) as forms in its free sizes."""
        from .analysis.free_forms import totals

        return totals(self.graph)


@dataclass(slots=True)
class Compilation:
    """One spec on its way through the stages."""

    path: str
    options: Options
    diagnostics: Diagnostics
    source: Source | None = None
    program: Program | None = None
    networks: list[Compiled] = field(default_factory=list)
    recipes: list[RecipeSpec] = field(default_factory=list)

    @property
    def failed(self) -> bool:
        return self.diagnostics.failed

    def __getitem__(self, name: str) -> Compiled:
        for network in self.networks:
            if network.name == name:
                return network
        raise KeyError(name)


def read_text(state: Compilation) -> None:
    """The text of the spec; `-` is standard input."""
    from .syntax.load import read

    if state.source is None:
        state.source = read(state.path, state.diagnostics, max_bytes=state.options.max_bytes)


def parse(state: Compilation) -> None:
    """Syntax trees of the spec and of what it uses."""
    if state.source is not None:
        limits = Limits(nodes=state.options.max_nodes)
        state.program = load(
            state.path, state.diagnostics, state.source, limits, state.options.max_bytes
        )


def elaborate(state: Compilation) -> None:
    """Graphs of the networks that are asked for."""
    if state.program is None:
        return
    state.program.check_constants()
    options = state.options
    for name, settings in wanted(state.program, state.path, options.network, options.settings):
        made = state.program.elaborate(name, settings, state.options.sizes)
        if made is not None:
            state.networks.append(Compiled(name, made.doc, made, made.graph))
    if state.options.network is None:
        state.program.check_rest()
    if not state.failed:
        _check_sizes(state)


def _check_sizes(state: Compilation) -> None:
    """A free size given from outside is one of some network's (E0301)."""
    known = {symbol for network in state.networks for symbol in network.graph.main.rows}
    for name, size in state.options.sizes.items():
        if name not in known:
            meant = closest(name, known)
            state.diagnostics.error(
                "E0301",
                f"no network here has a free size `{name}`",
                (Span(Source(f"--at {name}", str(size)), 0, len(str(size))), ""),
                help=f"did you mean `{meant}`?"
                if meant
                else f"free sizes: {', '.join(sorted(known)) or 'none'}",
            )


def analyze(state: Compilation) -> None:
    """Figures: shapes, parameters, MACs, receptive fields; what free sizes must satisfy."""
    from .analysis import analyze as report_of

    for network in state.networks:
        network.report = report_of(network.graph)
    _hold_wheres(state)


def prove(state: Compilation) -> None:
    """Claims, held against the figures. They are about the network as written."""
    from .analysis.claims import explain_failure

    if not state.options.as_written:
        return
    # What does not hold where a mistake is, holds perhaps when that is mended.
    wrong = [d.labels[0].span for d in state.diagnostics if d.severity == "error" and d.labels]
    for network in state.networks:
        report = network.report
        assert report is not None
        if any(map(network.elaborated.rests_on, wrong)):
            continue
        network.claims = network.elaborated.claims(report.measure)
        for claim in network.claims:
            if claim.holds is False:
                explain_failure(claim, network.name, report, state.diagnostics)


def _stated(network: Compiled) -> list[Span]:
    """Places of the `where`s of its inputs that say something of its free sizes."""
    return [span for span, found in network.elaborated.wheres() if found is not True]


def _hold_wheres(state: Compilation) -> None:
    """The `where` of each network's inputs, held against what the network needs."""
    for network in state.networks:
        places = _stated(network)
        free = network.free_sizes() if places else None
        if free is not None:
            from .analysis.free_where import too_weak

            too_weak(free, places, network.name, state.diagnostics)


def _strict_wheres(networks: list[Compiled]) -> Iterator[Diagnostic]:
    """Those that ask for more than the network needs."""
    for network in networks:
        places = _stated(network)
        free = network.free_sizes() if places else None
        if free is not None:
            from .analysis.free_where import too_strong

            yield from too_strong(free, places, network.name)


def check_recipes(state: Compilation) -> None:
    """Settings of recipes: names and values. Whether data can be found is seen in training."""
    if state.program is None:
        return
    state.recipes = state.program.recipes()
    for spec in state.recipes:
        if not state.program.misread_recipe(spec.name):
            _check_recipe(state, spec)


def look(state: Compilation) -> None:
    """Lints: what is legal and probably not meant, of a spec without mistakes."""
    program = state.program
    if program is None or state.failed:
        return
    from .analysis.lints import lint, silence, unused
    from .elaborate.reading import bodies_of, own_units, unreferenced

    units = own_units(program.unit)
    sources = {unit.source.name: unit.source for unit in units}
    found = lint(
        [
            (n.graph, n.report, tuple(_losses(state.recipes, n.name)))
            for n in state.networks
            if n.report is not None
        ],
        sources,
        complete=len(state.networks) == len(program.networks),
    )
    found += _strict_wheres(state.networks)
    # Only of a whole file it can be said that nothing uses a part, or that a comment is idle.
    whole = state.options.network is None and state.options.as_written
    if whole:
        found += unused(unreferenced(program.unit))
    texts = [(u.source, [span for span, _ in u.file.comments], bodies_of(u)) for u in units]
    left = silence(found, texts, program.unit.source if whole else None)
    # Comments are judged by all findings, so that no comment is idle for want of a device.
    if not state.options.tensor_cores:
        left = [item for item in left if item.code != "W113"]
    # Lints are remarks: the bound on errors is not theirs.
    state.diagnostics.items += left


def _losses(recipes: list[RecipeSpec], network: str) -> Iterator[Loss]:
    """The losses that recipes set for the outputs of a network."""
    for recipe in recipes:
        if recipe.network != network:
            continue
        for setting in recipe.settings:
            if setting.path[0] != "loss":
                continue
            value = setting.value
            if isinstance(value, list) and value:
                value = value[-1]
            name = getattr(value, "name", value)
            if isinstance(name, str):
                output = setting.path[1] if len(setting.path) > 1 else None
                yield output, name, setting.value_span


STAGES: tuple[tuple[str, Callable[[Compilation], None]], ...] = (
    ("text", read_text),
    ("syntax", parse),
    ("graph", elaborate),
    ("analysis", analyze),
    ("claims", prove),
    ("recipes", check_recipes),
    ("lints", look),
)


def compile_spec(
    path: str,
    options: Options | None = None,
    stop_after: str | None = None,
    source: Source | None = None,
) -> Compilation:
    """Run the stages on a file (or on text already read). Mistakes are in `.diagnostics`."""
    state = Compilation(path, options or Options(), Diagnostics(), source)
    try:
        for name, stage in STAGES:
            stage(state)
            if name == stop_after:
                break
    except TooManyErrors:
        state.networks.clear()
    state.diagnostics.items.sort(key=lambda d: _order(d, state.source))
    return state


def _order(item: Diagnostic, main: Source | None) -> tuple[int, str, int]:
    """Reading order: what has no place, then the spec from top to bottom, then what it uses."""
    if not item.labels:
        return 0, "", 0
    source, start, _ = item.labels[0].span
    return (1, "", start) if source is main else (2, source.name, start)


# ---------------------------------------------------------------------------- transforms


def transformed(network: Compiled, names: Sequence[str]) -> Compiled:
    """A network after transforms, one after another, with the figures that it then has.

    Raises `archc.transforms.TransformError`.
    """
    from .analysis import analyze as report_of
    from .transforms import transform

    graph = network.graph
    for name in names:
        graph = transform(graph, name).graph
    return Compiled(network.name, network.doc, network.elaborated, graph, report_of(graph))


# ---------------------------------------------------------------------------- recipes


def _check_recipe(state: Compilation, spec: RecipeSpec) -> None:
    """Report what is wrong with one recipe (nothing here imports torch)."""
    from .train.errors import TrainError
    from .train.settings.recipe import Recipe

    try:
        recipe = Recipe.read(spec, {})
    except TrainError as error:
        for each in error.each():
            state.diagnostics.error(
                each.code, each.message, each.span, notes=each.notes, help=each.help
            )
        return
    for network in state.networks:
        if network.name != spec.network:
            continue
        outputs = network.graph.main.outputs
        names = [o.name or f"output{i + 1}" for i, o in enumerate(outputs) if not o.hidden]
        for name in recipe.losses:
            if name not in names:
                meant = closest(name, names)
                state.diagnostics.error(
                    "E0801",
                    f"`{network.name}` has no output `{name}`",
                    next(s.span for s in spec.settings if s.path == ("loss", name)),
                    help=f"did you mean `loss.{meant}`?"
                    if meant
                    else f"outputs: {', '.join(names)}",
                )

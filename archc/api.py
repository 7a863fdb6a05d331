"""The Python API: specs as mappings from network names to networks.

spec = archc.load("specs/resnet.arch")          # SpecError with every mistake in it
net = spec["ResNet50"]
net.report.params                               # 25557032
net.graph.model_dump_json()                     # pydantic; Graph.model_validate_json reads it
print(net.source())                             # the PyTorch that `archc build` writes
net.module()                                    # a torch module (needs the extra: archc[torch])
net.diagram()                                   # SVG text; a notebook shows it with the table
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from .diagnostics import Diagnostic
from .driver import Compilation, Compiled, Options, compile_spec
from .source import Source

if TYPE_CHECKING:
    from torch import nn

    from .analysis import Report
    from .graph import Graph


class SpecError(ValueError):
    """A spec is wrong. `diagnostics` has every mistake and its place; str() is as in the CLI."""

    def __init__(self, diagnostics: list[Diagnostic]) -> None:
        from .diagnostics.terminal import render

        self.diagnostics = diagnostics
        super().__init__("\n" + render(diagnostics, color=False, width=100))


class Network:
    """One network of a spec."""

    def __init__(self, compiled: Compiled) -> None:
        self._compiled = compiled

    @property
    def name(self) -> str:
        return self._compiled.name

    @property
    def doc(self) -> str:
        """The comment above its declaration."""
        return self._compiled.doc

    @property
    def graph(self) -> Graph:
        """The validated graph (pydantic)."""
        return self._compiled.graph

    @property
    def report(self) -> Report:
        """Its figures: params, macs, depth, receptive fields, and rows per layer and scope."""
        assert self._compiled.report is not None
        return self._compiled.report

    @property
    def claims(self) -> list[Any]:
        """Its `expect` lines, each with text, holds, expected, actual, source and line."""
        return self._compiled.claims

    def source(self) -> str:
        """The emitted PyTorch module, as `archc build` writes it. Raises SpecError (E0901)."""
        from .emit.pytorch import EmitError, source

        try:
            return source(self.graph, self.report, self.doc)
        except EmitError as error:
            raise SpecError([Diagnostic("E0901", str(error))]) from error

    def module(self) -> nn.Module:
        """A fresh instance of the emitted module. Needs PyTorch: `pip install archc[torch]`."""
        from .train.build import instantiate

        return instantiate(self.source(), self.name)

    def transform(self, name: str) -> Network:
        """The network after a transform: "convolutionalize" or "fold-batchnorm".

        `archc.transforms.apply` does it with trained weights. Raises
        `archc.transforms.TransformError` where it would compute something else.
        """
        from .driver import transformed

        return Network(transformed(self._compiled, [name]))

    def arch(self) -> str:
        """The network as .arch text, every argument worked out, as `archc show` prints it."""
        from .emit.arch import source

        return source(self.graph, self.doc)

    def diagram(
        self,
        format: Literal["svg", "dot"] = "svg",
        unfold: bool = False,
        style: Literal["graph", "volumes"] = "graph",
    ) -> str:
        """The diagram as SVG (or DOT) text; `unfold` shows the inside of every block.

        `style="volumes"` draws feature maps to scale, as papers do. Raises SpecError (E0905) where
        it cannot be drawn: DOT text has no volumes, and a diagram may be too large to be laid out.
        """
        from .cli.pictures import Undrawn, mismatch, pictures

        try:
            wrong = mismatch(style, (format,))
            if wrong is not None:
                raise wrong
            return pictures(self._compiled, [format], unfold, style)[format].decode()
        except Undrawn as error:
            raise SpecError([Diagnostic(error.code, error.message, help=error.help)]) from error

    def networkx(self) -> Any:
        """The layers as a `networkx.DiGraph`: nodes are paths (and the inputs' names) with `op`,
        `shape`, `params` and `macs`, edges lead where values go."""
        import networkx

        made = networkx.DiGraph(name=self.name)
        for name, shape in self.report.inputs:
            made.add_node(name, op="input", shape=shape, params=0, macs=0)
        for row in self.report.layers():
            made.add_node(row.path, op=row.op, shape=row.shape, params=row.params, macs=row.macs)
            made.add_edges_from((before, row.path) for before in row.inputs)
        return made

    def table(self, unfold: bool = False) -> str:
        """The table that `archc check` prints."""
        from .cli.tables import table

        return table(self.report, unfold=unfold, color=False, width=120, claims=self.claims)

    def _repr_html_(self) -> str:
        """What a notebook shows: the diagram, if it can be laid out, and the table below it."""
        from html import escape

        try:
            shown = _inline_svg(self.diagram())
        except SpecError as error:
            shown = escape(error.diagnostics[0].message)
        return (
            f'<div style="max-width:100%;overflow:auto">{shown}</div>'
            f"<pre>{escape(self.table())}</pre>"
        )

    def __repr__(self) -> str:
        return (
            f"<Network {self.name}: {self.report.params:,} parameters, {self.report.macs:,} MACs>"
        )


class Spec(Mapping[str, Network]):
    """A checked spec: its networks by name."""

    def __init__(self, state: Compilation) -> None:
        self._state = state
        self._networks = {n.name: Network(n) for n in state.networks}

    @property
    def diagnostics(self) -> list[Diagnostic]:
        """Warnings and notes."""
        return list(self._state.diagnostics.items)

    def __getitem__(self, name: str) -> Network:
        if name not in self._networks:
            from .diagnostics import closest

            meant = closest(name, self._networks)
            hint = (
                f"; did you mean {meant!r}?" if meant else f"; there is {', '.join(self._networks)}"
            )
            raise KeyError(f"no network {name!r}{hint}")
        return self._networks[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._networks)

    def __len__(self) -> int:
        return len(self._networks)

    def __repr__(self) -> str:
        return f"<Spec {self._state.path}: {', '.join(self)}>"


def load(
    path: str | Path,
    *,
    settings: dict[str, Any] | None = None,
    sizes: dict[str, int] | None = None,
) -> Spec:
    """Read and check a spec. `settings` are network parameters, `sizes` free sizes (`{"H": 512}`).

    Raises SpecError with every mistake that was found, failed claims included.
    """
    return _spec(compile_spec(str(path), _options(settings, sizes)))


def loads(
    text: str,
    name: str = "<text>",
    *,
    settings: dict[str, Any] | None = None,
    sizes: dict[str, int] | None = None,
) -> Spec:
    """As `load`, for the text of a spec."""
    return _spec(compile_spec("-", _options(settings, sizes), source=Source(name, text)))


def _options(settings: dict[str, Any] | None, sizes: dict[str, int] | None) -> Options:
    from .elaborate.values import show

    written = {k: v if isinstance(v, str) else show(v) for k, v in (settings or {}).items()}
    return Options(settings=written, sizes=dict(sizes or {}))


def _spec(state: Compilation) -> Spec:
    if state.failed:
        raise SpecError(list(state.diagnostics.items))
    return Spec(state)


def _inline_svg(svg: str) -> str:
    """The svg element without the XML prologue."""
    return svg[svg.index("<svg") :]

"""What the page of `archc build --emit report` is made of."""

from __future__ import annotations

from ..driver import Compilation, Compiled
from ..elaborate.modules import Unit
from ..emit.report import Sheet, page
from ..source import Source
from .tables import figures


def report_page(state: Compilation, network: Compiled) -> str:
    """The page of one network of a spec, with the files that its layers come from."""
    assert network.report is not None  # networks are compiled to the end before they are built
    return page(
        Sheet(
            graph=network.graph,
            report=network.report,
            doc=network.doc,
            sources=_sources(state, network),
            totals=figures(network.report),
            claims=network.claims,
            diagnostics=list(state.diagnostics),
        )
    )


def _sources(state: Compilation, network: Compiled) -> list[Source]:
    """The spec, then the other files that layers of the network stand in, in order of use."""
    if state.program is None:
        return []
    files = {site.file for site in network.graph.sites}
    units = _units(state.program.unit)
    return [units[0].source, *(u.source for u in units[1:] if u.source.name in files)]


def _units(first: Unit) -> list[Unit]:
    """A file and all that it uses, each once."""
    found = [first]
    for unit in found:
        used = [*unit.aliases.values(), *(made for made, _ in unit.imported.values())]
        for other in used:
            if not any(other is known for known in found):
                found.append(other)
    return found

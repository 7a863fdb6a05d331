"""What the parts of the page say about layers: rows in order, tips, places in the source."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

from ...analysis import LayerRow, Report, ScopeRow
from ...analysis.cells import applied, clean, commas, receptive, short, size
from ...analysis.outline import Line, outline
from ...graph import Site
from ...ops import operator
from ...source import Source


class Figures:
    """The rows of a report, and where they are in the sources of the page."""

    def __init__(self, report: Report, sources: Sequence[Source]) -> None:
        self.report = report
        self.sources = sources
        self._files = {source.name: i for i, source in enumerate(sources)}

    @cached_property
    def lines(self) -> list[Line]:
        """Every layer, block and group, blocks opened, in the order of execution."""
        return list(outline(self.report, unfold=True))

    @cached_property
    def layers(self) -> list[LayerRow]:
        return [line.row for line in self.lines if isinstance(line.row, LayerRow)]

    @cached_property
    def rows(self) -> dict[str, LayerRow | ScopeRow]:
        """Layers and called blocks by path."""
        found: dict[str, LayerRow | ScopeRow] = {}
        for line in self.lines:
            row = line.row
            if isinstance(row, LayerRow) or row.calls:
                found[row.path] = row
        return found

    @cached_property
    def depths(self) -> dict[str, int]:
        """Weight layers on the longest path to each layer, itself included."""
        found: dict[str, int] = {}
        for row in self.layers:
            before = max([found.get(name, 0) for name in row.inputs], default=0)
            found[row.path] = before + operator(row.op).weighty
        return found

    def anchor(self, site: Site) -> str | None:
        """The element of a line of source, if the page has it."""
        file = self._files.get(site.file)
        return None if file is None else f"f{file}-{site.line}"

    def tip(self, row: LayerRow | ScopeRow) -> str:
        """What is shown where the pointer rests on a layer or a block."""
        return "\n".join([f"{clean(row.path)}: {applied(row)}", *self._facts([row])])

    def tip_of_paths(self, title: str, paths: list[str]) -> str:
        """The same for several that are drawn as one."""
        rows = [self.rows[path] for path in paths if path in self.rows]
        if not rows:
            return title
        if len(rows) == 1:
            return self.tip(rows[0])
        names = [f"{clean(row.path)}: {applied(row)}" for row in rows[:6]]
        if len(rows) > 6:
            names[5:] = [f"… {len(rows) - 6} more", f"{clean(rows[-1].path)}: {applied(rows[-1])}"]
        return "\n".join([*names, *self._facts(rows)])

    def _facts(
        self, rows: list[LayerRow] | list[ScopeRow] | list[LayerRow | ScopeRow]
    ) -> list[str]:
        last = rows[-1]
        facts = [f"output {size(last.shape)}"]
        params, frozen = sum(r.params for r in rows), sum(r.frozen for r in rows)
        macs = sum(r.macs for r in rows)
        if params:
            facts.append(f"{commas(params)} parameters")
        if frozen:
            facts.append(f"{commas(frozen)} frozen")
        if macs:
            facts.append(f"{short(macs)} MACs")
        seen = receptive(last.receptive_field)
        if seen:
            facts.append(f"receptive field {seen}")
        if last.training:
            facts.append("when training only")
        facts.append(f"{clean(last.site.file)}:{last.site.line}")
        return facts

"""Explains layers, blocks, ranges and inputs of one network."""

from __future__ import annotations

from collections.abc import Iterable

from ...graph import Shape, Site, leaves
from ...ops import Op
from ..cells import applied
from ..facts import Facts
from ..report import Report
from ..rows import LayerRow, ScopeRow
from .cell import Asked, Cell, work_out
from .counts import work
from .find import Found, find, paths
from .flat import Flat, FlatNode, FlatScope
from .model import (
    BlockExplained,
    End,
    Explained,
    InputExplained,
    LayerExplained,
    Part,
    Place,
    total,
)
from .numbers import CellError
from .seen import seen
from .sizes import sizes

Item = FlatNode | FlatScope


class Explainer:
    """Explains parts of a network."""

    def __init__(self, report: Report) -> None:
        self.report = report
        self.flat = Flat(report)

    def paths(self) -> list[str]:
        """All that can be explained: inputs, blocks and groups, layers."""
        return paths(self.flat)

    def explain(self, label: str = "") -> Explained:
        """What a label means, explained; the network without one. Raises `UnknownLabel`."""
        if not label:
            return self._network()
        found = find(self.flat, label)
        if found.input is not None:
            return self._input(found)
        if found.ranged:
            return self._range(found)
        item = found.items[0]
        return self.layer(item, found) if isinstance(item, FlatNode) else self.block(item, found)

    def cell(self, label: str, asked: Asked) -> Cell:
        """One output unit of a layer, worked out. Raises `UnknownLabel` and `CellError`."""
        found = find(self.flat, label)
        item = found.items[0] if found.items else None
        if found.ranged or not isinstance(item, FlatNode):
            what = "an input" if item is None else "several layers"
            raise CellError(f"--at works out a unit of one layer, and `{label}` is {what}")
        fact, row = self._facts(item), self._layer_row(item)
        inputs = tuple(self.flat.shape(v) for v in item.inputs)
        worked, x, out = work_out(fact.op, inputs, asked)
        features = len(out) == 1
        return Cell(
            network=self.report.name,
            path=row.path,
            written=applied(row),
            place=_place(row.site),
            channel=asked.at[0] if features else asked.channel or 0,
            at=() if features else asked.at,
            input=x,
            output=out,
            first=self.flat.producer[item.inputs[0]] < 0,
            given=worked.given,
            planes=worked.planes,
            steps=worked.steps,
            result=worked.result,
        )

    def has(self, label: str) -> None:
        """Raises `UnknownLabel` if a label means nothing here."""
        if label:
            find(self.flat, label)

    # ------------------------------------------------------------------ one layer

    def layer(
        self, node: FlatNode, found: Found | None = None, field: bool = True
    ) -> LayerExplained:
        """An operator; without its receptive field where `field` is false."""
        flat, fact, row = self.flat, self._facts(node), self._layer_row(node)
        inputs = tuple(flat.shape(v) for v in node.inputs)
        outs = tuple(flat.shape(v) for v in node.outputs)
        return LayerExplained(
            network=self.report.name,
            path=row.path,
            op=row.op,
            written=applied(row),
            place=_place(row.site),
            reads=tuple(
                End(flat.maker(v), flat.shape(v), how is None)
                for v, how in zip(node.inputs, fact.reads, strict=True)
            ),
            read_by=self._readers(node.outputs),
            shapes=outs,
            sizes=sizes(fact.op, inputs, outs[0]),
            work=work(fact.op, inputs, outs[0], node.owned),
            weighty=fact.weighty,
            seen=seen(flat, node.outputs[0]) if field else None,
            notes=tuple(self._notes(node, row, found)),
        )

    def _notes(self, item: Item, row: LayerRow | ScopeRow, found: Found | None) -> list[str]:
        """What the sums do not say: shared weights, parts for training, further uses."""
        notes = []
        if not item.owned:
            first = f": {self._first_use(item)}" if isinstance(item, FlatNode) else ""
            notes.append(f"its weights are shared, and counted where they are used first{first}")
        elif isinstance(row, LayerRow) and row.module is not None:
            notes.append(f"its weights are those of the shared module `{row.module}`")
        if row.training:
            notes.append("only outputs for training depend on it, so totals leave it out")
        if found is not None and found.uses:
            shapes = [" x ".join(map(str, self.flat.shape(u.outputs[0]))) for u in found.uses]
            notes.append(
                f"it is used {len(shapes)} times, with results of {', '.join(shapes)}; "
                "these are the sums of the first use"
            )
        return notes

    def _first_use(self, node: FlatNode) -> str:
        module = self._module(node)
        for other in self.flat.nodes:
            if other.owned and self._module(other) == module:
                return "its first use" if other.path == node.path else f"`{other.path}`"
        return f"`{module}`"

    def _module(self, node: FlatNode) -> str:
        """Path of the weights that a layer uses, in the state_dict."""
        made = self.flat.node_of(node)
        name = made.module or made.name
        return f"{node.place.path}.{name}" if node.place.path else name

    # ------------------------------------------------------------------ several layers

    def block(
        self, scope: FlatScope, found: Found | None = None, field: bool = True
    ) -> BlockExplained:
        """A called block or a labelled group; without its receptive field where not `field`."""
        row = self._scope_row(scope)
        return self._several(
            row.path, row.block, applied(row) or row.block, row.site, scope.first, scope.last,
            scope.outputs, self._inside(scope), self._notes(scope, row, found), field,
        )  # fmt: skip

    def _network(self) -> BlockExplained:
        flat, report, main = self.flat, self.report, self.report.graph.main
        notes = []
        apart = report.auxiliary
        if apart.params or apart.macs:
            notes.append(
                f"{apart.params:,} params and {apart.macs:,} MACs of these are there for training "
                "only; totals leave them out"
            )
        outputs = [flat.main[v] for end in main.outputs for v in leaves(end.value)]
        return self._several(
            "", "network", f"network {report.name}", report.graph.sites[main.site], 0,
            len(flat.nodes), tuple(outputs), self._inside(None), notes,
        )  # fmt: skip

    def _range(self, found: Found) -> BlockExplained:
        first, last = found.items[0], found.items[-1]
        row = self._row(first)
        return self._several(
            found.path, "range", f"{len(found.items)} in a row", row.site, self._span(first)[0],
            self._span(last)[1], last.outputs[:1], list(found.items), [],
        )  # fmt: skip

    def _several(
        self, path: str, kind: str, written: str, site: Site, first: int, last: int,
        outputs: tuple[int, ...], items: list[Item], notes: list[str],
        field: bool = True,
    ) -> BlockExplained:  # fmt: skip
        parts = tuple(self._part(item) for item in items)
        return BlockExplained(
            network=self.report.name,
            path=path,
            block=kind,
            written=written,
            place=_place(site),
            reads=self._ends(self._entering(first, last)),
            read_by=self._readers(outputs, first, last),
            shapes=tuple(self.flat.shape(v) for v in outputs),
            parts=parts,
            params=total([p.params for p in parts]),
            frozen=total([p.frozen for p in parts]),
            buffered=total([p.buffers for p in parts]),
            macs=total([p.macs for p in parts]),
            neurons=total([p.neurons for p in parts]),
            seen=seen(self.flat, outputs[0]) if outputs and field else None,
            notes=tuple(notes),
        )

    def _inside(self, scope: FlatScope | None) -> list[Item]:
        """The layers and blocks directly inside of a block; of the network without one."""
        scopes = self.flat.scopes
        first, last, start = 0, len(self.flat.nodes), 0
        if scope is not None:
            first, last = scope.first, scope.last
            start = next(i for i, one in enumerate(scopes) if one is scope) + 1
        found: list[Item] = []
        at = first
        for one in scopes[start:]:
            if one.first >= last:
                break
            if one.first < at or one.first == one.last or one.last > last:
                continue
            found += self.flat.nodes[at : one.first]
            found.append(one)
            at = one.last
        return [*found, *self.flat.nodes[at:last]]

    def _part(self, item: Item) -> Part:
        """What a layer or block adds to what it stands in."""
        row = self._row(item)
        params = frozen = buffers = macs = neurons = 0
        first, last = self._span(item)
        for node in self.flat.nodes[first:last]:
            fact = self._facts(node)
            macs += fact.macs
            neurons += fact.units if fact.weighty else 0
            if node.owned:
                params += fact.params
                frozen += fact.frozen
                buffers += fact.buffers
        kind = row.op if isinstance(row, LayerRow) else row.block
        return Part(
            row.path, applied(row) or kind, row.shape, params, frozen, buffers, macs, neurons,
            row.training,
        )  # fmt: skip

    # ------------------------------------------------------------------ inputs, ends

    def _input(self, found: Found) -> InputExplained:
        assert found.input is not None  # asked for only where it is one
        main = self.report.graph.main
        return InputExplained(
            network=self.report.name,
            path=found.path,
            shape=self.flat.shape(found.input),
            read_by=self._readers((found.input,)),
            place=_place(self.report.graph.sites[main.site]),
        )

    def _ends(self, values: Iterable[int]) -> tuple[End, ...]:
        return tuple(End(self.flat.maker(v), self.flat.shape(v)) for v in values)

    def _readers(self, values: Iterable[int], first: int = 0, last: int = 0) -> tuple[str, ...]:
        """Paths of what reads some values, without the layers first..last; outputs by name."""
        found: dict[str, None] = {}
        flat = self.flat
        values = list(values)
        for v in values:
            for i in flat.readers[v]:
                if not first <= i < last:
                    found[flat.nodes[i].path] = None
        ends = {flat.main[v]: end for end in self.report.graph.main.outputs
                for v in leaves(end.value) if not end.hidden}  # fmt: skip
        for v in values:
            if v in ends:
                found[f"output {ends[v].name or ''}".rstrip()] = None
        return tuple(found)

    def _entering(self, first: int, last: int) -> list[int]:
        """The values from outside that the layers first..last read."""
        found: dict[int, None] = {}
        for node in self.flat.nodes[first:last]:
            for v in node.inputs:
                if not first <= self.flat.producer[v] < last:
                    found[v] = None
        return list(found)

    # ------------------------------------------------------------------ rows

    def operator(self, node: FlatNode) -> tuple[Op, Shape]:
        """The operator of a layer, and the shape of its first input."""
        return self._facts(node).op, self.flat.shape(node.inputs[0])

    def _facts(self, node: FlatNode) -> Facts:
        fact = self.flat.walker.facts[node.place.index][node.n]
        assert fact is not None  # flat nodes are operators
        return fact

    def _span(self, item: Item) -> tuple[int, int]:
        if isinstance(item, FlatScope):
            return item.first, item.last
        at = self.flat.producer[item.outputs[0]]
        return at, at + 1

    def _row(self, item: Item) -> LayerRow | ScopeRow:
        return self._layer_row(item) if isinstance(item, FlatNode) else self._scope_row(item)

    def _layer_row(self, node: FlatNode) -> LayerRow:
        return self.flat.walker.layer(node.place, node.n, node.owned)

    def _scope_row(self, scope: FlatScope) -> ScopeRow:
        if scope.scope < 0:
            return self.flat.walker.call(scope.place, scope.n, scope.owned)
        return self.flat.walker.group(scope.place, scope.scope)


def _place(site: Site) -> Place:
    return Place(site.file, site.line)

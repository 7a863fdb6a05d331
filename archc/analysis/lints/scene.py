"""What lints look at: one network's graph with its figures, and the places of its stages."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from ...diagnostics import Diagnostic, Edit, Fix, Label
from ...graph import Body, Graph, Node, leaves
from ...ops import Op
from ...source import Source, Span
from ..report import Report

Loss = tuple[str | None, str, Span]
"""The loss that a recipe sets: for which output (None: the only one), its name, its place."""


class Scene:
    """One network as lints see it.

    `sources` are the files whose stages may be spoken of, by name: those of the user, not of the
    standard library. Every body is looked at once, however often it is called.
    """

    def __init__(
        self,
        graph: Graph,
        report: Report,
        sources: Mapping[str, Source],
        losses: tuple[Loss, ...] = (),
    ) -> None:
        self.graph = graph
        self.report = report
        self.losses = losses
        self.found: list[Diagnostic] = []
        self.needed: set[tuple[str, int, int]] = set()
        """Places of stages whose bias has an effect."""
        self._sources = sources
        self._places: dict[int, Span | None] = {}
        self._uses: dict[int, list[int]] = {}

    # ------------------------------------------------------------------ walking

    def nodes(self, *names: str) -> Iterator[tuple[Body, Node, Op]]:
        """The operators of these names, by body."""
        ops = self.graph.ops
        wanted = {i for i, op in enumerate(ops) if op.op in names}
        if not wanted:
            return
        for body in self.graph.bodies:
            for node in body.nodes:
                if node.op in wanted:
                    yield body, node, ops[node.op]

    def maker(self, body: Body, value: int) -> tuple[Node, Op] | None:
        """The operator of the same body that makes a value that nothing else reads, if one does."""
        made = body.values[value].node
        if made < 0 or self.uses(body)[value] != 1:
            return None
        node = body.nodes[made]
        return None if node.op < 0 else (node, self.graph.ops[node.op])

    def before(self, body: Body, value: int, passing: tuple[str, ...]) -> tuple[Node, Op] | None:
        """The maker of a value, looking through a chain of operators of these names."""
        found = self.maker(body, value)
        while found is not None and found[1].op in passing:
            found = self.maker(body, found[0].inputs[0])
        return found

    def uses(self, body: Body) -> list[int]:
        """How many nodes and outputs of a body read each of its values."""
        known = self._uses.get(id(body))
        if known is None:
            known = self._uses[id(body)] = [0] * len(body.values)
            for node in body.nodes:
                for v in node.inputs:
                    known[v] += 1
            for end in body.outputs:
                for v in leaves(end.value):
                    known[v] += 1
        return known

    # ------------------------------------------------------------------ places

    def place(self, node: Node) -> Span | None:
        """Where a node's stage stands; None in a file that is not the user's."""
        if node.site in self._places:
            return self._places[node.site]
        site = self.graph.sites[node.site]
        source = self._sources.get(site.file)
        found: Span | None = None
        if source is not None:
            starts = source.starts
            start = starts[site.line - 1] + site.column - 1
            found = Span(source, start, starts[site.end_line - 1] + site.end_column - 1)
        self._places[node.site] = found
        return found

    @property
    def sizes(self) -> str | None:
        """A note on the sizes at hand, where the network has free ones."""
        rows = self.graph.main.rows
        if not rows:
            return None
        listed = ", ".join(f"{name}={int(n)}" for name, n in rows.items())
        return f"at {listed}; `--at` checks other sizes"

    # ------------------------------------------------------------------ reporting

    def warn(
        self,
        code: str,
        message: str,
        at: Span,
        text: str = "",
        also: tuple[Label, ...] = (),
        notes: tuple[str, ...] = (),
        help: str | None = None,
        fixes: tuple[Fix, ...] = (),
    ) -> None:
        """Add a finding."""
        labels = (Label(at, text), *also)
        self.found.append(Diagnostic(code, message, labels, notes, help, fixes))


def key_of(span: Span) -> tuple[str, int, int]:
    """A place as a key that compares by value."""
    return span.source.name, span.start, span.end


def written_call(span: Span, op: str) -> bool:
    """Is the text of a stage a call of this operator itself, not of a parameter that holds it?"""
    return re.search(rf"(?:^|:\s*){op}\s*\(.*\)\s*$", span.text, re.S) is not None


def with_argument(span: Span, op: str, name: str, value: str) -> Edit | None:
    """The edit that gives a written call an argument by name; None where it cannot be said so."""
    if not written_call(span, op):
        return None
    given = re.search(rf"\b{name}\s*=\s*(true|false)\b", span.text)
    if given is not None:
        start = span.start + given.start(1)
        return Edit(Span(span.source, start, span.start + given.end(1)), value)
    if re.search(rf"\b{name}", span.text) or "#" in span.text:
        return None
    close = span.start + span.text.rindex(")")
    inside = span.text[: span.text.rindex(")")].rstrip()
    comma = "" if inside.endswith(("(", ",")) else ", "
    return Edit(Span(span.source, close, close), f"{comma}{name}={value}")

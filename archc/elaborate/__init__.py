"""Syntax trees and arguments to graphs: names, defaults, blocks and loops are worked out here."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from ..diagnostics import Diagnostics
from ..graph import Graph
from ..recipe import RecipeSpec
from ..source import Source, Span
from ..syntax import tree
from .bodies import chooses, lost_default, misread, mistaken_before
from .calls import entered, open_frame
from .claims import Claim, Claims, Measure, evaluate
from .finish import assemble
from .frame import Frame
from .free import demanded, where_conditions
from .loading import Loader
from .modules import Constants, Unit
from .recipes import read_recipes, setting_value
from .session import Limits, Session
from .values import POISON, Exhausted, Fail

if TYPE_CHECKING:
    from ..conditions import Condition

__all__ = ["Claim", "Claims", "Elaborated", "Fail", "Limits", "Program", "load"]


class Elaborated:
    """A network worked out: its graph, and its claims still to be evaluated with measures."""

    def __init__(
        self,
        name: str,
        graph: Graph,
        frame: Frame,
        expects: list[tuple[tree.Expect, dict[str, Any]]],
        doc: str,
    ) -> None:
        self.name = name
        self.graph = graph
        self.doc = doc
        self._frame = frame
        self._expects = expects

    def wheres(self) -> list[tuple[Span, Condition]]:
        """The `where` of each of its inputs, as a condition on the free sizes."""
        return where_conditions(self._frame.session)

    def demands(self) -> list[tuple[str, Span, Condition]]:
        """What the inputs of its blocks demand of free sizes: words, place, condition."""
        return demanded(self._frame.session)

    def rests_on(self, place: Span) -> bool:
        """Is a place in a declaration that the network is made of, or in its file's defaults?"""
        unit = self._frame.unit
        defaults = [d.span for d in unit.file.declarations if isinstance(d, tree.Default)]
        parts = [*self._frame.session.reached.values(), *defaults]
        return any(
            part.source is place.source and part.start <= place.start <= part.end for part in parts
        )

    def claims(self, measure: Measure) -> list[Claim]:
        """Evaluate the claims. Reported here are those without a value, not those that fail."""
        return [evaluate(self._frame, node, dict(env), measure) for node, env in self._expects]


class Program:
    """A loaded file: its networks and recipes."""

    def __init__(self, unit: Unit, diagnostics: Diagnostics, limits: Limits) -> None:
        self.unit = unit
        self.diagnostics = diagnostics
        self.limits = limits
        self.reached: dict[int, Span] = {}
        """Places of the declarations whose bodies were elaborated, by id."""
        self.networks: dict[str, tree.Network | tree.Variant] = {
            name: decl
            for name, decl in unit.declared.items()
            if isinstance(decl, (tree.Network, tree.Variant))
        }
        """Networks and variants that the file declares, in order."""

    def check_rest(self) -> None:
        """Check blocks and networks that no elaboration has reached, as far as that goes; of those
        that one has reached, the words in what no condition has led to."""
        for decl in self.unit.declared.values():
            if not isinstance(decl, (tree.Block, tree.Network)):
                continue
            session = Session(self.diagnostics, self.limits)
            session.doubtful = id(decl) in self.reached
            if session.doubtful and (not chooses(decl) or mistaken_before(session, decl)):
                continue
            from .blind import check_blindly

            with _deep():
                check_blindly(session, self.unit, decl)

    def check_constants(self) -> None:
        """Evaluate the constants of the file, also those that nothing uses."""
        session = Session(self.diagnostics, self.limits)
        for decl in self.unit.declared.values():
            if isinstance(decl, tree.Const) and decl.params is None:
                with _deep(), suppress(Fail, Exhausted):
                    self.unit.const(decl, decl.name.span, session)

    def recipes(self) -> list[RecipeSpec]:
        return read_recipes(self.unit, Session(self.diagnostics, self.limits))

    def misread_recipe(self, name: str) -> bool:
        """Was there a syntax error in a recipe? Then settings may be missing."""
        session = Session(self.diagnostics, self.limits)
        return any(
            isinstance(decl, tree.Recipe) and decl.name.name == name and misread(session, decl)
            for decl in self.unit.file.declarations
        )

    def parameters(self, name: str) -> tuple[tree.Param, ...]:
        """The parameters of a network, through variants."""
        session = Session(Diagnostics(), self.limits)
        decl = self.networks[name]
        if isinstance(decl, tree.Variant):
            try:
                decl = self.unit.base(decl, session)[0]
            except Fail:
                return ()
        return decl.params

    def missing(self, name: str) -> set[str]:
        """Parameters of a network that have no value yet."""
        bound: dict[str, Any] = {}
        decl: Any = self.networks[name]
        if isinstance(decl, tree.Variant):
            try:
                decl, _, bound = self.unit.base(decl, Session(Diagnostics(), self.limits))
            except Fail:
                return set()
        return {p.name.name for p in decl.params if p.default is None and p.name.name not in bound}

    def value(self, text: str, name: str) -> Any:
        """A value from outside (`--set name=text`), evaluated in this file; POISON on a mistake."""
        from ..syntax import parse_expr

        node = parse_expr(Source(f"--set {name}", text), self.diagnostics)
        if node is None:
            return POISON
        try:
            return Constants(Session(self.diagnostics, self.limits), self.unit).eval(node)
        except (Fail, Exhausted):
            return POISON

    def setting(self, text: str, name: str) -> Any:
        """A recipe setting given from outside; POISON on a mistake."""
        from ..syntax import parse_expr

        node = parse_expr(Source(f"--set {name}", text), self.diagnostics)
        if node is None:
            return POISON
        try:
            return setting_value(Constants(Session(self.diagnostics, self.limits), self.unit), node)
        except (Fail, Exhausted):
            return POISON

    def elaborate(
        self, name: str, settings: dict[str, Any] | None = None, sizes: dict[str, int] | None = None
    ) -> Elaborated | None:
        """The graph of a network with parameters and free sizes as given; None after a mistake."""
        session = Session(self.diagnostics, self.limits)
        session.doubtful = lost_default(self.unit, self.diagnostics)
        with _deep():
            try:
                return self._elaborate(session, self.networks[name], settings or {}, sizes or {})
            except (Fail, Exhausted):
                return None
            finally:
                self.reached.update(session.reached)

    def _elaborate(
        self, session: Session, decl: Any, settings: dict[str, Any], sizes: dict[str, int]
    ) -> Elaborated | None:
        unit = self.unit
        bound: dict[str, Any] = {}
        expects: list[tree.Expect] = []
        top = decl
        if isinstance(decl, tree.Variant):
            expects = list(decl.claims)
            decl, unit, bound = unit.base(decl, session)
        values = {**bound, **_typed(session, unit, decl, settings)}
        opener = Constants(session, unit)
        # no frame is around a network: of what opens it, only session and unit are asked
        with entered(opener, top.name.name, top.name.span):  # type: ignore[arg-type]
            frame = open_frame(opener, decl, unit, values, top)  # type: ignore[arg-type]
        session.stack.clear()
        finished = _run_network(session, frame, decl, top, values, sizes)
        excused = self.diagnostics.failed and frame.builder.excused
        if finished is None or session.doubtful or excused:
            return None
        claims = frame.claims if top is decl else [(e, dict(frame.env)) for e in expects]
        graph = assemble(session, top.name.name)
        doc = top.doc or decl.doc or self.unit.file.doc
        return Elaborated(top.name.name, graph, frame, claims, doc)


def _run_network(
    session: Session,
    frame: Frame,
    decl: tree.Network,
    top: Any,
    values: dict[str, Any],
    sizes: dict[str, int],
) -> bool | None:
    """Elaborate the network's own body, the last of the graph."""
    from ..graph import Body
    from .bodies import input_statements, misread
    from .body import Builder
    from .values import plain

    site, _ = session.site(decl, decl, top.name.span)
    args = {p.name.name: plain(values[p.name.name]) for p in decl.params}
    body = Body(top.name.name, "network", args, top.doc or decl.doc, site)
    frame.builder = Builder(session, body, decl, positional=False)
    session.reached[id(decl)] = decl.span
    if not input_statements(decl.body) and not misread(session, decl):
        session.report(
            "E0503",
            f"`{decl.name.name}` has no input",
            decl.name.span,
            help="a network starts with `input image[3, H=224, W=224]`",
        )
        return None
    frame.open_inputs(decl, sizes)
    frame.run(decl.body)
    if frame.close(decl, pruned=False) is None:
        return None
    session.bodies.append(body)
    session.totals.append(frame.builder.size)
    return True


def _typed(
    session: Session, unit: Unit, decl: tree.Network, settings: dict[str, Any]
) -> dict[str, Any]:
    """Settings from outside, checked against the parameters' types."""
    from .fitting import typed

    by_name = {p.name.name: p for p in decl.params}
    made = {}
    for name, value in settings.items():
        span = Span(Source(f"--set {name}", str(value)), 0, len(str(value)))
        if name in by_name:
            made[name] = typed(Constants(session, unit), value, by_name[name], span)
    return made


@contextmanager
def _deep() -> Iterator[None]:
    """Room for nested calls and expressions, both of which are bounded by archc itself.

    Python code calling Python code takes no C stack (3.11 and later), so this is memory only.
    """
    before = sys.getrecursionlimit()
    sys.setrecursionlimit(max(before, 60_000))
    try:
        yield
    finally:
        sys.setrecursionlimit(before)


def load(
    path: str,
    diagnostics: Diagnostics,
    source: Source | None = None,
    limits: Limits | None = None,
    max_bytes: int = 1_000_000,
) -> Program | None:
    """Read a file and what it uses; None where it cannot be read."""
    with _deep():
        unit = Loader(diagnostics, max_bytes).load(path, source)
    return None if unit is None else Program(unit, diagnostics, limits or Limits())

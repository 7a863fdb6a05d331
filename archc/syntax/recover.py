"""Parsing on after a mistake, so that each mistake of a text is named and only that.

After an error the rest of its statement is stepped over: up to the next word that begins a
statement or declaration, or the brace that closes the body. Braces stepped over on the way are
parsed by themselves, for their own mistakes.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import deque
from typing import TYPE_CHECKING, Any

from ..diagnostics import Diagnostic, Label
from ..source import Span
from . import tree
from .brackets import arrange
from .build import MAX_NESTING, Builder
from .docs import Docs
from .explain import explain
from .layout import BODIES, Content, Layout
from .literals import BracesError, split_braces
from .parser import MAX_STATES, Driver, Lost, Rejected, Watcher, parse_plain
from .situation import Situation
from .tables import load
from .tokens import MAX_REPORTS, Tokens, scan
from .view import DECLARATIONS, STATEMENTS, View

if TYPE_CHECKING:
    from .build import Parts

ROOT = -1  # stands for the token that opens the whole text
MAX_BODIES = 10_000  # in skipped text that are looked into


class Recovery(Watcher):
    """Watches a driver: names what it is stuck on and says where to go on."""

    def __init__(self, layout: Layout, reports: list[Diagnostic]) -> None:
        self.layout = layout
        self.tokens = layout.tokens
        self.reports = reports
        self.builder = Builder(
            self.tokens.source, self.tokens, Docs(self.tokens.source, []), self.interpolate
        )
        self.builder.broken += layout.cut
        self.skipped = layout.skipped  # ranges of text that no node stands for
        self.bodies: deque[int] = deque()  # opening braces in skipped text, to be parsed
        self.heights: dict[int, int] = {}  # opening brace of a body -> states behind it
        self.view = View(self.tokens)
        self.watched = self.view.turns()
        self.start = "start"
        # The end of the tokens is not that of the text.
        self.stopped = len(reports) >= MAX_REPORTS or layout.stopped is not None
        # Reports of unexpected text, each with the number of its statement in `own` (the ranges of
        # text that belong to a lost statement but to no body in it), and whether `{` could stand.
        self.unexpected: list[tuple[Diagnostic, int, bool]] = []
        self.own: list[list[tuple[int, int]]] = []

    # ------------------------------------------------------------------ running

    def run(self, start: str, first: int, stop: int, rejected: Rejected | None = None) -> Any:
        """As Driver.run, with recovery; the value may lack what was skipped. Raises Rejected.

        What a plain run read before it was `rejected` is not read again.
        """
        self.start = start
        driver = Driver(self.tokens, self.builder, self)
        if start == "start":
            self.heights[ROOT] = 1
        token = self._take_over(driver, rejected) if rejected is not None else None
        try:
            if token is not None:
                return driver.go_on(start, token, stop)
            return driver.run(start, first, stop)
        except Rejected:
            listed = self._listed(driver, ROOT)
            return tuple(driver.values[0]) if start == "start" and listed else ()

    def _take_over(self, driver: Driver, rejected: Rejected) -> int | None:
        """Give a driver the stacks of another, up to the statement that it was rejected in, or to
        the one of the outermost body around; the token to go on at. None where there are none, or
        where brackets before that token were arranged otherwise."""
        begun, token = rejected.driver, rejected.token
        if begun is None or token is None:
            return None
        tokens, layout = self.tokens, self.layout
        body, height = ROOT, 1
        for place, value in enumerate(begun.values):
            brace = type(value) is int and layout.content.get(value) in BODIES
            if brace and not load().lists.isdisjoint(load().gotos[begun.states[place + 1]]):
                body, height = value, place + 2
                break
        driver.states = begun.states
        self.heights[body] = height
        base = self._base(driver, body)
        if len(begun.states) > base:
            token = bisect_left(begun.tokens.starts, begun.begins[base - 1])
        before = begun.tokens
        if tokens.starts[:token] != before.starts[:token] or (
            tokens.kinds[:token] != before.kinds[:token]
        ):
            self.heights = {ROOT: 1}
            return None
        driver.values, driver.begins, driver.ends = begun.values, begun.begins, begun.ends
        driver.depths = begun.depths
        driver.truncate(base)
        return token

    def run_skipped(self) -> None:
        """Parse the bodies that were stepped over, for the mistakes in them."""
        looked = 0
        while self.bodies and len(self.unexpected) < MAX_REPORTS and looked < MAX_BODIES:
            looked += 1
            brace = self.bodies.popleft()
            self.run(self.layout.content[brace], brace, self.layout.match[brace] + 1)

    # ------------------------------------------------------------------ the driver's questions

    def shifting(self, driver: Driver, token: int) -> bool:
        """A line that begins with `name =` begins a statement, wherever the parser stands; a `for`
        behind a value on its line begins none."""
        if self.view.text(token) == "for" and token and not self.view.first_on_line(token):
            at_start = len(driver.states) == self._base(driver, self._body(token))
            return not at_start or self.view.text(token - 1) in ("{", "}")
        if not self.view.assigns(token):
            return True
        body = self.layout.parent[token]
        if body not in self.heights or body == ROOT or not self.view.first_on_line(token):
            return True
        return len(driver.states) == self._base(driver, body)

    def shifted(self, driver: Driver, token: int) -> None:
        if self.layout.content.get(token) in BODIES:
            gotos = load().gotos[driver.states[-1]]
            if not load().lists.isdisjoint(gotos):
                self.heights[token] = len(driver.states)

    def stuck(self, driver: Driver, token: int) -> int:
        drop = False
        body = self._body(token)
        self._settle(driver, token, body)
        if not self._silent(token):
            base = self._base(driver, body)
            listed = driver.values[base - 2] if self._listed(driver, body) else []
            content: str = "top" if body == ROOT else self.layout.content[body]
            if self.start == "expr":
                content = "expression"
            said = explain(Situation(driver, self.layout, token, base, content, listed))
            self._report(said.diagnostic)
            self.unexpected.append((said.diagnostic, len(self.own), said.lacks_brace))
            drop = said.drops_previous
        return self._resume(driver, token, drop)

    def _settle(self, driver: Driver, token: int, body: int) -> None:
        """Keep the statement before a token that begins a line of its own."""
        base = self._base(driver, body)
        if self.start == "expr" or len(driver.states) <= base or token >= len(self.tokens):
            return
        column = self.tokens.source.position(self.tokens.starts[token])[1]
        begun = self.tokens.source.position(driver.begins[base - 1])[1]
        if column <= begun and self.view.first_on_line(token):
            content = "top" if body == ROOT else self.layout.content[body]
            keyword = _KEEPS.get(content)
            kind = self.view.name if keyword is None else load().literals[keyword]
            driver.settle(kind, token)

    def lost(self, driver: Driver, token: int) -> int:
        return self._resume(driver, token)

    def too_deep(self, driver: Driver, token: int, start: int, end: int) -> int:
        if not self._silent(token):
            span = Span(self.tokens.source, start, min(end, start + 1))
            message = f"this is nested more than {MAX_NESTING} deep"
            help = "name a part of it: a value, a const or a block of its own"
            self._report(Diagnostic("E0105", message, (Label(span),), (), help))
        body = self._body(token)
        while self.heights.get(body, 0) > MAX_STATES // 2:
            body = self._body(body)
        return self._resume(driver, token, body=body)

    def _report(self, diagnostic: Diagnostic) -> None:
        self.reports.append(diagnostic)
        if len(self.unexpected) >= MAX_REPORTS:
            raise Rejected

    def _silent(self, token: int) -> bool:
        """Whether a mistake here was reported already: a wrong token, a bracket without an end."""
        if token >= len(self.tokens):
            return self.stopped
        if self.tokens.kinds[token] == load().wrong:
            return True
        if self.tokens.starts[token] in self.layout.cut:
            return True
        opened = self.layout.parent[token]
        while opened != ROOT:
            if opened not in self.layout.match:
                return True
            opened = self.layout.parent[opened]
        return False

    # ------------------------------------------------------------------ going on

    def _body(self, token: int) -> int:
        """The brace of the innermost body around a token that the parser is in, or ROOT."""
        if token >= len(self.tokens):
            return ROOT
        opened = self.layout.parent[token]
        while opened != ROOT and opened not in self.heights:
            opened = self.layout.parent[opened]
        return opened

    def _listed(self, driver: Driver, body: int) -> bool:
        """Whether a body has complete statements on the stack."""
        height = self.heights.get(body, 1)
        if len(driver.states) <= height:
            return False
        gotos = load().gotos[driver.states[height - 1]]
        return any(gotos.get(n) == driver.states[height] for n in load().lists)

    def _base(self, driver: Driver, body: int) -> int:
        """How many states stand below the statement that the parser is in."""
        return self.heights.get(body, 1) + self._listed(driver, body)

    def _resume(
        self, driver: Driver, token: int, drop_previous: bool = False, body: int | None = None
    ) -> int:
        """Forget the statement around a token, in its body or an outer one; where to go on."""
        if self.start == "expr":
            raise Rejected
        if body is None:
            body = self._body(token)
        base = self._base(driver, body)
        tokens = self.tokens
        here = tokens.starts[token] if token < len(tokens) else tokens.end
        begin = min(driver.begins[base - 1], here) if len(driver.states) > base else here
        if drop_previous and self._listed(driver, body) and driver.values[base - 2]:
            begin = driver.values[base - 2].pop().span.start
        target = self._next_start(token, body)
        self.own.append(self._own_ranges(begin, target))
        end = tokens.starts[target] if target < len(tokens) else tokens.end
        self.skipped.append((begin, end))
        self.builder.broken.append(begin)
        driver.truncate(base)
        return target

    def _own_ranges(self, begin: int, target: int) -> list[tuple[int, int]]:
        """The text from an offset to a token without the bodies in it."""
        tokens, layout = self.tokens, self.layout
        token = bisect_left(tokens.starts, begin)
        ranges: list[tuple[int, int]] = []
        while token < target:
            if layout.content.get(token) in BODIES and token in layout.match:
                ranges.append((begin, tokens.starts[token]))
                token = layout.match[token]
                begin = tokens.ends[token]
            token += 1
        ranges.append((begin, tokens.starts[target] if target < len(tokens) else tokens.end))
        return ranges

    def without_consequences(self) -> None:
        """Drop reports of unexpected text that a bracket of the same statement explains, and of
        braces that close nothing behind a place where one should have been opened."""
        brackets = sorted(r.labels[0].span.start for r in self.layout.reports)
        deep = [r.labels[0].span.start for r in self.layout.reports if r.code == "E0105"]
        dropped: set[int] = set()
        for diagnostic, statement, lacks_brace in self.unexpected:
            ranges = self.own[statement] if statement < len(self.own) else []
            start = diagnostic.labels[0].span.start
            whole = (ranges[0][0], ranges[-1][1]) if ranges else (0, 0)
            ranges = [*ranges, (start, start + 1)]
            lost = any(whole[0] <= place <= whole[1] for place in deep)
            if lost or any(bisect_left(brackets, a) < bisect_left(brackets, b) for a, b in ranges):
                dropped.add(id(diagnostic))
            elif lacks_brace:
                dropped.update(self._closes_nothing(start))
        self.reports[:] = [r for r in self.reports if id(r) not in dropped]

    def _closes_nothing(self, start: int) -> list[int]:
        """The first report behind an offset of a `}` that closes nothing, as a list of its id."""
        for report in self.layout.reports:
            span = report.labels[0].span
            if span.start > start and span.text == "}" and "closes nothing" in report.message:
                return [id(report)]
        return []

    def _next_start(self, token: int, body: int) -> int:
        """The next token at which a statement of a body begins, or its closing brace."""
        layout = self.layout
        content = "top" if body == ROOT else layout.content[body]
        closing = layout.match[body] if body != ROOT else len(self.tokens)
        stuck = token
        while token < closing:
            if layout.parent[token] == body:
                named = content in ("top", "body") and token > stuck
                if self._begins(token, content) or (named and self.view.is_misspelt(token)):
                    return token
            partner = layout.match.get(token, -1)
            if partner > token:
                if layout.content[token] in BODIES:
                    self.bodies.append(token)
                token = partner
            token += 1
        return closing

    def _begins(self, token: int, content: Content | str) -> bool:
        """Whether a statement of a body of some kind (or a declaration) begins at a token."""
        text = self.view.text(token)
        if content == "top":
            if text == "block":
                return self.view.is_name(token + 1)
            return text in DECLARATIONS or text == "default"
        if content == "claims":
            return text == "expect"
        if self.view.text(token - 1) not in (",", ".") and self.view.assigns(token):
            return True
        if content == "settings":
            return False
        if text in ("for", "if"):
            return self.view.first_on_line(token) and self.view.text(token - 1) not in _CONTINUED
        return text in STATEMENTS and (
            self.view.first_on_line(token) or self.view.text(token - 1) not in _CONTINUED
        )

    # ------------------------------------------------------------------ strings

    def interpolate(self, first: int, last: int) -> Parts:
        """The parts of a string; a mistake in one is reported and loses the statement."""
        source = self.tokens.source
        try:
            pieces = split_braces(source.text, first, last)
        except BracesError as error:
            span = Span(source, error.offset, error.offset + 1)
            sign = "{" if error.opens else "}"
            what = "is not closed" if error.opens else "closes nothing"
            message = f"`{sign}` in a string {what}"
            help = f"an expression stands between `{{` and `}}`; the sign itself is `{sign}{sign}`"
            self._report(Diagnostic("E0102", message, (Label(span),), (), help))
            raise Lost from None
        parts: list[str | tree.Expr] = []
        for piece in pieces:
            if isinstance(piece, str):
                parts.append(piece)
                continue
            inner = scan(source, *piece)
            try:
                parts.append(parse_plain(source, inner, "expr")[0])
            except Rejected:
                explain_expression(inner, self.reports)
                raise Lost from None
        return tuple(parts)


# A word that may follow a complete statement of each kind of body; a name in the others.
_KEEPS = {"top": "network", "body": "input", "claims": "expect"}
_CONTINUED = frozenset(("->", ":", "then", "else", "=", ",", "(", "[", "via", "in", "+", "-"))


def explain_expression(tokens: Tokens, reports: list[Diagnostic]) -> None:
    """Report what is wrong with tokens that are no expression."""
    before = len(reports)
    layout = arrange(tokens)
    reports += tokens.reports + layout.reports
    recovery = Recovery(layout, reports)
    recovery.run("expr", 0, len(layout.tokens))
    recovery.without_consequences()
    if len(reports) == before:
        raise AssertionError("an expression was rejected without a reason")

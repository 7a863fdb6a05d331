"""The LALR(1) driver: tokens to the tree, without recursion.

A text is first parsed for what it most often is, one without mistakes. Only if that fails is it
parsed again with brackets arranged and recovery (`recover.py`), which is where mistakes are named.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..source import Source
from . import tree
from .build import MAX_NESTING, Builder
from .docs import Docs
from .literals import BracesError, split_braces
from .tables import ABSENT, SPREAD, Rule, load
from .tokens import Tokens, scan

if TYPE_CHECKING:
    from .build import Parts


# More states than any text within MAX_NESTING needs: prefix operators and chains of `else` pile up
# before their nesting can be counted.
MAX_STATES = 20 * MAX_NESTING


class Rejected(Exception):
    """The text cannot be parsed."""


class Lost(Exception):
    """An action failed and has reported why."""


class Watcher:
    """What recovery needs to know and may change; every method answers with a token to go on at."""

    def shifting(self, driver: Driver, token: int) -> bool:
        """Before a token is shifted: False if it must not stand here."""
        raise NotImplementedError

    def shifted(self, driver: Driver, token: int) -> None:
        """After a token was shifted."""
        raise NotImplementedError

    def stuck(self, driver: Driver, token: int) -> int:
        """No action for a token: change the stacks, or raise Rejected."""
        raise NotImplementedError

    def lost(self, driver: Driver, token: int) -> int:
        """An action failed before a token was reached: as `stuck`, but reported already."""
        raise NotImplementedError

    def too_deep(self, driver: Driver, token: int, start: int, end: int) -> int:
        """What stands from `start` to `end` is nested too deeply: as `stuck`."""
        raise NotImplementedError


class Driver:
    """The stacks of one run over a range of tokens."""

    def __init__(self, tokens: Tokens, builder: Builder, watcher: Watcher | None = None) -> None:
        self.tokens = tokens
        self.builder = builder
        self.watcher = watcher
        self.states: list[int] = []
        # Per state but the first: the value of its symbol, its range, its depth of nesting.
        self.values: list[Any] = []
        self.begins: list[int] = []
        self.ends: list[int] = []
        self.depths: list[int] = []

    def run(self, start: str, first: int, stop: int) -> Any:
        """The value of the tokens from `first` to `stop`. Raises Rejected."""
        tables = load()
        actions, gotos, rules = tables.actions, tables.gotos, tables.rules
        initial, accepting = tables.starts[start]
        states = self.states = [initial]
        end = tables.end
        kinds, starts, ends = self.tokens.kinds, self.tokens.starts, self.tokens.ends
        watcher = self.watcher
        token = first
        while True:
            kind = kinds[token] if token < stop else end
            action = actions[states[-1]].get(kind)
            if action is None:
                if watcher is None:
                    raise Rejected
                token = watcher.stuck(self, token)
            elif action >= 0:
                if len(states) > MAX_STATES:
                    if watcher is None:
                        raise Rejected
                    token = watcher.too_deep(self, token, starts[token], ends[token])
                    continue
                if watcher is not None and not watcher.shifting(self, token):
                    token = watcher.stuck(self, token)
                    continue
                states.append(action)
                self.values.append(token)
                self.begins.append(starts[token])
                self.ends.append(ends[token])
                self.depths.append(0)
                if watcher is not None:
                    watcher.shifted(self, token)
                token += 1
            else:
                rule = rules[~action]
                if rule.passes and rule.size == 1:
                    states.pop()
                    states.append(gotos[states[-1]][rule.origin])
                else:
                    token = self._reduce(rule, gotos, token)
                if kind == end and states[-1] == accepting:
                    return self.values[-1]

    def _reduce(self, rule: Rule, gotos: tuple[dict[int, int], ...], token: int) -> int:
        """Replace the symbols of a rule by its value; the token to go on at."""
        size = rule.size
        begins, ends, depths, values = self.begins, self.ends, self.depths, self.values
        if size:
            begin, end, depth = begins[-size], ends[-1], max(depths[-size:])
        else:
            begin = end = self.tokens.starts[0] if len(self.tokens) else self.tokens.end
            depth = 0
        if rule.nests:
            depth += 1
            if depth > MAX_NESTING:
                if self.watcher is None:
                    raise Rejected
                return self.watcher.too_deep(self, token, begin, end)
        try:
            value = self._value(rule, begin, end)
        except Lost:
            if self.watcher is None:
                raise Rejected from None
            return self.watcher.lost(self, token)
        if size:
            del self.states[-size:], values[-size:], begins[-size:], ends[-size:], depths[-size:]
        self.states.append(gotos[self.states[-1]][rule.origin])
        values.append(value)
        begins.append(begin)
        ends.append(end)
        depths.append(depth)
        return token

    def _value(self, rule: Rule, begin: int, end: int) -> Any:
        values = self.values
        base = len(values) - rule.size
        if rule.plain:
            children = values[base:]
        else:
            children = []
            for place in rule.template:
                if place >= 0:
                    children.append(values[base + place])
                elif place == ABSENT:
                    children.append(None)
                else:
                    children.extend(values[base + SPREAD - place])
        if rule.method:
            return getattr(self.builder, rule.method)(begin, end, *children)
        if rule.passes:
            return children[0]
        if rule.grows:
            grown = values[base]
            grown.extend(children)
            return grown
        return children

    def settle(self, kind: int, token: int) -> None:
        """Reduce as if a terminal of a kind came next: what is complete becomes a value."""
        tables = load()
        rules = tables.rules
        while True:
            action = tables.actions[self.states[-1]].get(kind)
            if action is None or action >= 0:
                return
            rule = rules[~action]
            if rule.passes and rule.size == 1:
                self.states.pop()
                self.states.append(tables.gotos[self.states[-1]][rule.origin])
            else:
                self._reduce(rule, tables.gotos, token)

    def truncate(self, height: int) -> None:
        """Forget all states but the first `height`."""
        del self.states[height:], self.values[height - 1 :], self.begins[height - 1 :]
        del self.ends[height - 1 :], self.depths[height - 1 :]


def parse_plain(source: Source, tokens: Tokens, start: str) -> tuple[Any, Docs]:
    """The tree of tokens without mistakes, and the comments around it. Raises Rejected."""
    if tokens.reports:
        raise Rejected
    docs = Docs(source, tokens.comments)

    def interpolate(first: int, last: int) -> Parts:
        parts: list[str | tree.Expr] = []
        try:
            pieces = split_braces(source.text, first, last)
        except BracesError:
            raise Rejected from None
        for piece in pieces:
            if isinstance(piece, str):
                parts.append(piece)
            else:
                inner = scan(source, *piece)
                parts.append(parse_plain(source, inner, "expr")[0])
        return tuple(parts)

    builder = Builder(source, tokens, docs, interpolate)
    return Driver(tokens, builder).run(start, 0, len(tokens)), docs

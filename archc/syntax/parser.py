"""The LALR(1) driver: tokens to the tree, without recursion.

A text is first parsed for what it most often is, one without mistakes. Only if that fails is it
parsed again with brackets arranged and recovery (`recover.py`), which is where mistakes are named.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ..source import Source
from . import tree
from .build import MAX_NESTING, Builder
from .docs import Docs
from .literals import BracesError, split_braces
from .steps import load_steps
from .tables import load
from .tokens import Tokens, scan

if TYPE_CHECKING:
    from .build import Parts


# More states than any text within MAX_NESTING needs: prefix operators and chains of `else` pile up
# before their nesting can be counted.
MAX_STATES = 20 * MAX_NESTING


class Rejected(Exception):
    """The text cannot be parsed; `token` is where that was noticed, if it is known, and `driver`
    holds what was read up to there."""

    def __init__(self, token: int | None = None, driver: Driver | None = None) -> None:
        super().__init__(token)
        self.token = token
        self.driver = driver


class Lost(Exception):
    """An action failed and has reported why."""


class Watcher:
    """What recovery needs to know and may change; every method answers with a token to go on at."""

    watched: frozenset[int]
    """Tokens that it wants to be asked about when they are shifted."""

    def shifting(self, driver: Driver, token: int) -> bool:
        """Before a watched token is shifted: False if it must not stand here."""
        raise NotImplementedError

    def shifted(self, driver: Driver, token: int) -> None:
        """After a watched token was shifted."""
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


class Halt(Exception):
    """A driver cannot go on at a token. `ask` has a watcher say where to, None where no action is
    left for the token."""

    def __init__(self, token: int, ask: Callable[[Watcher, Driver], int] | None = None) -> None:
        self.token = token
        self.ask = ask


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
        self.states = [load().starts[start][0]]
        return self.go_on(start, first, stop)

    def go_on(self, start: str, token: int, stop: int) -> Any:
        """As `run`, from a token on, with the stacks as they are."""
        accepting = load().starts[start][1]
        while True:
            try:
                return self._advance(token, stop, accepting)
            except Halt as halt:
                watcher = self.watcher
                if watcher is None:
                    raise Rejected(halt.token, self) from None
                ask = halt.ask
                token = watcher.stuck(self, halt.token) if ask is None else ask(watcher, self)

    def _advance(self, token: int, stop: int, accepting: int, ahead: int | None = None) -> Any:
        """Shift and reduce from a token on; the value when all is accepted. Raises Halt.

        With `ahead`, only reduce, as if a terminal of this kind came next. The time of a long text
        is spent in this loop, so it calls little and looks up local names.
        """
        steps = load_steps()
        actions, rules, after, end = steps.tables.actions, steps.rules, steps.after, load().end
        kinds, starts, stops = self.tokens.kinds, self.tokens.starts, self.tokens.ends
        builder, watcher = self.builder, self.watcher
        watched = frozenset() if watcher is None else watcher.watched
        states, values, begins, ends = self.states, self.values, self.begins, self.ends
        depths = self.depths
        kind = ahead if ahead is not None else kinds[token] if token < stop else end
        state = states[-1]
        while True:
            action = actions[state].get(kind)
            if action is None:
                raise Halt(token)
            if action >= 0:
                if ahead is not None:
                    return None
                if len(states) > MAX_STATES:
                    raise _deep(token, starts[token], stops[token])
                if watcher is not None and token in watched and not watcher.shifting(self, token):
                    raise Halt(token)
                state = action
                states.append(state)
                values.append(token)
                begins.append(starts[token])
                ends.append(stops[token])
                depths.append(0)
                if watcher is not None and token in watched:
                    watcher.shifted(self, token)
                token += 1
                kind = kinds[token] if token < stop else end
                continue
            size, symbol, nests, make = rules[~action]
            if make is not None:
                if not size:
                    self._push_nothing()
                    size = 1
                depth = depths[-1] if size < 2 else max(depths[-size:])
                if nests:
                    depth += 1
                    if depth > MAX_NESTING:
                        raise _deep(token, begins[-size], ends[-1])
                try:
                    value = make(builder, begins[-size], ends[-1], values[-size:])
                except Lost:
                    raise _lost(token) from None
                if size > 1:
                    ends[-size] = ends[-1]
                    cut = 1 - size
                    del states[cut:], values[cut:], begins[cut:], ends[cut:], depths[cut:]
                values[-1] = value
                depths[-1] = depth
            below = states[-2]
            state = after[below].get(symbol + kind, -1)
            if state < 0:
                state = steps.goto(below, symbol, kind)
            states[-1] = state
            if kind == end and state == accepting:
                return values[-1]

    def _push_nothing(self) -> None:
        """The symbol of an empty rule, which stands at the beginning of the text."""
        place = self.tokens.starts[0] if len(self.tokens) else self.tokens.end
        self.states.append(-1)
        self.values.append(None)
        self.begins.append(place)
        self.ends.append(place)
        self.depths.append(0)

    def settle(self, kind: int, token: int) -> None:
        """Reduce as if a terminal of a kind came next: what is complete becomes a value."""
        try:
            self._advance(token, token, -1, ahead=kind)
        except Halt as halt:
            if halt.ask is not None and self.watcher is not None:
                halt.ask(self.watcher, self)

    def truncate(self, height: int) -> None:
        """Forget all states but the first `height`."""
        del self.states[height:], self.values[height - 1 :], self.begins[height - 1 :]
        del self.ends[height - 1 :], self.depths[height - 1 :]


def _deep(token: int, begin: int, end: int) -> Halt:
    """What stands from `begin` to `end` is nested too deeply."""
    return Halt(token, lambda watcher, driver: watcher.too_deep(driver, token, begin, end))


def _lost(token: int) -> Halt:
    """An action failed, and has reported why."""
    return Halt(token, lambda watcher, driver: watcher.lost(driver, token))


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
                try:
                    parts.append(parse_plain(source, inner, "expr")[0])
                except Rejected:
                    raise Rejected from None  # its token is none of the text's
        return tuple(parts)

    builder = Builder(source, tokens, docs, interpolate)
    return Driver(tokens, builder).run(start, 0, len(tokens)), docs

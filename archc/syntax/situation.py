"""Where a parser is stuck: what stands there, what could, and how to say something of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, NamedTuple

from ..diagnostics import Diagnostic, Edit, Fix, Label
from ..source import Span
from .layout import Layout
from .parser import Driver
from .tables import load
from .view import DECLARATIONS, STATEMENTS, View

TOP = (*DECLARATIONS, "default")
IN_BODY = (*STATEMENTS, "for", "if")
# Signs and words that something must follow.
AWAITING = frozenset(
    (
        *("=", "+", "-", "*", "/", "//", "%", "**", "==", "!=", "<=", ">=", "<", ">", "~=", ".."),
        *("and", "or", "not", "then", "else", "in", "where"),
    )
)
VALUE_STARTS = frozenset(("NAME", "NUMBER", "STRING", "true", "false", "(", "[", "-", "not", "if"))
STAGE_STARTS = frozenset(("NAME", "STRING", "block", "(", "if", "for", "repeat", "skip"))
OPERATORS = frozenset(("CMP", "+", "-", "MULOP", "**", "..", "and", "or"))


class Said(NamedTuple):
    """What to say, and what it means for the text around."""

    diagnostic: Diagnostic
    drops_previous: bool = False  # the statement before was meant to go on, so it is broken too
    lacks_brace: bool = False  # a `{` could have stood here, so a `}` may be left over


@dataclass
class Situation:
    """Where the parser is stuck."""

    driver: Driver
    layout: Layout
    token: int  # that it cannot take; len(tokens) at the end of the text
    base: int  # states below the statement it is in
    content: str  # of the body it is in: body, claims, settings, top or expression
    listed: list[Any]  # complete statements of that body so far
    expected: frozenset[str] = field(init=False)

    def __post_init__(self) -> None:
        self.view = View(self.layout.tokens)
        self.expected = self._expected()

    def _expected(self) -> frozenset[str]:
        """What the parser could take: texts of keywords and signs, names of other terminals."""
        states = self.driver.states
        terminals = load().terminals
        kinds = [k for k in load().actions[states[-1]] if k < len(terminals)]
        able = [k for k in kinds if accepted(states, k)]
        return frozenset([self.view.texts.get(k, terminals[k]) for k in able])

    # ------------------------------------------------------------------ tokens

    def text(self, token: int) -> str:
        """The keyword or sign that a token is; "" for names, numbers, strings and the ends."""
        return self.view.text(token)

    def name(self, token: int) -> str:
        """The name that a token is, or ""."""
        return self.layout.tokens.name(token) if self.view.is_name(token) else ""

    def shown(self, token: int) -> str:
        """A token as it is called in a message."""
        tokens = self.layout.tokens
        if not 0 <= token < len(tokens):
            return "the end" if self.content == "expression" else "the end of the text"
        text = tokens.source.text[tokens.starts[token] : tokens.ends[token]]
        if not text:
            return "the end of the declaration"
        return f"`{text}`" if len(text) <= 40 else f"`{text[:36]}...`"

    def span(self, token: int) -> Span:
        tokens = self.layout.tokens
        if token < len(tokens):
            return Span(tokens.source, tokens.starts[token], tokens.ends[token])
        last = tokens.ends[-1] if len(tokens) else tokens.end
        return Span(tokens.source, last, last)

    def on_new_line(self, token: int) -> bool:
        return self.view.first_on_line(token)

    # ------------------------------------------------------------------ the parser

    @property
    def at_start(self) -> bool:
        """Whether no statement has begun."""
        return len(self.driver.states) == self.base

    @property
    def begun_by_name(self) -> bool:
        """Whether a name is all that stands of the statement so far."""
        alone = len(self.driver.states) == self.base + 1
        return alone and self.content != "top" and bool(self.name(self.token - 1))

    def goes_on(self, token: int) -> bool:
        """Whether a token looks like a part of the statement before: same line or indented more."""
        if not self.listed:
            return False
        span = self.listed[-1].span
        line, column = span.source.position(self.span(token).start)
        last = span.source.position(max(span.start, span.end - 1))[0]
        return bool(line == last or column > span.column)

    # ------------------------------------------------------------------ saying it

    def say(
        self,
        token: int,
        message: str,
        label: str = "",
        help: str | None = None,
        *,
        also: Label | None = None,
        fixes: tuple[Fix, ...] = (),
        drops_previous: bool = False,
    ) -> Said:
        labels = (Label(self.span(token), label),) + ((also,) if also else ())
        diagnostic = Diagnostic("E0101", message, labels, (), help, fixes)
        return Said(diagnostic, drops_previous, "{" in self.expected)

    def replace(self, token: int, text: str) -> tuple[Fix, ...]:
        return (Fix(f"write `{text}`", (Edit(self.span(token), text),)),)

    def insert(self, token: int, text: str) -> tuple[Fix, ...]:
        """A fix that puts text behind the token before."""
        at = self.span(token - 1).end
        edit = Edit(Span(self.layout.tokens.source, at, at), text)
        return (Fix(f"insert `{text.strip()}`", (edit,)),)


def accepted(states: list[int], kind: int) -> bool:
    """Whether a terminal can be shifted after the reductions that it permits."""
    actions, gotos, rules = load().actions, load().gotos, load().rules
    below = len(states)
    top: list[int] = []
    while True:
        action = actions[top[-1] if top else states[below - 1]].get(kind)
        if action is None or action >= 0:
            return action is not None
        rule = rules[~action]
        size = min(rule.size, len(top))
        del top[len(top) - size :]
        below -= rule.size - size
        top.append(gotos[top[-1] if top else states[below - 1]][rule.origin])


def expectation(expected: frozenset[str]) -> str:
    """What could stand, for a reader: `a value`, `` `,` or `)` ``."""
    left = set(expected)
    words: list[str] = []
    if {"network", "recipe"} <= left:
        words.append("a declaration")
        left -= set(TOP)
    if {"input", "share"} <= left:
        words.append("a statement")
        left -= {*IN_BODY, "NAME"}
    if {"repeat", "skip"} <= left:
        words.append("a value or a stage" if "NUMBER" in left else "a stage")
        left -= STAGE_STARTS | (VALUE_STARTS if "NUMBER" in left else set())
    if {"NAME", "NUMBER"} <= left:
        words.append("a value")
        left -= VALUE_STARTS
    if "MULOP" in left:
        left -= {"(", "[", ".", *OPERATORS}
        words.append("an operator")
    for terminal, word in (("NAME", "a name"), ("STRING", "a string"), ("NUMBER", "a number")):
        if terminal in left:
            words.append(word)
            left.remove(terminal)
    left -= {"CMP", "MULOP"}
    signs = [f"`{t}`" for t in sorted(left, key=lambda t: (t.isalpha(), t not in ")]}", t))]
    words = signs[:5] + words
    if not words:
        return "something else"
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} or {words[-1]}"

"""Brackets of a text with mistakes: which close which, and which close nothing (E0102, E0105).

Recovery rests on this: a list of tokens in which every bracket has its partner, so that the parser
can step over what it could not read. Unclosed brackets are noticed where a statement or declaration
begins that cannot stand inside them; so a missing one costs its own statement only.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from ..diagnostics import Diagnostic, Edit, Fix, Label
from ..source import Source, Span
from .tables import load
from .tokens import Tokens, kinds_of_terminals

MAX_NESTING = 100
MAX_TARGETS = 32  # names looked through for the `=` of `a, b, c = ...`

# What a brace holds; parentheses and square brackets hold "items".
Content = Literal["body", "claims", "settings", "stages", "items"]
BODIES = frozenset({"body", "claims", "settings"})
PARTNER = {"(": ")", "[": "]", "{": "}", ")": "(", "]": "[", "}": "{"}

DECLARATIONS = ("network", "use", "const", "recipe", "block")
STATEMENTS = ("input", "output", "expect", "share", "default")
_LEADS: dict[str, Content] = {
    "network": "body", "block": "body", "recipe": "settings", "repeat": "stages", "skip": "stages",
    "if": "body", "else": "body",
}  # fmt: skip
_BEFORE_STAGE = frozenset(("->", "(", ":", "then", "else", "=", "via"))


class Open(NamedTuple):
    """A bracket that is open."""

    sign: str
    token: int  # in the new list; -1 where tokens are left out
    start: int  # offset
    content: Content
    column: int  # of the first token on its line


@dataclass
class Layout:
    """Tokens with balanced brackets, and how they nest."""

    tokens: Tokens
    match: dict[int, int] = field(default_factory=dict)  # opening <-> closing token
    parent: list[int] = field(default_factory=list)  # innermost opening token around each, or -1
    content: dict[int, Content] = field(default_factory=dict)  # of each opening token
    reports: list[Diagnostic] = field(default_factory=list)
    skipped: list[tuple[int, int]] = field(default_factory=list)  # ranges of text left out
    cut: list[int] = field(default_factory=list)  # offsets of bodies that end too early


class Arranger:
    """One pass over the tokens with a stack of open brackets."""

    def __init__(self, tokens: Tokens) -> None:
        self.old = tokens
        self.source: Source = tokens.source
        new = Tokens(tokens.source, tokens.end)
        new.renamed = tokens.renamed
        self.new = new
        self.layout = Layout(new)
        self.stack: list[Open] = []
        self.leads: list[Content | None] = [None]
        self.column = 1  # of the declaration that the stack belongs to
        self.closed = -1  # new token at which the stack was last empty again
        self.suspect: tuple[Open, int] | None = None  # closed by a brace that is indented otherwise
        self.deep = False
        self.indents: dict[int, int] = {}  # line -> blanks before its first token
        self.texts = {n: text for text, n in load().literals.items()}
        self.texts[load().wrong] = "wrong"
        self.name = kinds_of_terminals().name

    # ------------------------------------------------------------------ looking around

    def text(self, token: int) -> str:
        """The keyword or sign that an old token is; "" for names, numbers, strings, the ends."""
        if 0 <= token < len(self.old):
            return self.texts.get(self.old.kinds[token], "")
        return ""

    def is_name(self, token: int) -> bool:
        return 0 <= token < len(self.old) and self.old.kinds[token] == self.name

    def is_declaration(self, token: int) -> bool:
        """`network X`, `use "..."`, `block X`: not the `block` that is a type or a label."""
        if self.text(token) not in DECLARATIONS:
            return False
        return self.is_name(token + 1) or self.text(token) == "use"

    def is_statement(self, token: int) -> bool:
        """Whether a statement begins that cannot stand in parentheses or among stages."""
        if self.text(token) in STATEMENTS:
            return self.text(token + 1) not in ("=", ":", ",", ")", "]", ".", "->")
        if not self.old.first_on_line(token) or not assigns(self, token):
            return False
        return token == 0 or self.ends_value(token - 1)

    def ends_value(self, token: int) -> bool:
        return self.text(token) in ("", ")", "]", "}", "wrong", "true", "false", "block", "training")

    # ------------------------------------------------------------------ the pass

    def arrange(self) -> Layout:
        for token in range(len(self.old)):
            if self.stack:
                self._boundary(token)
            text = self.text(token)
            if text in ("(", "[", "{"):
                self._open(token, text)
            elif text in (")", "]", "}"):
                self._close(token, text)
            else:
                self._lead(token, text)
                self._emit(token)
        self._close_all(self.old.end)
        return self.layout

    def _boundary(self, token: int) -> None:
        start = self.old.starts[token]
        if self.is_declaration(token):
            if self.source.position(start)[1] <= self.column and self.old.first_on_line(token):
                self._close_all(start)
        elif self.stack[-1].content not in BODIES and self.is_statement(token):
            self._close_group(start)

    def _lead(self, token: int, text: str) -> None:
        """Remember which keyword the next brace of this level belongs to."""
        if text in DECLARATIONS and self.is_declaration(token) and not self.stack:
            self.column = self.source.position(self.old.starts[token])[1]
            self.suspect = None
        if text == "for":
            before = self.text(token - 1)
            inside = bool(self.stack) and self.stack[-1].content == "stages" and before == "{"
            self.leads[-1] = "stages" if inside or before in _BEFORE_STAGE else "body"
        elif text in _LEADS and (text != "block" or self.is_name(token + 1)):
            self.leads[-1] = _LEADS[text]
        elif text == "=" and not self.stack and self.leads[-1] == "body":
            self.leads[-1] = "claims"  # network Name = Other(...) { ... }

    def _emit(self, token: int) -> None:
        if self.deep:
            return
        old = self.old
        self._add(old.kinds[token], old.starts[token], old.ends[token])

    def _add(self, kind: int, start: int, end: int) -> int:
        self.new.add(kind, start, end)
        self.layout.parent.append(self.stack[-1].token if self.stack else -1)
        return len(self.new) - 1

    def _sign(self, sign: str) -> int:
        return load().literals[sign]

    # ------------------------------------------------------------------ opening

    def _open(self, token: int, sign: str) -> None:
        start = self.old.starts[token]
        content = self._content(token) if sign == "{" else "items"
        if len(self.stack) >= MAX_NESTING and not self.deep:
            self._too_deep(start)
        added = -1
        if not self.deep:
            added = self._add(self.old.kinds[token], start, start + 1)
            self.layout.content[added] = content
        self.stack.append(Open(sign, added, start, content, self._indentation(start)))
        self.leads.append(None)

    def _content(self, token: int) -> Content:
        lead = self.leads[-1]
        if lead is not None:
            return lead
        if self.stack and self.stack[-1].content not in BODIES:
            return "stages"
        follows = self.text(token + 1)
        if not self.stack or follows in STATEMENTS or assigns(self, token + 1):
            return "body"
        return "body" if self.is_name(token + 1) and self.is_name(token + 2) else "stages"

    def _indentation(self, offset: int) -> int:
        line = self.source.position(offset)[0]
        known = self.indents.get(line)
        if known is None:
            start = at = self.source.starts[line - 1]
            while self.source.text[at : at + 1] in (" ", "\t"):
                at += 1
            known = self.indents[line] = at - start
        return known

    def _too_deep(self, start: int) -> None:
        self._add(load().wrong, start, start)
        self.deep = True
        self.layout.skipped.append((start, start))
        self.layout.reports.append(
            Diagnostic(
                "E0105",
                f"brackets are nested more than {MAX_NESTING} deep",
                (Label(Span(self.source, start, start + 1), "the first that is too deep"),),
                (),
                "name a part of it: a value, a const or a block of its own",
            )
        )

    # ------------------------------------------------------------------ closing

    def _close(self, token: int, sign: str) -> None:
        start = self.old.starts[token]
        wanted = self._partner(token, sign)
        if wanted is None:
            self._stray(token, sign)
            return
        if wanted < len(self.stack) - 1:
            self._unclosed(self.stack[wanted + 1 :], start)
            self._truncate(wanted + 1, start)
        top = self.stack[-1]
        if top.sign != PARTNER[sign]:
            self._wrong_partner(top, start, sign)
        if sign == "}" == PARTNER[top.sign] and self.old.first_on_line(token):
            column = self.source.position(start)[1] - 1
            if self.suspect is None and column < top.column:
                self.suspect = (top, start)
        self._pop(start, start + 1)
        if not self.stack:
            self.closed = len(self.new) - 1

    def _partner(self, token: int, sign: str) -> int | None:
        """The place in the stack of the bracket that a closing one is meant for, or None."""
        if not self.stack:
            return None
        last = len(self.stack) - 1
        top = self.stack[last]
        if top.sign == PARTNER[sign]:
            return last
        same_line = self.source.position(top.start)[0] == self._line(token)
        for place in range(last, -1, -1):
            if self.stack[place].sign == PARTNER[sign]:
                outer = self.stack[place].start
                typo = sign == "}" and same_line and not self.old.first_on_line(token)
                if typo and self.source.position(outer)[0] != self._line(token):
                    return last
                return place
            if self.stack[place].content in BODIES and sign != "}":
                break
        if top.content in BODIES:
            return None
        return last if same_line or sign == "}" else None

    def _line(self, token: int) -> int:
        return self.source.position(self.old.starts[token])[0]

    def _pop(self, start: int, end: int) -> None:
        """Close the innermost bracket with a token at a place."""
        top = self.stack[-1]
        if top.token >= 0:
            added = self._add(self._sign(PARTNER[top.sign]), start, end)
            self.layout.match[top.token] = added
            self.layout.match[added] = top.token
        self._truncate(len(self.stack) - 1, start)

    def _truncate(self, height: int, offset: int) -> None:
        del self.stack[height:], self.leads[height + 1 :]
        self.leads[-1] = None
        if self.deep and height <= MAX_NESTING:
            self.deep = False
            self.layout.skipped[-1] = (self.layout.skipped[-1][0], offset)

    def _close_group(self, offset: int) -> None:
        """A statement begins: what is open inside its body stays without an end."""
        height = len(self.stack)
        while height and self.stack[height - 1].content not in BODIES:
            height -= 1
        if height == len(self.stack):
            return
        self._unclosed(self.stack[height:], offset)
        self._truncate(height, offset)

    def _close_all(self, offset: int) -> None:
        """A declaration begins or the text ends: everything that is open ends here."""
        bodies: list[Open] = []
        deep = self.deep
        while self.stack:
            self._close_group(offset)
            if self.stack:
                bodies.append(self.stack[-1])
                before = self.new.ends[-1]
                self._pop(before, before)
        if bodies and not deep:
            self._unclosed_bodies(bodies, offset)
        self.closed = len(self.new) - 1
        self.leads = [None]

    # ------------------------------------------------------------------ reports

    def _unclosed(self, group: list[Open], offset: int) -> None:
        """Brackets that end nowhere; the statement around them is lost."""
        if self.deep:
            return
        inner = group[-1]
        here = self._found(offset, "goes on here")
        labels = [Label(Span(self.source, inner.start, inner.start + 1), "never closed"), here]
        labels += [
            Label(Span(self.source, o.start, o.start + 1), "nor this one") for o in group[-2:-5:-1]
        ]
        self.layout.reports.append(
            Diagnostic(
                "E0102",
                f"`{inner.sign}` is not closed",
                tuple(labels),
                (),
                f"close it with `{PARTNER[inner.sign]}`",
            )
        )
        before = self.new.ends[-1]
        self._add(load().wrong, before, before)

    def _found(self, offset: int, text: str) -> Label:
        """A label on the token at an offset, or at the end of the text."""
        if offset >= self.old.end:
            last = self.old.ends[-1]
            return Label(Span(self.source, last, last), "the text ends here")
        end = offset + 1
        while end < self.old.end and self.source.text[end].isalnum():
            end += 1
        return Label(Span(self.source, offset, end), text)

    def _unclosed_bodies(self, bodies: list[Open], offset: int) -> None:
        opened = bodies[0]
        labels = []
        if self.suspect is not None and self.suspect[0].start > bodies[0].start:
            opened, closing = self.suspect
            span = Span(self.source, closing, closing + 1)
            labels.append(Label(span, "this one closes it, but is indented for an outer one"))
        labels.insert(0, Label(Span(self.source, opened.start, opened.start + 1), "never closed"))
        labels.append(self._found(offset, "the next declaration begins here"))
        self.layout.reports.append(
            Diagnostic("E0102", "`{` is not closed", tuple(labels), (), "close it with `}`")
        )

    def _wrong_partner(self, top: Open, start: int, sign: str) -> None:
        meant = PARTNER[top.sign]
        span = Span(self.source, start, start + 1)
        self.layout.reports.append(
            Diagnostic(
                "E0102",
                f"`{top.sign}` is closed by `{sign}`",
                (
                    Label(span, f"should be `{meant}`"),
                    Label(Span(self.source, top.start, top.start + 1), "opened here"),
                ),
                (),
                f"write `{meant}`",
                (Fix(f"write `{meant}`", (Edit(span, meant),)),),
            )
        )

    def _stray(self, token: int, sign: str) -> None:
        """A closing bracket that closes nothing is left out."""
        start = self.old.starts[token]
        span = Span(self.source, start, start + 1)
        labels = [Label(span, "nothing is open here that it could close")]
        if sign == "}" and not self.stack and self.closed >= 0:
            self._cut_off(start)
            earlier = self.new.starts[self.closed]
            if self.source.text[earlier] == "}":
                place = Span(self.source, earlier, earlier + 1)
                labels.append(Label(place, "the declaration was closed here"))
        self.layout.reports.append(
            Diagnostic(
                "E0102",
                f"`{sign}` closes nothing",
                tuple(labels),
                (),
                None,
                (Fix("remove it", (Edit(span, ""),)),),
            )
        )

    def _cut_off(self, start: int) -> None:
        """Statements between a brace that closed too early and the one that closes nothing."""
        first = self.closed + 1
        new = self.new
        if first < len(new):
            text = self.texts.get(new.kinds[first], "")
            if text in DECLARATIONS or text == "default":
                return
            self.layout.skipped.append((new.starts[first], start))
            for token in range(first, len(new)):
                self.layout.match.pop(token, None)
                self.layout.content.pop(token, None)
            del new.kinds[first:], new.starts[first:], new.ends[first:]
            del self.layout.parent[first:]
            self.layout.cut.append(new.starts[self.closed])


def assigns(look: Arranger, token: int) -> bool:
    """Whether `name =`, `a, b =` or `loss.aux =` stands at a token."""
    for _ in range(MAX_TARGETS):
        if not look.is_name(token):
            return False
        after = look.text(token + 1)
        if after == "=":
            return True
        if after not in (",", "."):
            return False
        token += 2
    return False


def arrange(tokens: Tokens) -> Layout:
    """Tokens with balanced brackets; see Layout."""
    return Arranger(tokens).arrange()

"""Brackets of a text with mistakes: which close which, and which close nothing (E0102, E0105).

Recovery rests on this: a list of tokens in which every bracket has its partner, so that the parser
can step over what it could not read. Unclosed brackets are noticed where a statement or declaration
begins that cannot stand inside them; so a missing one costs its own statement only.
"""

from __future__ import annotations

from bisect import bisect_left

from ..diagnostics import Diagnostic
from .build import MAX_NESTING
from .layout import (
    BODIES,
    PARTNER,
    Content,
    Layout,
    Open,
    closes_nothing,
    missing_brace,
    too_deep,
    unclosed,
    unclosed_bodies,
    wrong_partner,
)
from .partners import Partners
from .tables import load
from .tokens import MAX_REPORTS, Tokens
from .view import DECLARATIONS, STATEMENTS

_LEADS: dict[str, Content] = {
    "network": "body", "block": "body", "recipe": "settings", "repeat": "stages", "skip": "stages",
    "if": "body", "else": "body",
}  # fmt: skip
MAX_TELLING = 50_000  # tokens looked at behind a mistake that are brackets or tell of some
_BEHIND_STAGES = frozenset(("->", "via"))
_BEFORE_STAGE = frozenset(("->", "(", ":", "then", "else", "=", "via"))


class Arranger(Partners):
    """One pass over the tokens with a stack of open brackets."""

    def __init__(self, tokens: Tokens) -> None:
        super().__init__(tokens)
        self.old = tokens
        new = Tokens(tokens.source, tokens.end)
        new.renamed = tokens.renamed
        self.new = new
        self.layout = Layout(new)
        self.leads: list[Content | None] = [None]
        self.column = 1  # of the declaration that the stack belongs to
        self.closed = -1  # new token at which the stack was last empty again
        self.suspect: tuple[Open, int] | None = None  # closed by a brace that is indented otherwise
        self.header = -1  # the keyword that the last lead came from
        # Closing brackets that are to be expected too many, because others were closed early.
        self.debts: dict[str, int] = {}

    # ------------------------------------------------------------------ the pass

    def arrange(self, noticed: int) -> Layout:
        """`noticed`: a token at or behind the first mistake. Of what follows it only so much is
        looked at as somebody would mend before trying again."""
        done = 0
        telling = self._telling()
        most = bisect_left(telling, noticed) + MAX_TELLING
        for count, token in enumerate(telling):
            self._emit(done, token)
            if count == most or len(self.layout.reports) >= MAX_REPORTS:
                self.layout.stopped = self.old.starts[token]
                self.layout.skipped.append((self.old.starts[token], self.old.end))
                break
            self._place(token)
            done = token + 1
        else:
            self._emit(done, len(self.old))
        self._close_all(self.old.end)
        return self.layout

    def _telling(self) -> list[int]:
        """The tokens that are brackets or tell something about them."""
        kinds = self.old.kinds
        plain, name = self._plain_kinds(), self.name
        before_assignment = {self._sign("="), self._sign(","), self._sign(".")}
        following = [*kinds[1:], load().end]
        return [
            token
            for token, (kind, after) in enumerate(zip(kinds, following, strict=False))
            if kind not in plain and (kind != name or after in before_assignment)
        ]

    def _plain_kinds(self) -> frozenset[int]:
        """Terminals that neither are brackets nor tell anything about them."""
        telling = {*DECLARATIONS, *STATEMENTS, *_LEADS, *"()[]{}=", "for", "then"}
        return frozenset(n for n in range(load().wrong + 1) if self.texts.get(n) not in telling) - {
            self.name
        }

    def _place(self, token: int) -> None:
        """Take a bracket or a token that tells something about brackets."""
        text = self.text(token)
        if text in ("(", "[", "{"):
            self._open(token, text)
        elif text in (")", "]", "}"):
            self._close(token, text)
        else:
            if self.stack:
                self._boundary(token)
            self._missing_brace(token)
            self._lead(token, text)
            self._emit(token, token + 1)

    def _boundary(self, token: int) -> None:
        start = self.old.starts[token]
        if self.is_declaration(token):
            if self.source.position(start)[1] <= self.column and self.first_on_line(token):
                self._close_all(start)
        elif self.stack[-1].content not in BODIES and self.is_statement(token):
            # `by=concat)` on a line of its own, without the comma before it, is an argument.
            argument = self.is_name(token) and self._closed_later(token, self.stack[-1].sign)
            if not argument:
                self._close_group(start)

    def _missing_brace(self, token: int) -> None:
        """A statement right behind a header such as `for x in xs`: read as if `{` stood before."""
        lead = self.leads[-1]
        if lead not in BODIES or token - 1 <= self.header or self.deep:
            return
        if self.stack and self.stack[-1].content not in BODIES:
            return
        starts = self.assigns(token) if lead == "settings" else self.is_statement(token)
        start = self.old.starts[token]
        if not starts or not self.first_on_line(token):
            return
        header = self.old.starts[self.header]
        if self._indentation(start) <= self._indentation(header):
            return
        self._report(missing_brace(self.old, token, self.header))
        before = self.old.ends[token - 1]
        added = self._add(self._sign("{"), before, before)
        self.layout.content[added] = lead
        self.stack.append(Open("{", added, before, lead, self._indentation(header)))
        self.leads.append(None)

    def _lead(self, token: int, text: str) -> None:
        """Remember which keyword the next brace of this level belongs to."""
        if text in DECLARATIONS and self.is_declaration(token) and not self.stack:
            self.column = self.source.position(self.old.starts[token])[1]
            self.suspect = None
            self.debts = {}
        before = self.text(token - 1)
        if text == "for":
            top = self.stack[-1] if self.stack else None
            inside = top is not None and top.content not in BODIES
            listed = inside and top is not None and top.sign == "["
            joined = self.ends_value(token - 1) and not self.first_on_line(token)
            if self.leads[-1] != "settings":
                stage = (inside and not listed) or joined or before in _BEFORE_STAGE
                self._lead_by(token, "stages" if stage and not listed else "body")
        elif text == "then" or (text == "else" and before != "}"):
            self.leads[-1] = None  # a conditional of values or stages has no braces
        elif text in _LEADS and (text != "block" or self.is_name(token + 1)):
            self._lead_by(token, _LEADS[text])
        elif text == "=" and not self.stack and self.leads[-1] == "body":
            # network Name = Other(...) { ... }, or a block of one stage
            if self.text(self.header) == "block":
                self.leads[-1] = None
            elif token == self.header + 2:
                self.leads[-1] = "claims"

    def _lead_by(self, token: int, content: Content) -> None:
        self.leads[-1] = content
        self.header = token

    def _emit(self, first: int, stop: int) -> None:
        """Take tokens as they are."""
        if self.deep or first == stop:
            return
        old, new = self.old, self.new
        new.kinds += old.kinds[first:stop]
        new.starts += old.starts[first:stop]
        new.ends += old.ends[first:stop]
        opened = self.stack[-1].token if self.stack else -1
        self.layout.parent += [opened] * (stop - first)

    def _add(self, kind: int, start: int, end: int) -> int:
        self.new.add(kind, start, end)
        self.layout.parent.append(self.stack[-1].token if self.stack else -1)
        return len(self.new) - 1

    def _sign(self, sign: str) -> int:
        return load().literals[sign]

    # ------------------------------------------------------------------ opening

    def _open(self, token: int, sign: str) -> None:
        start = self.old.starts[token]
        if self.deep:
            self.stack.append(Open(sign, -1, start, "stages" if sign == "{" else "items", 0))
            self.leads.append(None)
            return
        if sign == "{" and self._opens_body(token):
            lead = self.leads[-1]
            self._close_group(start)
            self.leads[-1] = lead or self.leads[-1]
        content = self._content(token) if sign == "{" else "items"
        added = -1
        if len(self.stack) >= MAX_NESTING:
            self._too_deep(start)
        else:
            added = self._add(self.old.kinds[token], start, start + 1)
            self.layout.content[added] = content
        stray = sign == "{" and self.leads[-1] is None
        self.stack.append(Open(sign, added, start, content, self._indentation(start), stray))
        self.leads.append(None)

    def _opens_body(self, token: int) -> bool:
        """Whether a brace inside parentheses is that of the header that they belong to."""
        if not self.stack or self.stack[-1].content != "items":
            return False
        if self.stack[-1].sign == "[" and self.text(self.header) in ("for", "if"):
            return self.leads[-1] is not None  # the loop of a list has no braces
        if self.leads[-1] is not None:
            return False
        height = len(self.stack)
        while height and self.stack[height - 1].content == "items":
            height -= 1
        follows = self.text(token + 1)
        ends_line = token + 1 >= len(self.old) or self.first_on_line(token + 1)
        starts = ends_line or follows in ("}", *STATEMENTS) or self.assigns(token + 1)
        return self.leads[height] in BODIES and starts

    def _content(self, token: int) -> Content:
        lead = self.leads[-1]
        if lead is not None:
            return lead
        if self.stack and self.stack[-1].content not in BODIES:
            return "stages"
        if self.stack and self.stack[-1].content != "body":
            return self.stack[-1].content
        follows = self.text(token + 1)
        if not self.stack or follows in STATEMENTS or self.assigns(token + 1):
            return "body"
        return "body" if self.is_name(token + 1) and self.is_name(token + 2) else "stages"

    def _too_deep(self, start: int) -> None:
        self._add(load().wrong, start, start)
        self.deep = True
        self.layout.skipped.append((start, start))
        self._report(too_deep(self.source, start))

    # ------------------------------------------------------------------ closing

    def _close(self, token: int, sign: str) -> None:
        start = self.old.starts[token]
        wanted = self._partner(token, sign)
        if wanted is not None and sign == "}" and self.text(token + 1) in _BEHIND_STAGES:
            # More stages follow: it is not the brace of a body that they stand in.
            wanted = None if self.stack[wanted].content in BODIES else wanted
        if wanted is None:
            self._stray(token, sign)
            return
        if wanted < len(self.stack) - 1:
            for opened in self.stack[wanted:]:
                self.debts[PARTNER[opened.sign]] = self.debts.get(PARTNER[opened.sign], 0) + 1
            self._close_inner(wanted + 1, start)
        top = self.stack[-1]
        if top.sign != PARTNER[sign]:
            self._report(wrong_partner(self.old, top, start, sign))
        if sign == "}" == PARTNER[top.sign] and self.suspect is None:
            column = self.source.position(start)[1] - 1
            if top.stray or (column < top.column and self.first_on_line(token)):
                self.suspect = (top, start)
        self._pop(start, start + 1)
        if sign == "}" and not self.stack:
            self.closed = len(self.new) - 1

    def _pop(self, start: int, end: int) -> None:
        """Close the innermost bracket with a token at a place."""
        top = self.stack[-1]
        if top.token >= 0:
            added = self._add(self._sign(PARTNER[top.sign]), start, end)
            self.layout.match[top.token] = added
            self.layout.match[added] = top.token
        self._truncate(len(self.stack) - 1, start)

    def _truncate(self, height: int, offset: int) -> None:
        if any(opened.sign == "{" for opened in self.stack[height:]):
            self.leads[height] = None
        del self.stack[height:], self.leads[height + 1 :]
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
        written = [body for body in bodies if self.source.text[body.start] == "{"]
        if written and not deep and not self._beyond(offset):
            self._report(unclosed_bodies(self.old, written, offset, self.suspect))
        self.closed = len(self.new) - 1
        self.leads = [None]

    def _beyond(self, offset: int) -> bool:
        """Is it the end of what was looked at, but not of the text?"""
        stopped = self.old.stopped or self.layout.stopped is not None
        return stopped and offset >= self.old.end

    # ------------------------------------------------------------------ reports

    def _report(self, diagnostic: Diagnostic) -> None:
        self.layout.reports.append(diagnostic)

    def _close_inner(self, height: int, offset: int) -> None:
        """A bracket further out is closed: bodies above a height end here, others nowhere."""
        while len(self.stack) > height:
            group = self.stack[height:]
            bodies = [n for n, opened in enumerate(group) if opened.content in BODIES]
            if not bodies:
                self._unclosed(group, offset)
                self._truncate(height, offset)
            elif bodies[-1] < len(group) - 1:
                self._close_group(offset)
            else:
                if not self.deep:
                    self._report(unclosed(self.old, group[-1:], offset))
                before = self.new.ends[-1]
                self._pop(before, before)

    def _unclosed(self, group: list[Open], offset: int) -> None:
        """Brackets that end nowhere; the statement around them is lost."""
        if self.deep or self._beyond(offset):
            return
        self._report(unclosed(self.old, group, offset))
        before = self.new.ends[-1]
        self._add(load().wrong, before, before)

    def _stray(self, token: int, sign: str) -> None:
        """A closing bracket that closes nothing is left out."""
        start = self.old.starts[token]
        earlier = None
        if sign == "}" and not self.stack and self.closed >= 0:
            self._cut_off(start)
            place = self.new.starts[self.closed]
            earlier = place if self.source.text[place] == "}" else None
        if self.debts.get(sign, 0):
            self.debts[sign] -= 1
        else:
            self._report(closes_nothing(self.old, start, sign, earlier))

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


def arrange(tokens: Tokens, noticed: int | None = None) -> Layout:
    """Tokens with balanced brackets; see Layout and `Arranger.arrange`."""
    return Arranger(tokens).arrange(len(tokens) if noticed is None else noticed)

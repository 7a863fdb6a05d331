"""Which of the open brackets a closing one is meant for, where the text says it in several ways: by
kind, by line, by indentation, and by how many brackets are still to come."""

from __future__ import annotations

from .balance import Balance
from .layout import BODIES, PARTNER, Open
from .tokens import Tokens
from .view import MAX_LOOK, View

MAX_LINES = 40  # lines looked through for one that begins too far left


class Partners(View):
    """A stack of open brackets, and what may close which of them."""

    def __init__(self, tokens: Tokens) -> None:
        super().__init__(tokens)
        self.source = tokens.source
        self.stack: list[Open] = []
        self.deep = False
        self.indents: dict[int, int] = {}  # line -> blanks before its first token
        self.balance = Balance(self)

    def _partner(self, token: int, sign: str) -> int | None:
        """The place in the stack of the bracket that a closing one is meant for, or None."""
        if not self.stack:
            return None
        last = len(self.stack) - 1
        top = self.stack[last]
        if top.sign == PARTNER[sign]:
            return self._aligned(token, sign, last)
        same_line = self.source.position(top.start)[0] == self._line(token)
        later = self._closed_later(token, top.sign)
        meant = top.content not in BODIES and same_line and not later
        for place in range(last, -1, -1):
            if self.stack[place].sign == PARTNER[sign]:
                outer_line = self.source.position(self.stack[place].start)[0]
                plain = all(opened.content == "items" for opened in self.stack[place:])
                if plain or outer_line == self._line(token) or self.first_on_line(token):
                    return place
                # `conv(3}` in a body of several lines, `{ conv(3)) }` in a group of several
                return last if meant else place if sign == "}" and not later else None
            if self.stack[place].content in BODIES and sign != "}":
                break
        return last if meant else None

    def _aligned(self, token: int, sign: str, last: int) -> int:
        """The place in the stack of what a closing bracket is meant for, the innermost being of its
        kind: an outer one, if the text since the innermost is not indented as if it stood inside,
        and there are not enough closing brackets for all."""
        if self.deep:
            return last
        outer = [n for n in range(last) if self.stack[n].sign == PARTNER[sign]]
        due = len(outer) + 1
        if not outer or not self.balance.lacks(token, sign, due):
            return last
        column = self.source.position(self.tokens.starts[token])[1] - 1
        inner = self.stack[last]
        if self.first_on_line(token):
            found = [n for n in outer if self.stack[n].column <= column < inner.column]
            return found[-1] if found else last
        return outer[-1] if self._left(inner, self._line(token)) else last

    def _left(self, opened: Open, last: int) -> bool:
        """Does a line behind that of an open bracket, up to another, begin as far left as it?"""
        first = self.source.position(opened.start)[0]
        for line in range(first + 1, min(last, first + MAX_LINES) + 1):
            text = self.source.line(line)
            begun = text.lstrip(" \t")
            if begun and begun[0] not in "#)]}" and len(text) - len(begun) <= opened.column:
                return True
        return False

    def _closed_later(self, token: int, sign: str) -> bool:
        """Whether an open bracket has its own partner behind a wrong one, in the same statement."""
        depth = 0
        for later in range(token + 1, min(token + 1 + MAX_LOOK, len(self.tokens))):
            text = self.text(later)
            if text in ("(", "[", "{"):
                depth += 1
            elif text in (")", "]", "}"):
                if depth == 0:
                    return text == PARTNER[sign]
                depth -= 1
            elif depth == 0 and (self.is_statement(later) or self.is_declaration(later)):
                return False
        return False

    def _line(self, token: int) -> int:
        return self.source.position(self.tokens.starts[token])[0]

    def _indentation(self, offset: int) -> int:
        line = self.source.position(offset)[0]
        known = self.indents.get(line)
        if known is None:
            start = at = self.source.starts[line - 1]
            while self.source.text[at : at + 1] in (" ", "\t"):
                at += 1
            known = self.indents[line] = at - start
        return known

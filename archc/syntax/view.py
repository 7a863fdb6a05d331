"""Tokens as recovery looks at them: which keyword or sign each is, and what may begin at it."""

from __future__ import annotations

from .tables import load
from .tokens import Tokens, kinds_of_terminals

DECLARATIONS = ("network", "use", "const", "recipe", "block")
STATEMENTS = ("input", "output", "expect", "share", "default")
MAX_TARGETS = 32  # names looked through for the `=` of `a, b, c = ...`
MAX_LOOK = 400  # tokens looked through for a bracket


class View:
    """A list of tokens; numbers outside of it stand for the ends of the text."""

    def __init__(self, tokens: Tokens) -> None:
        self.tokens = tokens
        self.kinds = tokens.kinds
        self.name = kinds_of_terminals().name
        self.texts = {n: text for text, n in load().literals.items()}
        self.texts[load().wrong] = "wrong"
        self._targets: dict[int, int] = {}

    def text(self, token: int) -> str:
        """The keyword or sign that a token is; "" for names, numbers, strings and the ends."""
        if 0 <= token < len(self.kinds):
            return self.texts.get(self.kinds[token], "")
        return ""

    def is_name(self, token: int) -> bool:
        return 0 <= token < len(self.kinds) and self.kinds[token] == self.name

    def first_on_line(self, token: int) -> bool:
        """Whether only blanks and comments stand before a token on its line."""
        return token >= len(self.kinds) or self.tokens.first_on_line(token)

    def ends_value(self, token: int) -> bool:
        """Whether a value or a stage may end with a token."""
        return self.text(token) in (
            "",
            ")",
            "]",
            "}",
            "wrong",
            "true",
            "false",
            "block",
            "training",
        )

    def assigns(self, token: int) -> bool:
        """Whether `name =`, `a, b =` or `loss.aux =` stands at a token."""
        names = self._targets.get(token)
        if names is None:
            names = self._follow(token)
        return 0 < names <= MAX_TARGETS

    def _follow(self, token: int) -> int:
        """How many names stand from a token up to `=`; 0 if other things do. Kept for all of them,
        so that a long list is walked along once."""
        run = []
        after = ","
        while after in (",", ".") and self.is_name(token):
            run.append(token)
            after = self.text(token + 1)
            token += 2
        assigned = after == "="
        for names, each in enumerate(reversed(run), 1):
            self._targets[each] = names if assigned else 0
        return len(run) if assigned else 0

    def turns(self) -> frozenset[int]:
        """Tokens that may begin a statement where the parser expects none, and opening braces."""
        literals = load().literals
        always = (literals["for"], literals["{"])
        follows = (literals["="], literals[","], literals["."])
        pairs = enumerate(zip(self.kinds, [*self.kinds[1:], load().end], strict=False))
        return frozenset(
            [n for n, (k, after) in pairs if k in always or (k == self.name and after in follows)]
        )

    def is_declaration(self, token: int) -> bool:
        """`network X`, `use "..."`, `block X`: not the `block` that is a type or a label."""
        if self.text(token) not in DECLARATIONS:
            return False
        return self.is_name(token + 1) or self.text(token) == "use"

    def is_statement(self, token: int) -> bool:
        """Whether a statement begins that cannot stand in parentheses or among stages."""
        if self.text(token) in STATEMENTS:
            if not self.first_on_line(token) and not self.ends_value(token - 1):
                return False
            return self.text(token + 1) not in ("=", ":", ",", ")", "]", ".", "->")
        if not self.first_on_line(token) or (token and not self.ends_value(token - 1)):
            return False
        return self.assigns(token) or self._heads_body(token)

    def _heads_body(self, token: int) -> bool:
        """Whether `for ... {` or `if ... {` stands at a token, and statements in its braces."""
        if self.text(token) not in ("for", "if"):
            return False
        depth = 0
        for later in range(token + 1, min(token + 1 + MAX_LOOK, len(self.kinds))):
            text = self.text(later)
            if text == "{" and depth == 0:
                return self.assigns(later + 1) or self.text(later + 1) in STATEMENTS
            if text in ("then", "->") or (later > token + 1 and self.first_on_line(later)):
                return False
            depth += (text in ("(", "[")) - (text in (")", "]"))
        return False

    def is_misspelt(self, token: int) -> bool:
        """Two names at the start of a line: the first was meant for a keyword."""
        if not self.is_name(token) or not self.is_name(token + 1):
            return False
        return self.first_on_line(token) and not self.first_on_line(token + 1)

"""How many blanks stand between two words of a line."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .words import Word

# Nothing stands before these, and nothing behind those.
_TIGHT_BEFORE = frozenset({")", "]", ",", ":", ".", "..", "}"})
_TIGHT_AFTER = frozenset({"(", "[", ".", "..", "{"})
_DECLARES = frozenset({"block", "network", "const"})


def gaps(words: list[Word]) -> None:
    """Set `gap` of every word."""
    for i in range(1, len(words)):
        words[i].gap = _gap(words, i)
    for word in words:
        # One blank where one belongs is not alignment; nor is any where none belongs.
        word.extra = word.extra and word.gap > 0


def _gap(words: list[Word], i: int) -> int:
    before, word = words[i - 1], words[i]
    one, two = before.text, word.text
    if one == "{" or two == "}":
        return 0 if one == "{" and two == "}" else 1
    if two in _TIGHT_BEFORE:
        # `5 .x` is not the number `5.`
        return 1 if two == "." and before.kind == "number" else 0
    if one in _TIGHT_AFTER or (one == "-" and _prefix(words, i - 1)):
        return 0
    if one == "=" or two == "=":
        at = i - 1 if one == "=" else i
        return 0 if _names_argument(words, at) else 1
    if two in ("(", "["):
        return 0 if follows_tightly(words, i) else 1
    return 1


def follows_tightly(words: list[Word], i: int) -> bool:
    """Whether an opening bracket calls, indexes or lists parameters of what precedes."""
    before = words[i - 1]
    if before.kind == "keyword":
        # `block` may be a label.
        return before.text in ("true", "false", "skip", "block")
    return before.kind != "sign" or before.text in (")", "]")


def _prefix(words: list[Word], i: int) -> bool:
    """Whether the minus at `i` is a sign of one operand."""
    before = words[i - 1]
    if before.kind == "keyword":
        return before.text not in ("true", "false")
    return before.kind == "sign" and before.text not in (")", "]", "}")


def _names_argument(words: list[Word], i: int) -> bool:
    """Whether the `=` at `i` stands in arguments or a shape, with a value that is not an `if`."""
    opener = words[i].opener
    if opener < 0 or words[opener].text == "{" or words[i + 1].text == "if":
        return False
    declared = opener > 1 and words[opener - 2].text in _DECLARES
    return not (declared and words[opener - 1].kind == "name" and words[opener].text == "(")

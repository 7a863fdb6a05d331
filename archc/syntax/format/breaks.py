"""Which words start a line: the author's choice, but for what the style decides."""

from __future__ import annotations

from itertools import pairwise

from .spacing import follows_tightly
from .words import Text, Word

_NEVER_BEFORE = frozenset({",", ":", ".", "..", "=", "as"})
_NEVER_AFTER = frozenset(
    {"use", "const", "network", "recipe", "input", "output", "share", "default", "expect"}
    | {"for", "repeat", "if", "in", "as", ":", ".", ".."}
)


def settle(text: Text) -> None:
    """Set `breaks` and `blank` of every word. Doing it twice changes nothing."""
    words = text.words
    _move_arrows(words)
    for i in range(1, len(words)):
        word = words[i]
        if word.breaks and not word.remarks and _never(words, i):
            _join(word)
        if word.starts and word.opener < 0:
            word.breaks = True
    _braces(text)
    for i, word in enumerate(words):
        word.breaks = word.breaks or bool(word.remarks)
        if not word.breaks:
            word.blank = False
        _drop_blanks(words, i)


def _join(word: Word) -> None:
    word.breaks = word.blank = False
    word.column = -1


def _move_arrows(words: list[Word]) -> None:
    """An arrow starts a line; it never ends one."""
    for arrow, after in pairwise(words):
        if arrow.text == "->" and (after.breaks or after.remarks):
            if not arrow.breaks:
                arrow.breaks, arrow.blank = True, after.blank
                arrow.column = -1
            elif after.remarks:
                after.remarks[0].own = True
            if arrow.remarks and after.remarks:
                after.remarks[0].own = True
            arrow.remarks, after.remarks = arrow.remarks + after.remarks, []
            _join(after)


def _never(words: list[Word], i: int) -> bool:
    """Whether the style has no line break before a word."""
    before, word = words[i - 1], words[i]
    if word.starts:
        return False
    if word.text in _NEVER_BEFORE or before.text in _NEVER_AFTER:
        return True
    if before.text == "block" and word.kind == "name":
        return True
    if before.text == "{" and word.text == "}":
        return True
    if word.text == "{" or (word.text in ("(", "[") and follows_tightly(words, i)):
        return True
    if before.text == "-" and word.gap == 0:
        return True
    # `} else {` and `} via shortcut`, where the brace starts the line.
    return before.text == "}" and word.text in ("else", "via") and before.breaks


def _braces(text: Text) -> None:
    """Braces around one short thing stay on its line; around more, the lines between are theirs."""
    words = text.words
    broken: set[int] = set()
    # From the inside out: a broken brace breaks those around it.
    for i in range(len(words) - 1, -1, -1):
        if words[i].text == "{" and i not in broken and _is_broken(text, i, broken):
            broken.update(_linked(words, i))
    for i in broken:
        first, last = words[i + 1], words[words[i].partner]
        if i + 1 == words[i].partner:
            continue
        for word in (first, last):
            if not word.breaks:
                word.breaks = True
                word.column = -1
        if words[i].content == "body":
            for j in text.inside(i):
                if words[j].starts and words[j].opener == i and not words[j].breaks:
                    words[j].breaks = True
                    words[j].column = -1
    for i in broken:
        after = words[words[i].partner + 1]
        if after.text in ("else", "via") and not after.remarks and not after.starts:
            _join(after)


def _is_broken(text: Text, i: int, broken: set[int]) -> bool:
    words = text.words
    inside = text.inside(i)
    if i in text.forced or words[words[i].partner].remarks:
        return True
    if sum(words[j].starts and words[j].opener == i for j in inside) > 1:
        return True
    if words[words[i].partner].breaks and len(inside):
        return True
    return any(words[j].breaks or words[j].remarks or j in broken for j in inside)


def _linked(words: list[Word], i: int) -> set[int]:
    """The bodies of one `if` statement: all are broken, or none."""
    linked = {i}
    if words[i].content != "body":
        return linked
    at = i
    while True:  # those behind it
        after = words[at].partner + 1
        if words[after].text != "else" or words[after].starts:
            break
        at = next(
            j
            for j in range(after, len(words))
            if words[j].content == "body" and words[j].opener == words[i].opener
        )
        linked.add(at)
    at = i
    while True:  # those before it
        start = at - 1
        while start >= 0 and words[start].text != "else" and not words[start].starts:
            start = words[start].partner - 1 if words[start].text in (")", "]", "}") else start - 1
        if start < 1 or words[start].text != "else" or words[start - 1].text != "}":
            break
        at = words[start - 1].partner
        if words[at].content != "body":
            break
        linked.add(at)
    return linked


def _drop_blanks(words: list[Word], i: int) -> None:
    """No empty line behind an opening bracket, before a closing one, or at the end."""
    word = words[i]
    before = words[i - 1].text if i else "("
    own = next((r for r in word.remarks if r.own), None)
    if before in ("(", "[", "{"):
        if own is not None:
            own.blank = False
        elif not word.remarks:
            word.blank = False
    if word.text in (")", "]", "}", ""):
        word.blank = False

"""Names that skipped text would have declared, so that nobody complains that they are unknown."""

from __future__ import annotations

from .tables import load
from .tokens import Tokens, kinds_of_terminals
from .view import DECLARATIONS

# Words after which a name is declared.
_DECLARING = frozenset((*DECLARATIONS, "input", "output", "share", "as", "for"))

MAX_SKIPPED = 100_000  # characters


def lost_names(tokens: Tokens, skipped: list[tuple[int, int]]) -> frozenset[str]:
    """The names that skipped text would have declared; "*" if it may have been any (a `use`, or
    more text than is worth looking at)."""
    if sum(end - start for start, end in skipped) > MAX_SKIPPED:
        return frozenset(("*",))
    texts = {n: text for text, n in load().literals.items()}
    kinds = kinds_of_terminals()
    names: set[str] = set()
    ranges = sorted(skipped)
    at = 0
    until = -1
    before: list[str] = []  # names of a list `a, b` that may turn out to be assigned
    for token, kind in enumerate(tokens.kinds):
        start = tokens.starts[token]
        while at < len(ranges) and ranges[at][0] <= start:
            until = max(until, ranges[at][1])
            at += 1
        if start >= until:
            continue
        text = texts.get(kind, "")
        after = texts.get(tokens.kinds[token + 1], "") if token + 1 < len(tokens) else ""
        if text == "use":
            names.add("*")
        elif kind in (kinds.name, kinds.string):
            name = tokens.name(token) if kind == kinds.name else tokens.quoted(token)
            last = tokens.kinds[token - 1] if token else -1
            if after == ",":
                before.append(name)
                continue
            if after == "=":
                names.update(before)
            declares = after in ("=", ":", "[") or texts.get(last, "") in _DECLARING
            if declares or last == kinds.name:
                names.add(name)
        if text != ",":
            before = []
    return frozenset(names)

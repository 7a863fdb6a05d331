"""Names and labels as .arch spells them."""

from __future__ import annotations

import re

KEYWORDS = frozenset(
    {
        *("and", "as", "block", "const", "default", "else", "expect", "false", "for", "if", "in"),
        *("input", "network", "not", "or", "output", "recipe", "repeat", "share", "skip", "then"),
        *("true", "use", "via", "when", "where"),
    }
)
BUILT_IN = frozenset(
    ("len", "zip", "reversed", "sum", "min", "max", "int", "round", "log", "shape")
)
_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")


def identifier(text: str, otherwise: str) -> str:
    """The text as a name, or `otherwise` where nothing of it can be one."""
    found = re.sub(r"\W", "_", text, flags=re.ASCII)
    if not found or found[0].isdigit():
        found = f"{otherwise}{found}"
    return found if _PLAIN.match(found) and found not in KEYWORDS else f"{found}_"


def label(path: str) -> str:
    """A path within its scope as a label, with its colon: `layer[0]: `. Empty where it is none."""
    base, *indices = path.split(".")
    if not base or not all(index.isdigit() for index in indices):
        return ""
    plain = _PLAIN.match(base) and (base not in KEYWORDS or base == "block")
    return (base if plain else f'"{base}"') + "".join(f"[{i}]" for i in indices) + ": "

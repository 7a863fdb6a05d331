"""`--sweep name=32..128:32`: the values that a parameter or free size takes, and their grid."""

from __future__ import annotations

import argparse
import os
import re
from collections.abc import Iterator, Sequence
from decimal import Decimal
from itertools import product
from typing import NamedTuple

MOST_POINTS = 1_000
"""Networks of a grid that are worked out."""

_NUMBER = r"-?\d{1,15}(?:\.\d{1,9})?"
_RANGE = re.compile(rf"({_NUMBER})\.\.({_NUMBER})(?::({_NUMBER}))?\Z", re.ASCII)
_CLOSING = {"(": ")", "[": "]", "{": "}"}


class Sweep(NamedTuple):
    """A name and its values, as text in the words of .arch."""

    name: str
    values: tuple[str, ...]


def sweep(text: str) -> Sweep:
    """The type of `--sweep`: `name=first..last:step` with both ends (the step is 1 if it is left
    out), or `name=a,b,c`. Raises argparse.ArgumentTypeError."""
    name, sign, rest = (part.strip() for part in text.partition("="))
    if not sign or not name.isidentifier() or not rest:
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME=FIRST..LAST:STEP or NAME=A,B,...")
    found = _RANGE.match(rest)
    values = _steps(text, *found.groups()) if found else split(rest)
    if not all(values):
        raise argparse.ArgumentTypeError(f"{text!r} has an empty value")
    return Sweep(name, tuple(dict.fromkeys(values)))


def _steps(text: str, first: str, last: str, step: str | None) -> list[str]:
    low, high, width = Decimal(first), Decimal(last), Decimal(step or 1)
    if width <= 0 or high < low:
        raise argparse.ArgumentTypeError(f"{text!r}: the last is above the first, the step above 0")
    count = int((high - low) // width) + 1
    if count > MOST_POINTS:
        raise argparse.ArgumentTypeError(f"{text!r} has {count:,} values; {MOST_POINTS:,} are most")
    return [f"{low + n * width:f}" for n in range(count)]


def split(text: str) -> list[str]:
    """Parts between commas that stand in no brackets and no quotes."""
    parts, open_, quoted = [""], list[str](), False
    for ch in text:
        if ch == '"':
            quoted = not quoted
        elif not quoted and ch in _CLOSING:
            open_.append(_CLOSING[ch])
        elif not quoted and open_ and ch == open_[-1]:
            open_.pop()
        if ch == "," and not open_ and not quoted:
            parts.append("")
        else:
            parts[-1] += ch
    return [part.strip() for part in parts]


def grid(sweeps: Sequence[Sweep]) -> Iterator[dict[str, str]]:
    """Every combination, the last name changing fastest; one empty point where nothing varies."""
    for values in product(*(one.values for one in sweeps)):
        yield dict(zip((one.name for one in sweeps), values, strict=True))


def refused(sweeps: Sequence[Sweep], settings: Sequence[tuple[str, str]]) -> str:
    """What is wrong with several sweeps together; empty where nothing is."""
    names = [one.name for one in sweeps]
    double = next((name for name in names if names.count(name) > 1), None)
    if double is not None:
        return f"--sweep {double} is given twice; several values go into one, with commas"
    both = next((name for name, _ in settings if name in names), None)
    if both is not None:
        return f"`{both}` is given by --set and by --sweep"
    points = 1
    for one in sweeps:
        points *= len(one.values)
    if points > MOST_POINTS:
        return f"the sweeps make {points:,} networks; {MOST_POINTS:,} are most"
    return ""


def file_and_network(text: str) -> tuple[str, str | None]:
    """FILE or FILE:NETWORK, apart; a file whose name has a colon is itself."""
    head, colon, tail = text.rpartition(":")
    if colon and head and tail.isidentifier() and not os.path.exists(text):
        return head, tail
    return text, None

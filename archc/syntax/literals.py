"""The values of numbers and the parts of strings."""

from __future__ import annotations

import math
import re

POWERS = {"K": 3, "M": 6, "G": 9, "T": 12}
MAX_DIGITS = 40
_NUMBER = re.compile(r"([0-9]+)(?:\.([0-9]+))?(?:[eE]([+-]?[0-9]+))?([KMGT]?)")


class BadNumber(ValueError):
    """A number that cannot be read; the text says why."""


def number_value(text: str) -> int | float:
    """The exact value of a number as written.

    An int where there is neither point nor exponent, or where a suffix makes the figure whole:
    `4.09G` is 4_090_000_000. Raises BadNumber.
    """
    if text.isdigit() and len(text) <= MAX_DIGITS:
        return int(text)
    if "__" in text or re.search(r"_(?![0-9])", text):
        raise BadNumber("an underscore stands between two digits")
    match = _NUMBER.fullmatch(text.replace("_", ""))
    if match is None:
        raise BadNumber("digits, a point, an exponent and one of K, M, G, T make a number")
    whole, fraction, exponent, suffix = match.groups(default="")
    if len(whole) + len(fraction) > MAX_DIGITS:
        raise BadNumber(f"it has {len(whole) + len(fraction):,} digits; {MAX_DIGITS} are the limit")
    if len(exponent) > 4:
        raise BadNumber("its exponent is too large")
    power = int(exponent or 0) + POWERS.get(suffix, 0) - len(fraction)
    digits = int(whole + fraction)
    if digits == 0:
        power = 0
    if len(str(digits)) + power > 300:
        raise BadNumber("it is larger than 1e300")
    if not fraction and not exponent and not suffix:
        return digits
    if suffix and power >= 0:
        return digits * int(10**power)
    if suffix and digits % 10**-power == 0:
        return int(digits // 10**-power)
    value = float(f"{digits}e{power}")
    if digits and (value == 0 or not math.isfinite(value)):
        raise BadNumber("it is too close to zero")
    return value


class BracesError(ValueError):
    """A brace in a string that is not closed or closes nothing; `offset` is where it stands."""

    def __init__(self, offset: int, opens: bool) -> None:
        super().__init__(offset)
        self.offset = offset
        self.opens = opens


def split_braces(text: str, start: int, end: int) -> list[str | tuple[int, int]]:
    """The parts of a string from `start` to `end`: plain text, and ranges of expressions in braces.

    `{{` and `}}` are plain braces. Raises BracesError.
    """
    if text.find("{", start, end) < 0 and text.find("}", start, end) < 0:
        return [text[start:end]]
    parts: list[str | tuple[int, int]] = []
    plain: list[str] = []
    at = start
    while at < end:
        sign = text[at]
        if sign in "{}" and at + 1 < end and text[at + 1] == sign:
            plain.append(sign)
            at += 2
        elif sign == "}":
            raise BracesError(at, opens=False)
        elif sign == "{":
            close = _closing_brace(text, at, end)
            if plain:
                parts.append("".join(plain))
                plain = []
            parts.append((at + 1, close))
            at = close + 1
        else:
            plain.append(sign)
            at += 1
    if plain or not parts:
        parts.append("".join(plain))
    return parts


def _closing_brace(text: str, at: int, end: int) -> int:
    depth = 0
    for place in range(at, end):
        if text[place] == "{":
            depth += 1
        elif text[place] == "}":
            depth -= 1
            if depth == 0:
                return place
    raise BracesError(at, opens=True)

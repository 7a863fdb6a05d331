"""Places along an axis that lie beyond its edge."""

from __future__ import annotations


def inside(i: int, n: int, mode: str) -> int | None:
    """Where a place is read, by the way of padding; None where it is filled with a number."""
    if 0 <= i < n:
        return i
    if mode == "zeros":
        return None
    if mode == "replicate":
        return min(max(i, 0), n - 1)
    if mode == "circular":
        return i % n
    return -i if i < 0 else 2 * (n - 1) - i  # reflect

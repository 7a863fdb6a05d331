"""Does a checkpoint of one network load into the other? By the keys and shapes of the two
state_dicts, as `load_state_dict(strict=True)` decides it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Literal, NamedTuple

from ..graph import Shape, join
from .diff_layers import Flat

Verdict = Literal["loads", "loads after renaming", "does not load"]


class Mismatch(NamedTuple):
    """What is in the way: keys of B that A's checkpoint lacks, keys of A that B has no place for,
    and keys whose shapes differ (A's, B's)."""

    missing: list[str]
    unexpected: list[str]
    differing: list[tuple[str, Shape, Shape]]

    @property
    def none(self) -> bool:
        return not (self.missing or self.unexpected or self.differing)


class Checkpoints(NamedTuple):
    """What becomes of A's checkpoint in B.

    `direct`: what is in the way as it is. `renames`: keys of A that belong under another key in B.
    `renamed`: what is in the way after these renames. `astray`: keys (of the same shapes) under
    which B has a layer that is another one in A; weights load, and into the wrong place.
    `same_order`: keys stand in the same order, so that the state of an optimizer, which goes by
    number, fits as well.
    """

    verdict: Verdict
    tensors: tuple[int, int]
    direct: Mismatch
    renames: dict[str, str]
    renamed: Mismatch
    astray: list[str]
    same_order: bool


def checkpoints(a: Flat, b: Flat, pairs: Mapping[int, int]) -> Checkpoints:
    """Of two networks whose layers are `pairs`."""
    ours, theirs = a.state(), b.state()
    belongs = _belongs(a, b, pairs)
    renames = {key: belongs[key] for key in ours if belongs.get(key, key) != key}
    direct = _mismatch(ours, theirs)
    renamed = _mismatch(_after(ours, belongs), theirs)
    verdict: Verdict = "does not load"
    if direct.none:
        verdict = "loads"
    elif renamed.none:
        verdict = "loads after renaming"
    astray = [key for key in renames if direct.none]
    return Checkpoints(
        verdict,
        (len(ours), len(theirs)),
        direct,
        renames,
        renamed,
        astray,
        list(ours) == list(theirs),
    )


def branches(keys: list[str], every: Iterable[str]) -> list[tuple[str, int]]:
    """Keys by the outermost branch all of whose keys (of `every`) are among them, and how many."""
    these = set(keys)
    held: dict[str, list[int]] = {}
    for key in every:
        parts = key.split(".")
        for n in range(1, len(parts) + 1):
            count = held.setdefault(".".join(parts[:n]), [0, 0])
            count[0] += 1
            count[1] += key in these
    found: dict[str, int] = {}
    for key in keys:
        parts = key.split(".")
        whole = (".".join(parts[:n]) for n in range(1, len(parts)))
        branch = next((b for b in whole if b in held and held[b][0] == held[b][1]), key)
        found[branch] = found.get(branch, 0) + 1
    return list(found.items())


def _belongs(a: Flat, b: Flat, pairs: Mapping[int, int]) -> dict[str, str]:
    """Keys of A to the keys of B that hold the same tensor, of the same shape."""
    found: dict[str, str] = {}
    taken: set[str] = set()
    for x, y in pairs.items():
        old, new = a.layers[x], b.layers[y]
        if old.op.op != new.op.op:
            continue
        theirs = new.tensors()
        for name, shape in old.tensors().items():
            here, there = join(old.module, name), join(new.module, name)
            if theirs.get(name) == shape and here not in found and there not in taken:
                found[here] = there
                taken.add(there)
    return found


def _after(state: dict[str, Shape], belongs: dict[str, str]) -> dict[str, Shape]:
    """A's state_dict under B's keys; what belongs nowhere keeps its key, if that is free."""
    taken = set(belongs.values())
    found = {belongs[key]: shape for key, shape in state.items() if key in belongs}
    for key, shape in state.items():
        if key not in belongs:
            found[key if key not in taken else f"{key} (A)"] = shape
    return found


def _mismatch(ours: dict[str, Shape], theirs: dict[str, Shape]) -> Mismatch:
    return Mismatch(
        [key for key in theirs if key not in ours],
        [key for key in ours if key not in theirs],
        [
            (key, shape, theirs[key])
            for key, shape in ours.items()
            if key in theirs and theirs[key] != shape
        ],
    )

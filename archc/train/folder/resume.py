"""Going on with a run: is it the same one, and is where it stopped still on its way?"""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from ..data.fitting import Prepared
from ..device import Setup
from ..errors import TrainError
from ..optim import make_rate
from ..ranks import Ranks
from ..settings.recipe import Recipe, plain
from ..settings.words import spelled
from .rundir import versions

DECIDED = ("precision", "channels_last", "compile")
"""Settings that may be left to the device and the length of the run. What was decided counts, so
that a longer run can go on as the shorter one began (`--set epochs=99 --set compile=false`)."""
FREE = frozenset({"checkpoint", "pictures", "tensorboard", "network", *DECIDED})
"""Settings that change nothing of what is computed, or are compared otherwise: the network by its
code."""
CHOOSING = frozenset(
    {"data", "classes", "samples", "ignore", "permute", "fit", "validation", "seed"}
)
"""Settings that say which data there are: where one differs, so do the data, and it is named."""
SAMPLED = 1 << 26
"""Bytes of images that a checksum of the data looks at: all of small sets, a part of large ones."""


def identity(
    recipe: Recipe, code: str, ready: Prepared, setup: Setup, ranks: Ranks
) -> dict[str, Any]:
    """What must be the same for a run to go on as if it had never stopped, as JSON.

    `code`: a digest of the network.
    """
    return {
        "network": code,
        "recipe": plain(recipe),
        "data": _fingerprint(ready),
        "processes": ranks.world,
        "device": setup.device.type,
        "precision": "bf16" if setup.bf16 else "tf32" if setup.tf32 else "fp32",
        "channels_last": setup.channels_last,
        "compile": setup.compile,
    }


def check_same(
    then: Mapping[str, Any], now: Mapping[str, Any], recipe: Recipe, done: int, steps: int
) -> None:
    """Raise TrainError E0812, saying what differs, unless the run may go on.

    `done`: steps already taken, `steps`: of an epoch. More epochs than at first are fine where the
    learning rates of the steps already taken are the same.
    """
    found = ["the network is another one"] if then["network"] != now["network"] else []
    before, after = then["recipe"], now["recipe"]
    changed = {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)}
    if then["data"] != now["data"] and not changed & CHOOSING:
        found.append("the data are other ones")
    found += [
        f"{key}: {spelled(now[key])}, but {spelled(then[key])} in the run"
        for key in ("processes", "device", *DECIDED)
        if then[key] != now[key]
    ]
    for name in sorted(changed - FREE):
        was, become = before.get(name), after.get(name)
        if name == "epochs":
            found += _epochs(recipe, int(was), done, steps)
        else:
            found.append(f"{name}: {_said(become)}, but {_said(was)} in the run")
    if found:
        raise TrainError(
            "E0812",
            "the run cannot be resumed: it was another one",
            recipe.place("epochs") if len(found) == 1 and found[0].startswith("epochs") else None,
            notes=tuple(found),
            help="leave out what differs, or start a new run without --resume",
        )


def _epochs(recipe: Recipe, was: int, done: int, steps: int) -> list[str]:
    if recipe.epochs * steps < done:
        begun = "are done" if done % steps == 0 else "have begun"
        return [f"epochs: {recipe.epochs}, but {-(-done // steps)} of the run {begun}"]
    old, new = (make_rate(recipe.schedule, n, steps) for n in (was, recipe.epochs))
    if any(old(step) != new(step) for step in range(done)):
        return [
            f"epochs: {recipe.epochs}, but {was} in the run; with `{recipe.schedule.name}` the "
            "steps already taken would have had other learning rates"
        ]
    return []


def changed_versions(then: Mapping[str, str]) -> str | None:
    """What the run began with and goes on without, in words."""
    now = versions()
    found = [
        f"{name} {now.get(name, 'none')} instead of {then.get(name, 'none')}"
        for name in sorted(then.keys() | now.keys())
        if then.get(name) != now.get(name)
    ]
    return f"resumed with {', '.join(found)}: the last bits may differ" if found else None


def _said(value: Any) -> str:
    """A setting as a recipe spells it, out of its JSON."""
    if isinstance(value, dict) and "name" in value:
        given = [f"{k}={_said(v)}" for k, v in value.items() if k != "name" and v is not None]
        return f"{value['name']}({', '.join(given)})"
    if isinstance(value, list):
        return "[" + ", ".join(_said(v) for v in value) + "]"
    return spelled(value)


def _fingerprint(ready: Prepared) -> str:
    """Sizes of the splits, and a checksum of targets and images."""
    words = []
    for split in (ready.train, ready.validation, ready.test):
        if split is not None:
            every = max(split.x.nbytes // SAMPLED, 1)
            value = _crc(split.x[::every], _crc(split.y, 0))
            words.append(f"{len(split)}x{'x'.join(map(str, split.x.shape[1:]))}:{value:08x}")
    return " ".join(words)


def _crc(tensor: Tensor, start: int) -> int:
    flat = tensor.detach().cpu().contiguous().reshape(-1)
    return zlib.crc32(flat.view(torch.uint8).numpy().data, start) if flat.numel() else start

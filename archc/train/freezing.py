"""Freezing: parameters that training leaves as they are."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase

from torch import nn

from ..diagnostics import closest
from .errors import TrainError
from .settings.recipe import Recipe


class Frozen:
    """Parameters taken out of training, and the normalisations that stand still with them."""

    def __init__(self, module: nn.Module, recipe: Recipe) -> None:
        """Apply the recipe's patterns.

        Raises TrainError E0802 where a pattern matches nothing, or nothing is left to train.
        """
        named = dict(module.named_parameters())
        for pattern in recipe.freeze:
            matched = [name for name in named if matches(name, pattern)]
            if not matched:
                raise no_match("freeze", pattern, named, recipe)
            for name in matched:
                named[name].requires_grad_(False)
        if not any(p.requires_grad for p in named.values()):
            raise TrainError(
                "E0802",
                "`freeze` leaves nothing to train"
                if recipe.freeze
                else "the network has no weight that can be trained",
                recipe.place("freeze"),
            )
        self._still: list[nn.Module] = [
            layer
            for name, layer in module.named_modules()
            if recipe.freeze and _stands_still(name, layer, recipe.freeze)
        ]

    def hold(self) -> None:
        """After `module.train()`: frozen batch normalisations use, and keep, their statistics."""
        for layer in self._still:
            layer.eval()


def _stands_still(name: str, layer: nn.Module, patterns: Sequence[str]) -> bool:
    """A normalisation with running statistics, all of whose parameters are frozen.

    One without parameters stands still where a pattern names it or what is around it.
    """
    if getattr(layer, "running_mean", None) is None:
        return False
    own = list(layer.parameters(recurse=False))
    if not own:
        return any(matches(f"{name}.running_mean", pattern) for pattern in patterns)
    return not any(p.requires_grad for p in own)


def matches(name: str, pattern: str) -> bool:
    """Does a pattern name a parameter, or a module around it? `features`, `*.bn1`, `fc.bias`."""
    parts = name.split(".")
    return any(fnmatchcase(".".join(parts[:n]), pattern) for n in range(1, len(parts) + 1))


def no_match(setting: str, pattern: str, names: Iterable[str], recipe: Recipe) -> TrainError:
    """The error for a pattern of a setting that fits none of the names."""
    modules = {name.rsplit(".", n)[0] for name in names for n in range(name.count(".") + 1)}
    near = closest(pattern.removesuffix(".*"), modules)
    return TrainError(
        "E0802",
        f"`{setting}`: no parameter matches `{pattern}`",
        recipe.place(setting),
        help=f"did you mean `{near}`?" if near else None,
    )

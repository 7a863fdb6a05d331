"""A recipe as the elaborator hands it on: settings with their places, not yet checked.

What each setting may be is known to `archc.train.settings.recipe`, which turns this into a typed
`Recipe`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from .source import Span


@dataclass(frozen=True, slots=True)
class Called:
    """A value with arguments: `sgd(lr=0.05)`. A bare word arrives as `str` instead."""

    name: str
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    span: Span | None = None
    """The whole call; None where it was given on the command line."""
    places: dict[int | str, Span] = field(default_factory=dict, compare=False)
    """Of each argument's value, by position or name."""


@dataclass(frozen=True, slots=True)
class Setting:
    """`loss.aux1 = [0.3, cross_entropy()]`: path ("loss", "aux1"), value [0.3, Called(...)]."""

    path: tuple[str, ...]
    value: Any
    """int, float, bool, str, list of such, or `Called`."""
    span: Span
    """Of the path."""
    value_span: Span


@dataclass(frozen=True, slots=True)
class RecipeSpec:
    """`recipe name for network { settings }`."""

    name: str
    network: str | None
    settings: tuple[Setting, ...]
    doc: str
    span: Span
    """Of the recipe's name."""

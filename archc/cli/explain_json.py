"""Explanations as JSON: `archc explain --format json`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import fields, is_dataclass
from typing import Any

from .. import __version__
from ..analysis.receptive import ReceptiveField
from .jsonout import receptive

SCHEMA = "archc-explain-1"
"""Name and version of the format; the number grows when something is taken away or changes."""

_KINDS = {
    "LayerExplained": "layer",
    "BlockExplained": "block",
    "InputExplained": "input",
    "ClaimExplained": "claim",
    "Cell": "cell",
}


def document(made: object) -> str:
    """An explanation with its format's name and its kind; sums are {text, value, about}."""
    return _text(_entry(made))


def documents(made: Sequence[object]) -> str:
    """One document, or a list of several."""
    return document(made[0]) if len(made) == 1 else _text([_entry(one) for one in made])


def _entry(made: object) -> dict[str, Any]:
    head = {"archc": __version__, "schema": SCHEMA, "kind": _KINDS[type(made).__name__]}
    return {**head, **plain(made)}


def _text(value: Any) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False)


def plain(value: Any) -> Any:
    """Dataclasses as objects, tuples as lists; a receptive field as in `check --format json`."""
    if isinstance(value, ReceptiveField):
        found = receptive(value)
        return None if found is None else found.model_dump()
    if is_dataclass(value) and not isinstance(value, type):
        return {f.name: plain(getattr(value, f.name)) for f in fields(value)}
    if isinstance(value, (list, tuple)):
        return [plain(one) for one in value]
    if isinstance(value, dict):
        return {str(key): plain(one) for key, one in value.items()}
    return value

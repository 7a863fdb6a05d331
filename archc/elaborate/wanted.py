"""Which networks of a spec are worked out, and with which settings."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..diagnostics import closest
from ..source import Source, Span
from .values import POISON

if TYPE_CHECKING:
    from . import Program


def wanted(
    program: Program, path: str, network: str | None, settings: dict[str, str]
) -> list[tuple[str, dict[str, Any]]]:
    """Names and settings of the networks of a spec (`path`) to work out.

    `network` is the one that is asked for, if any (E0207); `settings` come from outside, as text
    by name (E0301).
    """
    declared = program.networks
    if network is not None and network not in declared:
        if not program.unit.may_declare(network):
            meant = closest(network, declared)
            have = ", ".join(declared) or "none"
            program.diagnostics.error(
                "E0207",
                f"`{path}` declares no network `{network}`",
                help=f"did you mean `{meant}`?" if meant else f"its networks: {have}",
            )
        return []
    names = [network] if network is not None else _complete(program, set(settings))
    return _with_settings(program, names, settings)


def _complete(program: Program, given: set[str]) -> list[str]:
    """Networks whose parameters all have values; where none is so, all: each says what it needs."""
    complete = [name for name in program.networks if program.missing(name) <= given]
    return complete or list(program.networks)


def _with_settings(
    program: Program, names: list[str], settings: dict[str, str]
) -> list[tuple[str, dict[str, Any]]]:
    """Settings for each network: those that it has as parameters; one that none has is wrong."""
    values: dict[str, Any] = {}
    known: set[str] = set()
    parameters = {name: [p.name.name for p in program.parameters(name)] for name in names}
    for owned in parameters.values():
        known.update(owned)
    broken = False
    for key, text in settings.items():
        if key not in known:
            meant = closest(key, known)
            program.diagnostics.error(
                "E0301",
                f"no network here has a parameter `{key}`",
                (Span(Source(f"--set {key}", text), 0, len(text)), ""),
                help=f"did you mean `{meant}`?"
                if meant
                else f"parameters: {', '.join(sorted(known)) or 'none'}",
            )
            broken = True
            continue
        values[key] = program.value(text, key)
        broken = broken or values[key] is POISON
    if broken:
        return []
    return [
        (name, {k: v for k, v in values.items() if k in parameters[name]})
        for name in names
        if not values or any(k in parameters[name] for k in values)
    ]

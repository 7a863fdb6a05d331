"""The `where` of a network's inputs held against what the network needs: diagnostics."""

from __future__ import annotations

from ..diagnostics import Diagnostic, Diagnostics, Edit, Fix, Label
from ..source import Span
from .free import FreeSizes, Reason


def too_weak(free: FreeSizes, places: list[Span], name: str, diagnostics: Diagnostics) -> None:
    """Report requirements that allow what cannot be (E0411).

    `places` are those that say something, at least one.
    """
    found = free.verdict()
    if found.allows is None:
        return
    first, *others = places
    fixes: tuple[Fix, ...] = ()
    if found.exact and not others:
        fixes = (Fix("require what the network needs", (Edit(first, found.exact),)),)
    diagnostics.error(
        "E0411",
        f"`where` allows sizes at which `{name}` cannot be",
        (first, f"true for {sizes_text(found.allows)}"),
        *((span, "") for span in others),
        notes=[reason_text(reason) for reason in found.reasons],
        help=f"require `{found.exact}`" if found.exact else None,
        fixes=fixes,
    )


def too_strong(free: FreeSizes, places: list[Span], name: str) -> list[Diagnostic]:
    """Requirements that forbid what can be (W120)."""
    found = free.verdict()
    if found.forbids is None:
        return []
    first, *others = places
    labels = [Label(first, f"false for {sizes_text(found.forbids)}"), *map(Label, others)]
    needed = free.whole.text
    return [
        Diagnostic(
            "W120",
            f"`where` forbids sizes at which `{name}` can be",
            tuple(labels),
            help=f"`{needed}` would do" if needed else None,
        )
    ]


def sizes_text(sizes: dict[str, int]) -> str:
    """`H=32, W=32`."""
    return ", ".join(f"{name}={size}" for name, size in sizes.items())


def reason_text(reason: Reason) -> str:
    """`H % 16 == 0, because fuse (line 12) joins ...`."""
    return f"{reason.text}, because {reason.because}" if reason.text else reason.because

"""What goes wrong in emission: a node that has no form in Python. Never skipped, never guessed."""

from __future__ import annotations


class EmitError(Exception):
    """The network cannot be written as PyTorch. `site` is a place in the source, if known."""

    code = "E0901"

    def __init__(self, message: str, site: int | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.site = site


class Mismatch(Exception):
    """Two instances have different structure: they cannot be one class."""

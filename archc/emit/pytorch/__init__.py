"""PyTorch emitter: a graph as a Python module that reads as if written by hand."""

from __future__ import annotations

from .errors import EmitError
from .file import source

__all__ = ["EmitError", "source"]

"""Text of a .arch file to its syntax tree."""

from .parser import parse

__all__ = ["parse"]

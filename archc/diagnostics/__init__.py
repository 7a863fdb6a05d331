"""Diagnostics as values: what is wrong, where, why, and what to change."""

from .model import Diagnostic, Diagnostics, Edit, Fix, Label, Severity, TooManyErrors, closest

__all__ = [
    "Diagnostic",
    "Diagnostics",
    "Edit",
    "Fix",
    "Label",
    "Severity",
    "TooManyErrors",
    "closest",
]

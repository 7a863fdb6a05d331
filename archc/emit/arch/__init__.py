"""Graphs as .arch text: what `archc show` prints.

Every argument is written out, blocks are kept (one declaration for each that differs in its text),
loops are chains or `repeat`. Checked again, the text gives the same figures and names.
"""

from .errors import Unwritable
from .write import source

__all__ = ["Unwritable", "source"]

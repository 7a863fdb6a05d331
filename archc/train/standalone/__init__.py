"""Stand-alone training scripts: one recipe, written out with torch alone."""

from .case import make_case
from .script import Case, Script, script

__all__ = ["Case", "Script", "make_case", "script"]

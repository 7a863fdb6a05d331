"""Stand-alone training scripts: one recipe, written out with torch alone."""

from .case import Case, make_case
from .script import Script, script

__all__ = ["Case", "Script", "make_case", "script"]

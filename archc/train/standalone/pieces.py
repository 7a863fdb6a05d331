"""The functions of `parts`, by name, with what each of them needs; and imports by their names."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path

from .parts import FILES

IMPORTS: dict[str, str] = {
    "argparse": "import argparse",
    "copy": "import copy",
    "gzip": "import gzip",
    "hashlib": "import hashlib",
    "math": "import math",
    "os": "import os",
    "time": "import time",
    "Callable": "from collections.abc import Callable",
    "Iterable": "from collections.abc import Iterable",
    "Sequence": "from collections.abc import Sequence",
    "fnmatchcase": "from fnmatch import fnmatchcase",
    "find_spec": "from importlib.util import find_spec",
    "Path": "from pathlib import Path",
    "np": "import numpy as np",
    "torch": "import torch",
    "F": "import torch.nn.functional as F",
    "Tensor": "from torch import Tensor",
    "nn": "from torch import nn",
}
"""A name that code uses: the line that brings it. Standard library first, in the usual order."""
STANDARD = tuple(IMPORTS)[: tuple(IMPORTS).index("np")]


def names_in(code: str) -> set[str]:
    """Every name that a piece of code refers to."""
    return {node.id for node in ast.walk(ast.parse(code)) if isinstance(node, ast.Name)}


def names_of(code: str) -> set[str]:
    """Every name that a piece of code refers to or gives: variables, arguments, functions."""
    found = names_in(code)
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.arg):
            found.add(node.arg)
        elif isinstance(node, ast.FunctionDef):
            found.add(node.name)
    return found


@cache
def functions() -> dict[str, dict[str, str]]:
    """The text of every function of `parts`, by file, in their order."""
    return {name: _functions(Path(__file__).parent / "parts" / f"{name}.py") for name in FILES}


def _functions(path: Path) -> dict[str, str]:
    text = path.read_text(encoding="utf-8")
    rows = text.splitlines()
    found = {}
    for node in ast.parse(text).body:
        if isinstance(node, ast.FunctionDef):
            first = min([node.lineno, *(d.lineno for d in node.decorator_list)])
            found[node.name] = "\n".join(rows[first - 1 : node.end_lineno])
    return found


def arranged(own: Mapping[str, Iterable[str]]) -> list[str]:
    """Functions written for a script and those of `parts` that they need, in the order of `parts`.

    `own`: by the file of `parts` after whose functions they stand. One that has the name of a
    function of `parts` takes its place.
    """
    pieces = [piece for group in own.values() for piece in group]
    written = {node.name for piece in pieces for node in ast.parse(piece).body
               if isinstance(node, ast.FunctionDef)}  # fmt: skip
    known = {name: code for file in functions().values() for name, code in file.items()}
    found: set[str] = set()
    waiting = [name for piece in pieces for name in names_in(piece)]
    while waiting:
        name = waiting.pop()
        if name in known and name not in found and name not in written:
            found.add(name)
            waiting += names_in(known[name])
    made = []
    for file, parts in functions().items():
        made += [code for name, code in parts.items() if name in found]
        made += own.get(file, ())
    return made


def imports(names: set[str], network: str) -> str:
    """The import lines for the names that a script uses, and that of its network."""
    standard = _merged(line for name, line in IMPORTS.items() if name in names and name in STANDARD)
    others = _merged(
        line for name, line in IMPORTS.items() if name in names and name not in STANDARD
    )
    parts = [standard, others, [network]]
    return "\n\n".join("\n".join(part) for part in parts if part)


def _merged(imports: Iterable[str]) -> list[str]:
    """`from a import b` and `from a import c` as one line."""
    made: list[str] = []
    for line in imports:
        start, from_, name = line.partition(" import ")
        if made and start.startswith("from ") and made[-1].startswith(f"{start}{from_}"):
            made[-1] += f", {name}"
        else:
            made.append(line)
    return made

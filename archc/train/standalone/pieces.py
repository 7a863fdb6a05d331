"""The functions of `parts`, by name, with what each of them needs; and imports by their names."""

from __future__ import annotations

import ast
from collections.abc import Iterable
from functools import cache
from pathlib import Path

IMPORTS: dict[str, str] = {
    "argparse": "import argparse",
    "copy": "import copy",
    "csv": "import csv",
    "gzip": "import gzip",
    "hashlib": "import hashlib",
    "math": "import math",
    "time": "import time",
    "fnmatchcase": "from fnmatch import fnmatchcase",
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


@cache
def functions() -> dict[str, str]:
    """The text of every function of `parts`, in their order."""
    text = Path(__file__).with_name("parts.py").read_text(encoding="utf-8")
    lines = text.splitlines()
    found = {}
    for node in ast.parse(text).body:
        if isinstance(node, ast.FunctionDef):
            first = min([node.lineno, *(d.lineno for d in node.decorator_list)])
            found[node.name] = "\n".join(lines[first - 1 : node.end_lineno])
    return found


def needed(code: Iterable[str]) -> list[str]:
    """The functions of `parts` that some code refers to, and those that they need, in order."""
    known = functions()
    found: set[str] = set()
    waiting = [name for piece in code for name in names_in(piece)]
    while waiting:
        name = waiting.pop()
        if name in known and name not in found:
            found.add(name)
            waiting += names_in(known[name])
    return [name for name in known if name in found]


def imports(names: set[str], module: str, network: str) -> str:
    """The import lines for the names that a script uses, and for its network."""
    standard = [line for name, line in IMPORTS.items() if name in names and name in STANDARD]
    others = [line for name, line in IMPORTS.items() if name in names and name not in STANDARD]
    if {"Tensor", "nn"} <= names:
        others = [*others[:-2], "from torch import Tensor, nn"]
    parts = [standard, others, [f"from {module} import {network}"]]
    return "\n\n".join("\n".join(part) for part in parts if part)

"""`archc new`: a spec that checks, to start from."""

from __future__ import annotations

import argparse
import keyword
import re
import sys
from pathlib import Path

from ..diagnostics import Diagnostic
from ..diagnostics.terminal import render
from ..ops import builtin
from .files import write_all

TEMPLATE = """\
# {name}: what it is, and where it comes from.
network {name}(classes: int = 10) {{
  input image[1, 32, 32]  # channels, height, width; no batch

  features = image
    -> conv1: conv(16, 3, pad=half, bias=false) -> bn1: batchnorm -> relu
    -> pool(2)
    -> conv2: conv(32, 3, pad=half, bias=false) -> bn2: batchnorm -> relu
    -> skip {{ conv3: conv(32, 3, pad=half, bias=false) -> bn3: batchnorm }} -> relu
    -> pool(2)

  output logits = features -> flatten -> fc: linear(classes)

  # Claims: `archc check` holds the network to them.
  expect shape(features) == [32, 8, 8]
  expect params <= 40K
}}

# How it is trained: `archc train {file}`.
recipe quick for {name} {{
  data      = idx("fashion-mnist")
  epochs    = 5
  batch     = 64
  optimizer = adamw(lr=0.002)
  schedule  = one_cycle(warmup=0.2)
}}
"""
RESERVED = frozenset(
    ["and", "as", "block", "const", "default", "else", "expect", "false", "for", "if", "in"]
    + ["input", "network", "not", "or", "output", "recipe", "repeat", "share", "skip", "then"]
    + ["true", "use", "via", "when", "where"]
)


def new(args: argparse.Namespace) -> int:
    """Write NAME.arch; refuses names that a network cannot have, and files that are there."""
    name: str = args.name
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_]{0,63}", name):
        return _refuse("E0206", f"a network cannot be called {name!r}", "letters and digits: MyNet")
    if name in RESERVED or keyword.iskeyword(name) or builtin(name):
        return _refuse(
            "E0206", f"`{name}` is a word of its own", f"another name, such as `My{name.title()}`"
        )
    path = Path(args.out) / f"{name}.arch"
    if path.exists():
        return _refuse("E0708", f"`{path}` is there already", "choose another name, or remove it")
    try:
        write_all({path: TEMPLATE.format(name=name, file=path).encode()})
    except OSError as error:
        reason = (error.strerror or "it cannot be written").lower()
        return _refuse("E0708", f"`{path}` cannot be written: {reason}", "another folder with -o")
    print(f"{path}: next, archc check {path}")
    return 0


def _refuse(code: str, message: str, help: str) -> int:
    text = render([Diagnostic(code, message, help=help)], color=False, width=100)
    print(text, file=sys.stderr)
    return 1

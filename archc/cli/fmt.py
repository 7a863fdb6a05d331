"""`archc fmt`: every spec in one style."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from ..diagnostics import Diagnostic, Diagnostics
from ..syntax import read
from ..syntax.format import format_source
from .common import complain
from .files import write_all


def fmt(args: argparse.Namespace) -> int:
    """Format specs; 1 if one could not be, or (with `--check`) if one would change."""
    failed = changed = False
    for spec in args.specs:
        diagnostics = Diagnostics()
        source = read(spec, diagnostics, max_bytes=args.max_bytes)
        text = format_source(source, diagnostics) if source is not None else None
        if source is None or text is None:
            complain(args, diagnostics)
            failed = True
        elif spec == "-" and not args.check:
            sys.stdout.write(text)
        elif text.encode() != _content(spec, source.text):
            changed = True
            print(source.name)
            if not args.check:
                failed = not _written(args, spec, text) or failed
    return 1 if failed or (changed and args.check) else 0


def _content(spec: str, text: str) -> bytes:
    """What the file holds, byte order mark and ends of lines included."""
    return text.encode() if spec == "-" else Path(spec).read_bytes()


def _written(args: argparse.Namespace, spec: str, text: str) -> bool:
    """Write a file, whole, through links; whether that was possible."""
    try:
        write_all({Path(spec).resolve(): text.encode()})
    except OSError as error:
        reason = (error.strerror or "the system refused").lower()
        complain(args, [Diagnostic("E0708", f"`{spec}` cannot be written: {reason}")])
        return False
    return True

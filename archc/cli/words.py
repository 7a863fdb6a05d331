"""Commands that only print: `ops`, `explain CODE`, `schema`."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable
from pathlib import Path

from ..diagnostics import closest
from ..diagnostics.catalogue import CODES

PACKAGE = Path(__file__).resolve().parent.parent


def ops(args: argparse.Namespace) -> int:
    """List the operators, or document one; or the settings of recipes."""
    from ..ops import names
    from ..ops.describe import document, listing

    if args.name is None:
        print(listing())
        return 0
    if args.name.partition(".")[0] == "recipe":
        return _recipe(args.name)
    if args.name not in names():
        return _unknown("operator", args.name, names())
    print(document(args.name))
    return 0


def _recipe(name: str) -> int:
    """Print what a recipe may say."""
    from ..train.settings.describe import near, page

    text = page(name)
    if text is None:
        meant = near(name)
        hint = f"; did you mean {meant}?" if meant else ""
        print(f"archc: a recipe has no setting {name.partition('.')[2]!r}{hint}", file=sys.stderr)
        return 1
    print(text)
    return 0


def code(given: str) -> int:
    """Print the page of a code, or the list of codes."""
    code = given.upper()
    if code == "ALL":
        for name, entry in CODES.items():
            print(f"{name}  {entry.severity:<8} {entry.title}")
        return 0
    if code not in CODES:
        return _unknown("code", given, CODES)
    page = find_page(code)
    if page is None:
        print(f"{code}: {CODES[code].title}")
    else:
        print(page.read_text(encoding="utf-8").rstrip())
    return 0


def find_page(code: str) -> Path | None:
    """The page of a code: inside the installed package, or in the checkout's docs."""
    for folder in (PACKAGE / "pages" / "errors", PACKAGE.parent / "docs" / "errors"):
        page = folder / f"{code}.md"
        if page.is_file():
            return page
    return None


def schema(args: argparse.Namespace) -> int:
    """Print the JSON schema of `archc check --format json`."""
    from .jsonout import schema as made

    print(json.dumps(made(), indent=2))
    return 0


def _unknown(what: str, name: str, known: Iterable[str]) -> int:
    meant = closest(name, known)
    hint = f"; did you mean {meant}?" if meant else ""
    print(f"archc: no {what} {name!r}{hint}", file=sys.stderr)
    return 1

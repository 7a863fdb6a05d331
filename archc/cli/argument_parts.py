"""What the arguments of commands have in common: parts of parsers, and types of values."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from importlib import import_module
from typing import Any

TRANSFORMS = ("convolutionalize", "fold-batchnorm")


def command(commands: Any, name: str, text: str, module: str = "") -> argparse.ArgumentParser:
    made: argparse.ArgumentParser = commands.add_parser(
        name, help=text, description=f"{text[0].upper()}{text[1:]}."
    )
    made.set_defaults(run=later(module or name, name))
    return made


def later(module: str, function: str) -> Callable[[argparse.Namespace], int]:
    """The command's function, imported when it runs."""

    def run(args: argparse.Namespace) -> int:
        found = getattr(import_module(f".{module}", __package__), function)
        return int(found(args))

    return run


def specs(p: argparse.ArgumentParser) -> None:
    p.add_argument("specs", nargs="+", metavar="SPEC", help=".arch files; `-` is standard input")
    selection(p)


def selection(p: argparse.ArgumentParser, flag: str = "--at") -> None:
    p.add_argument("--network", metavar="NAME", help="only this network of the file")
    p.add_argument(
        "--set",
        action="append",
        default=[],
        type=pair,
        metavar="NAME=VALUE",
        help="a parameter of the network: --set depths=[3,4,23,3]",
    )
    p.add_argument(
        flag,
        dest="at",
        type=sizes,
        default={},
        metavar="H=512,W=512",
        help="free sizes of the input",
    )
    p.add_argument(
        "--max-nodes",
        type=positive,
        default=1_000_000,
        metavar="N",
        help="most layers of a network (default: 1,000,000)",
    )
    p.add_argument(
        "--max-bytes",
        type=positive,
        default=1_000_000,
        metavar="N",
        help="largest file (default: 1,000,000)",
    )


def transforms(p: argparse.ArgumentParser) -> None:
    p.add_argument(
        "--transform",
        action="append",
        default=[],
        choices=TRANSFORMS,
        metavar="NAME",
        help=f"{', '.join(TRANSFORMS)}; may be given several times, in the order of application",
    )


def color(p: argparse.ArgumentParser) -> None:
    p.add_argument(
        "--color",
        choices=("auto", "always", "never"),
        default="auto",
        help="default: auto, which is on a terminal",
    )


def pair(text: str) -> tuple[str, str]:
    name, sign, value = text.partition("=")
    if not sign or not name.strip() or not value.strip():
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME=VALUE")
    return name.strip(), value.strip()


def positive(text: str) -> int:
    number = text.replace("_", "").replace(",", "")
    if not number.isascii() or not number.isdigit() or len(number) > 18 or int(number) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number above 0")
    return int(number)


def count(text: str) -> int:
    try:
        return 0 if text.strip() == "0" else positive(text.strip())
    except argparse.ArgumentTypeError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 0") from None


def place(text: str) -> tuple[int, ...]:
    if "=" in text:
        raise argparse.ArgumentTypeError("a unit is ROW,COL; free sizes are --at-size here")
    return tuple(count(part) for part in text.split(","))


def sizes(text: str) -> dict[str, int]:
    found: dict[str, int] = {}
    for part in text.split(","):
        name, value = pair(part)
        found[name] = positive(value)
    return found


def listed(allowed: tuple[str, ...]) -> Callable[[str], tuple[str, ...]]:
    def read(text: str) -> tuple[str, ...]:
        parts = tuple(dict.fromkeys(p.strip() for p in text.split(",") if p.strip()))
        for part in parts:
            if part not in allowed:
                raise argparse.ArgumentTypeError(f"{part!r} is none of {', '.join(allowed)}")
        if not parts:
            raise argparse.ArgumentTypeError(f"one or more of {', '.join(allowed)}")
        return parts

    return read

"""Writes docs/commands.md from the commands' own arguments.

python docs/commands.py           # the page
python docs/commands.py --text    # on standard output
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from archc.cli.arguments import parser

PAGE = Path(__file__).resolve().parent / "commands.md"
MORE = {
    "check": "[Free sizes](free-sizes.md), [Figures](figures.md)",
    "diff": "[Compare](compare.md)",
    "compare": "[Compare](compare.md)",
    "build": "[Diagrams](diagrams.md), [Transforms](transforms.md), "
    "[A script of one's own](training.md#a-script-of-ones-own)",
    "train": "[Training](training.md)",
    "eval": "[Training](training.md#watching)",
    "predict": "[Training](training.md#watching)",
    "export": "[Training](training.md#export)",
    "verify": "[Verify](verify.md)",
    "show": "[Transforms](transforms.md#archc-show)",
    "ops": "[Language](language.md)",
    "explain": "[Explain](explain.md), [Errors](errors)",
}
"""Pages that say more of a command."""
SHARED = 4
"""What so many commands take is explained once."""

Commands = dict[str, argparse.ArgumentParser]


def commands(top: argparse.ArgumentParser) -> Commands:
    """The parser of every command, in the order of `archc --help`."""
    found = next(a for a in top._actions if isinstance(a, argparse._SubParsersAction))
    return dict(found.choices)


def page() -> str:
    top = parser()
    rows = {name: list(arguments(c)) for name, c in commands(top).items()}
    counted = Counter(row for each in rows.values() for row in each)
    shared = [row for row, times in counted.items() if times >= SHARED]
    lines = [
        "# Commands",
        "",
        "As `archc COMMAND --help` prints them. " + str(top.epilog),
        "A training run that Ctrl-C or SIGTERM stops ends with 130.",
        "",
        "Many commands take these:",
        "",
        *table(shared),
    ]
    for name, command in commands(top).items():
        own = [row for row in rows[name] if row not in shared]
        also = [row[0].split(" ")[0].strip("`") for row in rows[name] if row in shared]
        lines += ["", f"## archc {name}", "", f"{command.description}", ""]
        lines += ["```text", usage(command), "```", *([""] if own else []), *table(own)]
        if also:
            lines += ["", "And " + ", ".join(f"`{option}`" for option in also) + "."]
        if command.epilog:
            lines += ["", command.epilog]
        if name in MORE:
            lines += ["", f"More: {MORE[name]}."]
    return "\n".join(lines) + "\n"


def table(rows: Sequence[tuple[str, str]]) -> list[str]:
    if not rows:
        return []
    return ["| argument | what it is |", "|---|---|", *(f"| {n} | {text} |" for n, text in rows)]


def usage(command: argparse.ArgumentParser) -> str:
    """The positional arguments in a line; options stand in the table."""
    words = [metavar(a) for a in positional(command)]
    options = len(command._actions) - len(words) > 1  # more than --help
    return " ".join([command.prog, *words, *(["[OPTION ...]"] if options else [])])


def positional(command: argparse.ArgumentParser) -> list[argparse.Action]:
    return [a for a in command._actions if not a.option_strings]


def metavar(action: argparse.Action) -> str:
    name = str(action.metavar or action.dest.upper())
    return {"+": f"{name} ...", "*": f"[{name} ...]", "?": f"[{name}]"}.get(str(action.nargs), name)


def arguments(command: argparse.ArgumentParser) -> Iterator[tuple[str, str]]:
    """Names, and what `--help` says of them."""
    for action in command._actions:
        if action.dest == "help" or action.help == argparse.SUPPRESS:
            continue
        names = ", ".join(f"`{spelled(action, name)}`" for name in action.option_strings)
        text = action.help or (choices(action) if action.choices else "")
        names = names or f"`{action.metavar or action.dest.upper()}`"
        yield names.replace("|", "\\|"), text.replace("|", "\\|")


def spelled(action: argparse.Action, name: str) -> str:
    """`--at H=512,W=512`; the short form of an option stands without its value."""
    if action.nargs == 0 or not name.startswith("--"):
        return name
    if action.metavar is None and action.choices:
        return f"{name} {{{','.join(map(str, action.choices))}}}"
    return f"{name} {action.metavar or action.dest.upper()}"


def choices(action: argparse.Action) -> str:
    return "one of " + ", ".join(f"`{c}`" for c in action.choices or ())


def main() -> int:
    if "--text" in sys.argv[1:]:
        sys.stdout.write(page())
    else:
        PAGE.write_text(page(), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())

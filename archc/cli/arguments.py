"""The arguments of every command. No command is imported before it is chosen."""

from __future__ import annotations

import argparse
from typing import Any

from .. import __version__
from .argument_parts import (
    color,
    command,
    count,
    listed,
    pair,
    place,
    positive,
    selection,
    specs,
    transforms,
)
from .arguments_training import training

FORMATS = ("table", "json", "csv", "markdown", "latex", "sarif")
EMITS = ("model", "dot", "svg", "png", "pdf", "json", "report")
STYLES = ("graph", "volumes")
DEVICES = ("h200", "h100", "a100", "v100", "t4", "rtx4090", "cpu")
PRECISIONS = ("fp32", "tf32", "bf16")
OPTIMIZERS = ("sgd", "momentum", "adam")
CONVENTIONS = (
    "macs", "flops", "all-flops", "resnet", "torchvision", "torchvision-aux", "training", "hrnet",
    "simplebaseline",
)  # fmt: skip
"""As `archc.analysis` has them; tests see to it. Written here so that a check need not load it."""
MEASURED = (
    "params", "macs", "flops", "depth", "neurons", "receptive_field", "activations", "inference",
    "training",
)  # fmt: skip
"""Figures that networks are plotted by, as `archc.analysis.compare` has them."""
STAGES = ("text", "syntax", "graph", "analysis", "claims", "recipes", "lints")


def parser() -> argparse.ArgumentParser:
    """The parser of `archc`."""
    top = argparse.ArgumentParser(
        prog="archc",
        description="A compiler and analyzer for convolutional network architectures.",
        epilog="Exit codes: 0 fine, 1 the spec, data or proof is wrong, 2 usage, 3 a bug in archc.",
    )
    top.add_argument("--version", action="version", version=f"archc {__version__}")
    commands = top.add_subparsers(metavar="COMMAND", required=True)
    _check(commands)
    _diff(commands)
    _compare(commands)
    _build(commands)
    training(commands)
    _run(commands)
    _verify(commands)
    _show(commands)
    _small(commands)
    return top


def _check(commands: Any) -> None:
    p = command(commands, "check", "check a spec: shapes, figures, claims")
    specs(p)
    p.add_argument(
        "--format", choices=FORMATS, default="table", help="how to print (default: table)"
    )
    p.add_argument("--unfold", action="store_true", help="show the layers inside of blocks")
    p.add_argument(
        "--symbolic",
        action="store_true",
        help="free sizes: shapes as expressions, params and MACs as closed forms",
    )
    p.add_argument("--fix", action="store_true", help="apply safe fixes to the files first")
    p.add_argument("--deny-warnings", action="store_true", help="warnings fail the check, too")
    _costs(p)
    color(p)


def _costs(p: argparse.ArgumentParser) -> None:
    group = p.add_argument_group("memory, time and ways of counting")
    group.add_argument(
        "--device",
        choices=DEVICES,
        metavar="NAME",
        help=f"time of each layer and the largest batch on one of {', '.join(DEVICES)}",
    )
    group.add_argument(
        "--batch", type=positive, metavar="N", help="samples at once (default: 1); shows memory"
    )
    group.add_argument("--precision", choices=PRECISIONS, default="fp32", help="default: fp32")
    group.add_argument(
        "--optimizer", choices=OPTIMIZERS, default="momentum", help="default: momentum"
    )
    group.add_argument(
        "--convention",
        action=_Convention,
        choices=("list", "all", *CONVENTIONS),
        default=[],
        metavar="NAME",
        help="operations as publications count them; `list` explains them, `all` prints all",
    )
    group.add_argument(
        "--all-flops",
        action="store_true",
        help="FLOPs with elementwise work: --convention all-flops",
    )


def _diff(commands: Any) -> None:
    p = command(commands, "diff", "what differs between two networks: layers, costs, checkpoints")
    p.epilog = "Exit codes: 0 they compute the same, 1 they differ (or one is wrong), 2 usage."
    for name, what in (("a", "before"), ("b", "after")):
        p.add_argument(
            name, metavar=name.upper(), help=f"{what}: a .arch file, FILE:NETWORK, or `-`"
        )
    selection(p)
    p.add_argument(
        "--set-b",
        action="append",
        default=[],
        type=pair,
        metavar="NAME=VALUE",
        help="a parameter of the network, in B only: what would it change?",
    )
    p.add_argument("--format", choices=("text", "json"), default="text", help="default: text")
    p.add_argument("--unfold", action="store_true", help="a line for each layer")
    color(p)


def _compare(commands: Any) -> None:
    p = command(commands, "compare", "networks side by side, one a row; sweeps; a plot")
    p.add_argument(
        "specs", nargs="+", metavar="SPEC", help=".arch files, or FILE:NETWORK; `-`: standard input"
    )
    selection(p)
    p.add_argument(
        "--sweep",
        action="append",
        default=[],
        type=_swept,
        metavar="NAME=VALUES",
        help="a row for each value of a parameter or free size: width=32..128:32 (both ends, in "
        "steps of 32) or unit=Basic,Bottleneck; several make a grid",
    )
    p.add_argument("--batch", type=positive, default=1, metavar="N", help="default: 1")
    p.add_argument("--optimizer", choices=OPTIMIZERS, default="momentum", help="default: momentum")
    p.add_argument(
        "--format",
        choices=("table", "csv", "markdown", "latex", "json"),
        default="table",
        help="default: table",
    )
    p.add_argument("--plot", metavar="FILE", help="draw FILE.svg or FILE.png, with the front")
    p.add_argument("--x", choices=MEASURED, metavar="FIGURE", help=f"one of {', '.join(MEASURED)}")
    p.add_argument(
        "--y",
        type=listed(MEASURED),
        metavar="FIGURE,...",
        help="the same; several are plots below each other (default: what varies)",
    )
    color(p)


def _swept(text: str) -> Any:
    from .sweep import sweep

    return sweep(text)


class _Convention(argparse.Action):
    """Collects names; `list` says what they mean and ends."""

    def __call__(self, parser: Any, namespace: Any, values: Any, option: Any = None) -> None:
        if values == "list":
            from .costs import listing

            print(listing())
            parser.exit()
        setattr(namespace, self.dest, [*getattr(namespace, self.dest), values])


def _build(commands: Any) -> None:
    p = command(commands, "build", "write the PyTorch module, the diagram, the graph")
    p.add_argument("spec", metavar="SPEC", help="a .arch file; `-` is standard input")
    selection(p)
    p.add_argument("-o", "--out", default="out", metavar="DIR", help="folder (default: out)")
    p.add_argument(
        "--emit",
        type=listed(EMITS),
        default=("model", "svg"),
        metavar="KIND,...",
        help=f"what to write: {', '.join(EMITS)} (default: model,svg)",
    )
    p.add_argument(
        "--with-train",
        nargs="?",
        const="",
        metavar="RECIPE",
        help="also a train.py that needs torch and numpy alone (default: of its first recipe)",
    )
    p.add_argument(
        "--style",
        choices=STYLES,
        default="graph",
        help="diagrams: boxes and arrows (graph, the default), or feature maps drawn to scale as"
        " in papers (volumes; svg, png, pdf)",
    )
    p.add_argument("--unfold", action="store_true", help="diagrams show the inside of blocks")
    transforms(p)
    color(p)


def _run(commands: Any) -> None:
    p = command(commands, "run", "put an image through a network (needs archc[torch])")
    p.add_argument("spec", metavar="SPEC", help="a .arch file; `-` is standard input")
    p.add_argument("image", metavar="IMAGE", help="a PNG, JPEG, ... file")
    selection(p)
    p.add_argument("-o", "--out", metavar="FILE", help="default: <image>-<network>.png")
    color(p)


def _verify(commands: Any) -> None:
    p = command(commands, "verify", "prove every figure against PyTorch (needs archc[torch])")
    specs(p)
    p.add_argument("--format", choices=("table", "json"), default="table", help="default: table")
    how = p.add_mutually_exclusive_group()
    how.add_argument(
        "--meta", action="store_true", help="only what needs no data: no receptive fields"
    )
    how.add_argument(
        "--data", action="store_true", help="receptive fields even of networks that take minutes"
    )
    color(p)


def _show(commands: Any) -> None:
    p = command(commands, "show", "print a network as .arch text, every argument worked out")
    p.add_argument("spec", metavar="SPEC", help="a .arch file; `-` is standard input")
    selection(p)
    transforms(p)
    color(p)


def _small(commands: Any) -> None:
    p = command(commands, "new", "start a spec from a template that checks")
    p.add_argument("name", metavar="NAME", help="name of the network; the file is NAME.arch")
    p.add_argument("-o", "--out", default=".", metavar="DIR", help="folder (default: this one)")

    p = command(commands, "ops", "list the operators, or document one", "words")
    p.add_argument(
        "name", nargs="?", metavar="OPERATOR", help="or `recipe`: the settings of `archc train`"
    )

    _explain(commands)

    command(commands, "schema", "the JSON schema of `check --format json`", "words")

    p = command(commands, "fmt", "write specs in the one style")
    p.add_argument(
        "specs", nargs="+", metavar="SPEC", help=".arch files; `-` filters standard input"
    )
    p.add_argument("--check", action="store_true", help="list what would change, write nothing")
    p.add_argument("--max-bytes", type=positive, default=1_000_000, help=argparse.SUPPRESS)
    color(p)

    p = command(commands, "dump", "what a stage of the compiler leaves")
    p.add_argument("spec", metavar="SPEC", help="a .arch file; `-` is standard input")
    p.add_argument("--after", choices=STAGES, default="graph", help="default: graph")
    selection(p)
    color(p)


def _explain(commands: Any) -> None:
    p = command(
        commands, "explain", "explain a diagnostic code, or the figures of a layer, block or claim"
    )
    p.add_argument(
        "what", metavar="CODE|SPEC", help="such as E0401 (`all` lists them); or a .arch file"
    )
    p.add_argument(
        "label", nargs="?", metavar="LABEL", help="a path as `check` prints it (default: network)"
    )
    p.add_argument("--claim", type=positive, metavar="LINE", help="the `expect` on this line")
    p.add_argument(
        "--format", choices=("text", "json"), default="text", help="how to print (default: text)"
    )
    selection(p, "--at-size")
    group = p.add_argument_group("one output unit, worked out")
    group.add_argument(
        "--at",
        dest="cell",
        type=place,
        metavar="ROW,COL",
        help="the product and sum of this unit, counted from 0",
    )
    group.add_argument("--channel", type=count, metavar="N", help="its channel (default: 0)")
    group.add_argument(
        "--input", metavar="FILE.csv", help="the numbers that come in (default: 1, 2, 3, ...)"
    )
    group.add_argument(
        "--weight", metavar='"1 0 -1; ..."', help="the kernel, rows apart by `;`, planes by `|`"
    )
    color(p)

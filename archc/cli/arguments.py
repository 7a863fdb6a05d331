"""The arguments of every command. No command is imported before it is chosen."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from importlib import import_module
from typing import Any

from .. import __version__

FORMATS = ("table", "json", "csv", "markdown", "latex", "sarif")
EMITS = ("model", "dot", "svg", "png", "pdf", "json", "report")
TRANSFORMS = ("convolutionalize", "fold-batchnorm")
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
    _train(commands)
    _run(commands)
    _trained(commands)
    _export(commands)
    _verify(commands)
    _show(commands)
    _small(commands)
    return top


def _check(commands: Any) -> None:
    p = _command(commands, "check", "check a spec: shapes, figures, claims")
    _specs(p)
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
    _color(p)


def _costs(p: argparse.ArgumentParser) -> None:
    group = p.add_argument_group("memory, time and ways of counting")
    group.add_argument(
        "--device",
        choices=DEVICES,
        metavar="NAME",
        help=f"time of each layer and the largest batch on one of {', '.join(DEVICES)}",
    )
    group.add_argument(
        "--batch", type=_positive, metavar="N", help="samples at once (default: 1); shows memory"
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
    p = _command(commands, "diff", "what differs between two networks: layers, costs, checkpoints")
    p.epilog = "Exit codes: 0 they compute the same, 1 they differ (or one is wrong), 2 usage."
    for name, what in (("a", "before"), ("b", "after")):
        p.add_argument(
            name, metavar=name.upper(), help=f"{what}: a .arch file, FILE:NETWORK, or `-`"
        )
    _selection(p)
    p.add_argument(
        "--set-b",
        action="append",
        default=[],
        type=_pair,
        metavar="NAME=VALUE",
        help="a parameter of the network, in B only: what would it change?",
    )
    p.add_argument("--format", choices=("text", "json"), default="text", help="default: text")
    p.add_argument("--unfold", action="store_true", help="a line for each layer")
    _color(p)


def _compare(commands: Any) -> None:
    p = _command(commands, "compare", "networks side by side, one a row; sweeps; a plot")
    p.add_argument(
        "specs", nargs="+", metavar="SPEC", help=".arch files, or FILE:NETWORK; `-`: standard input"
    )
    _selection(p)
    p.add_argument(
        "--sweep",
        action="append",
        default=[],
        type=_swept,
        metavar="NAME=VALUES",
        help="a row for each value of a parameter or free size: width=32..128:32 (both ends, in "
        "steps of 32) or unit=Basic,Bottleneck; several make a grid",
    )
    p.add_argument("--batch", type=_positive, default=1, metavar="N", help="default: 1")
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
        type=_listed(MEASURED),
        metavar="FIGURE,...",
        help="the same; several are plots below each other (default: what varies)",
    )
    _color(p)


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
    p = _command(commands, "build", "write the PyTorch module, the diagram, the graph")
    p.add_argument("spec", metavar="SPEC", help="a .arch file; `-` is standard input")
    _selection(p)
    p.add_argument("-o", "--out", default="out", metavar="DIR", help="folder (default: out)")
    p.add_argument(
        "--emit",
        type=_listed(EMITS),
        default=("model", "svg"),
        metavar="KIND,...",
        help=f"what to write: {', '.join(EMITS)} (default: model,svg)",
    )
    p.add_argument(
        "--with-train",
        nargs="?",
        const="",
        metavar="RECIPE",
        help="also a train.py that needs torch alone, of a recipe (default: the network's first)",
    )
    p.add_argument("--unfold", action="store_true", help="diagrams show the inside of blocks")
    _transforms(p)
    _color(p)


def _train(commands: Any) -> None:
    p = _command(commands, "train", "train a network by its recipe (needs archc[torch])")
    p.add_argument(
        "spec", metavar="SPEC", nargs="?", help="a .arch file with a recipe (--resume knows it)"
    )
    p.add_argument("--network", metavar="NAME", help="which network, if there are several")
    p.add_argument("--recipe", metavar="NAME", help="which recipe, if there are several")
    p.add_argument(
        "--set",
        action="append",
        default=[],
        type=_pair,
        metavar="NAME=VALUE",
        help="override a setting of the recipe, or a parameter of the network",
    )
    p.add_argument(
        "--init",
        metavar="FILE",
        help="weights to start from: a run's folder, safetensors or a torch file, as --set init=",
    )
    p.add_argument("--device", help="cpu, cuda, cuda:1, ... (default: what is there)")
    p.add_argument(
        "-o", "--out", metavar="DIR", help="folder of the run (default: runs/<network>-<number>)"
    )
    p.add_argument(
        "--resume", metavar="RUN", help="go on with the run in this folder, as if never stopped"
    )
    p.add_argument(
        "--deterministic",
        action="store_true",
        help="the same bits every time, as --set deterministic=true (a CPU gives them anyway)",
    )
    p.add_argument(
        "--tensorboard",
        action="store_true",
        help="curves and pictures for TensorBoard too (needs archc[tensorboard])",
    )
    p.add_argument(
        "--repeat",
        type=_positive,
        metavar="N",
        help="train with N seeds, each in a folder of its own; mean and spread at the end",
    )
    p.add_argument("--max-nodes", type=_positive, default=1_000_000, help=argparse.SUPPRESS)
    p.add_argument("--max-bytes", type=_positive, default=1_000_000, help=argparse.SUPPRESS)
    _color(p)


def _run(commands: Any) -> None:
    p = _command(commands, "run", "put an image through a network (needs archc[torch])")
    p.add_argument("spec", metavar="SPEC")
    p.add_argument("image", metavar="IMAGE", help="a PNG, JPEG, ... file")
    _selection(p)
    p.add_argument("-o", "--out", metavar="FILE", help="default: <image>-<network>.png")
    _color(p)


def _trained(commands: Any) -> None:
    p = _command(commands, "eval", "measure trained weights on a test set (needs archc[torch])")
    p.set_defaults(run=_later("eval", "evaluate"))
    p.add_argument("target", metavar="RUN|SPEC", help="a run's folder, or a spec with a recipe")
    p.add_argument("--data", metavar="SOURCE", help="other data, as in --data 'npz(\"mine.npz\")'")
    p.add_argument("-o", "--out", metavar="DIR", help="draw predictions and the like into DIR")
    _recipe(p, "a setting of the recipe, or a parameter of the network")
    p = _command(commands, "predict", "what a trained network says of images (archc[torch])")
    p.add_argument("target", metavar="RUN", help="the folder of a run")
    p.add_argument("images", metavar="IMAGE", nargs="+", help="PNG, JPEG, ... files")
    p.add_argument("--top", type=_positive, default=3, metavar="N", help="classes (default: 3)")
    p.add_argument("-o", "--out", default=".", metavar="DIR", help="for masks, ... (default: here)")
    _recipe(p, "a parameter of the network")


def _recipe(p: argparse.ArgumentParser, settable: str) -> None:
    """What a trained network needs to be told."""
    p.add_argument(
        "--weights", metavar="FILE", help="other weights than the run's: safetensors, a torch file"
    )
    p.add_argument("--network", metavar="NAME", help="which network, if there are several")
    p.add_argument("--recipe", metavar="NAME", help="which recipe, if there are several")
    p.add_argument(
        "--set", action="append", default=[], type=_pair, metavar="NAME=VALUE", help=settable
    )
    p.add_argument("--device", help="cpu, cuda, cuda:1, ... (default: what is there)")
    p.add_argument("--max-nodes", type=_positive, default=1_000_000, help=argparse.SUPPRESS)
    p.add_argument("--max-bytes", type=_positive, default=1_000_000, help=argparse.SUPPRESS)
    _color(p)


def _export(commands: Any) -> None:
    p = _command(commands, "export", "write a network for other programs (needs archc[torch])")
    p.add_argument("spec", metavar="SPEC", help="a .arch file; `-` is standard input")
    p.add_argument(
        "--to",
        choices=("onnx", "torch-export", "safetensors"),
        required=True,
        help="onnx (needs archc[onnx]); a program for torch.export.load; or the weights alone",
    )
    p.add_argument(
        "--weights",
        metavar="FILE",
        help="safetensors or a torch file (default: fresh weights of seed 0)",
    )
    _selection(p)
    p.add_argument("-o", "--out", metavar="FILE", help="default: <network>.onnx, .pt2, ...")
    _color(p)


def _verify(commands: Any) -> None:
    p = _command(commands, "verify", "prove every figure against PyTorch (needs archc[torch])")
    _specs(p)
    p.add_argument("--format", choices=("table", "json"), default="table", help="default: table")
    how = p.add_mutually_exclusive_group()
    how.add_argument(
        "--meta", action="store_true", help="only what needs no data: no receptive fields"
    )
    how.add_argument(
        "--data", action="store_true", help="receptive fields even of networks that take minutes"
    )
    _color(p)


def _show(commands: Any) -> None:
    p = _command(commands, "show", "print a network as .arch text, every argument worked out")
    p.add_argument("spec", metavar="SPEC", help="a .arch file; `-` is standard input")
    _selection(p)
    _transforms(p)
    _color(p)


def _small(commands: Any) -> None:
    p = _command(commands, "new", "start a spec from a template that checks")
    p.add_argument("name", metavar="NAME", help="name of the network; the file is NAME.arch")
    p.add_argument("-o", "--out", default=".", metavar="DIR", help="folder (default: this one)")

    p = _command(commands, "ops", "list the operators, or document one", "words")
    p.add_argument(
        "name", nargs="?", metavar="OPERATOR", help="or `recipe`: the settings of `archc train`"
    )

    _explain(commands)

    _command(commands, "schema", "the JSON schema of `check --format json`", "words")

    p = _command(commands, "fmt", "write specs in the one style")
    p.add_argument(
        "specs", nargs="+", metavar="SPEC", help=".arch files; `-` filters standard input"
    )
    p.add_argument("--check", action="store_true", help="list what would change, write nothing")
    p.add_argument("--max-bytes", type=_positive, default=1_000_000, help=argparse.SUPPRESS)
    _color(p)

    p = _command(commands, "dump", "what a stage of the compiler leaves")
    p.add_argument("spec", metavar="SPEC")
    p.add_argument("--after", choices=STAGES, default="graph", help="default: graph")
    _selection(p)
    _color(p)


def _explain(commands: Any) -> None:
    p = _command(
        commands, "explain", "explain a diagnostic code, or the figures of a layer, block or claim"
    )
    p.add_argument(
        "what", metavar="CODE|SPEC", help="such as E0401 (`all` lists them); or a .arch file"
    )
    p.add_argument(
        "label", nargs="?", metavar="LABEL", help="a path as `check` prints it (default: network)"
    )
    p.add_argument("--claim", type=_positive, metavar="LINE", help="the `expect` on this line")
    p.add_argument(
        "--format", choices=("text", "json"), default="text", help="how to print (default: text)"
    )
    _selection(p, "--at-size")
    group = p.add_argument_group("one output unit, worked out")
    group.add_argument(
        "--at",
        dest="cell",
        type=_place,
        metavar="ROW,COL",
        help="the product and sum of this unit, counted from 0",
    )
    group.add_argument("--channel", type=_count, metavar="N", help="its channel (default: 0)")
    group.add_argument(
        "--input", metavar="FILE.csv", help="the numbers that come in (default: 1, 2, 3, ...)"
    )
    group.add_argument(
        "--weight", metavar='"1 0 -1; ..."', help="the kernel, rows apart by `;`, planes by `|`"
    )
    _color(p)


# ---------------------------------------------------------------------------- parts


def _command(commands: Any, name: str, text: str, module: str = "") -> argparse.ArgumentParser:
    made: argparse.ArgumentParser = commands.add_parser(
        name, help=text, description=f"{text[0].upper()}{text[1:]}."
    )
    made.set_defaults(run=_later(module or name, name))
    return made


def _later(module: str, function: str) -> Callable[[argparse.Namespace], int]:
    """The command's function, imported when it runs."""

    def run(args: argparse.Namespace) -> int:
        found = getattr(import_module(f".{module}", __package__), function)
        return int(found(args))

    return run


def _specs(p: argparse.ArgumentParser) -> None:
    p.add_argument("specs", nargs="+", metavar="SPEC", help=".arch files; `-` is standard input")
    _selection(p)


def _selection(p: argparse.ArgumentParser, sizes: str = "--at") -> None:
    p.add_argument("--network", metavar="NAME", help="only this network of the file")
    p.add_argument(
        "--set",
        action="append",
        default=[],
        type=_pair,
        metavar="NAME=VALUE",
        help="a parameter of the network: --set depths=[3,4,23,3]",
    )
    p.add_argument(
        sizes,
        dest="at",
        type=_sizes,
        default={},
        metavar="H=512,W=512",
        help="free sizes of the input",
    )
    p.add_argument(
        "--max-nodes",
        type=_positive,
        default=1_000_000,
        metavar="N",
        help="most layers of a network (default: 1,000,000)",
    )
    p.add_argument(
        "--max-bytes",
        type=_positive,
        default=1_000_000,
        metavar="N",
        help="largest file (default: 1,000,000)",
    )


def _transforms(p: argparse.ArgumentParser) -> None:
    p.add_argument(
        "--transform",
        action="append",
        default=[],
        choices=TRANSFORMS,
        metavar="NAME",
        help=f"{', '.join(TRANSFORMS)}; may be given several times, in the order of application",
    )


def _color(p: argparse.ArgumentParser) -> None:
    p.add_argument("--color", choices=("auto", "always", "never"), default="auto")


def _pair(text: str) -> tuple[str, str]:
    name, sign, value = text.partition("=")
    if not sign or not name.strip() or not value.strip():
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME=VALUE")
    return name.strip(), value.strip()


def _positive(text: str) -> int:
    number = text.replace("_", "").replace(",", "")
    if not number.isascii() or not number.isdigit() or len(number) > 18 or int(number) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number above 0")
    return int(number)


def _count(text: str) -> int:
    try:
        return 0 if text.strip() == "0" else _positive(text.strip())
    except argparse.ArgumentTypeError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 0") from None


def _place(text: str) -> tuple[int, ...]:
    if "=" in text:
        raise argparse.ArgumentTypeError("a unit is ROW,COL; free sizes are --at-size here")
    return tuple(_count(part) for part in text.split(","))


def _sizes(text: str) -> dict[str, int]:
    found: dict[str, int] = {}
    for part in text.split(","):
        name, value = _pair(part)
        found[name] = _positive(value)
    return found


def _listed(allowed: tuple[str, ...]) -> Callable[[str], tuple[str, ...]]:
    def read(text: str) -> tuple[str, ...]:
        parts = tuple(dict.fromkeys(p.strip() for p in text.split(",") if p.strip()))
        for part in parts:
            if part not in allowed:
                raise argparse.ArgumentTypeError(f"{part!r} is none of {', '.join(allowed)}")
        if not parts:
            raise argparse.ArgumentTypeError(f"one or more of {', '.join(allowed)}")
        return parts

    return read

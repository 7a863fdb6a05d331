"""The arguments of the commands that train networks and use trained ones."""

from __future__ import annotations

import argparse
from typing import Any

from .argument_parts import color, command, later, pair, positive, selection


def training(commands: Any) -> None:
    """`train`, `eval`, `predict`, `export`."""
    _train(commands)
    _trained(commands)
    _export(commands)


def _train(commands: Any) -> None:
    p = command(commands, "train", "train a network by its recipe (needs archc[torch])")
    p.add_argument(
        "spec", metavar="SPEC", nargs="?", help="a .arch file with a recipe (--resume knows it)"
    )
    p.add_argument("--network", metavar="NAME", help="which network, if there are several")
    p.add_argument("--recipe", metavar="NAME", help="which recipe, if there are several")
    p.add_argument(
        "--set",
        action="append",
        default=[],
        type=pair,
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
        type=positive,
        metavar="N",
        help="train with N seeds, each in a folder of its own; mean and spread at the end",
    )
    p.add_argument("--max-nodes", type=positive, default=1_000_000, help=argparse.SUPPRESS)
    p.add_argument("--max-bytes", type=positive, default=1_000_000, help=argparse.SUPPRESS)
    color(p)


def _trained(commands: Any) -> None:
    p = command(commands, "eval", "measure trained weights on a test set (needs archc[torch])")
    p.set_defaults(run=later("eval", "evaluate"))
    p.add_argument("target", metavar="RUN|SPEC", help="a run's folder, or a spec with a recipe")
    p.add_argument("--data", metavar="SOURCE", help="other data, as in --data 'npz(\"mine.npz\")'")
    p.add_argument("-o", "--out", metavar="DIR", help="draw predictions and the like into DIR")
    _recipe(p, "a setting of the recipe, or a parameter of the network")
    p = command(commands, "predict", "what a trained network says of images (archc[torch])")
    p.add_argument("target", metavar="RUN", help="the folder of a run")
    p.add_argument("images", metavar="IMAGE", nargs="+", help="PNG, JPEG, ... files")
    p.add_argument("--top", type=positive, default=3, metavar="N", help="classes (default: 3)")
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
        "--set", action="append", default=[], type=pair, metavar="NAME=VALUE", help=settable
    )
    p.add_argument("--device", help="cpu, cuda, cuda:1, ... (default: what is there)")
    p.add_argument("--max-nodes", type=positive, default=1_000_000, help=argparse.SUPPRESS)
    p.add_argument("--max-bytes", type=positive, default=1_000_000, help=argparse.SUPPRESS)
    color(p)


def _export(commands: Any) -> None:
    p = command(commands, "export", "write a network for other programs (needs archc[torch])")
    p.add_argument("spec", metavar="SPEC|RUN", help="a .arch file, or the folder of a run")
    p.add_argument(
        "--to",
        choices=("onnx", "torch-export", "safetensors"),
        required=True,
        help="onnx (needs archc[onnx]); a program for torch.export.load; or the weights alone",
    )
    p.add_argument(
        "--weights",
        metavar="FILE",
        help="a run's folder, safetensors, a torch file (default: the run's; of a spec fresh ones)",
    )
    selection(p)
    p.add_argument("-o", "--out", metavar="FILE", help="default: <network>.onnx, .pt2, ...")
    color(p)

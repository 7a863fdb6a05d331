"""The lectures' experiments, run and written down: `make experiments`.

Each is a recipe of `specs/experiments/` (or of LeNet-5) with some seeds. What was run stays in
`out/experiments/`, so a run that was stopped goes on; figures go to `docs/experiments.json`, and
into the tables of `docs/experiments.md`. Names on the command line choose some of them.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

import torch

from archc.train.tasks.metrics import title

ROOT = Path(__file__).resolve().parent.parent
OUT = ROOT / "out" / "experiments"
PAGE, FIGURES = ROOT / "docs" / "experiments.md", ROOT / "docs" / "experiments.json"
FOLDER = "specs/experiments/"


@dataclass(frozen=True)
class Experiment:
    """A recipe with settings. `table` is the part of the page that it belongs to."""

    table: str
    name: str
    spec: str
    recipe: str
    settings: tuple[str, ...] = ()
    seeds: int = 3
    init: str | None = None
    """Another experiment, whose first run gives the weights to start from."""

    @property
    def folder(self) -> Path:
        return OUT / self.table / self.name.replace(" ", "-").replace(",", "")


def _transfer(case: str, name: str, *scratch: str) -> list[Experiment]:
    spec = FOLDER + "transfer.arch"
    return [
        Experiment("transfer", f"{name}, from the other half", spec, case, init="source"),
        Experiment("transfer", f"{name}, from scratch", spec, case, scratch),
    ]


EVERYTHING = ("freeze=[]", "fresh=[]", "layer_lr=[]")
EXPERIMENTS = [
    Experiment("kernels", "contrast and brightness", FOLDER + "kernels.arch", "contrast"),
    Experiment("kernels", "Sobel", FOLDER + "kernels.arch", "sobel"),
    *(
        Experiment("shuffled", name, FOLDER + "shuffled.arch", recipe)
        for name, recipe in (
            ("fully connected", "dense"),
            ("fully connected, shuffled", "dense_shuffled"),
            ("convolutional", "conv"),
            ("convolutional, shuffled", "conv_shuffled"),
        )
    ),
    *(
        Experiment(
            "depth",
            f"{kind}, {6 * n + 2} layers",
            FOLDER + "depth.arch",
            "depth",
            (f"n={n}", f"residual={str(kind == 'residual').lower()}"),
        )
        for n in (1, 3, 9)
        for kind in ("plain", "residual")
    ),
    Experiment("transfer", "source", FOLDER + "transfer.arch", "source", seeds=1),
    *_transfer("few_similar", "50 images, alike", *EVERYTHING),
    *_transfer("few_different", "50 images, unlike", *EVERYTHING),
    *_transfer("many_similar", "10,000 images, alike", *EVERYTHING),
    *_transfer("many_different", "10,000 images, unlike", *EVERYTHING),
    Experiment("fashion", "LeNet-5", "specs/lenet5.arch", "fashion"),
    Experiment("fashion", "small ResNet", FOLDER + "fashion.arch", "fashion"),
    Experiment("fashion", "wide ResNet", FOLDER + "fashion.arch", "wide", seeds=1),
    Experiment("keypoints", "hourglass", FOLDER + "keypoints.arch", "joints"),
    Experiment("scenes", "U-Net", FOLDER + "scenes.arch", "unet"),
    Experiment("scenes", "HRNet", FOLDER + "scenes.arch", "hrnet"),
]


def run(experiment: Experiment) -> None:
    """Train with every seed that is not done yet."""
    for seed in range(experiment.seeds):
        folder = experiment.folder / str(seed)
        if (folder / "result.json").exists():
            continue
        command = [sys.executable, "-m", "archc", "train"]
        if (folder / "settings.json").exists():
            command += ["--resume", str(folder)]
        else:
            command += [experiment.spec, "--recipe", experiment.recipe, "-o", str(folder)]
            for setting in (*experiment.settings, f"seed={seed}"):
                command += ["--set", setting]
            if experiment.init is not None:
                command += ["--init", str(OUT / experiment.table / experiment.init / "0")]
        print(f"{experiment.table}: {experiment.name}, seed {seed}", flush=True)
        subprocess.run(command, check=True, cwd=ROOT, stdout=subprocess.DEVNULL)


def collected(experiment: Experiment) -> dict[str, Any] | None:
    """Mean and deviation over the seeds that are done."""
    paths = sorted(experiment.folder.glob("*/result.json"))
    found = [json.loads(path.read_text()) for path in paths]
    if not found:
        return None
    metric = found[0]["metric"]
    values = [result["test"][metric] for result in found]
    return {
        "recipe": experiment.recipe,
        "settings": list(experiment.settings),
        "metric": metric,
        "values": values,
        "mean": fmean(values),
        "deviation": stdev(values) if len(values) > 1 else None,
        "seconds": fmean(result["seconds"] for result in found),
        "device": found[0]["device"],
        "torch": torch.__version__,
    }


def table(rows: dict[str, dict[str, Any]]) -> str:
    """A table of the page: a line for each experiment."""
    lines = ["| | on the test set | seeds | seconds each |", "|---|---|---|---|"]
    for name, row in rows.items():
        share = row["metric"] != "error"
        shown = f"{row['mean']:.1%}" if share else f"{row['mean']:.2g}"
        if row["deviation"] is not None:
            spread = f"{100 * row['deviation']:.1f}" if share else f"{row['deviation']:.1g}"
            shown += f" ± {spread}"
        seeds, seconds = len(row["values"]), row["seconds"]
        lines.append(f"| {name} | {title(row['metric'])} {shown} | {seeds} | {seconds:.0f} |")
    return "\n".join(lines)


def write(figures: dict[str, dict[str, Any]]) -> None:
    """The figures as JSON, and between the marks of the page."""
    FIGURES.write_text(json.dumps(figures, indent=1) + "\n")
    page = PAGE.read_text()
    for name, rows in figures.items():
        begin, end = f"<!-- {name} -->\n", f"<!-- end {name} -->"
        before, found, rest = page.partition(begin)
        if found:
            page = before + begin + table(rows) + "\n" + end + rest.partition(end)[2]
    PAGE.write_text(page)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    tables = list(dict.fromkeys(e.table for e in EXPERIMENTS))
    parser.add_argument("tables", nargs="*", metavar="TABLE", help=", ".join(tables))
    parser.add_argument("--no-run", action="store_true", help="only write what is there")
    args = parser.parse_args()
    wrong = set(args.tables) - set(tables)
    if wrong:
        parser.error(f"no such table: {', '.join(sorted(wrong))}")
    chosen = [e for e in EXPERIMENTS if not args.tables or e.table in args.tables]
    if not args.no_run:
        for experiment in chosen:
            run(experiment)
    figures = json.loads(FIGURES.read_text()) if FIGURES.exists() else {}
    for experiment in chosen:
        found = collected(experiment)
        if found is not None:
            figures.setdefault(experiment.table, {})[experiment.name] = found
    write(figures)


if __name__ == "__main__":
    main()

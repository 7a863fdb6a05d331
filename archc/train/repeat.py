"""One recipe with several seeds: a folder for each, and mean and spread over them."""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import sqrt
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

from . import fit, speaks
from .build import instantiate
from .errors import Interrupted, TrainError
from .folder.rundir import (
    REPEAT,
    RESULT,
    SETTINGS,
    STATE,
    new_run_dir,
    read_json,
    unwritable,
    write_atomic,
)
from .settings.recipe import Recipe
from .tasks.metrics import title, words

SUMMARY = "summary.json"
MOST = 10_000
"""Seeds of one command."""


@dataclass(frozen=True)
class Job:
    """A network and its recipe, ready to train."""

    name: str
    code: str
    """The emitted module's text."""
    recipe: Recipe
    inputs: Mapping[str, tuple[int, ...]]
    outputs: Sequence[tuple[str | None, bool]]
    device: str | None
    spec_dir: Path
    spec_text: str
    command: Mapping[str, Any]

    def fit(
        self,
        folder: Path | Callable[[], Path],
        *,
        resume: bool = False,
        seed: int | None = None,
    ) -> Path:
        """Train in a folder, with another seed than the recipe's if one is given."""
        recipe, command = self.recipe, dict(self.command)
        if seed is not None:
            recipe = recipe.with_seed(seed)
            command["set"] = [*command.get("set", []), ["seed", str(seed)]]
        return fit(
            lambda: instantiate(self.code, self.name),
            recipe,
            inputs=self.inputs,
            outputs=self.outputs,
            run_dir=folder,
            device=self.device,
            out=sys.stdout,
            spec_dir=self.spec_dir,
            spec_text=self.spec_text,
            resume=resume,
            code=self.code,
            command=command,
        ).folder


def repeat(job: Job, count: int | None, folder: Path | None, resume: bool) -> None:
    """Train with `count` seeds, the recipe's and those that follow it, in folders `seed-N`.

    `resume`: go on in `folder`; runs that are over stay as they are. `count` is then known there.
    Raises TrainError as `fit` does.
    """
    further = False
    if resume and folder is not None:
        seeds, further = _planned(job, folder)
    else:
        seeds = [job.recipe.seed + i for i in range(min(count or 1, MOST + 1))]
        if len(seeds) > MOST or seeds[-1] >= 1 << 63:
            raise TrainError(
                "E0802", f"{count:,} seeds from {seeds[0]}: there are {MOST:,} at most, below 2^63"
            )
        folder = folder or (new_run_dir(Path("runs"), job.name) if speaks() else Path("runs"))
        if speaks():
            _begin(job, folder, seeds)
    for i, seed in enumerate(seeds):
        where = folder / f"seed-{seed}"
        if (where / RESULT).exists() and not further:
            continue
        if speaks():
            print(f"seed {seed}, {i + 1} of {len(seeds)}")
        try:
            job.fit(where, resume=(where / STATE).exists(), seed=seed)
        except Interrupted:
            _settle(job, folder, seeds, further)
            raise
        _settle(job, folder, seeds, further)
    if speaks():
        _summarise(job, folder, seeds)


def _planned(job: Job, folder: Path) -> tuple[list[int], bool]:
    """The seeds of a folder's runs, and whether those that are over are to go on, by new settings.

    Raises TrainError E0808 or E0812.
    """
    path = folder / REPEAT
    plan = read_json(path)
    seeds = plan.get("seeds")
    if not isinstance(seeds, list) or not seeds or not all(type(seed) is int for seed in seeds):
        raise TrainError("E0808", f"`{path}` does not say which seeds there are")
    if job.recipe.seed != seeds[0]:
        raise TrainError(
            "E0812",
            "the runs cannot be resumed: they were others",
            notes=(f"seed: {job.recipe.seed}, but {seeds[0]} and those after it in the runs",),
            help="leave out what differs, or start new runs without --resume",
        )
    before = (plan.get("command") or {}).get("set")
    return seeds, before != job.command.get("set")


def _settle(job: Job, folder: Path, seeds: list[int], further: bool) -> None:
    """Keep new settings once a run was resumed with them: they are what to go on with."""
    if further and speaks():
        _write_plan(job, folder, seeds)


def _begin(job: Job, folder: Path, seeds: list[int]) -> None:
    if (folder / REPEAT).exists() or (folder / SETTINGS).exists():
        raise TrainError(
            "E0708",
            f"`{folder}` already holds runs",
            help=f"leave out the folder, or go on with them by `--resume {folder}`",
        )
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise unwritable(folder, error) from None
    write_atomic(folder / "spec.arch", job.spec_text.encode())
    _write_plan(job, folder, seeds)


def _write_plan(job: Job, folder: Path, seeds: list[int]) -> None:
    """repeat.json: the seeds, and how the runs were asked for."""
    digest = hashlib.sha256(job.spec_text.encode()).hexdigest()
    plan = {"seeds": seeds, "spec_sha256": digest, "command": job.command}
    text = json.dumps(plan, indent=2) + "\n"
    write_atomic(folder / REPEAT, text.encode())


def _summarise(job: Job, folder: Path, seeds: list[int]) -> None:
    """summary.json and the last line."""
    results = [read_json(folder / f"seed-{seed}" / RESULT) for seed in seeds]
    metric = str(results[0]["metric"])
    figures = {
        name: spread([r["test"][name] for r in results])
        for name, value in results[0]["test"].items()
        if isinstance(value, int | float)
    }
    made = {
        "network": job.name,
        "recipe": job.recipe.name,
        "metric": metric,
        "seeds": seeds,
        "test": figures,
        "seconds": round(sum(r["seconds"] for r in results), 3),
    }
    write_atomic(folder / SUMMARY, (json.dumps(made, indent=2) + "\n").encode())
    main = figures[metric]
    deviation, least, most = (
        words(metric, main[key]).removeprefix(title(metric)).strip()
        for key in ("deviation", "least", "most")
    )
    print(
        f"{job.name} over {len(seeds)} seeds reached {words(metric, main['mean'])} "
        f"± {deviation} (mean and standard deviation; {least} to {most})"
    )
    print(f"everything about these runs: {folder}")


def spread(values: Sequence[float]) -> dict[str, Any]:
    """Mean, sample standard deviation, its share in the mean's uncertainty, and the extremes."""
    deviation = stdev(values) if len(values) > 1 else 0.0
    return {
        "mean": fmean(values),
        "deviation": deviation,
        "error_of_mean": deviation / sqrt(len(values)),
        "least": min(values),
        "most": max(values),
        "values": list(values),
    }

"""All measurements on a GPU in one command, the most telling first, within a time.

python bench/gpu.py [--minutes 9] [--only tests,eager] [--out out/gpu]
python bench/gpu.py --device cpu --small     # everything in small, to try it where there is no GPU

Each part is a process of its own with a limit of its own: one that fails, or takes too long, leaves
what it has measured, and the next one begins. A part that no time is left for is named at the end;
`--only` takes it up in another call. In `--out` are what each part printed (PART.txt) and the
figures of all as lines of JSON (figures.jsonl), written as they are found.

Where Fashion-MNIST is not installed, `--data FOLDER` names its four files.
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

BENCH = Path(__file__).resolve().parent
ROOT = BENCH.parent
ENOUGH = 30
"""Seconds below which no part is begun."""
LAST = 25
"""Lines of a part that are printed again at the end."""


@dataclass(frozen=True)
class Part:
    """A measurement: what is run, in large and in small, and for how many seconds at most."""

    name: str
    what: str
    command: tuple[str, ...]
    small: tuple[str, ...]
    limit: int
    by: Literal["script", "pytest", "archc"] = "script"
    """A script of this folder takes --device and --json."""
    data: bool = False
    """Does it train on Fashion-MNIST?"""


TESTS = ("tests/test_train_gpu.py", "-q", "--no-header", "-p", "no:cacheprovider")
TINY = ("train_gpu.py", "--batch=2", "--size=32", "--steps=1", "--runs=1")
SPRINT = ("train_sprint.py", "--runs=2")
TINY_SPRINT = ("train_sprint.py", "--runs=1", "--width=4", "--set=epochs=1", "--set=batch=200")
FASHION = ("train", "specs/experiments/fashion.arch", "--recipe=gpu")
MINI = '--set=data=idx("fashion-mnist-mini")'
PARTS = (
    Part("tests", "steps wait for nothing, figures agree, runs resume bit by bit",
         (*TESTS, "-m", "not slow"), (*TESTS, "-m", "not slow"), 150, by="pytest"),
    Part("eager", "ResNet-50 against torchvision's, archc's loop; memory against the estimate",
         ("train_gpu.py", "--parts=eager,memory"), (*TINY, "--parts=eager,memory"), 150),
    Part("compiled", "the same compiled",
         ("train_gpu.py", "--parts=compiled"), (*TINY, "--parts=compiled"), 400),
    Part("estimates", "memory and time of 13 networks against archc's estimates",
         ("estimates.py",), ("estimates.py", "lenet5:LeNet5"), 180),
    Part("throughput", "archc's loop against the bare step, small networks",
         ("train_throughput.py", "--limit=0"),
         ("train_throughput.py", "--limit=0", "--runs=1", "--network=LeNet5"), 90),
    Part("sprint", "seconds to 94% on Fashion-MNIST, against a loop by hand",
         (*SPRINT, "--set=compile=false"), (*TINY_SPRINT, MINI, "--set=compile=false"), 150,
         data=True),
    Part("sprint-compiled", "the same compiled",
         (*SPRINT, "--set=compile=true"), (*TINY_SPRINT, MINI, "--set=compile=true"), 300,
         data=True),
    Part("accuracy", "a residual net on Fashion-MNIST by its recipe for a GPU",
         (*FASHION, "--set=compile=true"),
         (*FASHION, MINI, "--set=width=4", "--set=epochs=1", "--set=batch=200"), 400,
         by="archc", data=True),
    Part("tests-compiled", "compiled training against eager, resumed bit by bit",
         (*TESTS, "-m", "slow"), (*TESTS, "-m", "slow"), 240, by="pytest"),
)  # fmt: skip
"""In the order of worth."""


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--minutes", type=float, default=9.0, help="for all parts together (9)")
    parser.add_argument("--only", metavar="PART,...", help=", ".join(p.name for p in PARTS))
    parser.add_argument("--out", type=Path, default=ROOT / "out" / "gpu", help="folder (out/gpu)")
    parser.add_argument("--device", default="cuda", help="cuda, cuda:1, cpu (cuda)")
    parser.add_argument("--data", type=Path, metavar="FOLDER", help="the files of Fashion-MNIST")
    parser.add_argument("--small", action="store_true", help="in small: shows that it works")
    options = parser.parse_args()
    chosen = [part for part in PARTS if not options.only or part.name in options.only.split(",")]
    unknown = set((options.only or "").split(",")) - {part.name for part in PARTS} - {""}
    if unknown or not chosen:
        parser.error(f"no part {', '.join(sorted(unknown))}")
    options.out.mkdir(parents=True, exist_ok=True)
    end = time.monotonic() + 60 * options.minutes
    said: list[str] = []
    failed = False
    for part in chosen:
        left = end - time.monotonic()
        if left < ENOUGH:
            said.append(f"{part.name:16} left out: no time")
            failed = True
            continue
        print(f"== {part.name}: {part.what}", flush=True)
        started = time.monotonic()
        how = run(part, options, min(part.limit, left))
        said.append(f"{part.name:16} {how} after {time.monotonic() - started:.0f} s")
        failed |= how != "done"
    print("\n== in all\n" + "\n".join(said), flush=True)
    return int(failed)


def run(part: Part, options: argparse.Namespace, seconds: float) -> str:
    """How it ended, in words. What it prints goes to its file, the end of that to the screen."""
    path = options.out / f"{part.name}.txt"
    with open(path, "w") as file:
        made = subprocess.Popen(
            [sys.executable, *arguments(part, options)],
            cwd=ROOT,
            env=environment(options),
            stdout=file,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        how = "done"
        try:
            if made.wait(seconds) != 0:
                how = f"failed ({made.returncode})"
        except subprocess.TimeoutExpired:
            how = "cut short"
        finally:
            stop(made)
    lines = path.read_text(errors="replace").splitlines()
    print("\n".join(lines[-LAST:]), flush=True)
    return how


def arguments(part: Part, options: argparse.Namespace) -> list[str]:
    """What Python is given."""
    command = list(part.small if options.small else part.command)
    if part.by == "pytest":
        return ["-m", "pytest", *command]
    given = ["--device", options.device]
    if part.data and options.data is not None:
        given += ["--set", f'data=idx("{options.data.resolve()}")']
    if part.by == "archc":
        number = sum(1 for _ in options.out.glob(f"{part.name}-*"))  # a run's folder is its own
        folder = options.out.resolve() / f"{part.name}-{number}"
        return ["-m", "archc", *command, *given, "-o", str(folder)]
    given += ["--json", str(options.out.resolve() / "figures.jsonl")]
    return [str(BENCH / command[0]), *command[1:], *given]


def environment(options: argparse.Namespace) -> dict[str, str]:
    """archc out of this folder, installed or not; lines appear as they are printed."""
    paths = [str(ROOT), *os.environ.get("PYTHONPATH", "").split(os.pathsep)]
    own = {"PYTHONUNBUFFERED": "1", "ARCHC_TEST_DEVICE": options.device}
    return os.environ | own | {"PYTHONPATH": os.pathsep.join(filter(None, paths))}


def stop(made: subprocess.Popen[bytes]) -> None:
    """The process and all that it started: compilers have workers."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        with suppress(ProcessLookupError):
            os.killpg(made.pid, number)
        with suppress(subprocess.TimeoutExpired):
            made.wait(5)


if __name__ == "__main__":
    sys.exit(main())

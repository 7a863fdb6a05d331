"""All measurements for a GPU in one command, and what it does when one fails or takes too long."""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path

import pytest
import torch

from bench import gpu

sys.path.insert(0, str(gpu.BENCH))  # as a script there finds the others
import steps

GOOD = "print('measured'); print('enough')"
BAD = "print('half'); raise SystemExit('broken')"
SLOW = "import time; print('begun', flush=True); time.sleep(60)"
SPAWNS = (
    "import subprocess, sys, time; "
    "made = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)']); "
    "print(made.pid, flush=True); time.sleep(60)"
)


@pytest.fixture
def parts(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Name to what Python is to run; each has a second."""
    chosen: dict[str, str] = {}

    def arguments(part: gpu.Part, options: argparse.Namespace) -> list[str]:
        return ["-c", chosen[part.name]]

    monkeypatch.setattr(gpu, "arguments", arguments)
    return chosen


def go(parts: dict[str, str], out: Path, monkeypatch: pytest.MonkeyPatch, *options: str) -> int:
    made = tuple(gpu.Part(name, "x", (), (), 2) for name in parts)
    monkeypatch.setattr(gpu, "PARTS", made)
    monkeypatch.setattr(sys, "argv", ["gpu.py", "--out", str(out), *options])
    return gpu.main()


def test_each_part_ends_as_it_does_and_the_next_begins(
    parts: dict[str, str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    parts |= {"bad": BAD, "slow": SLOW, "good": GOOD}
    assert go(parts, tmp_path / "out", monkeypatch) == 1
    said = capsys.readouterr().out.split("== in all\n")[1].splitlines()
    assert [line.split(" after ")[0].split(maxsplit=1) for line in said] == [
        ["bad", "failed (1)"],
        ["slow", "cut short"],
        ["good", "done"],
    ]
    kept = {path.stem: path.read_text() for path in (tmp_path / "out").iterdir()}
    assert kept == {"bad": "half\nbroken\n", "slow": "begun\n", "good": "measured\nenough\n"}
    assert go({"good": GOOD}, tmp_path / "out", monkeypatch) == 0


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="processes are seen in /proc")
def test_what_a_part_started_ends_with_it(
    parts: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    parts["spawns"] = SPAWNS
    go(parts, tmp_path, monkeypatch)
    child = int((tmp_path / "spawns.txt").read_text())
    for _ in range(100):
        if not alive(child):
            return
        time.sleep(0.05)
    pytest.fail("it runs on")


def alive(process: int) -> bool:
    """Neither gone nor, where nobody asks how it ended, a zombie."""
    try:
        state = Path(f"/proc/{process}/stat").read_text().rpartition(") ")[2]
    except OSError:
        return False
    return state[0] not in "ZX"


def test_parts_without_time_are_named(
    parts: dict[str, str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    parts |= {"one": GOOD, "two": GOOD}
    assert go(parts, tmp_path, monkeypatch, "--minutes", "0.1") == 1
    assert "one              left out: no time\ntwo" in capsys.readouterr().out
    with pytest.raises(SystemExit):
        go(parts, tmp_path, monkeypatch, "--only", "three")
    assert "no part three" in capsys.readouterr().err


def test_parts_run_what_is_there() -> None:
    options = argparse.Namespace(device="cpu", out=Path("out"), data=Path("there"), small=False)
    for part in gpu.PARTS:
        for options.small in (False, True):
            command = gpu.arguments(part, options)
            files = [word for word in command if word.endswith((".py", ".arch"))]
            assert len(files) == 1
            assert (gpu.ROOT / files[0]).is_file()
            given = any("there" in word for word in command)
            assert given == part.data


def test_figures_are_kept_as_they_are_found(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "deep" / "figures.jsonl"
    log = steps.Log("test", path, torch.device("cpu"))
    log.attempt("one", lambda: log("figure", "a line", {"ratio": 0.5}))
    log.attempt("two", lambda: log("figure", "", {"ratio": 1 / 0}))
    log.attempt("three", lambda: log("figure", "another", {"ratio": 2.0}))
    assert (log.code, log.failed) == (1, ["two"])
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert lines[0]["torch"] == torch.__version__
    assert [line["ratio"] for line in lines if "ratio" in line] == [0.5, 2.0]
    assert [line["failed"] for line in lines if "failed" in line] == [
        "ZeroDivisionError: division by zero"
    ]
    assert "a line\n" in capsys.readouterr().out

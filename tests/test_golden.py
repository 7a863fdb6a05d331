"""Golden files: what archc makes of well-known networks, so that a change shows as a diff.

`make golden` rewrites them. They only say what archc said before; that it is right is for the
other tests.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.golden import CHOSEN, texts

ROOT = Path(__file__).parent.parent
GOLDEN = ROOT / "specs" / "golden"


@pytest.mark.parametrize(("spec", "name"), CHOSEN, ids=[name for _, name in CHOSEN])
def test_golden_files(
    spec: str, name: str, update_golden: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    folder = GOLDEN / name.lower()
    made = texts(spec, name)
    if update_golden:
        folder.mkdir(parents=True, exist_ok=True)
        for old in folder.iterdir():
            if old.name not in made:
                old.unlink()
        for file, text in made.items():
            (folder / file).write_text(text, encoding="utf-8")
    assert {file.name for file in folder.iterdir()} == set(made)
    for file, text in made.items():
        assert (folder / file).read_text(encoding="utf-8") == text, f"{file}: see `make golden`"


def test_hash_seeds_change_nothing() -> None:
    """Files are the same, byte for byte, whatever order sets have."""
    digests = set()
    for seed in ("0", "1", "4242"):
        env = {**os.environ, "PYTHONHASHSEED": seed}
        command = [sys.executable, "-m", "tests.support.golden"]
        done = subprocess.run(
            command, cwd=ROOT, env=env, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        digests.add(done.stdout)
    assert len(digests) == 1

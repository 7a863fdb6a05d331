"""What surrounds a command: its streams, its disk, its memory, the libraries that it loads."""

from __future__ import annotations

import argparse
import builtins
import errno
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from archc import cli
from archc.train import TrainError, require_torch
from archc.train.folder.rundir import RunDir, unwritable, write_atomic


def test_closed_streams_are_no_streams(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """`archc ... >&- 2>&-`: Python then has none, and printing would be a mistake of its own."""
    (tmp_path / "a.arch").write_text("network A {\n  input x[1]\n  output x -> relu\n}\n")
    monkeypatch.setattr(sys, "stdout", None)
    monkeypatch.setattr(sys, "stderr", None)
    assert cli.main(["check", str(tmp_path / "a.arch")]) == 0
    assert cli.main(["check", str(tmp_path / "b.arch")]) == 1


def test_too_little_memory_is_no_bug(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def exhausted(*args: Any) -> int:
        raise MemoryError

    class Parser:
        def parse_args(self, argv: list[str]) -> argparse.Namespace:
            return argparse.Namespace(run=exhausted)

    monkeypatch.setattr(cli, "parser", Parser)
    assert cli.main(["check"]) == 1
    assert capsys.readouterr().err == "error[E0811]: there is too little memory for this\n"


def failing(name: str, error: ImportError) -> Callable[..., Any]:
    real = builtins.__import__

    def load(wanted: str, *args: Any, **kwargs: Any) -> Any:
        if wanted == name:
            raise error
        return real(wanted, *args, **kwargs)

    return load


def test_a_library_that_is_there_and_cannot_be_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    why = ImportError("libtorch.so: failed to map segment from shared object")
    absent = ModuleNotFoundError("No module named 'PIL'", name="PIL")
    for name, error, words in (
        ("torch", why, "`torch` is installed, and cannot be loaded: libtorch"),
        ("PIL", absent, "needs pillow, which is not installed"),
    ):
        with monkeypatch.context() as patched:
            patched.setattr(builtins, "__import__", failing(name, error))
            with pytest.raises(TrainError, match=words) as caught:
                require_torch()
        assert caught.value.code == "E0809"


def test_a_full_disk_has_a_way_out() -> None:
    full, denied = (unwritable(Path("x"), OSError(n, "why")) for n in (errno.ENOSPC, errno.EACCES))
    assert "make room" in str(full.help)
    assert denied.help is None


def test_a_link_in_the_place_of_a_scratch_file_is_not_followed(tmp_path: Path) -> None:
    victim, folder = tmp_path / "victim", tmp_path / "run"
    victim.write_text("mine")
    folder.mkdir()
    (folder / ".log.csv.tmp").symlink_to(victim)
    (folder / "log.csv").symlink_to(victim)
    write_atomic(folder / "log.csv", b"a,b\n")
    assert victim.read_text() == "mine"
    assert (folder / "log.csv").read_bytes() == b"a,b\n"
    assert not (folder / "log.csv").is_symlink()
    (folder / "log.csv").unlink()
    (folder / ".state.safetensors.tmp").symlink_to(victim)
    with RunDir(folder) as held:
        held.state(b"state")
    assert victim.read_text() == "mine"

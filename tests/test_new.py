"""`archc new`: what it writes checks, without a warning, and it writes over nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from archc.cli import main


def test_the_template_checks(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["new", "MyNet", "-o", str(tmp_path)]) == 0
    path = str(tmp_path / "MyNet.arch")
    assert main(["check", path, "--deny-warnings"]) == 0
    assert main(["fmt", "--check", path]) == 0
    assert "MyNet" in capsys.readouterr().out


def test_nothing_is_written_over(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "MyNet.arch").write_text("mine")
    assert main(["new", "MyNet", "-o", str(tmp_path)]) == 1
    assert "E0708" in capsys.readouterr().err
    assert (tmp_path / "MyNet.arch").read_text() == "mine"


@pytest.mark.parametrize("name", ["conv", "class", "input", "../x", "a b", "1a", "", "é"])
def test_names_that_no_network_can_have(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["new", name, "-o", str(tmp_path)]) == 1
    assert "E0206" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())

"""`archc train` as a command: what it recalls and refuses, seeds, specs from elsewhere."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from archc import cli
from tests.support.runs import SPEC, rows

torch.set_num_threads(1)


@pytest.fixture(scope="module", autouse=True)
def unpictured() -> Iterator[None]:
    """No curves: drawing them would take most of the time, and other tests look at them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("archc.train.showing.curve.draw", lambda *args: b"")
        yield


def test_the_command_recalls_how_the_run_was_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("tiny.arch").write_text(SPEC)
    changes = ["--set", "epochs=1", "--set", "batch=90", "--set", "schedule=constant"]
    assert cli.main(["train", "tiny.arch", *changes, "--deterministic"]) == 0
    run = "runs/tiny-001"
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert cli.main(["train", "--resume", f"../{run}", "--set", "epochs=2"]) == 0
    assert "resumed in epoch 2" in capsys.readouterr().out
    monkeypatch.chdir(tmp_path)
    assert [row["epoch"] for row in rows(Path(run))] == ["1", "2"]
    settings = json.loads(Path(run, "settings.json").read_text())
    assert settings["recipe"]["deterministic"] is True
    assert settings["command"]["set"][-1] == ["epochs", "2"]

    Path("tiny.arch").write_text(SPEC + "# a remark\n")
    assert cli.main(["train", "--resume", run]) == 1
    assert "has changed since the run began" in capsys.readouterr().err
    assert cli.main(["train", "tiny.arch", "--resume", run]) == 0
    Path("tiny.arch").unlink()  # then the copy in the run's folder is good
    assert cli.main(["train", "--resume", run, "--set", "epochs=3"]) == 0
    assert "resumed in epoch 3" in capsys.readouterr().out
    Path("tiny.arch").write_text(SPEC.replace("conv(6", "conv(7"))
    assert cli.main(["train", "tiny.arch", "--resume", run]) == 1
    assert "the network is another one" in capsys.readouterr().err


def test_a_spec_from_standard_input_lives_on_in_the_run_s_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)

    def piped(*args: str) -> int:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(SPEC.encode())))
        return cli.main(["train", "-", "--set", "batch=90", "--set", "schedule=constant", *args])

    assert piped("--set", "epochs=1", "-o", "run") == 0
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert cli.main(["train", "--resume", "../run", "--set", "epochs=2"]) == 0
    assert cli.main(["eval", "../run"]) == 0
    assert cli.main(["train", "--resume", "../run", "--set", "epochs=3"]) == 0
    assert capsys.readouterr().out.count("resumed in epoch") == 2
    assert piped("--resume", "../run", "--set", "epochs=4") == 0
    assert len(rows(tmp_path / "run")) == 4


def test_what_the_command_refuses(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["train"]) == 2
    assert cli.main(["train", "--resume", str(tmp_path / "none")]) == 1
    assert "E0808" in capsys.readouterr().err
    (tmp_path / "settings.json").write_text("[1]")
    assert cli.main(["train", "--resume", str(tmp_path)]) == 1
    assert "was not written by a run of archc" in capsys.readouterr().err
    for odd in ('{"command": [1]}', '{"command": {"spec": 5}}', '{"command": {"set": [["a"]]}}'):
        (tmp_path / "settings.json").write_text(odd)
        for verb in (["train", "--resume"], ["eval"], ["export", "--to", "safetensors"]):
            assert cli.main([*verb, str(tmp_path)]) == 1
            assert "does not say how its run was asked for" in capsys.readouterr().err
    (tmp_path / "repeat.json").write_text('{"command": {}, "seeds": [0.5]}')
    (tmp_path / "spec.arch").write_text(SPEC)
    assert cli.main(["train", "--resume", str(tmp_path)]) == 1
    assert "does not say which seeds" in capsys.readouterr().err
    spec = tmp_path / "tiny.arch"
    spec.write_text(SPEC)
    assert cli.main(["train", str(spec), "--set", "patience=2", "--set", "validation=0"]) == 1
    assert "`patience` needs a validation split" in capsys.readouterr().err


def test_several_seeds_give_mean_and_spread(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("tiny.arch").write_text(SPEC)
    quick = ["--set", "epochs=1", "--set", "batch=180", "--set", "seed=5"]
    assert cli.main(["train", "tiny.arch", *quick, "--repeat", "3", "-o", "runs"]) == 0
    summary = json.loads(Path("runs/summary.json").read_text())
    values = [
        json.loads(Path(f"runs/seed-{seed}/result.json").read_text())["test"]["accuracy"]
        for seed in (5, 6, 7)
    ]
    assert summary["test"]["accuracy"]["values"] == values
    assert summary["test"]["accuracy"]["mean"] == pytest.approx(sum(values) / 3)
    assert len(set(values)) > 1
    last = capsys.readouterr().out.splitlines()[-2]
    assert last.startswith("Tiny over 3 seeds reached accuracy")
    for lost in ("result.json", "last.safetensors"):  # as if killed in the third
        Path("runs/seed-7", lost).unlink()
    before = Path("runs/seed-7/log.csv").read_bytes()
    assert cli.main(["train", "--resume", "runs"]) == 0
    assert json.loads(Path("runs/summary.json").read_text())["test"] == summary["test"]
    assert Path("runs/seed-7/log.csv").read_bytes() == before
    assert cli.main(["eval", "runs"]) == 1
    assert "name one of them: seed-5, seed-6, seed-7" in capsys.readouterr().err
    assert cli.main(["train", "tiny.arch", "--repeat", "3", "-o", "runs"]) == 1
    assert "already holds runs" in capsys.readouterr().err


def test_new_settings_reach_all_seeds_or_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Runs that are over go on by them; the command that is recalled changes with the runs."""
    monkeypatch.chdir(tmp_path)
    Path("tiny.arch").write_text(SPEC)
    quick = ["--set", "epochs=1", "--set", "batch=180", "--set", "schedule=constant"]
    assert cli.main(["train", "tiny.arch", *quick, "--repeat", "2", "-o", "runs"]) == 0
    plan = Path("runs/repeat.json").read_bytes()
    for setting in ("seed=5", "batch=90"):
        assert cli.main(["train", "--resume", "runs", "--set", setting]) == 1
        said = capsys.readouterr().err
        assert "E0812" in said
        assert setting.partition("=")[0] + ": " in said
    assert Path("runs/repeat.json").read_bytes() == plan
    assert cli.main(["train", "--resume", "runs", "--set", "epochs=2"]) == 0
    for seed in (0, 1):
        assert len(rows(Path(f"runs/seed-{seed}"))) == 2
    summary = Path("runs/summary.json").read_bytes()
    assert cli.main(["train", "--resume", "runs"]) == 0
    assert Path("runs/summary.json").read_bytes() == summary
    for wrong in (["--repeat", "99999"], ["--repeat", "2", "--set", f"seed={2**63 - 1}"]):
        assert cli.main(["train", "tiny.arch", *quick, *wrong, "-o", "more"]) == 1
        assert "there are 10,000 at most" in capsys.readouterr().err
    assert not Path("more").exists()


def test_a_recipe_of_another_network_is_told_by_the_network_s_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    other = SPEC[SPEC.index("network") : SPEC.index("recipe")].replace("Tiny", "Other")
    Path("two.arch").write_text(SPEC + other)
    found = ["--network", "Other", "--recipe", "quick", "--set", "epochs=1", "-o", "run"]
    assert cli.main(["train", "two.arch", *found]) == 0
    assert "Other reached" in capsys.readouterr().out
    assert json.loads(Path("run/result.json").read_text())["network"] == "Other"

"""Export: each format read back and held against the module, and what is refused."""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

import archc
from archc.cli import main
from archc.train import TrainError
from archc.train.using import export as exporting
from archc.train.using.export import export

torch.set_num_threads(1)

SPEC = """
network Small {
  input image[1, 8, 8]
  features = image -> conv1: conv(4, 3, pad=half) -> bn1: batchnorm -> relu -> pool1: pool(2)
  output logits = features -> flatten -> fc: linear(3)
  output mask = features -> up: upsample(2) -> head: conv(1, 1)
  output aux = features -> aux: (pool(global, by=avg) -> flatten -> linear(3)) when training
}
"""

with_onnx = pytest.mark.skipif(find_spec("onnxruntime") is None, reason="needs archc[onnx]")


@pytest.fixture
def spec(tmp_path: Path) -> Path:
    path = tmp_path / "small.arch"
    path.write_text(SPEC)
    return path


def module_of(spec: Path, weights: Path | None = None) -> nn.Module:
    module = archc.load(spec)["Small"].module().eval()
    if weights is not None:
        module.load_state_dict(load_file(weights))
    return module


@pytest.fixture
def weights(spec: Path, tmp_path: Path) -> Path:
    """Trained ones, as far as an export can tell: batchnorm has statistics of its own."""
    torch.manual_seed(1)
    module = module_of(spec).train()
    with torch.no_grad():
        module(torch.rand(16, 1, 8, 8))
    path = tmp_path / "weights.safetensors"
    save_file(module.state_dict(), path)
    return path


def run(spec: Path, weights: Path, *args: str) -> int:
    return main(["export", str(spec), "--weights", str(weights), *args])


def test_safetensors_are_the_modules_own(
    spec: Path, weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    result = tmp_path / "new" / "out.safetensors"
    assert run(spec, weights, "--to", "safetensors", "-o", str(result)) == 0
    wrote, given = load_file(result), load_file(weights)
    assert wrote.keys() == given.keys()
    assert all(torch.equal(wrote[name], given[name]) for name in given)
    assert "agrees exactly" in capsys.readouterr().out


def test_torch_program_takes_any_batch(spec: Path, weights: Path, tmp_path: Path) -> None:
    result = tmp_path / "small.pt2"
    assert run(spec, weights, "--to", "torch-export", "-o", str(result)) == 0
    program = torch.export.load(result).module()
    module = module_of(spec, weights)
    for batch in (1, 5):
        x = torch.rand(batch, 1, 8, 8)
        for want, have in zip(module(x), program(x), strict=True):
            torch.testing.assert_close(have, want)


@with_onnx
def test_onnx_has_the_names_of_the_spec(spec: Path, weights: Path, tmp_path: Path) -> None:
    import onnxruntime

    result = tmp_path / "small.onnx"
    assert run(spec, weights, "--to", "onnx", "-o", str(result)) == 0
    assert [p.name for p in tmp_path.glob("small.*")].count("small.onnx") == 1
    session = onnxruntime.InferenceSession(result, providers=["CPUExecutionProvider"])
    assert [(i.name, i.shape[1:]) for i in session.get_inputs()] == [("image", [1, 8, 8])]
    assert [o.name for o in session.get_outputs()] == ["logits", "mask"]
    x = torch.rand(5, 1, 8, 8)
    with torch.no_grad():
        want: tuple[Tensor, ...] = module_of(spec, weights)(x)
    for one, other in zip(want, session.run(None, {"image": x.numpy()}), strict=True):
        torch.testing.assert_close(torch.from_numpy(other), one, rtol=1e-4, atol=1e-5)


def test_without_weights_it_says_so(
    spec: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["export", str(spec), "--to", "safetensors"]) == 0
    said = capsys.readouterr().out
    assert said.startswith("small.safetensors: safetensors, ")
    assert "fresh, of seed 0" in said
    first = Path("small.safetensors").read_bytes()
    assert main(["export", str(spec), "--to", "safetensors"]) == 0
    assert Path("small.safetensors").read_bytes() == first


def test_torch_files_are_read_and_pickles_are_not(
    spec: Path, weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    good, bad = tmp_path / "good.pt", tmp_path / "bad.pt"
    torch.save({"epoch": 3, "state_dict": load_file(weights)}, good)
    out = ["--to", "safetensors", "-o", str(tmp_path / "x.safetensors")]
    assert run(spec, good, *out) == 0

    torch.save({"state_dict": _Opens(tmp_path / "touched")}, bad)
    assert run(spec, bad, *out) == 1
    assert "E0808" in capsys.readouterr().err
    assert not (tmp_path / "touched").exists()


class _Opens:
    """A pickle of this makes a file when it is loaded."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Callable[..., object], tuple[str, str]]:
        return (open, (str(self.path), "w"))


def test_weights_of_another_network_are_refused(
    spec: Path, weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    state = load_file(weights)
    state["fc1.weight"] = state.pop("fc.weight")
    state["head.bias"] = torch.zeros(2)
    save_file(state, weights)
    result = tmp_path / "out.safetensors"
    assert run(spec, weights, "--to", "safetensors", "-o", str(result)) == 1
    said = capsys.readouterr().err
    assert "error[E0808]" in said
    assert "`fc.weight` (it has `fc1.weight`)" in said
    assert "`head.bias` [2], not [1]" in said
    assert not result.exists()


def test_weights_that_are_no_numbers_are_found(
    spec: Path, weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    state = load_file(weights)
    state["fc.bias"][0] = float("nan")
    save_file(state, weights)
    result = tmp_path / "out.safetensors"
    assert run(spec, weights, "--to", "safetensors", "-o", str(result)) == 1
    assert "error[E0808]" in capsys.readouterr().err
    assert not result.exists()


def small(bad: bool = False) -> nn.Module:
    torch.manual_seed(0)
    return _Depends() if bad else nn.Linear(2, 2)


class _Depends(nn.Module):
    """Does what no graph can: look at its numbers."""

    def forward(self, x: Tensor) -> Tensor:
        return x if float(x.sum()) > 0 else -x


def write(make: Callable[[], nn.Module], kind: str, path: Path) -> str:
    return export(make, kind, path, inputs={"x": (2,)}, outputs=["y"], facts={})


def test_what_cannot_be_exported_has_a_code(tmp_path: Path) -> None:
    with pytest.raises(TrainError) as caught:
        write(lambda: small(bad=True), "torch-export", tmp_path / "x.pt2")
    assert caught.value.code == "E0902"
    assert list(tmp_path.iterdir()) == []


def test_an_export_that_differs_is_not_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def other(module: nn.Module, *_: object) -> exporting.Written:
        return b"x", lambda values: [module(values[0]).detach() + 0.1]

    monkeypatch.setitem(exporting._WRITERS, "torch-export", other)
    with pytest.raises(TrainError, match="differs from the module") as caught:
        write(small, "torch-export", tmp_path / "x.pt2")
    assert caught.value.code == "E0903"
    assert list(tmp_path.iterdir()) == []


def test_an_absent_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exporting, "find_spec", lambda name: None)
    with pytest.raises(TrainError, match="onnx, onnxscript, onnxruntime") as caught:
        write(small, "onnx", tmp_path / "x.onnx")
    assert (caught.value.code, caught.value.help) == ("E0809", 'pip install "archc[torch,onnx]"')


def test_more_than_onnx_holds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("onnxruntime")
    monkeypatch.setattr(exporting, "MOST_BYTES", 16)
    with pytest.raises(TrainError, match="more than an ONNX file holds") as caught:
        write(small, "onnx", tmp_path / "x.onnx")
    assert caught.value.code == "E0902"


def test_where_it_cannot_write(
    spec: Path, weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("")
    target = tmp_path / "file" / "x.safetensors"
    assert run(spec, weights, "--to", "safetensors", "-o", str(target)) == 1
    assert "error[E0708]" in capsys.readouterr().err

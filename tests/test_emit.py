"""Emitted PyTorch: the networks of `specs/` read well, compute what the graph says, at any size."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")

import torch

from archc.emit.pytorch import EmitError, source
from tests.support.against_torch import state_of, tensors
from tests.support.emitted import (
    ROOT,
    SPECS,
    compute_the_same,
    emitted,
    networks,
    one,
    resized,
    ruff,
    runs_resized,
)

RUFF_RULES = "B,C4,E,F,I,PIE,RET,RUF,SIM,UP,W"


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the code of every network of `specs/`."""
    folder = tmp_path_factory.mktemp("emitted")
    for path in SPECS:
        for name, (graph, doc) in networks(str(path)).items():
            (folder / f"{path.stem}_{name.lower()}.py").write_text(source(graph, None, doc))
    return folder


def test_formatters_and_linters_change_nothing(files: Path) -> None:
    ruff("format", "--isolated", "--check", "--diff", str(files))
    ignored = "RUF001,RUF002,B905"
    ruff("check", "--isolated", "--select", RUFF_RULES, "--ignore", ignored, str(files))


RESIZED = ["segnet", "unet", "googlenet", "fcn8s", "resnet", "hourglass"]


def _at_another_size(path: Path, names: list[str]) -> None:
    for name in names:
        graph, doc = networks(str(path))[name]
        usual = graph.main.rows
        tried = [{k: n + d for k, n in usual.items()} for d in (-31, -32, 32, 64)]
        there = [g for sizes in tried if (g := resized(str(path), name, sizes)) is not None]
        there = [g for g in there if state_of(g) == state_of(graph)]
        assert there, f"{name}: no other size"
        runs_resized(there[0], emitted(graph, doc))


@pytest.mark.parametrize("spec", RESIZED)
def test_runs_at_another_size(spec: str) -> None:
    """Nothing of the size at hand is written into the code."""
    path = ROOT / f"specs/{spec}.arch"
    free = [name for name, (graph, _) in networks(str(path)).items() if graph.main.rows]
    _at_another_size(path, free[:1])


@pytest.mark.slow
@pytest.mark.parametrize("path", SPECS, ids=lambda p: p.stem)
def test_every_network_runs_at_another_size(path: Path) -> None:
    free = [name for name, (graph, _) in networks(str(path)).items() if graph.main.rows]
    _at_another_size(path, free)


def test_resnet50_is_short() -> None:
    graph, doc = networks(str(ROOT / "specs/resnet.arch"))["ResNet50"]
    assert len(emitted(graph, doc).splitlines()) <= 80


def test_blocks_over_lists_of_any_length_are_one_class() -> None:
    graph, doc = networks(str(ROOT / "specs/hrnet.arch"))["HRNetW32"]
    text = emitted(graph, doc)
    assert text.count("class Exchange") == text.count("class Rescale") == 1
    assert "self.stage4 = nn.Sequential(*(Exchange([32, 64, 128, 256]) for _ in range(3)))" in text
    assert "xs = [layer(x) for layer, x in zip(self.branches, streams)]" in text
    assert "Rescale(widths, j, to=i) if i != j else nn.Identity()" in text
    assert len(text.splitlines()) < 230


@pytest.mark.parametrize(
    ("spec", "name", "size"),
    [("segnet", "SegNet", {"H": 45, "W": 50}), ("hrnet", "HRNetW18Seg", {"H": 64, "W": 32})],
)
def test_the_numbers_at_another_size_are_the_graphs(
    spec: str, name: str, size: dict[str, int]
) -> None:
    path = str(ROOT / f"specs/{spec}.arch")
    graph, doc = networks(path)[name]
    there = resized(path, name, size)
    assert there is not None
    compute_the_same(there, emitted(graph, doc))


ONNX = [
    ("lenet5", "LeNet5", {}),
    ("resnet", "ResNet18", {"H": 64, "W": 96}),
    ("unet", "UNet", {"H": 32, "W": 48}),
    ("googlenet", "GoogLeNet", {}),
    ("segnet", "SegNet", {"H": 45, "W": 50}),
    ("hrnet", "HRNetW18Seg", {"H": 64, "W": 64}),
]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("spec", "name", "size"), ONNX, ids=[name for _, name, _ in ONNX])
def test_onnx(spec: str, name: str, size: dict[str, int]) -> None:
    """The emitted module exports, and ONNX Runtime computes the same."""
    pytest.importorskip("onnxscript")
    runtime = pytest.importorskip("onnxruntime")
    path = str(ROOT / f"specs/{spec}.arch")
    graph, doc = networks(path)[name]
    there = resized(path, name, size) if size else graph
    assert there is not None
    names: dict[str, Any] = {"__name__": "emitted"}
    exec(compile(emitted(graph, doc), name, "exec"), names)
    torch.manual_seed(0)
    module = names[name]().eval()
    x = torch.rand(1, *map(int, there.main.values[0].shape))
    program = torch.onnx.export(module, (x,), dynamo=True, verbose=False)
    session = runtime.InferenceSession(program.model_proto.SerializeToString())
    given = session.run(None, {session.get_inputs()[0].name: x.numpy()})
    with torch.no_grad():
        wanted = tensors(module(x))
    for a, b in zip(given, wanted, strict=True):
        close = 1e-4 * float(b.abs().max())
        torch.testing.assert_close(torch.from_numpy(a), b, rtol=1e-3, atol=close)


def _mypy(folder: Path, names: list[str]) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--config-file=", "--check-untyped-defs", *names],
        capture_output=True,
        text=True,
        check=False,
        cwd=folder,
    )
    assert done.returncode == 0, done.stdout


def test_mypy(files: Path) -> None:
    names = ["resnet_resnet50", "googlenet_googlenet", "unet_unet", "segnet_segnet"]
    _mypy(files, [f"{name}.py" for name in names])


@pytest.mark.slow
def test_mypy_of_all(files: Path) -> None:
    _mypy(files, sorted(path.name for path in files.glob("*.py")))


def test_text_does_not_depend_on_the_hash_seed() -> None:
    code = (
        "from archc.diagnostics import Diagnostics; from archc.elaborate import load;"
        "from archc.emit.pytorch import source;"
        "p = load('specs/hrnet.arch', Diagnostics());"
        "print(source(p.elaborate('HRNetW32').graph, None, ''))"
    )
    texts = {
        subprocess.run(
            [sys.executable, "-c", code],
            cwd=ROOT,
            env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("0", "1", "4242")
    }
    assert len(texts) == 1
    assert "class HRNetW32(nn.Module)" in texts.pop()


def test_emission_imports_no_torch() -> None:
    code = (
        "import sys; from archc.emit.pytorch import source;"
        "sys.exit(any(m in sys.modules for m in ('torch', 'numpy', 'networkx', 'rich')))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False)
    assert done.returncode == 0


@pytest.mark.parametrize(
    ("spec", "name"), [("resnet_cifar", "ResNet20"), ("lenet5", "LeNet5"), ("hourglass", "Hg2")]
)
def test_networks_compute_what_the_graph_says(spec: str, name: str) -> None:
    graph, doc = networks(str(ROOT / f"specs/{spec}.arch"))[name]
    compute_the_same(graph, emitted(graph, doc))


HOSTILE = '''
# "quotes" """three""" \\\\ back \\N{BELL} {braces} %s
# import os; os.system("x")\t
block Tensor(width: int) {
  input self[C, ...]
  output self -> conv(width, 1) -> relu
}

block print(from: int, lambda: int) {
  input class[C, ...]
  output class -> conv(from * lambda, 1)
}

# """
network F(classes: int = 3) {
  input None[3, 8, 8]
  def = None -> class: conv(8, 3) -> "my-layer": conv(4, 1) -> is: Tensor(4) -> is2: Tensor(6)
  output def -> self: print(2, 3)
    -> nn: print(3, 3) -> "0": conv(2, 1)
}
'''


def test_hostile_names_and_strings_do_not_become_code() -> None:
    graph, doc = networks("test.arch", HOSTILE)["F"]
    text = emitted(graph, doc)
    names: dict[str, Any] = {}
    exec(compile(text, "F", "exec"), names)
    classes = [n for n, v in names.items() if isinstance(v, type) and v.__module__ == "builtins"]
    name = next(n for n in classes if n.startswith("F"))
    module = names[name]()
    assert {k: tuple(v.shape) for k, v in module.state_dict().items()} == state_of(graph)
    assert module(torch.zeros(1, 3, 8, 8)).shape == (1, 2, 6, 6)


@pytest.mark.parametrize("label", ["_modules", "__dict__", "_parameters"])
def test_a_label_that_would_break_a_module_is_an_error(label: str) -> None:
    graph = one(f"network N {{ input x[3, 8, 8] output y = x -> {label}: conv(4, 3) -> relu }}")
    with pytest.raises(EmitError):
        emitted(graph)


@pytest.mark.parametrize(
    "text",
    [
        "block Scale { input x output x -> scale -> relu }"
        " network N { input x[3, 8, 8] output x -> Scale }",
        "network Scale { input x[3, 8, 8] output x -> scale(init=0.5) }",
    ],
)
def test_classes_that_files_bring_along_keep_their_names_apart(text: str) -> None:
    graph = one(text)
    names: dict[str, Any] = {}
    exec(compile(emitted(graph), "N", "exec"), names)
    module = names[graph.name]()
    assert {k: tuple(v.shape) for k, v in module.state_dict().items()} == state_of(graph)
    assert module(torch.ones(1, 3, 8, 8)).unique().tolist() == [0.5 if "0.5" in text else 1]


@pytest.mark.parametrize("count", [2, 5, 6, 12, 30])
@pytest.mark.parametrize(
    "joined",
    [
        "fuse(parts, by=mean)",
        "fuse(fuse(parts), x, by=product)",
        "fuse(x, fuse(parts), by=product)",
        "fuse(x, fuse(parts), by=difference)",
        "fuse(parts, by=max)",
        "fuse(fuse(parts, by=product), fuse(parts, by=mean)) -> relu",
    ],
)
def test_long_operations_keep_their_meaning_on_several_lines(joined: str, count: int) -> None:
    """Against the same on one line, by hand; and formatted."""
    graph = one(
        f"network N {{ input image[{count}, 3, 3] parts = image -> split({count})"
        f"{' x = image -> pick: conv(1, 1, weight=1, bias=false)' * ('x' in joined)}"
        f" output y = {joined} }}"
    )
    text = emitted(graph)
    names: dict[str, Any] = {}
    exec(compile(text, "N", "exec"), names)
    image = torch.rand(1, count, 3, 3, dtype=torch.float64)
    found = names["N"]().double()(image)
    total, mean, times = image.sum(1), image.mean(1), image.prod(1)
    expected = {"mean": mean, "product": total * total, "difference": total - total}
    expected["max"] = image.amax(1)
    by = joined.rsplit("by=", 1)[1].split(")")[0]
    wanted = torch.relu(times + mean) if "relu" in joined else expected[by]
    torch.testing.assert_close(found, wanted.unsqueeze(1))
    done = subprocess.run(
        [sys.executable, "-m", "ruff", "format", "--isolated", "--diff", "-"],
        input=text,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout

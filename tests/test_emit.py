"""Emitted PyTorch: every network of `specs/` has the graph's keys and shapes, and reads well."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from archc.analysis import analyze
from archc.diagnostics import Diagnostics
from archc.elaborate import load
from archc.emit.pytorch import EmitError, source
from archc.graph import Graph, Tree
from archc.source import Source

torch = pytest.importorskip("torch")
torch.set_num_threads(1)

ROOT = Path(__file__).parent.parent
SPECS = sorted((ROOT / "specs").glob("*.arch"))
RUFF_RULES = "B,C4,E,F,I,PIE,RET,RUF,SIM,UP,W"


def networks(path: str, text: str | None = None) -> dict[str, tuple[Graph, str]]:
    """Graph and documentation of every network of a spec."""
    found = Diagnostics()
    program = load(path, found, None if text is None else Source(path, text))
    assert program is not None and not found.failed, [d.message for d in found]
    made = {}
    for name in program.networks:
        network = program.elaborate(name)
        assert network is not None, [d.message for d in found]
        made[name] = (network.graph, network.doc)
    return made


def one(text: str) -> Graph:
    """The only (or last) network of a text."""
    return list(networks("test.arch", text).values())[-1][0]


def emitted(graph: Graph, doc: str = "") -> str:
    return source(graph, analyze(graph), doc)


def keys_of(graph: Graph) -> dict[str, tuple[int, ...]]:
    """The state_dict that a graph promises: a walk over its bodies, knowing nothing of emission."""
    found: dict[str, tuple[int, ...]] = {}
    pending = [(len(graph.bodies) - 1, "")]
    while pending:
        index, prefix = pending.pop()
        body = graph.bodies[index]
        for node in body.nodes:
            path = prefix + (node.module or node.name)
            if node.op < 0:
                pending.append((node.body, path + "."))
                continue
            op, x = graph.ops[node.op], body.values[node.inputs[0]].shape
            for key, shape in {**op.weights(x), **op.buffers(x)}.items():
                found[f"{path}.{key}"] = tuple(int(n) for n in shape)
    return found


def module_of(graph: Graph, text: str) -> Any:
    """The emitted network, without memory for its weights."""
    names: dict[str, Any] = {"__name__": "emitted"}
    exec(compile(text, graph.name, "exec"), names)
    with torch.device("meta"):
        return names[graph.name]()


def compare(graph: Graph, text: str) -> None:
    """Keys, weight shapes and output shapes, in training and out of it."""
    module = module_of(graph, text)
    assert {k: tuple(v.shape) for k, v in module.state_dict().items()} == keys_of(graph)
    main = graph.main

    def tensor(tree: Tree) -> Any:
        if isinstance(tree, int):
            return torch.empty((2, *map(int, main.values[tree].shape)), device="meta")
        return [tensor(part) for part in tree]

    def shape(value: Any) -> Any:
        return list(value.shape[1:]) if torch.is_tensor(value) else [shape(v) for v in value]

    def wanted(tree: Tree) -> Any:
        if isinstance(tree, int):
            return [int(n) for n in main.values[tree].shape]
        return [wanted(part) for part in tree]

    for training in (True, False):
        module.train(training)
        given = module(*[tensor(i.value) for i in main.inputs])
        ends = [o for o in main.outputs if not o.training]
        ends += [o for o in main.outputs if o.training and training]
        results = [given] if len(ends) == 1 else list(given)
        assert [shape(r) for r in results] == [wanted(e.value) for e in ends]


def ruff(*args: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "ruff", *args], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("path", SPECS, ids=lambda p: p.stem)
def test_every_network_of_the_specs(path: Path, tmp_path: Path) -> None:
    for name, (graph, doc) in networks(str(path)).items():
        text = emitted(graph, doc)
        compare(graph, text)
        (tmp_path / f"{name.lower()}.py").write_text(text)
    ruff("format", "--isolated", "--check", "--diff", str(tmp_path))
    ruff("check", "--isolated", "--select", RUFF_RULES, "--ignore", "RUF001,RUF002,B905", str(tmp_path))


def test_resnet50_is_short() -> None:
    graph, doc = networks(str(ROOT / "specs/resnet.arch"))["ResNet50"]
    assert len(emitted(graph, doc).splitlines()) <= 80


def test_mypy(tmp_path: Path) -> None:
    files = []
    for spec, name in [("resnet", "ResNet50"), ("googlenet", "GoogLeNet"), ("unet", "UNet")]:
        graph, doc = networks(str(ROOT / f"specs/{spec}.arch"))[name]
        files.append(tmp_path / f"{spec}.py")
        files[-1].write_text(emitted(graph, doc))
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--config-file=", "--check-untyped-defs", *map(str, files)],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stdout


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
  output def -> self: print(2, 3) -> nn: print(3, 3) -> "0": conv(2, 1)
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
    assert {k: tuple(v.shape) for k, v in module.state_dict().items()} == keys_of(graph)
    assert module(torch.zeros(1, 3, 8, 8)).shape == (1, 2, 6, 6)


@pytest.mark.parametrize("label", ["_modules", "__dict__", "_parameters"])
def test_a_label_that_would_break_a_module_is_an_error(label: str) -> None:
    graph = one(
        f"network N {{ input x[3, 8, 8] output y = x -> {label}: conv(4, 3) -> relu }}"
    )
    with pytest.raises(EmitError):
        emitted(graph)


@pytest.mark.parametrize(
    "text",
    [
        "block Scale { input x output x -> scale -> relu } network N { input x[3, 8, 8] output x -> Scale }",
        "network Scale { input x[3, 8, 8] output x -> scale(init=0.5) }",
    ],
)
def test_classes_that_files_bring_along_keep_their_names_apart(text: str) -> None:
    graph = one(text)
    names: dict[str, Any] = {}
    exec(compile(emitted(graph), "N", "exec"), names)
    module = names[graph.name]()
    assert {k: tuple(v.shape) for k, v in module.state_dict().items()} == keys_of(graph)
    assert module(torch.ones(1, 3, 8, 8)).unique().tolist() == [0.5 if "0.5" in text else 1]

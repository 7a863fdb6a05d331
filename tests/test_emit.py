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
from archc.emit.pytorch.code import Raw, flat
from archc.emit.pytorch.templates import expression, fill
from archc.graph import Graph, Tree, leaves
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
    ruff(
        "check",
        "--isolated",
        "--select",
        RUFF_RULES,
        "--ignore",
        "RUF001,RUF002,B905",
        str(tmp_path),
    )


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


CONSTRUCTS = {
    "shared": """
network N {
  input a[3, 16, 16]
  input b[3, 8, 8]
  share head = (conv(8, 3) -> batchnorm -> relu -> conv(4, 1))
  share one = conv(3, 1)
  output p = a -> one -> head
  output q = b -> one -> head
}""",
    "taps": """
network B {
  input image[3, 32, 32]
  x = image -> stem: conv(8, 3, pad=1) -> relu
  x = x -> layer1: repeat 2 { (conv(8, 3, pad=1) -> relu) } -> pool(2)
  x = x -> layer2: repeat 3 { conv(16, 3, pad=1) -> relu } -> pool(2)
  output logits = x -> pool(global, by=avg) -> flatten -> fc: linear(10)
}
network N {
  input image[3, 32, 32]
  taps = image -> body: B(outputs=[layer1, layer2])
  output fuse(taps.layer1 -> pool(2) -> lat1: conv(8, 1), taps.layer2 -> lat2: conv(8, 1))
}""",
    "split": """
block Shuffle {
  input x[C, ...]
  a, b = x -> split(2)
  output fuse(a, b -> conv(C // 2, 3, pad=1) -> batchnorm, by=concat) -> channel_shuffle(2)
}
network N {
  input image[8, 8, 8]
  output image -> repeat 3 { Shuffle } -> a: Shuffle -> pool(2) -> b: Shuffle
}""",
    "skips": """
network N {
  input image[8, 8, 8]
  output image -> res: skip { conv(8, 3, pad=1) -> relu -> conv(8, 3, pad=1) } -> relu
    -> gate: skip(by=product) { pool(global, by=avg) -> fc: conv(8, 1) -> sigmoid }
}""",
    "initialised": """
default conv(init=kaiming_normal(mode="fan_out"), bias_init=0)
block B(w: int) {
  input x
  output x -> body: (conv(w, 3, pad=1) -> batchnorm -> relu -> conv(w, 3, pad=1)) -> relu
}
network N {
  input image[3, 8, 8]
  output image -> stem: (conv(4, 3) -> relu) -> B(8) -> B(16) -> fs[0]: conv(4, 1)
    -> "a-b": conv(3, 1) -> flatten -> fc: linear(5, init=trunc_normal(0.02))
}""",
    "records": """
block Two(w: int) {
  input x
  y = x -> conv(w, 1)
  output low = y -> pool(2)
  output high = y
}
block Several(n: int) {
  input x
  output [x -> cs[i]: conv(i + 1, 1) for i in 0..n]
}
block Sum {
  input xs
  output fuse(xs, by=concat)
}
network N {
  input image[3, 8, 8]
  p = image -> Two(4)
  output a = p.high -> Several(3) -> Sum
  output b = p.low -> Several(2)
  output c = p.low -> aux: conv(7, 1) when training
}""",
    "streams": """
block Exchange(depth: int) {
  input streams
  output [s -> bs[i]: repeat depth { conv(8, 3, pad=1) -> relu } for i, s in streams]
}
network N {
  input image[8, 8, 8]
  xs = [image, image -> conv(8, 3, pad=1), image -> conv(8, 1)]
  ys = xs -> stage1: repeat 2 { Exchange(2) } -> stage2: Exchange(3)
  output ys
  output q = ys[1]
}""",
    "unpool": """
network N {
  input image[4, 12, 12]
  a = image -> c1: (conv(4, 3, pad=1) -> relu) -> p: pool(2)
  b = a -> pool(2)
  output b -> unpool(from=b) -> conv(4, 3, pad=1) -> unpool(from=a) -> conv(2, 1)
}""",
    "activations": """
block C(w: int, act: block = relu) {
  input x
  output x -> conv(w, 3, pad=1) -> batchnorm -> act
}
network N {
  input image[3, 8, 8]
  output image -> C(4) -> C(4, act=silu) -> C(8, act=leaky_relu(slope=0.2)) -> C(8, act=prelu)
}""",
    "nested": """
block Deep(n: int, m: int) {
  input x[C, ...]
  for i in 0..n {
    for j in 0..m { x = x -> a[i][j]: conv(C, 3, pad=1) -> relu }
    x = x -> b[i]: batchnorm
  }
  output x
}
network N {
  input image[4, 8, 8]
  output image -> Deep(2, 3) -> d2: Deep(3, 3) -> d3: Deep(1, 1) -> d4: Deep(3, 2)
}""",
    "loops": """
block Pyramid(depth: int) {
  input x[C, ...]
  y = x
  sides = []
  for n in reversed(0..depth) {
    sides = sides + [y -> side[n]: conv(C, 3, pad=1)]
    y = y -> pool(2) -> down[n]: conv(C, 3, pad=1) -> relu
  }
  for n in 0..depth {
    y = y -> up[n]: conv(C, 1) -> upsample(2, by=nearest)
    y = fuse(sides[depth - 1 - n], y)
  }
  output y
}
network N {
  input image[4, 16, 16]
  output image -> Pyramid(3)
}""",
    "dense": """
block Layer(growth: int) = (norm: batchnorm -> relu -> conv: conv(growth, 3, pad=1))
network N {
  input image[4, 8, 8]
  output image
    -> for i, n in [3, 6] {
      "b{i + 1}": repeat n as j { skip(by=concat) { "layer{j + 1}": Layer(2) } }
    }
}""",
    "conditions": """
block B(w: int, stride: int = 1, se: bool = false) {
  input x[C, ...]
  output x -> skip {
    conv(w, 3, stride=stride, pad=1) -> bn1: batchnorm -> relu
    -> if se then s: skip(by=product) { pool(global, by=avg) -> squeeze: conv(w, 1) -> sigmoid }
    -> conv2: conv(w, 3, pad=1)
  } via down: if stride == 1 and C == w then identity else conv(w, 1, stride=stride)
  -> relu
}
network N {
  input image[8, 16, 16]
  output image -> B(8) -> B(16, stride=2) -> B(16, se=true) -> B(16)
}""",
    "fields": """
block B(eval: bool, n: int, forward: int = 1) {
  input x[C, ...]
  if eval { output x -> n: conv(C, 1) -> upsample(n, by=nearest) }
  else { output x -> n: conv(C, 1) -> upsample(forward, by=nearest) -> relu -> pool(2) }
}
network N {
  input image[3, 8, 8]
  output image -> B(true, 2) -> B(false, 2, forward=2) -> B(true, 3) -> B(false, 4, forward=3)
}""",
    "ranks": """
block C1(w: int) = (conv(w, 3, pad=half) -> batchnorm -> relu)
network N {
  input a[2, 16]
  input b[3, 8, 8, 8]
  output x = a -> C1(4) -> C1(8) -> pool(2)
  output y = b -> C1(4) -> pool(2)
}""",
    "recursion": """
block Level(channels: int, levels: int) {
  input x
  here = x -> conv(channels, 3, pad=1) -> relu
  if levels == 0 { output here } else {
    below = here -> pool(2) -> inner: Level(2 * channels, levels - 1)
      -> up: conv_transpose(channels, 2, stride=2)
    output fuse(here, below, by=concat) -> merge: conv(channels, 1)
  }
}
network N {
  input image[3, 16, 16]
  output image -> Level(4, 3)
}""",
    "mutual recursion": """
block A(n: int) {
  input x[C, ...]
  if n == 0 { output x -> conv(C, 1) } else { output x -> b: B(n - 1) -> conv(C, 3, pad=1) }
}
block B(n: int) {
  input x[C, ...]
  output x -> relu -> a: A(n)
}
network N {
  input image[3, 8, 8]
  output image -> A(3)
}""",
    "sizes": """
network N {
  input image[3, 16, 16]
  a = image -> conv(4, 3)
  output fuse(a, image -> conv(4, 1) -> crop(to=a), by=concat)
    -> upsample(to=image, by=bilinear) -> pad(1) -> maxout(2)
    -> f: (conv(4, 3, stride=2, pad=same) -> pool(3, stride=2, pad=same) -> scale -> lrn(5))
}""",
    "nothing": """
block Same {
  input x
  output x -> if false then relu
}
network N {
  input image[3, 8, 8]
  output image -> Same -> conv(3, 1) -> g: (identity -> conv(3, 1))
}""",
}


def reference(graph: Graph, weights: dict[str, Any], inputs: list[Any]) -> list[Any]:
    """A graph evaluated node by node, each operator as a layer of its own."""
    names = {"torch": torch, "F": torch.nn.functional, "nn": torch.nn, "Tensor": torch.Tensor}

    def call(node: Any, body: Any, path: str, args: list[Any]) -> list[Any]:
        op = graph.ops[node.op]
        shapes = [tuple(map(int, body.values[i].shape)) for i in node.inputs]
        pair = op.op == "pool" and len(node.outputs) == 2
        form = op.torch_positions(*shapes) if pair else op.torch(*shapes)
        scope = {**names, **{f"a{n}": arg for n, arg in enumerate(args)}}
        for helper in form.helpers:
            exec(helper.source, scope)
        if form.function is None:
            layer = eval(flat(expression(form.module)), scope).eval()
            own = {k[len(path) + 1 :]: v for k, v in weights.items() if k.startswith(path + ".")}
            layer.load_state_dict(own)
            made = layer(*args)
        else:
            given = [Raw(f"a{n}") for n in range(len(args))]
            made = eval(flat(fill(expression(form.function), given, Raw("None"))), scope)
        return list(made) if len(node.outputs) > 1 else [made]

    def run(index: int, prefix: str, args: list[Any]) -> list[Any]:
        body = graph.bodies[index]
        values = dict(zip((i for e in body.inputs for i in leaves(e.value)), args, strict=True))
        for node in body.nodes:
            path = prefix + (node.module or node.name)
            given = [values[i] for i in node.inputs]
            made = (
                run(node.body, path + ".", given) if node.op < 0 else call(node, body, path, given)
            )
            values.update(zip(node.outputs, made, strict=True))
        return [values[i] for e in body.outputs for i in leaves(e.value)]

    return run(len(graph.bodies) - 1, "", inputs)


def flattened(value: Any) -> list[Any]:
    return [value] if torch.is_tensor(value) else [t for part in value for t in flattened(part)]


def compute_the_same(graph: Graph, text: str) -> None:
    """The emitted network and the graph, node by node, give the same numbers."""
    names: dict[str, Any] = {"__name__": "emitted"}
    exec(compile(text, graph.name, "exec"), names)
    module = names[graph.name]().eval()
    noise = torch.Generator().manual_seed(0)
    weights = {}
    for key, value in module.state_dict().items():
        random = torch.rand(value.shape, generator=noise)
        random += 0.5 if value.dim() == 1 else -0.5
        weights[key] = random / max(1, value[0].numel()) ** 0.5 if value.dim() else value
    module.load_state_dict(weights)

    def tensor(tree: Tree) -> Any:
        if isinstance(tree, int):
            return torch.rand((2, *map(int, graph.main.values[tree].shape)), generator=noise)
        return [tensor(part) for part in tree]

    inputs = [tensor(i.value) for i in graph.main.inputs]
    with torch.no_grad():
        given = flattened(module(*inputs))
        wanted = reference(graph, weights, flattened(inputs))
    training = [o.training for o in graph.main.outputs for _ in leaves(o.value)]
    wanted = [w for w, only in zip(wanted, training, strict=True) if not only]
    assert len(given) == len(wanted)
    for a, b in zip(given, wanted, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-4 * float(b.abs().max()))


@pytest.mark.parametrize("name", sorted(CONSTRUCTS))
def test_constructs(name: str, tmp_path: Path) -> None:
    graph = one(CONSTRUCTS[name])
    text = emitted(graph)
    compare(graph, text)
    compute_the_same(graph, text)
    (tmp_path / "model.py").write_text(text)
    ruff("format", "--isolated", "--check", "--diff", str(tmp_path))
    ruff("check", "--isolated", str(tmp_path))


@pytest.mark.parametrize(
    ("spec", "name"), [("resnet_cifar", "ResNet20"), ("lenet5", "LeNet5"), ("hourglass", "Hg2")]
)
def test_networks_compute_what_the_graph_says(spec: str, name: str) -> None:
    graph, doc = networks(str(ROOT / f"specs/{spec}.arch"))[name]
    compute_the_same(graph, emitted(graph, doc))


@pytest.mark.parametrize("name", ["dense", "loops", "conditions", "recursion"])
def test_compile_and_export(name: str) -> None:
    graph = one(CONSTRUCTS[name])
    names: dict[str, Any] = {}
    exec(compile(emitted(graph), "model", "exec"), names)
    module = names[graph.name]().eval()
    x = torch.rand(2, *map(int, graph.main.values[0].shape))
    wanted = module(x)
    compiled = torch.compile(module, fullgraph=True, backend="eager")
    torch.testing.assert_close(flattened(compiled(x)), flattened(wanted))
    exported = torch.export.export(module, (x,))
    torch.testing.assert_close(flattened(exported.module()(x)), flattened(wanted))


def test_loops_stay_loops() -> None:
    text = emitted(one(CONSTRUCTS["dense"]))
    assert "for layer in self.children():" in text
    assert 'self.add_module(f"layer{j + 1}"' in text
    assert text.count("class ") == 3  # a layer, a block of them, the network


def test_conditions_are_those_of_the_source() -> None:
    text = emitted(one(CONSTRUCTS["conditions"]))
    assert "if stride != 1 or in_channels != w:" in text
    assert "nn.Conv2d(in_channels, w, kernel_size=1, stride=stride)" in text


def test_a_recursive_block_is_a_recursive_class() -> None:
    text = emitted(one(CONSTRUCTS["recursion"]))
    assert "self.inner = Level(channels, 2 * channels, levels=levels - 1)" in text
    assert text.count("class Level") == 1


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
    assert {k: tuple(v.shape) for k, v in module.state_dict().items()} == keys_of(graph)
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
    assert {k: tuple(v.shape) for k, v in module.state_dict().items()} == keys_of(graph)
    assert module(torch.ones(1, 3, 8, 8)).unique().tolist() == [0.5 if "0.5" in text else 1]

"""Emitted PyTorch for tests: graphs from specs and texts, and what the code of one must do."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import torch

from archc.analysis import analyze
from archc.diagnostics import Diagnostics
from archc.elaborate import load
from archc.emit.pytorch import source
from archc.emit.pytorch.code import Raw, flat
from archc.emit.pytorch.swap import fill
from archc.emit.pytorch.templates import expression
from archc.graph import Graph, Tree, leaves
from archc.source import Source
from tests.support.against_torch import output_shapes, state_of, tensors

torch.set_num_threads(1)

ROOT = Path(__file__).parent.parent.parent
SPECS = sorted((ROOT / "specs").glob("*.arch"))


def networks(path: str, text: str | None = None) -> dict[str, tuple[Graph, str]]:
    """Graph and documentation of every network of a spec; free sizes have their defaults."""
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


def resized(path: str, name: str, sizes: dict[str, int], text: str | None = None) -> Graph | None:
    """A network at other sizes; None where it has none there."""
    found = Diagnostics()
    program = load(path, found, None if text is None else Source(path, text))
    network = program.elaborate(name, sizes=sizes) if program else None
    return None if network is None or found.failed else network.graph


def runs_resized(there: Graph, text: str) -> None:
    """Code that was emitted for a network's usual sizes gives the shapes of the graph at others."""
    module = module_of(there, text).eval()
    main = there.main
    shapes = [main.values[i].shape for end in main.inputs for i in leaves(end.value)]
    given = tensors(module(*[torch.empty((2, *map(int, s)), device="meta") for s in shapes]))
    assert [tuple(y.shape[1:]) for y in given] == output_shapes(there, training=False)


def emitted(graph: Graph, doc: str = "") -> str:
    return source(graph, analyze(graph), doc)


def module_of(graph: Graph, text: str) -> Any:
    """The emitted network, without memory for its weights."""
    names: dict[str, Any] = {"__name__": "emitted"}
    exec(compile(text, graph.name, "exec"), names)
    with torch.device("meta"):
        return names[graph.name]()


def compare(graph: Graph, text: str) -> None:
    """Keys, weight shapes and output shapes, in training and out of it."""
    module = module_of(graph, text)
    assert {k: tuple(v.shape) for k, v in module.state_dict().items()} == state_of(graph)
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
        given = tensors(module(*inputs))
        wanted = reference(graph, weights, tensors(inputs))
    training = [o.training for o in graph.main.outputs for _ in leaves(o.value)]
    wanted = [w for w, only in zip(wanted, training, strict=True) if not only]
    assert len(given) == len(wanted)
    for a, b in zip(given, wanted, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-4 * float(b.abs().max()))

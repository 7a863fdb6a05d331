"""Memory and time: what autograd saves against PyTorch and against figures measured on published
code; budgets and rooflines against their definitions."""

from __future__ import annotations

import json
import warnings
from functools import lru_cache
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.multiprocessing.reductions import StorageWeakRef
from torch.utils._python_dispatch import TorchDispatchMode

from archc.analysis.devices import DEVICES, PRECISIONS
from archc.analysis.memory_budget import OPTIMIZERS, budget, usable
from archc.analysis.memory_rules import Tape
from archc.analysis.memory_tensors import (
    Storage,
    Tensor,
    copied,
    fresh,
    is_contiguous,
    kept,
    reshape,
)
from archc.analysis.roofline import Roofline
from archc.analysis.training_memory import TrainingMemory, applied, saved_bytes
from archc.cli import arguments
from archc.driver import Compiled, Options, compile_spec
from archc.emit.pytorch import source
from archc.graph import Graph
from archc.ops import operator
from archc.source import Source
from tests.support.against_torch import inputs_for, module_of
from tests.support.against_torch import tensors as tensors_of
from tests.support.op_cases import CASES
from tests.support.random_nets import random_net
from tests.support.torch_ops import Running, inputs

torch.set_num_threads(1)

HERE = Path(__file__).parent
SPECS = HERE.parent / "specs"
PATHS = sorted(SPECS.glob("*.arch"))
FIGURES: dict[str, dict[str, Any]] = json.loads((HERE / "figures.json").read_text())

OTHERWISE = {
    "alexnet_2gpu": (2 * 1024 * 4, "dropout before the linear layers; Caffe's is after them"),
    "vgg_c": (2 * 25088 * 4, "an average pool to 7x7, as torchvision's others; there is none"),
    **dict.fromkeys(
        ("cifar_resnet20", "cifar_resnet56", "cifar_resnet110", "cifar_resnet1202"),
        (2 * (16 * 16 * 16 + 32 * 8 * 8) * 8, "shortcuts by pool(1), which keeps positions"),
    ),
    "mobilenetv1_100.timm": (-39_940_096, "relu, as in the paper; there it is relu6"),
}
"""Models whose spec says something else than the code that was measured: bytes more, and what."""


@lru_cache(maxsize=2)
def compiled(spec: str, network: str) -> Compiled:
    return compile_spec(str(SPECS / f"{spec}.arch"), Options(network=network))[network]


def graph_of(text: str) -> Graph:
    state = compile_spec("-", source=Source("net.arch", text))
    assert [d.message for d in state.diagnostics if d.severity == "error"] == []
    return state.networks[-1].graph


def saved_by_autograd(
    run: Any, module: nn.Module | None, xs: list[torch.Tensor]
) -> tuple[int, Any]:
    """Bytes of the storages that a forward pass saves, those of parameters and buffers left out;
    and its result."""
    own = [*module.parameters(), *module.buffers()] if module is not None else []
    known = {t.untyped_storage()._cdata for t in own}
    found: dict[int, Any] = {}

    def pack(t: torch.Tensor) -> torch.Tensor:
        storage = t.untyped_storage()
        if storage._cdata not in known:
            found[storage._cdata] = storage  # kept, so that no other takes its address
        return t

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda t: t), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        result = run(*xs)
    return sum(storage.nbytes() for storage in found.values()), result


def module_for(made: Compiled, name: str) -> nn.Module:
    return module_of(source(made.graph, made.report, made.doc), name).train()


# ---------------------------------------------------------------------- saved for the backward pass


@pytest.mark.parametrize("name", FIGURES)
def test_figures_measured_on_published_code(name: str) -> None:
    figures = FIGURES[name]
    graph = compiled(figures["spec"], figures["network"]).graph
    more, _ = OTHERWISE.get(name, (0, ""))
    memory = TrainingMemory(graph, auxiliary=name == "googlenet_aux")
    assert memory.saved().of(2) == figures["saved"] + more


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_specs_save_what_autograd_saves(path: Path) -> None:
    """The first and the last network of each file, on the meta device: storages are real there."""
    networks = compile_spec(str(path), Options()).networks
    for made in {id(n): n for n in (networks[0], networks[-1])}.values():
        if len(made.graph.main.nodes) > 500:
            continue  # ResNet-1202: its published figure is above
        with torch.device("meta"):
            module = module_for(made, made.graph.name)
            found, _ = saved_by_autograd(module, module, inputs_for(made.graph, 2))
        assert saved_bytes(made.graph, 2) == found, made.graph.name


@pytest.mark.parametrize("part", range(6))
def test_random_networks_save_what_autograd_saves(part: int) -> None:
    for seed in range(part, 60, 6):
        torch.manual_seed(seed)
        net = random_net(seed)
        state = compile_spec("-", Options(network=net.name), source=Source("r.arch", net.text))
        made = state.networks[-1]
        module = module_for(made, net.name)
        for batch in (2, 3):
            found, _ = saved_by_autograd(module, module, inputs_for(made.graph, batch))
            assert saved_bytes(made.graph, batch) == found, (seed, batch)
        saved = TrainingMemory(made.graph).saved()
        assert saved.of(3) == saved_bytes(made.graph, 3), seed


def laid_out(how: str, x: torch.Tensor) -> torch.Tensor:
    """The same numbers, in memory as other layers leave them."""
    if how == "channels last" and x.dim() in (4, 5):
        return x.movedim(1, -1).contiguous().movedim(-1, 1)
    if how == "part":
        return torch.cat([x, x], 1)[:, : x.shape[1]]
    if how == "turned" and x.dim() == 3:
        return x.transpose(1, 2).contiguous().transpose(1, 2)
    return x


@pytest.mark.parametrize("grad", [True, False])
@pytest.mark.parametrize("how", ["contiguous", "channels last", "part", "turned"])
def test_every_operator_saves_what_autograd_saves(how: str, grad: bool) -> None:
    """And lays out its results as PyTorch does, for any layout of its inputs."""
    for name, args, shapes in CASES:
        if how != "contiguous" and name in REFUSED:
            continue
        op = operator(name).make(args)
        op.check(*shapes)
        running = Running(op.torch(*shapes))
        if running.module is not None:
            running.module.train()
        if running.module is not None and op.is_frozen:
            running.module.requires_grad_(False)
        xs = []
        for i, x in enumerate(inputs(op, [tuple(s) for s in shapes], 2)):
            data = x.dtype == torch.int64 or (name == "roi_align" and i == 1)
            x = laid_out(how, x) if not data else x
            xs.append(x.requires_grad_(grad) if not data else x)
        size, result = saved_by_autograd(running, running.module, xs)
        tape = Tape()
        ys = applied(tape, op, [like(x) for x in xs], [*op.outputs(*shapes)])
        where = (name, args, shapes)
        assert sum(storage.bytes for storage in tape.saved) == size, where
        made = result if isinstance(result, (tuple, list)) else [result]
        for y, t in zip(ys, made, strict=False):
            assert (y.shape, y.grad) == (tuple(t.shape), t.requires_grad), where
            assert strides(y.shape, y.strides) == strides(t.shape, t.stride()), where


REFUSED = {"channel_shuffle"}
"""Operators that PyTorch has for contiguous inputs only."""


def like(x: torch.Tensor) -> Tensor:
    storage = Storage(x.untyped_storage().nbytes(), True)
    return Tensor(tuple(x.shape), x.stride(), storage, x.requires_grad, x.element_size())


def strides(shape: Any, steps: Any) -> tuple[int, ...]:
    """Those that matter: an axis of size 1 may have any."""
    return tuple(s for n, s in zip(shape, steps, strict=True) if n != 1)


@st.composite
def tensors(draw: st.DrawFn) -> torch.Tensor:
    """Views of all kinds: axes permuted, narrowed, repeated."""
    sizes = draw(st.lists(st.integers(1, 4), min_size=2, max_size=5))
    x = torch.empty(sizes).permute(draw(st.permutations(range(len(sizes)))))
    for axis, n in enumerate(x.shape):
        kept_ = draw(st.integers(1, n))
        x = x.narrow(axis, 0, kept_) if draw(st.booleans()) else x
    return x


@settings(max_examples=300, deadline=None, derandomize=True)
@given(x=tensors(), data=st.data())
def test_views_and_copies_are_those_of_pytorch(x: torch.Tensor, data: st.DataObject) -> None:
    t = like(x)
    assert is_contiguous(t) == x.is_contiguous()
    assert strides(x.shape, kept(t)) == strides(x.shape, (x + 1).stride())
    assert strides(x.shape, copied(t).strides) == strides(x.shape, x.clone().stride())
    first = data.draw(st.integers(0, x.dim() - 1))
    last = data.draw(st.integers(first, x.dim() - 1))
    y = x.flatten(first, last)
    ours = reshape(t, tuple(y.shape))
    assert (ours.storage is t.storage) == (y.data_ptr() == x.data_ptr())
    assert strides(y.shape, ours.strides) == strides(y.shape, y.stride())


@settings(max_examples=200, deadline=None, derandomize=True)
@given(data=st.data())
def test_elementwise_layouts_are_those_of_pytorch(data: st.DataObject) -> None:
    shape = data.draw(st.lists(st.integers(1, 4), min_size=2, max_size=4))
    xs = []
    for _ in range(2):
        order = data.draw(st.permutations(range(len(shape))))
        x = torch.empty([shape[a] for a in order])
        x = x.permute([order.index(a) for a in range(len(shape))])
        for axis in range(len(shape)):
            x = x.narrow(axis, 0, 1) if data.draw(st.integers(0, 4)) == 0 else x
        xs.append(x)
    y = xs[0] + xs[1]
    assert strides(y.shape, kept(*map(like, xs))) == strides(y.shape, y.stride())


TINY = """
network Tiny {
  input image[3, 8, 8]
  output y = image -> conv(4, 3, pad=1) -> relu -> pool(2) -> flatten -> linear(10)
}
"""


def test_by_hand() -> None:
    """The input (convolution), the relu's result, the pool's positions and its result (linear)."""
    saved = TrainingMemory(graph_of(TINY)).saved()
    assert saved == (0, 4 * (3 * 64 + 4 * 64 + 64) + 8 * 64)


def test_dropout_on_a_gpu_keeps_booleans() -> None:
    text = TINY.replace("-> flatten", "-> dropout(0.5) -> flatten")
    graph = graph_of(text)
    on_cpu, on_gpu = TrainingMemory(graph).saved(), TrainingMemory(graph, cuda=True).saved()
    assert on_cpu.sample - on_gpu.sample == 3 * 64


def test_frozen_layers_before_the_first_trained_one_save_nothing() -> None:
    frozen = TINY.replace("conv(4, 3, pad=1)", "conv(4, 3, pad=1, frozen=true)")
    assert TrainingMemory(graph_of(frozen)).saved() == (0, 4 * 64)


def test_an_operator_of_another_package_saves_its_inputs() -> None:
    class Mine(operator("relu")):  # type: ignore[misc]
        op = "somebody_elses"

    tape = Tape()
    x = fresh((2, 3, 4, 4), True)
    (y,) = applied(tape, Mine(), [x], [(3, 4, 4)])
    assert (y.shape, y.grad, list(tape.saved)) == (x.shape, True, [x.storage])


# ---------------------------------------------------------------------- budgets


def test_budget_by_hand() -> None:
    found = budget(graph_of(TINY))
    params = 4 * 27 + 4 + 10 * 64 + 10
    assert (found.weights, found.gradients) == (4 * params, 4 * params)
    assert [found.optimizer(name) for name in OPTIMIZERS] == [0, 4 * params, 8 * params]
    assert found.working == 4 * (4 * 64 + 4 * 64)  # the relu's input and result
    assert found.peak == 4 * (3 * 64 + 2 * 4 * 64)  # the image, and the relu's input and result
    assert found.inference(5) == 4 * params + 5 * found.peak
    step = 5 * (found.saved.sample + found.working)
    assert found.training(5, "adam") == 4 * params * 4 + step


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("device", DEVICES.values(), ids=lambda d: d.name)
def test_the_largest_batch_is_the_last_that_fits(device: Any, optimizer: str) -> None:
    found = budget(compiled("resnet", "ResNet50").graph, cuda=device.cuda)
    most, served = found.largest_training(device, optimizer), found.largest_inference(device)
    assert 0 < most < served
    room = usable(device)
    assert found.training(most, optimizer) <= room < found.training(most + 1, optimizer)
    assert found.inference(served) <= room < found.inference(served + 1)


class Live(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """The most bytes of tensors that are alive at one time."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.alive: dict[int, tuple[StorageWeakRef, int]] = {}
        self.most = 0
        for t in (*module.parameters(), *module.buffers()):
            self.note(t)

    def note(self, t: torch.Tensor) -> None:
        storage = t.untyped_storage()
        held = StorageWeakRef(storage)  # type: ignore[no-untyped-call]
        self.alive[storage._cdata] = (held, storage.nbytes())

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        for key in [k for k, (held, _) in self.alive.items() if held.expired()]:  # type: ignore[no-untyped-call]
            del self.alive[key]
        result = func(*args, **(kwargs or {}))
        for t in result if isinstance(result, (tuple, list)) else [result]:
            if isinstance(t, torch.Tensor):
                self.note(t)
        self.most = max(self.most, sum(size for _, size in self.alive.values()))
        return result


TRAINED = [
    ("resnet", "ResNet18", "sgd"),
    ("vgg", "VGG16", "momentum"),
    ("unet", "UNetAnySize", "sgd"),
    ("googlenet", "GoogLeNet", "adam"),
    ("densenet", "DenseNet121", "momentum"),
]


@pytest.mark.parametrize(("spec", "network", "optimizer"), TRAINED)
def test_training_takes_about_so_much(spec: str, network: str, optimizer: str) -> None:
    """Two steps of training: what is alive at the peak is no more than the budget, and not much
    less (not all gradients of parameters are there while activations are)."""
    made = compiled(spec, network)
    with torch.device("meta"):
        module = module_for(made, network)
        steps: dict[str, Any] = {
            "sgd": torch.optim.SGD(module.parameters(), 0.1, foreach=False),
            "momentum": torch.optim.SGD(module.parameters(), 0.1, momentum=0.9, foreach=False),
            "adam": torch.optim.Adam(module.parameters(), foreach=False),
        }
        with Live(module) as live:
            for _ in range(2):
                ys = tensors_of(module(*inputs_for(made.graph, 8)))
                torch.stack([y.sum() for y in ys]).sum().backward()  # type: ignore[no-untyped-call]
                steps[optimizer].step()
                steps[optimizer].zero_grad()
                del ys
    found = budget(made.graph).training(8, optimizer)
    assert live.most <= found <= 1.3 * live.most


def test_what_is_too_large_has_no_batch() -> None:
    text = "network Big { input x[100_000]\n output y = x -> linear(100_000) }"
    found = budget(graph_of(text))
    assert found.largest_training(DEVICES["h100"], "adam") == 0
    assert found.largest_inference(DEVICES["t4"]) == 0


def test_auxiliary_heads_train_but_do_not_serve() -> None:
    made = compiled("googlenet", "GoogLeNet")
    assert made.report is not None
    found = budget(made.graph)
    apart = made.report.auxiliary
    assert apart.params > 0
    assert found.weights - found.inference_weights == 4 * (apart.params + apart.buffers)


# ---------------------------------------------------------------------- time


@pytest.mark.parametrize("batch", [1, 64])
def test_a_layer_takes_the_larger_of_two_times(batch: int) -> None:
    device = DEVICES["h100"]
    layers = {t.work.path: t for t in Roofline(graph_of(TINY), device, batch).layers()}
    conv, relu = layers["conv1"], layers["relu1"]
    units, weights = 4 * 64, 4 * 27 + 4
    assert conv.work.operations == batch * (2 * units * 27 + units)  # and the bias
    assert conv.work.moved == 4 * (batch * (3 * 64 + units) + weights)
    assert relu.work.moved == 4 * batch * 2 * units
    assert relu.seconds == relu.work.moved / device.bandwidth
    for layer in layers.values():
        computing = layer.work.operations / device.fp32
        moving = layer.work.moved / device.bandwidth
        assert layer.seconds == max(computing, moving)
    assert layers["flatten1"].seconds == 0


def test_half_the_bytes_and_a_higher_ceiling() -> None:
    graph = compiled("resnet", "ResNet50").graph
    single = list(Roofline(graph, DEVICES["h100"], 64).layers())
    half = list(Roofline(graph, DEVICES["h100"], 64, "bf16").layers())
    for a, b in zip(single, half, strict=True):
        assert b.work.moved * 2 == a.work.moved and b.seconds <= a.seconds
    assert any(t.bound == "compute" for t in single) and any(t.bound == "memory" for t in half)


def test_layers_are_those_of_an_inference() -> None:
    made = compiled("googlenet", "GoogLeNet")
    assert made.report is not None
    paths = [t.work.path for t in Roofline(made.graph, DEVICES["a100"]).layers()]
    assert paths == [row.path for row in made.report.layers() if not row.training]


def test_devices_are_plausible() -> None:
    """Tensor cores are no slower than others, and command line and table have the same names."""
    for device in DEVICES.values():
        rates = [device.rate(p) for p in PRECISIONS]
        known = [rate for rate in rates if rate is not None]
        assert known == sorted(known) and device.bandwidth < device.fp32
    assert tuple(DEVICES) == arguments.DEVICES
    assert arguments.PRECISIONS == PRECISIONS
    assert tuple(OPTIMIZERS) == arguments.OPTIMIZERS


def test_a_precision_that_a_device_lacks() -> None:
    with pytest.raises(ValueError, match="v100 has no tf32"):
        Roofline(graph_of(TINY), DEVICES["v100"], 1, "tf32")

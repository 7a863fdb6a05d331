"""Compiled training: as eager, compiled once for each size of batch, resumed, in processes."""

from __future__ import annotations

import csv
from functools import partial
from pathlib import Path

import pytest
import torch

from archc.driver import Options, compile_spec
from archc.emit.pytorch import source
from archc.graph import leaves
from archc.train.build import instantiate
from archc.train.device import numerics
from archc.train.errors import TrainError
from archc.train.folder.state import State, parse
from archc.train.loop import Trainer

from .support.trainings import SGD, Classifier, call, setup_of, trainer_of
from .test_train_ranks import WELL, Normed, Tiny, go, spread

torch.set_num_threads(1)

SPECS = Path(__file__).parents[1] / "specs"
CPU = torch.device("cpu")


def saved(trainer: Trainer, epoch: int) -> State:
    """As it is written to a file, and read."""
    moment = trainer.after(epoch)
    facts = {"at": {"epoch": moment.epoch, "step": 0, "seconds": 0.0}}
    return parse(State(trainer.state(moment), facts).packed(), Path("state"))


@pytest.mark.slow
def test_a_compiled_run_is_the_same_and_compiled_twice() -> None:
    """Once for training, once for measuring: not for a smaller last batch, nor when resumed."""
    from torch._dynamo.utils import counters

    settings = {"optimizer": SGD, "schedule": call("cosine"), "ema": 0.9, "epochs": 2}
    settings |= {"validation": 0.375, "augment": ["flip"]}  # 12 samples: a batch of 8, one of 4

    def made(compiled: bool) -> Trainer:
        torch.manual_seed(0)
        module = Classifier()
        module.drop.p = 0.0  # its random numbers are others
        return trainer_of("classes", module, settings, setup_of(CPU, compile=compiled))

    eager = made(False)
    expected = [eager.epoch(i) for i in range(2)]
    torch._dynamo.reset()
    counters.clear()
    trainer = made(True)
    first = trainer.epoch(0)
    state = saved(trainer, 0)
    found = [first, trainer.epoch(1)]
    test = trainer.measure(trainer.test)
    assert counters["stats"]["unique_graphs"] == 2
    assert not counters["graph_break"]
    for one, other in zip(expected, found, strict=True):
        assert one.validation is not None
        assert other.validation is not None
        assert other.train.loss == pytest.approx(one.train.loss, rel=1e-4)
        assert other.validation.loss == pytest.approx(one.validation.loss, rel=1e-4)
    assert test.loss == pytest.approx(eager.measure(eager.test).loss, rel=1e-4)
    again = made(True)
    assert again.restore(state).epoch == 1
    again.epoch(1)
    one, other = trainer.module.state_dict(), again.module.state_dict()
    assert all(torch.equal(one[key], other[key]) for key in one)


@pytest.mark.slow
@pytest.mark.parametrize("module", [Tiny, Normed])
def test_processes_compile_what_they_need_not_talk_in(module: type[Tiny], tmp_path: Path) -> None:
    """DistributedDataParallel goes around what is compiled; normalisations stay out of it."""
    settings = {"accumulate": 2, "samples": 400, "batch": 40, "ema": 0.9}

    def work(compiled: bool, rank: int) -> None:
        from torch._dynamo.utils import counters
        from torch._inductor import config

        torch._dynamo.reset()  # what the forked process did before
        counters.clear()
        config.compile_threads = 1  # helpers of that process are not this one's
        go(tmp_path / str(compiled), settings | {"compile": compiled}, module)
        graphs = counters["stats"]["unique_graphs"]
        assert graphs == 0 if not compiled else graphs == 2 if module is Tiny else graphs >= 2

    assert spread(2, partial(work, False)) == spread(2, partial(work, True)) == [WELL, WELL]
    one, other = (losses(tmp_path / name) for name in ("False", "True"))
    assert one == pytest.approx(other, rel=1e-4)


def losses(folder: Path) -> list[float]:
    with open(folder / "log.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    return [float(row[key]) for row in rows for key in ("train_loss", "validation_loss")]


def traced(spec: str) -> None:
    """An emitted network has nothing that torch.compile cannot follow: fullgraph says so."""
    made = compile_spec(str(SPECS / f"{spec}.arch"), Options()).networks[0]
    assert made.report is not None
    with torch.device("meta"):
        module = instantiate(source(made.graph, made.report, made.doc), made.name)
        body = made.graph.main
        shapes = [body.values[v].shape for end in body.inputs for v in leaves(end.value)]
        inputs = [torch.rand(2, *map(int, shape)) for shape in shapes]
    torch._dynamo.reset()
    followed = torch.compile(module, backend="eager", fullgraph=True, dynamic=False)
    for training in (True, False):
        module.train(training)
        with torch.set_grad_enabled(training):
            followed(*inputs)


@pytest.mark.parametrize("spec", ["lenet5", "segnet"])
def test_emitted_networks_compile_whole(spec: str) -> None:
    traced(spec)


@pytest.mark.slow
@pytest.mark.parametrize("spec", sorted(path.stem for path in SPECS.glob("*.arch")))
def test_every_emitted_network_compiles_whole(spec: str) -> None:
    traced(spec)


@pytest.mark.slow
def test_a_network_that_cannot_be_compiled_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    from torch._inductor import config

    monkeypatch.setattr(config.cpp, "cxx", ("no-such-compiler",))
    monkeypatch.setattr(config, "force_disable_caches", True)
    torch._dynamo.reset()
    setup = setup_of(CPU, compile=True)
    trainer = trainer_of("classes", Classifier(), {}, setup)
    words = "torch cannot compile the network here"
    with pytest.raises(TrainError, match=words) as caught, numerics(setup):
        trainer.epoch(0)
    assert caught.value.code == "E0802"
    assert "compiler" in caught.value.notes[0]

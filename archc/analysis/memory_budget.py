"""Memory of training and inference on a device, and the largest batch that fits.

All in bytes, float32. Training: weights (parameters, frozen ones and buffers), a gradient for each
parameter, the optimizer's state, what autograd saves for the backward pass, and the gradients that
are alive while one layer is passed backwards (those of its results and of its inputs, for the layer
where they are most). Auxiliary outputs train, so they count. Inference: weights, and the most
activations that are alive at one time.

The kernels' own workspace is no part of it; a share of the device's memory is left for that.
"""

from __future__ import annotations

from math import prod
from typing import NamedTuple

from ..graph import Graph
from .devices import Device
from .facts import FactTable, plain
from .measures import ALL, MAIN, Measures
from .memory import SCALAR, Memory
from .training_memory import Saved, TrainingMemory

OPTIMIZERS = {"sgd": 0, "momentum": 1, "adam": 2}
"""Scalars that an optimizer keeps for each parameter: nothing, a velocity, two moments."""

LEFT = 10
"""Percent of a device's memory that is left to its driver, workspaces and fragmentation."""


class Budget(NamedTuple):
    """Bytes of a network; `gradients`, `saved` and `working` are those of training."""

    weights: int
    gradients: int
    saved: Saved
    working: int
    """Per sample: gradients alive at one time while a layer is passed backwards."""
    peak: int
    """Per sample: most activations alive at one time in inference."""
    inference_weights: int
    """Weights without those that only training outputs reach."""

    def optimizer(self, name: str) -> int:
        """Bytes of an optimizer's state."""
        return OPTIMIZERS[name] * self.gradients

    def training(self, batch: int, optimizer: str) -> int:
        """Bytes of a training step."""
        fixed = self.weights + self.gradients + self.optimizer(optimizer)
        return fixed + self.saved.of(batch) + batch * self.working

    def inference(self, batch: int) -> int:
        """Bytes of an inference."""
        return self.inference_weights + batch * self.peak

    def largest_training(self, device: Device, optimizer: str) -> int:
        """The largest batch that trains on a device; 0 where none does."""
        return _largest(device, self.training(0, optimizer), self.saved.sample + self.working)

    def largest_inference(self, device: Device) -> int:
        """The largest batch that a device takes for inference; 0 where none."""
        return _largest(device, self.inference(0), self.peak)


def budget(graph: Graph, cuda: bool = False, facts: FactTable | None = None) -> Budget:
    """The budget of a network. `cuda`: what autograd saves is that of a GPU's kernels."""
    facts = facts or FactTable(graph)
    measures = Measures(graph, facts)
    main = len(graph.bodies) - 1
    every, used = measures.counts(main, ALL), measures.counts(main, MAIN)
    return Budget(
        weights=SCALAR * (every.params + every.frozen + every.buffers),
        gradients=SCALAR * every.params,
        saved=TrainingMemory(graph, cuda=cuda, facts=facts).saved(),
        working=SCALAR * _working(graph, facts),
        peak=SCALAR * Memory(graph, facts, measures).peak(main),
        inference_weights=SCALAR * (used.params + used.frozen + used.buffers),
    )


def usable(device: Device) -> int:
    """Bytes of a device that a network may take."""
    return device.memory * (100 - LEFT) // 100


def _largest(device: Device, fixed: int, sample: int) -> int:
    return max(usable(device) - fixed, 0) // max(sample, 1)


def _working(graph: Graph, facts: FactTable) -> int:
    """Units of the layer with most inputs and results."""
    most = 0
    for index, body in enumerate(graph.bodies):
        sizes = [prod(plain(value.shape)) for value in body.values]
        for node, fact in zip(body.nodes, facts[index], strict=True):
            if fact is not None:
                most = max(most, sum(sizes[v] for v in (*node.inputs, *node.outputs)))
    return most

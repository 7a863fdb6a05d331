"""A lint of channel counts: tensor cores multiply whole blocks, and are paid for whole blocks."""

from __future__ import annotations

from dataclasses import dataclass, field

from ...graph import Graph
from ...source import Span
from .scene import Scene, key_of

BLOCK = 8
"""Channels of 16 bits that are read and multiplied together, 16 bytes (NVIDIA, Deep Learning
Performance: "Convolutional Layers User's Guide")."""

WORTHWHILE = 0.05
"""Part of a network's multiply-accumulates that a stage must waste to be spoken of."""

LARGE = 10_000_000
"""Multiply-accumulates of a stage below which starting its kernels takes longer than they do."""

IMAGE = 4
"""Channels of images at most; first layers have kernels of their own."""


@dataclass(slots=True)
class _Stage:
    """What the layers of one stage do, in multiply-accumulates, and do in vain."""

    at: Span
    op: str
    macs: int = 0
    waste: int = 0
    channels: set[tuple[int, int]] = field(default_factory=set)


def unaligned_channels(scene: Scene) -> None:
    """W113: channels that are no multiple of 8 waste a worthwhile share of a network's work.

    Layers with groups run on other kernels and are left out. The driver passes the finding on only
    where a device with tensor cores is asked for, at 16 bits.
    """
    total = scene.report.macs
    calls = _calls(scene.graph)
    stages: dict[tuple[str, int, int], _Stage] = {}
    for body, node, op in scene.nodes("conv", "conv_transpose"):
        at = scene.place(node)
        before, after = (body.values[v].shape for v in (node.inputs[0], node.outputs[0]))
        inside, out = int(before[0]), int(after[0])
        if at is None or int(op.given().get("groups", 1)) != 1 or inside <= IMAGE:
            continue
        stage = stages.setdefault(key_of(at), _Stage(at, op.op))
        macs = op.macs(tuple(map(int, before))) * calls[id(body)]
        stage.macs += macs
        stage.waste += macs * _full(inside) * _full(out) // (inside * out) - macs
        if inside % BLOCK or out % BLOCK:
            stage.channels.add((inside, out))
    for stage in stages.values():
        if stage.macs >= LARGE and stage.waste >= WORTHWHILE * total:
            _warn(scene, stage, total)


def _warn(scene: Scene, stage: _Stage, total: int) -> None:
    inside, out = min(stage.channels)
    more = 100 * stage.waste / stage.macs
    share = 100 * stage.waste / total
    scene.warn(
        "W113",
        f"channels of this `{stage.op}` fill no whole blocks of {BLOCK}: tensor cores do"
        f" {more:.0f}% more work",
        stage.at,
        f"{inside} in, {out} out",
        notes=(f"in vain: {share:.0f}% of what the network has to do",),
        help=f"{_full(inside)} and {_full(out)} channels take the same time",
    )


def _full(channels: int) -> int:
    """The next multiple of a block."""
    return -(-channels // BLOCK) * BLOCK


def _calls(graph: Graph) -> dict[int, int]:
    """How often each body runs, by its identity."""
    count = [0] * len(graph.bodies)
    count[-1] = 1
    for number in range(len(graph.bodies) - 1, -1, -1):
        for node in graph.bodies[number].nodes:
            if node.body >= 0:
                count[node.body] += count[number]
    return {id(body): count[number] for number, body in enumerate(graph.bodies)}

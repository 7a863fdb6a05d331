"""The `costs` of a document: what `--device`, `--batch` and `--convention` add to the JSON."""

from __future__ import annotations

from pydantic import Field

from ..analysis.conventions import Counted
from .costs import Costs
from .jsonout import Document, _Model


class ConventionEntry(_Model):
    """The network in a named way of counting."""

    name: str
    about: str
    figure: float = Field(description="operations in the unit")
    unit: str = Field(description="GMACs, GFLOPs or GiMACs")
    operations: int = Field(description="exact")
    params: int


class MemoryEntry(_Model):
    """Bytes, float32."""

    optimizer: str
    weights: int = Field(description="parameters, frozen weights and buffers, auxiliary heads in")
    gradients: int
    optimizer_state: int
    saved_fixed: int = Field(description="saved for the backward pass, whatever the batch")
    saved_per_sample: int = Field(description="saved for the backward pass, per sample")
    working_per_sample: int = Field(description="gradients of activations alive at one time")
    training: int = Field(description="all of a training step at the batch")
    inference: int = Field(description="weights and live activations at the batch")
    largest_training_batch: int | None = Field(description="null: no device was named")
    largest_inference_batch: int | None


class LayerCost(_Model):
    path: str
    op: str
    flops: int = Field(description="of the batch, elementwise work included")
    bytes: int = Field(description="inputs, results and weights, each moved once")
    intensity: float = Field(description="FLOPs per byte")
    seconds: float
    bound: str = Field(description="compute or memory")


class DeviceEntry(_Model):
    """Times by the roofline of a device."""

    name: str
    title: str
    precision: str
    flops_per_second: int
    bytes_per_second: int
    memory: int
    seconds: float = Field(description="of one forward pass, at best")
    layers: list[LayerCost]


class CostEntry(_Model):
    """What a network costs."""

    name: str = Field(description="the network")
    batch: int
    memory: MemoryEntry | None = Field(description="with --device or --batch")
    device: DeviceEntry | None = Field(description="with --device")
    conventions: list[ConventionEntry] = Field(description="with --convention or --all-flops")


class CostDocument(Document):
    """The document with the costs of its networks."""

    costs: list[CostEntry] = Field(
        default_factory=list, description="with --device, --batch, --convention or --all-flops"
    )


def with_costs(made: Document, costs: list[tuple[str, Costs]]) -> CostDocument:
    """The document with what its networks cost."""
    entries = [_entry(name, found) for name, found in costs]
    parts = {field: getattr(made, field) for field in Document.model_fields}
    return CostDocument(**parts, costs=entries)


def _entry(name: str, costs: Costs) -> CostEntry:
    return CostEntry(
        name=name,
        batch=costs.ask.batch,
        memory=_memory(costs),
        device=_device(costs),
        conventions=[_convention(one) for one in costs.counted],
    )


def _convention(one: Counted) -> ConventionEntry:
    how = one.convention
    return ConventionEntry(
        name=how.name,
        about=how.about,
        figure=one.figure,
        unit=how.unit,
        operations=one.operations,
        params=one.params,
    )


def _memory(costs: Costs) -> MemoryEntry | None:
    found, ask = costs.budget, costs.ask
    if found is None:
        return None
    device = ask.device
    return MemoryEntry(
        optimizer=ask.optimizer,
        weights=found.weights,
        gradients=found.gradients,
        optimizer_state=found.optimizer(ask.optimizer),
        saved_fixed=found.saved.fixed,
        saved_per_sample=found.saved.sample,
        working_per_sample=found.working,
        training=found.training(ask.batch, ask.optimizer),
        inference=found.inference(ask.batch),
        largest_training_batch=device and found.largest_training(device, ask.optimizer),
        largest_inference_batch=device and found.largest_inference(device),
    )


def _device(costs: Costs) -> DeviceEntry | None:
    roofline = costs.roofline
    if roofline is None:
        return None
    device = roofline.device
    return DeviceEntry(
        name=device.name,
        title=device.title,
        precision=roofline.precision,
        flops_per_second=roofline.rate,
        bytes_per_second=device.bandwidth,
        memory=device.memory,
        seconds=costs.seconds,
        layers=[
            LayerCost(
                path=layer.work.path,
                op=layer.work.op,
                flops=layer.work.operations,
                bytes=layer.work.moved,
                intensity=layer.work.intensity,
                seconds=layer.seconds,
                bound=layer.bound,
            )
            for layer in costs.layers
        ],
    )

"""`archc check --format json`: the document, its schema, and how reports become it.

The pydantic models below are the schema (`archc schema` prints it). Shapes have no batch axis,
counts are per sample, lines and columns start at 1.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from .. import __version__
from ..analysis import AxisField, LayerRow, ReceptiveField, Report, ScopeRow
from ..analysis.cells import ratio
from ..diagnostics import Diagnostic
from ..dims import form_text, is_free
from ..ops import Shape
from .tables import Claim

SCHEMA = "archc-check-1"
"""Name and version of the format; the number grows when something is taken away or changes."""


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", populate_by_name=True, defer_build=True)


class End(_Model):
    """An input or output of a network."""

    name: str
    shape: list[int]


class OutputEnd(End):
    training: bool = Field(default=False, description="there in training only")


class Receptive(_Model):
    """What a unit sees of the network's (first spatial) input, by axis; null: the whole axis."""

    size: list[int | None] = Field(description="input units seen by the unit that sees most")
    smallest: list[int | None] = Field(description="by the unit that sees least")
    stride: list[str | None] = Field(description="input units per unit, an exact fraction")
    padding: list[int | None] = Field(description="units before the input that the first unit sees")
    start: list[str | None] = Field(description="centre of the first unit, an exact fraction")
    gated: bool = Field(description="besides, everything is seen through a gate or a statistic")
    holes: bool = Field(description="some units inside the interval may not be seen")


class Layer(_Model):
    """An operator, blocks unrolled, in the order of execution."""

    path: str = Field(description="state_dict prefix of its weights, if it has any")
    op: str
    args: dict[str, Any] = Field(description="arguments that differ from the defaults")
    inputs: list[str] = Field(description="paths of the layers or names of the inputs that feed it")
    shape: list[int]
    params: int = Field(description="trainable scalars; of a shared module at its first use only")
    frozen: int
    buffers: int
    macs: int
    neurons: int = Field(description="output units")
    receptive_field: Receptive | None = Field(description="null: a unit sees everything")
    training: bool = Field(default=False, description="only training outputs depend on it")
    module: str | None = Field(default=None, description="the shared module that it uses")
    shape_text: str | None = Field(default=None, description="in the free sizes, if it has any")
    file: str
    line: int
    column: int


class ScopeEntry(_Model):
    """A called block or a labelled group."""

    path: str
    block: str = Field(description="the block's name, or group, repeat, for, skip")
    args: dict[str, Any]
    shape: list[int] = Field(description="of the (first) value that leaves it")
    params: int
    macs: int
    receptive_field: Receptive | None
    training: bool = False
    shape_text: str | None = Field(default=None, description="in the free sizes, if it has any")
    file: str
    line: int
    column: int


class ClaimEntry(_Model):
    """An `expect` line."""

    text: str
    holds: bool | None = Field(description="null: it cannot be evaluated")
    expected: Any
    actual: Any
    source: str | None
    line: int


class FreeReason(_Model):
    """A layer that is why."""

    text: str = Field(description="the condition in the words of .arch")
    because: str
    file: str
    line: int


class FreeAnswer(_Model):
    """What free sizes must satisfy, exactly."""

    text: str | None = Field(description='"" any size will do, "false" none; null: undecided')
    smallest: dict[str, int] | None
    reasons: list[FreeReason]
    undecided: list[FreeReason] = Field(description="conditions that could not be decided")


class FreeEntry(_Model):
    """Sizes that are free, and what depends on them."""

    symbols: dict[str, int] = Field(description="with their values at hand")
    build: FreeAnswer = Field(description="for the network to be there")
    weights: FreeAnswer = Field(description="and with the weights that it has at hand")
    whole: FreeAnswer = Field(description="for the network, and no units at an end left unread")
    params: str | None = Field(description="closed form; null: there is none")
    macs: str | None


class NetworkEntry(_Model):
    """A network with its totals; what only training outputs reach is in `auxiliary_...` alone."""

    name: str
    inputs: list[End]
    outputs: list[OutputEnd]
    params: int = Field(description="trainable scalars")
    frozen: int = Field(description="scalars of weights that are not trained")
    buffers: int = Field(description="scalars in persistent buffers")
    macs: int = Field(description="multiply-accumulates per sample, biases not counted")
    flops: int = Field(description="2 x macs")
    neurons: int = Field(description="output units of weight layers")
    depth: int = Field(description="weight layers on the longest path")
    memory: int = Field(description="bytes of one inference, float32, batch 1")
    auxiliary_params: int
    auxiliary_macs: int
    receptive_field: Receptive | None = Field(description="of the output that sees most")
    layers: list[Layer]
    scopes: list[ScopeEntry]
    claims: list[ClaimEntry]
    free_sizes: FreeEntry | None = Field(default=None, description="if its inputs have any")


class EditEntry(_Model):
    file: str
    line: int
    column: int
    end_line: int
    end_column: int
    text: str


class FixEntry(_Model):
    title: str
    safe: bool = Field(description="the edits surely mean what was meant")
    edits: list[EditEntry]


class DiagnosticEntry(_Model):
    """An error, warning or note; `archc explain CODE` explains its code."""

    code: str
    severity: str
    message: str
    file: str | None
    line: int | None
    column: int | None
    end_line: int | None
    end_column: int | None
    notes: list[str]
    help: str | None
    fixes: list[FixEntry]


class Document(_Model):
    """What `archc check --format json` prints for a file."""

    archc: str = Field(description="version of archc")
    schema_: str = Field(alias="schema", description="name and version of this format")
    spec: str = Field(description="the file")
    networks: list[NetworkEntry]
    diagnostics: list[DiagnosticEntry]


def document(
    spec: str,
    networks: Iterable[tuple[Report, Sequence[Claim]]],
    diagnostics: Iterable[Diagnostic] = (),
    free: Mapping[str, FreeEntry] | None = None,
) -> Document:
    """The document of a file: its networks with their claims, and what was found in it.

    `free` has what is known of free sizes, by network.
    """
    return Document(
        archc=__version__,
        schema_=SCHEMA,
        spec=spec,
        networks=[
            network(report, claims, (free or {}).get(report.name)) for report, claims in networks
        ],
        diagnostics=[_diagnostic(item) for item in diagnostics],
    )


def text(made: Document) -> str:
    """The document as it is printed."""
    return made.model_dump_json(by_alias=True, indent=2)


def schema() -> dict[str, Any]:
    """JSON Schema of the document, with the costs that it may have."""
    from .costs_json import CostDocument

    return CostDocument.model_json_schema(by_alias=True, mode="serialization")


def network(
    report: Report, claims: Sequence[Claim] = (), free: FreeEntry | None = None
) -> NetworkEntry:
    """The entry of one network."""
    training = report.training_outputs
    return NetworkEntry(
        name=report.name,
        inputs=[End(name=name, shape=list(shape)) for name, shape in report.inputs],
        outputs=[
            OutputEnd(name=name, shape=list(shape), training=name in training)
            for name, shape in report.outputs
        ],
        params=report.params,
        frozen=report.frozen,
        buffers=report.buffers,
        macs=report.macs,
        flops=report.flops,
        neurons=report.neurons,
        depth=report.depth,
        memory=report.memory,
        auxiliary_params=report.auxiliary_params,
        auxiliary_macs=report.auxiliary_macs,
        receptive_field=receptive(report.receptive_field),
        layers=[_layer(row) for row in report.layers()],
        scopes=[_scope(row) for row in report.scopes()],
        claims=[_claim(claim) for claim in claims],
        free_sizes=free,
    )


def receptive(seen: ReceptiveField | None) -> Receptive | None:
    """None also where every axis is seen whole."""
    if seen is None or seen.whole:
        return None
    axes = seen.axes
    return Receptive(
        size=[None if a is None else a.size for a in axes],
        smallest=[None if a is None else a.smallest for a in axes],
        stride=[None if a is None else ratio(a.stride) for a in axes],
        padding=[None if a is None else a.padding for a in axes],
        start=[None if a is None else _centre(a) for a in axes],
        gated=seen.gated,
        holes=any(a is not None and a.holes for a in axes),
    )


def _centre(axis: AxisField) -> str:
    return str(axis.start // 2) if axis.start % 2 == 0 else f"{axis.start}/2"


def _layer(row: LayerRow) -> Layer:
    return Layer(
        path=row.path,
        op=row.op,
        args=row.args,
        inputs=row.inputs,
        shape=_list(row.shape),
        params=row.params,
        frozen=row.frozen,
        buffers=row.buffers,
        macs=row.macs,
        neurons=row.neurons,
        receptive_field=receptive(row.receptive_field),
        training=row.training,
        module=row.module,
        shape_text=_shape_text(row.free),
        file=row.site.file,
        line=row.site.line,
        column=row.site.column,
    )


def _scope(row: ScopeRow) -> ScopeEntry:
    return ScopeEntry(
        path=row.path,
        block=row.block,
        args=row.args,
        shape=_list(row.shape),
        params=row.params,
        macs=row.macs,
        receptive_field=receptive(row.receptive_field),
        training=row.training,
        shape_text=_shape_text(row.free),
        file=row.site.file,
        line=row.site.line,
        column=row.site.column,
    )


def _diagnostic(item: Diagnostic) -> DiagnosticEntry:
    from ..diagnostics.json import to_dict

    return DiagnosticEntry.model_validate(to_dict(item))


def _claim(claim: Claim) -> ClaimEntry:
    return ClaimEntry(
        text=claim.text,
        holds=claim.holds,
        expected=claim.expected,
        actual=claim.actual,
        source=claim.source,
        line=claim.line,
    )


def _shape_text(shape: Shape) -> str | None:
    """`[64, H//2, W//2]`; None where nothing is free."""
    return f"[{', '.join(map(form_text, shape))}]" if any(map(is_free, shape)) else None


def _list(shape: Shape) -> list[int]:
    return list(shape)

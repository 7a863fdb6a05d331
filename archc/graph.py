"""The validated graph: what a network is once names, defaults, blocks and loops are worked out.

A graph is a list of *bodies*. A body is one distinct (block, arguments, input shapes): its nodes
are operators or calls of earlier bodies, so a unit that occurs 400 times stands here once, and
every analysis works once per body. The last body is the network.

Values are numbered within their body. Shapes have no batch axis. Paths are state_dict prefixes:
a node's `name` is relative to its body, dots included.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Any, Literal, Union

from pydantic import BaseModel, ConfigDict, PlainSerializer, PlainValidator, model_validator
from typing_extensions import TypeAliasType

from .ops import Op, operator

Shape = tuple[int, ...]

Tree = TypeAliasType("Tree", "Union[int, list[Tree]]")
"""A value, or a (nested) list of values: what a block takes or gives."""


MEASURES = (
    "params",
    "frozen",
    "buffers",
    "macs",
    "flops",
    "neurons",
    "operators",
    "depth",
    "shape",
    "receptive_field",
    "stride",
    "memory",
)
"""Figures of a graph, by the names that claims call them."""


class _Part:
    """Common to the parts below: equality and text by fields, written once, since `dataclass` would
    compile them anew for every class."""

    __slots__: tuple[str, ...] = ()

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and all(
            getattr(self, name) == getattr(other, name) for name in self.__slots__
        )

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        shown = (f"{name}={getattr(self, name)!r}" for name in self.__slots__)
        return f"{type(self).__name__}({', '.join(shown)})"


@dataclass(slots=True, eq=False, repr=False)
class Site(_Part):
    """A stage or statement in the source. Its elaborations (one per iteration and body) share it.

    `exprs` gives the source of each argument (and of a `repeat`'s count, as "count") as a Python
    expression over the block's parameters, the names that its input patterns bind and the loop
    variables around it; an argument that cannot be said so is left out. Lines and columns from 1.
    """

    file: str
    line: int
    column: int
    end_line: int
    end_column: int
    exprs: dict[str, str] = field(default_factory=dict)
    loop: tuple[str, ...] = ()
    """Names of the loop variables, of a loop."""


@dataclass(slots=True, eq=False, repr=False)
class Value(_Part):
    """A tensor: its shape, and the node and output that make it (node -1: an input of the body)."""

    shape: Shape
    node: int = -1
    port: int = 0
    name: str | None = None
    """The name that the source gives it (`name = pipeline`, an input's name), if any."""
    positions: int | None = None
    """The value with the positions of its maxima, if a max pool made it and they are wanted."""


@dataclass(slots=True, eq=False, repr=False)
class Node(_Part):
    """An operator (`op` >= 0, into `Graph.ops`) or a call (`body` >= 0, into `Graph.bodies`).

    `inputs` and `outputs` are values of the body; a call's follow the flattened trees of the
    callee's `Input`s and `Output`s (hidden positions last). The max pool before an `unpool` has
    two outputs.
    """

    name: str
    op: int
    body: int
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    site: int
    scope: int = 0
    """Innermost scope of the body that it stands in."""
    iters: tuple[int, ...] = ()
    """Which iteration of each loop around it (outermost first, in this body) made it."""
    module: str | None = None
    """Path, in this body, of the shared module that it uses, where that is not its own name."""
    role: Literal["", "skip"] = ""
    """"skip": the fuse of a `skip`, whose inputs are (shortcut, body)."""
    labelled: bool = False
    """The name was written by the user, not counted or numbered."""


@dataclass(slots=True, eq=False, repr=False)
class Scope(_Part):
    """A group of nodes: what a label on a group, `repeat`, `for` or `skip` names. 0: the body.

    Transparent constructs (unlabelled repeat, for, skip) have a scope too, with the path of the
    scope around them: diagrams fold by it, loops are emitted from it.
    """

    path: str
    parent: int
    kind: Literal["body", "group", "repeat", "for", "skip"]
    site: int
    positional: bool = False
    """Unlabelled stages in it are named by position: it is an `nn.Sequential`."""
    labelled: bool = False
    """It has a path of its own (by a label or a position)."""
    iters: tuple[int, ...] = ()
    count: int = 1
    """Iterations, of a repeat or for."""
    first: int = 0
    last: int = 0
    """Nodes first..last (half-open) are its own and its inner scopes'."""
    inputs: tuple[int, ...] = ()
    """The values that enter it."""
    output: Tree | None = None
    """The value that leaves it."""


@dataclass(slots=True, eq=False, repr=False)
class Input(_Part):
    """A declared input: its name and values (a list where a list came in).

    `dims` are the names that its pattern bound, by axis. `shape_text` is its shape as written.
    """

    name: str
    value: Tree
    dims: dict[str, int] = field(default_factory=dict)
    hidden: bool = False
    """The positions of the maxima of another input, wanted by an `unpool` inside."""


@dataclass(slots=True, eq=False, repr=False)
class Output(_Part):
    """A declared output: its name (None where the source gives none) and values."""

    name: str | None
    value: Tree
    training: bool = False
    hidden: bool = False
    """The positions of the maxima of another output, wanted by an `unpool` of a caller."""


@dataclass(slots=True, eq=False, repr=False)
class Choice(_Part):
    """An `if` (statement, stage or expression around stages): its condition and what it gave."""

    site: int
    test: str | None
    taken: bool
    iters: tuple[int, ...] = ()


@dataclass(slots=True, eq=False, repr=False)
class Body(_Part):
    """One distinct (block, arguments, input shapes)."""

    block: str
    kind: Literal["network", "block", "stage"]
    """"stage": a block whose body is one stage."""
    args: dict[str, Any]
    """Every parameter's value; blocks and operators as text (`Bottleneck`, `leaky_relu(0.1)`)."""
    doc: str
    site: int
    inputs: list[Input] = field(default_factory=list)
    outputs: list[Output] = field(default_factory=list)
    values: list[Value] = field(default_factory=list)
    nodes: list[Node] = field(default_factory=list)
    """In execution order: every input of a node is made by an earlier one."""
    scopes: list[Scope] = field(default_factory=list)
    choices: list[Choice] = field(default_factory=list)
    labels: dict[str, Tree] = field(default_factory=dict)
    """What leaves each label, by path relative to the body."""
    listed: bool = False
    """The output is a list (`output [..]`), even of one."""
    rows: dict[str, int] = field(default_factory=dict)
    """Free sizes of a network's inputs (`H=224`): symbol and the size at hand."""


def _load_op(data: Any) -> Op:
    if isinstance(data, Op):
        return data
    return operator(data["op"]).model_validate_json(_json(data["args"]))


def _json(data: Any) -> str:
    import json

    return json.dumps(data)


def _dump_op(op: Op) -> dict[str, Any]:
    return {"op": op.op, "args": op.given()}


AnyOp = Annotated[Op, PlainValidator(_load_op), PlainSerializer(_dump_op)]


class Graph(BaseModel):
    """A network. `model_dump_json` and `model_validate_json` are a round trip."""

    model_config = ConfigDict(extra="forbid", defer_build=True)

    name: str
    ops: list[AnyOp]
    bodies: list[Body]
    sites: list[Site]

    @property
    def main(self) -> Body:
        return self.bodies[-1]

    @classmethod
    def assemble(cls, name: str, ops: list[Op], bodies: list[Body], sites: list[Site]) -> Graph:
        """A graph of parts made by archc itself, checked for coherence.

        Types need no second look (pydantic would take instances as they are), and its schema for
        them costs more to build than a small network to check. Text is validated in full.
        """
        made = cls.model_construct(name=name, ops=ops, bodies=bodies, sites=sites)
        made._refer()
        return made

    @model_validator(mode="after")
    def _coherent(self) -> Graph:
        self._refer()
        return self

    def _refer(self) -> None:
        """References point where they may: nodes to earlier values, calls to earlier bodies."""
        for index, body in enumerate(self.bodies):
            made = [v.node < 0 for v in body.values]
            for n, node in enumerate(body.nodes):
                if (
                    (node.op < 0) == (node.body < 0)
                    or node.op >= len(self.ops)
                    or node.body >= index
                ):
                    raise ValueError(f"node {node.name}: neither an operator nor an earlier body")
                if not all(made[i] for i in node.inputs):
                    raise ValueError(f"node {node.name}: an input that is not yet made")
                for port, i in enumerate(node.outputs):
                    value = body.values[i]
                    if (value.node, value.port) != (n, port):
                        raise ValueError(f"node {node.name}: output {port} is another's")
                    made[i] = True
            ends: list[Input | Output] = [*body.inputs, *body.outputs]
            for end in ends:
                if not all(made[i] for i in leaves(end.value)):
                    raise ValueError(f"body {body.block}: `{end.name}` is never made")


def leaves(tree: Tree | None) -> list[int]:
    """The values of a tree, left to right."""
    if tree is None:
        return []
    if isinstance(tree, int):
        return [tree]
    return [leaf for part in tree for leaf in leaves(part)]


def join(prefix: str, name: str) -> str:
    """A path below another."""
    return f"{prefix}.{name}" if prefix and name else prefix or name

"""The inputs of a body: values of the caller, patterns and requirements."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..dims import Size
from ..graph import Input
from ..source import Span
from ..syntax import tree
from . import free
from .bodies import input_statements
from .body import tensors, tree_of
from .constructs import Constructs
from .patterns import bind_pattern
from .values import Record, Tensor

if TYPE_CHECKING:
    pass

MOST_VALUES = 4096
"""Values that may go into one block: a list that doubles at each call would not end."""


class Inputs(Constructs):
    """Binds the inputs of a block or network."""

    decl: Any

    def receive(self, name: str, value: Any, span: Span) -> Any:
        """An input of this body that is shaped like a value of the caller."""
        builder = self.builder
        if not isinstance(value, Tensor) and len(tensors(value)) > MOST_VALUES:
            self.session.exhausted(
                f"a list of more than {MOST_VALUES:,} values goes into `{self.decl.name.name}`",
                span,
                "join them first: `fuse(list, by=concat)`",
            )

        def leaf(tensor: Tensor) -> Tensor:
            made = builder.value(tensor.shape, name=name if isinstance(value, Tensor) else None)
            return builder.tensor(made, tensor.pooled)

        def copy(part: Any) -> Any:
            if isinstance(part, Tensor):
                return leaf(part)
            if isinstance(part, Record):
                return Record({k: copy(v) for k, v in part.fields.items()})
            return [copy(p) for p in part]

        inner = copy(value)
        builder.body.inputs.append(Input(name, tree_of(inner)))
        builder.input_spans.append(span)
        return inner

    def bind_inputs(self, decl: Any, value: Any, node: Any) -> None:
        """Give a block's inputs the values of a call, and match their patterns."""
        inputs = input_statements(decl.body)
        if not inputs:
            self.session.fail(
                "E0503",
                f"`{decl.name.name}` has no input",
                decl.name.span,
                help="a block starts with `input x`",
            )
        values = [value]
        if len(inputs) > 1:
            parts = list(value.fields.values()) if isinstance(value, Record) else value
            if not isinstance(parts, (list, tuple)) or len(parts) != len(inputs):
                got = f"a list of {len(parts)}" if isinstance(parts, (list, tuple)) else "one value"
                names = ", ".join(i.name.name for i in inputs)
                self.session.fail(
                    "E0505",
                    f"`{decl.name.name}` has {len(inputs)} inputs and gets {got}",
                    node.span,
                    (inputs[0].span.to(inputs[-1].span), "declared here"),
                    help=f"pass a list: `[{names}] -> {decl.name.name}`",
                )
            values = list(parts)
        for statement, part in zip(inputs, values, strict=True):
            self.env[statement.name.name] = self.receive(statement.name.name, part, statement.span)
        for statement in inputs:
            self.match(statement, node)

    def match(self, statement: tree.Input, node: Any) -> None:
        """Match the pattern of an input; names in it are bound as numbers."""
        value = self.env[statement.name.name]
        if statement.dims is not None:
            entry = next(i for i in self.builder.body.inputs if i.name == statement.name.name)
            entry.dims = bind_pattern(self, statement, value, node)
            self.params = self.params | set(entry.dims)
        if statement.where is not None:
            self.require(statement)
            free.demand_where(self, statement)

    def require(self, statement: tree.Input) -> None:
        """The `where` of an input, for the sizes at hand."""
        assert statement.where is not None
        value = self.holds(statement.where)
        if value is False:
            sizes = self.env[statement.name.name]
            shape = f"{list(map(int, sizes.shape))}" if isinstance(sizes, Tensor) else "its input"
            self.session.fail(
                "E0409",
                f"input `{statement.name.name}` does not meet its requirement",
                (statement.where.span, f"false for {shape}"),
                help="choose sizes that meet it (`--at H=...`), or change the requirement",
            )

    def open_inputs(self, decl: tree.Network, sizes: dict[str, int]) -> None:
        """The inputs of the network itself: fixed sizes, and symbols at their sizes here."""
        from .patterns import network_shape

        self.session.wheres = []
        for statement in input_statements(decl.body):
            shape = network_shape(self, statement, sizes)
            made = self.builder.value(shape, name=statement.name.name)
            entry = Input(statement.name.name, made)
            self.builder.body.inputs.append(entry)
            self.builder.input_spans.append(statement.span)
            self.env[statement.name.name] = self.builder.tensor(made)
            for axis, size in enumerate(shape):
                if isinstance(size, Size):
                    entry.dims[str(size.form)] = axis
                    self.builder.body.rows[str(size.form)] = int(size)
            if statement.where is not None:
                self.session.wheres.append((self, statement.where))
                self.require(statement)

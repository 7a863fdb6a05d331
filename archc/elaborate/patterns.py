"""Shape patterns of inputs: names that bind, numbers and expressions that must agree."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..dims import is_free, symbol
from ..ops import Shape
from ..syntax import tree
from .free import demand_equal
from .values import POISON, Fail, Tensor, kind_of, show

if TYPE_CHECKING:
    from .inputs import Inputs

USUAL = 224
"""What a free symbol without a default is reported at, or the next size that `where` allows."""


def bind_pattern(self: Inputs, statement: tree.Input, value: Any, node: Any) -> dict[str, int]:
    """Match `[C, H, W]` or `[C, ...]` against a value's shape; names by axis."""
    dims = statement.dims or ()
    name = statement.name.name
    if value is POISON:
        raise Fail
    if not isinstance(value, Tensor):
        self.session.fail(
            "E0506",
            f"input `{name}` is one value, and gets {kind_of(value)}",
            statement.span,
            (node.span, ""),
        )
    shape = value.shape
    if len(shape) < len(dims) or (len(shape) > len(dims) and not statement.rest):
        self.session.fail(
            "E0402",
            f"input `{name}` of `{self.decl.name.name}` has {len(dims)} axes, "
            f"and gets {len(shape)}",
            (node.span, f"{show(shape)} arrives"),
            (statement.span, "declared here"),
        )
    bound: dict[str, int] = {}
    for axis, (dim, size) in enumerate(zip(dims, shape, strict=False)):
        wanted = _dim(self, dim)
        if isinstance(wanted, str):
            self.env[wanted] = size
            bound[wanted] = axis
        elif wanted != size:
            self.session.fail(
                "E0405",
                f"axis {axis + 1} of `{name}` is {size}, and {wanted} is due",
                (node.span, f"{show(shape)} arrives"),
                (dim.span, f"`{dim.span.text}` is {wanted}"),
            )
        elif is_free(size) or is_free(wanted):
            demand_equal(self.session, f"input {name}", dim.span, wanted, size)
    return bound


def _dim(self: Inputs, dim: tree.Dim) -> Any:
    """The name that an axis binds, or the number that it must be."""
    if dim.name is not None:
        if dim.name.name not in self.env:
            return dim.name.name
        return self.env[dim.name.name]
    if (
        isinstance(dim.value, tree.Name)
        and dim.value.name not in self.env
        and self.unit.find(dim.value.name) is None
    ):
        return dim.value.name
    return self.count(dim.value, "a size")


def network_shape(self: Inputs, statement: tree.Input, sizes: dict[str, int]) -> Shape:
    """The shape of a network's own input; symbols at `sizes`, at their defaults, or usual ones."""
    name = statement.name.name
    if statement.dims is None or statement.rest or not statement.dims:
        self.session.fail(
            "E0402",
            f"input `{name}` of a network needs a shape",
            statement.span,
            help=f"`input {name}[3, H=224, W=224]`, without the batch",
        )
    shape: list[int] = []
    unset: list[tuple[int, str]] = []
    assert statement.dims is not None
    for axis, dim in enumerate(statement.dims):
        free = dim.name.name if dim.name is not None else None
        if free is None and isinstance(dim.value, tree.Name):
            known = dim.value.name in self.env or self.unit.find(dim.value.name) is not None
            free = None if known else dim.value.name
        if free is None:
            shape.append(_positive(self, dim, self.count(dim.value, "a size")))
            continue
        if free in self.env:
            shape.append(self.env[free])
            continue
        if free in sizes:
            size = sizes[free]
        elif dim.name is not None:
            size = self.count(dim.value, "a size")
        else:
            size = USUAL
            unset.append((axis, free))
        shape.append(symbol(free, _positive(self, dim, size)))
        self.env[free] = shape[-1]
    if unset and statement.where is not None:
        _settle(self, statement, shape, unset)
    return tuple(shape)


def _positive(self: Inputs, dim: tree.Dim, size: int) -> int:
    if size < 1:
        self.session.fail("E0305", f"a size is at least 1, not {size}", dim.span)
    return size


def _settle(
    self: Inputs, statement: tree.Input, shape: list[int], unset: list[tuple[int, str]]
) -> None:
    """Move symbols without a default to the next size that the `where` allows."""
    assert statement.where is not None
    for size in range(USUAL, USUAL + 4096):
        for axis, name in unset:
            shape[axis] = self.env[name] = symbol(name, size)
        if self.holds(statement.where) is True:
            return

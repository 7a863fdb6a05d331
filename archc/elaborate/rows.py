"""Rows of a table that do not have as many elements as a loop has names for them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn

from ..source import Span
from ..syntax import tree
from .values import Fail, kind_of

if TYPE_CHECKING:
    from .expressions import Expressions


def unequal(
    self: Expressions, targets: tree.Targets, i: int, element: Any, over: tree.Expr
) -> NoReturn:
    """Report E0311 for element `i` of the list `over`, once however many loops run over it."""
    listed = isinstance(element, (list, tuple))
    count = len(element) if listed else 0
    has = f"{count} element{'s'[: count != 1]}" if listed else kind_of(element)
    row = written(self, over, i)
    if row is not None and not self.session.diagnostics.once(("row", row.start), targets.span):
        self.session.mistakes += 1
        raise Fail
    self.session.fail(
        "E0311",
        f"{len(targets.names)} names for {has}",
        (targets.span, f"element {i} of the list"),
        (row, f"this one has {count}") if row is not None and listed else row,
    )


def written(self: Expressions, over: tree.Expr, i: int) -> Span | None:
    """Where element `i` of a list stands, if the list is written out."""
    node: Any = over
    if isinstance(over, tree.Name):
        node = _assigned(getattr(self, "decl", None), over.name)
        const = self.unit.find(over.name)
        if node is None and isinstance(const, tree.Const):
            node = const.value
    if isinstance(node, tree.ListExpr) and i < len(node.items):
        return node.items[i].span
    return None


def _assigned(decl: Any, name: str) -> tree.Expr | None:
    """What a declaration's parameter or only assignment of a name gives it."""
    given = [p.default for p in getattr(decl, "params", ()) if p.name.name == name]
    given += [
        statement.value if len(statement.targets) == 1 else None
        for statement in getattr(decl, "body", ())
        if isinstance(statement, tree.Assign) and any(t.name == name for t in statement.targets)
    ]
    return given[0] if len(given) == 1 else None

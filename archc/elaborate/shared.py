"""`share name = stage`: one module, used at several places."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

from ..ops import Op
from ..syntax import tree
from .body import poisoned
from .naming import Names
from .values import Callable, Fail

if TYPE_CHECKING:
    from .frame import Frame
    from .stages import Place, Stages


class Shared:
    """A module that lives where it is declared. Its first use makes it; later uses make nodes that
    name it as their module."""

    def __init__(self, frame: Frame, node: tree.Share) -> None:
        self.frame = frame
        self.node = node
        self.first: tuple[int, int] | None = None
        self.broken = False
        """A use had a mistake in it, which was reported."""

    def use(self, user: Stages, value: Any, place: Place) -> Any:
        """Pass a value through the module."""
        from .stages import Place as MakePlace

        builder = self.frame.builder
        if user.builder is not builder:
            user.session.fail(
                "E0508",
                f"shared `{self.node.name.name}` is used outside of `{self.frame.decl.name.name}`",
                place.span,
                (self.node.span, "it lives here"),
                help="a shared module is used in the block that declares it",
            )
        if place.label is not None:
            user.session.fail(
                "E0204",
                f"shared `{self.node.name.name}` has its name already",
                (place.span, f"labelled `{place.label}`"),
                (self.node.name.span, "named here"),
                help="remove the label",
            )
        at = MakePlace(self.node.name.name, self.node.name.span)
        start, mistakes = len(builder.body.nodes), user.session.mistakes
        names, contexts = builder.names, builder.names.contexts
        if self.first is None:
            builder.names.contexts = contexts[:1]
            try:
                result = self.frame.stage(self.node.stage, value, at)
            finally:
                names.contexts = contexts
            self.first = (start, len(builder.body.nodes))
            self.broken = self.broken or user.session.mistakes > mistakes or poisoned(result)
            return result
        builder.names = Names(False)
        try:
            result = self.frame.stage(self.node.stage, value, at)
        finally:
            builder.names = names
        if self.broken or user.session.mistakes > mistakes or poisoned(result):
            return result
        try:
            self.unite(user, start, place)
        except Fail:
            user.excuse(result)
            raise
        return result

    def unite(self, user: Stages, start: int, place: Place) -> None:
        """Make the nodes of a later use name the first ones as modules; weights must agree."""
        assert self.first is not None
        builder = self.frame.builder
        nodes = builder.body.nodes
        old, new = nodes[slice(*self.first)], nodes[start:]
        if len(old) != len(new):
            user.session.fail(
                "E0406",
                f"shared `{self.node.name.name}` has other layers here than at its first use",
                place.span,
                (self.node.span, "declared here"),
            )
        for a, b in zip(old, new, strict=True):
            b.module = a.name
            theirs, ours = self.weights(a), self.weights(b)
            if theirs != ours:
                key = next((k for k in ours if ours[k] != theirs.get(k)), "")
                user.session.fail(
                    "E0406",
                    f"shared `{self.node.name.name}` needs other weights here",
                    (place.span, f"{key}: {list(ours.get(key, ()))}"),
                    (self.node.span, f"{key}: {list(theirs.get(key, ()))} at its first use"),
                    help="a shared module gets values of equal channels",
                )

    def weights(self, node: Any) -> dict[str, Any]:
        """Weight shapes by path, of a node and what it calls."""
        session, body = self.frame.session, self.frame.builder.body
        found: dict[str, Any] = {}
        pending = [(node, body, node.name)]
        while pending:
            node, body, path = pending.pop()
            if node.op >= 0:
                op: Op = session.ops[node.op]
                x = body.values[node.inputs[0]].shape
                found.update({f"{path}.{k}": v for k, v in op.weights(x).items()})
            else:
                inner = session.bodies[node.body]
                pending.extend((n, inner, f"{path}.{n.name}") for n in inner.nodes)
        return found


def declare(self: Frame, node: tree.Share) -> Callable:
    made = Shared(self, node)
    self.shares.append(made)
    return Callable("share", node.name.name, decl=made)  # type: ignore[arg-type]


def report_unused(self: Frame) -> None:
    """A shared module that no stage uses is a dropped layer."""
    for made in self.shares:
        if made.first is None and not made.broken:
            with suppress(Fail):
                self.session.fail(
                    "E0501",
                    f"shared `{made.node.name.name}` is never used",
                    made.node.name.span,
                    help="use it as a stage, or remove it",
                )

"""Calls of blocks and networks: each distinct (block, arguments, shapes) is worked out once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..graph import Body, Input, Output, leaves
from ..source import Span
from ..syntax import tree
from .arguments import Given, block_arguments
from .bodies import misread, mistaken_before
from .body import Builder, poisoned, rebuild, tensors, tree_of
from .fitting import convert, typed
from .naming import snake
from .session import Call
from .values import POISON, Callable, Fail, Record, Tensor, freeze, kind_of, plain

if TYPE_CHECKING:
    from .frame import Frame
    from .stages import Place


_WORKING = object()
"""In the memo for a body that is being worked out."""


class Finished:
    """A body that is done: its index, the structure of its result, its hidden inputs."""

    __slots__ = ("body", "hidden", "index", "names", "pooled", "shapes", "size", "trees")

    def __init__(self, index: int, builder: Builder, pooled: list[Any]) -> None:
        self.index = index
        self.body = builder.body
        self.size = builder.size
        outputs = [o for o in builder.body.outputs if not o.hidden]
        self.names = [o.name for o in outputs if not o.training]
        self.trees = [o.value for o in outputs]
        self.shapes = tuple(
            builder.body.values[i].shape for o in builder.body.outputs for i in leaves(o.value)
        )
        self.pooled = pooled
        """For each leaf of the outputs, the size that its max pool came from."""
        values = builder.body.values
        self.hidden = [
            next(i for i, v in enumerate(values) if v.positions == entry.value)
            for entry in builder.body.inputs
            if entry.hidden
        ]


def call_block(self: Frame, target: Callable, node: tree.Apply, value: Any, place: Place) -> Any:
    """Apply a block or network to a value."""
    decl, unit, bound = unwrap(self, target, node)
    outputs, args = _outputs_argument(decl, node)
    given = block_arguments(self, target.name, decl.params, args, node.span)
    if given.broken:
        self.path(place, target.name)
        raise Fail
    values = {**target.defaults, **bound, **given.values}
    known = _known(self, decl, values, value, outputs)
    if known is not None:
        path, labelled = self.path(place, target.name)
        return _add_call(self, known, node, value, path, labelled, place, target, given, decl)
    with entered(self, target.name, node.span):
        frame = open_frame(self, decl, unit, values, node)
        if isinstance(decl, tree.Block) and decl.stage is not None:
            found = _resolve(frame, decl.stage)
            if found is None:
                return value
            if isinstance(found, tree.Apply):
                return _inline(self, frame, found, value, place, target)
        else:
            found = None
        path, labelled = self.path(place, target.name)
        if value is POISON or poisoned(value):
            raise Fail
        if tree_of(value) is None:
            self.session.fail(
                "E0506",
                f"`{target.name}` takes values of the network, not {kind_of(value)}",
                node.span,
                help="numbers are arguments: they stand in the parentheses of a call",
            )
        finished = _body(self, frame, decl, values, value, found, outputs, node)
    return _add_call(self, finished, node, value, path, labelled, place, target, given, decl)


def _known(
    self: Frame, decl: Any, values: dict[str, Any], value: Any, outputs: tree.Arg | None
) -> Finished | None:
    """The body of an earlier call like this one, if all its arguments are given or literals.

    Without a frame, which a loop would make for each round.
    """
    if isinstance(decl, tree.Block) and isinstance(decl.stage, (tree.Apply, tree.IfStage)):
        return None
    literals = self.session.literals.get(id(decl))
    if literals is None:
        literals = self.session.literals[id(decl)] = _literals(decl)
    whole = {**literals, **values}
    if any(param.name.name not in whole for param in decl.params):
        return None
    found = self.session.memo.get(_key(decl, whole, value, outputs))
    return found if isinstance(found, Finished) else None


def _literals(decl: Any) -> dict[str, Any]:
    """Defaults of parameters that are plain numbers or true or false, as their types have them."""
    found = {}
    for param in decl.params:
        if isinstance(param.default, (tree.Number, tree.Bool)):
            made = convert(param.default.value, param.type)
            if made is not None:
                found[param.name.name] = made[0]
    return found


def _key(decl: Any, values: dict[str, Any], value: Any, outputs: tree.Arg | None) -> Any:
    """What a body depends on."""
    taps = outputs.value.span.text if outputs else None
    return id(decl), freeze(values), _signature(value), taps


def unwrap(self: Frame, target: Callable, node: tree.Apply) -> tuple[Any, Any, dict[str, Any]]:
    """The block or network behind a callable; a variant is its base with arguments."""
    decl, unit, bound = target.decl, target.unit, dict(target.args)
    if isinstance(decl, tree.Variant):
        assert unit is not None
        decl, unit, outer = unit.base(decl, self.session)
        bound = {**outer, **bound}
    return decl, unit, bound


class entered:
    """On the call stack; E0705 where it grows too deep."""

    __slots__ = ("call", "session")

    def __init__(self, user: Frame, name: str, span: Span) -> None:
        self.session = user.session
        self.call = Call(f"`{name}`", span)

    def __enter__(self) -> None:
        session = self.session
        session.stack.append(self.call)
        if len(session.stack) > session.limits.depth:
            try:
                session.fail(
                    "E0705",
                    f"calls are nested more than {session.limits.depth} deep",
                    (self.call.span, "does this recursion end?"),
                    help="a recursive block needs an `if` that ends it",
                )
            finally:
                session.stack.pop()

    def __exit__(self, *_: object) -> None:
        self.session.stack.pop()


def open_frame(self: Frame, decl: Any, unit: Any, values: dict[str, Any], node: Any) -> Frame:
    """A frame with the parameters bound, defaults evaluated in order.

    `node` is the call, or the declaration of the network that is elaborated itself.
    """
    from .frame import Frame

    if misread(self.session, decl) or mistaken_before(self.session, decl):
        self.session.doubtful = True
    frame = Frame(self.session, unit, decl)
    for param in decl.params:
        name = param.name.name
        if name in values:
            frame.env[name] = values[name]
        elif param.default is not None:
            value = frame.eval(param.default)
            if value is POISON:
                raise Fail
            frame.env[name] = values[name] = typed(frame, value, param, param.default.span)
        else:
            called = isinstance(node, tree.Apply)
            self.session.fail(
                "E0302",
                f"`{decl.name.name}` needs `{name}`",
                node.span if called else node.name.span,
                (param.span, "declared here, without a default"),
                help=f"give it: `{decl.name.name}({name}=...)`"
                if called
                else f"give it: `--set {name}=...`, or a variant `network X = "
                f"{decl.name.name}({name}=...)`",
            )
    return frame


def _outputs_argument(decl: Any, node: tree.Apply) -> tuple[tree.Arg | None, tuple[tree.Arg, ...]]:
    """`outputs=[...]` of a network used as a backbone, apart from its own arguments."""
    args = node.args.items if node.args else ()
    if not isinstance(decl, tree.Network) or any(p.name.name == "outputs" for p in decl.params):
        return None, args
    taps = [a for a in args if a.name is not None and a.name.name == "outputs"]
    return (taps[0] if taps else None), tuple(a for a in args if a not in taps)


def _resolve(frame: Frame, stage: tree.Stage) -> tree.Stage | None:
    """The stage that a one-stage block is, for its arguments."""
    found: tree.Stage | None = stage
    while isinstance(found, tree.IfStage):
        found = found.yes if frame.test(found.test) else found.no
    return found


def _inline(
    self: Frame, frame: Frame, stage: tree.Apply, value: Any, place: Place, target: Callable
) -> Any:
    """A block that is one operator or one call is that, under the call's name."""
    from .stages import Place as MakePlace

    frame.builder = self.builder
    self.session.reached[id(frame.decl)] = frame.decl.span
    label = place.label if place.label is not None else frame.label_text(stage.label)
    kind = place.kind or snake(target.name)
    return frame.stage(stage, value, MakePlace(label, place.span, kind, place.at))


def _signature(value: Any) -> Any:
    """The structure of a value with what a body may depend on at its leaves."""
    if isinstance(value, Tensor):
        forms = tuple(getattr(n, "form", None) for n in value.shape)
        return value.shape, forms, value.pooled
    if isinstance(value, (list, tuple)):
        return ("list", *map(_signature, value))
    if isinstance(value, Record):
        return ("record", *((k, _signature(v)) for k, v in value.fields.items()))
    return None


def _body(
    self: Frame,
    frame: Frame,
    decl: Any,
    values: dict[str, Any],
    value: Any,
    stage: tree.Stage | None,
    outputs: tree.Arg | None,
    node: tree.Apply,
) -> Finished:
    key = _key(decl, values, value, outputs)
    memo = self.session.memo
    if key not in memo:
        memo[key] = _WORKING
        try:
            memo[key] = elaborate_body(self, frame, decl, values, value, stage, outputs, node)
        finally:
            if memo[key] is _WORKING:
                memo[key] = None
    found = memo[key]
    if found is _WORKING:
        self.session.fail(
            "E0705",
            f"`{decl.name.name}` calls itself with the same arguments",
            (node.span, "this never ends"),
            help="a recursive block changes an argument, and an `if` on it ends the recursion",
        )
    if found is None:
        raise Fail
    made: Finished = found
    return made


def elaborate_body(
    self: Any,
    frame: Frame,
    decl: Any,
    values: dict[str, Any],
    value: Any,
    stage: tree.Stage | None,
    outputs: tree.Arg | None,
    node: Any,
) -> Finished | None:
    """Run the statements (or the one stage) of a block on inputs like `value`."""
    session = self.session
    session.reached[id(decl)] = decl.span
    kind = (
        "network" if isinstance(decl, tree.Network) else "stage" if stage is not None else "block"
    )
    site, _ = session.site(decl, decl, decl.name.span)
    ordered = {p.name.name: plain(values[p.name.name]) for p in decl.params}
    # mypy widens the three words of `kind` to str
    body = Body(decl.name.name, kind, ordered, decl.doc, site)  # type: ignore[arg-type]
    frame.builder = Builder(session, body, decl, positional=stage is not None)
    if stage is not None:
        result = _run_stage(frame, decl, stage, value)
        frame.builder.names.contexts[0].positional = True
        frame.outputs = [(None, result, False, decl.name.span)]
    else:
        frame.bind_inputs(decl, value, node)
        frame.run(decl.body)
        if outputs is not None:
            frame.outputs = frame.taps(outputs)
    pooled = frame.close(decl, pruned=outputs is not None)
    if pooled is None:
        return None
    session.bodies.append(body)
    session.totals.append(frame.builder.size)
    return Finished(len(session.bodies) - 1, frame.builder, pooled)


def _run_stage(frame: Frame, decl: Any, stage: tree.Stage, value: Any) -> Any:
    """The stage of a one-stage block, its layers named from the block's root."""
    builder = frame.builder
    inner = frame.receive("x", value, decl.name.span)
    if isinstance(stage, tree.Group):
        return frame.chain(stage.stages, inner)
    if isinstance(stage, (tree.Repeat, tree.ForStage, tree.Skip)):
        from .stages import Place as MakePlace

        assert builder.names.here.positional
        return frame.stage(stage, inner, MakePlace(None, stage.span))
    raise AssertionError(stage)


def _add_call(
    self: Frame,
    finished: Finished,
    node: tree.Apply,
    value: Any,
    path: str | None,
    labelled: bool,
    place: Place,
    target: Callable,
    given: Given,
    decl: Any,
) -> Any:
    """A node for the call, and its result as the callee structures it."""
    builder = self.builder
    self.session.spend(node.span, finished.size)
    builder.size += finished.size
    passed = [t.id for t in tensors(value)]
    passed += [builder.positions(passed[leaf]) for leaf in finished.hidden]
    site = self.site(node, given.nodes)
    made = builder.node(
        path,
        place.kind or snake(target.name),
        -1,
        finished.index,
        tuple(passed),
        finished.shapes,
        site,
        place.span,
        labelled,
    )
    if len(made) == 1 and len(finished.trees) == 1 and type(finished.trees[0]) is int:
        only = builder.tensor(made[0], finished.pooled[0])
        if labelled and path is not None:
            builder.label(path, only)
        return only
    shown = iter(zip(made, finished.pooled, strict=False))
    parts = [rebuild(t, lambda _: builder.tensor(*next(shown))) for t in finished.trees]
    hidden = made[len(finished.pooled) :]
    pooled_leaves = [t for t in tensors(parts) if t.pooled is not None]
    for tensor, positions in zip(pooled_leaves, hidden, strict=True):
        builder.body.values[tensor.id].positions = positions
    kept = parts[: len(finished.names)]
    if len(kept) == 1:
        result: Any = kept[0]
    else:
        result = Record(
            {n or str(i): p for i, (n, p) in enumerate(zip(finished.names, kept, strict=True))}
        )
        if all(n is None for n in finished.names):
            result = kept
    if labelled and path is not None:
        builder.label(path, result)
    return result


__all__ = ["Input", "Output", "call_block", "elaborate_body", "open_frame", "tree_of"]

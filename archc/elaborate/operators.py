"""Operators applied: arguments to an interned operator, shapes to a node, refusals to words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..diagnostics import Edit, Fix
from ..ops import REF, OpError, known, names, operator
from ..source import Span
from ..syntax import tree
from . import swapped as swaps
from .arguments import Given, block_arguments, operator_arguments
from .naming import snake
from .values import POISON, Callable, Fail, Shape, Tensor, show

if TYPE_CHECKING:
    from .stages import Place, Stages

is_known = known
all_names = names


def partial(self: Stages, value: Callable, args: tree.Args) -> Callable:
    """A callable with more arguments given."""
    if value.kind == "op":
        given = operator_arguments(self, value.name, args.items, args.span)
    elif value.kind == "share":
        self.session.fail("E0303", f"shared `{value.name}` takes no arguments", args.span)
    else:
        params = value.decl.params if isinstance(value.decl, (tree.Block, tree.Network)) else ()
        given = block_arguments(self, value.name, params, args.items, args.span)
    if given.broken:
        raise Fail
    merged = {**value.args, **given.values}
    return Callable(value.kind, value.name, value.decl, value.unit, merged, value.defaults)


def _merged(target: Callable, given: Given) -> dict[str, Any]:
    return {**target.defaults, **target.args, **given.values}


def validate(self: Stages, target: Callable, given: Given, span: Span) -> None:
    """Check arguments whose input is unknown."""
    args = {k: REF if isinstance(v, Tensor) else v for k, v in _merged(target, given).items()}
    if any(v == REF for v in args.values()):
        return
    _intern(self, target, args, given, span)


def _intern(self: Stages, target: Callable, args: dict[str, Any], given: Given, span: Span) -> int:
    """The operator; a default that contradicts what was given gives way."""
    try:
        return self.session.intern(target.name, args)
    except OpError as error:
        weak = error.parameter
        own = weak in given.values or weak in target.args
        if error.code == "E0312" and weak in target.defaults and not own:
            rest = {k: v for k, v in args.items() if k != weak}
            return _intern(self, target, rest, given, span)
        wrong = [e.parameter for e in (error, *error.also) if e.parameter in given.spans]
        if _swapped(self, target, args, given, [w for w in wrong if w is not None]):
            raise Fail from error
        for each in (error, *error.also):
            at = given.spans.get(each.parameter or "", span)
            self.session.report(each.code, each.message, at, notes=each.notes, help=each.help)
        raise Fail from error


def _swapped(
    self: Stages, target: Callable, args: dict[str, Any], given: Given, wrong: list[str]
) -> bool:
    """Were two arguments swapped? That is reported here."""

    def fit(one: str, other: str) -> bool:
        if one not in args or other not in args or args[one] == args[other]:
            return False
        try:
            operator(target.name).make({**args, one: args[other], other: args[one]})
        except OpError:
            return False
        return True

    return swaps.report(self.session, target.name, given, wrong, fit)


def _values_given(
    self: Stages, op: str, merged: dict[str, Any], given: Given, span: Span
) -> list[tuple[int, Shape]]:
    """(id, shape) of the values of the network among the arguments (`merged`, where they become
    references): they are inputs, too."""
    found: list[tuple[int, Shape]] = []
    for name in operator(op).takes_value():
        value = merged.get(name)
        if not isinstance(value, Tensor):
            continue
        merged[name] = REF
        if op != "unpool":
            found.append((value.id, value.shape))
            continue
        if value.pooled is None:
            self.session.fail(
                "E0407",
                "`unpool` needs a value that comes from a max pool",
                (given.spans.get(name, span), "this one does not"),
                help="pass the result of `pool(...)` itself, through block inputs if need be",
            )
        merged["size"] = tuple(value.pooled)
        found.append((self.builder.positions(value.id), value.shape))
    return found


def apply(
    self: Stages,
    target: Callable,
    given: Given,
    values: list[Tensor],
    path: str | None,
    labelled: bool,
    place: Place,
    site: int,
    span: Span,
    spans: list[Span] | None = None,
    role: str = "",
    skip: tree.Skip | None = None,
) -> Any:
    """The result of an operator on values: a tensor, or a list where it has several."""
    session, builder = self.session, self.builder
    merged = _merged(target, given)
    inputs = [t.id for t in values]
    shapes = [t.shape for t in values]
    for value, shape in _values_given(self, target.name, merged, given, span):
        inputs.append(value)
        shapes.append(shape)
    op = _intern(self, target, merged, given, span)
    try:
        outputs = session.outputs(op, tuple(shapes))
    except OpError as error:
        self.excuse([*values, *(v for v in given.values.values() if isinstance(v, Tensor))])
        _refused(self, error, op, values, given, span, spans, skip)
        raise Fail from error
    if target.name == "identity" and path is None:
        return values[0]
    session.spend(span)
    builder.size += 1
    made = builder.node(
        path,
        place.kind or snake(target.name),
        op,
        -1,
        tuple(inputs),
        outputs,
        site,
        place.span if role == "" else span,
        labelled,
        role,
    )
    results = [builder.tensor(i) for i in made]
    if session.ops[op].remembers(shapes[0]):
        results[0].pooled = tuple(shapes[0][1:])
    result: Any = results if len(results) > 1 or target.name == "split" else results[0]
    if labelled and path is not None:
        builder.label(path, result)
    return result


# ---------------------------------------------------------------------------- refusals


def _refused(
    self: Stages,
    error: OpError,
    op: int,
    values: list[Tensor],
    given: Given,
    span: Span,
    spans: list[Span] | None,
    skip: tree.Skip | None,
) -> None:
    """Report what an operator has against its inputs, with where they come from."""
    session = self.session
    if error.code != "E0401":
        at = given.spans.get(error.parameter or "", span)
        came = values[0] if values else None
        labels: list[Any] = [(at, "")]
        if came is not None and (error.code in _ABOUT_SHAPES or show(came.shape) in error.message):
            made = origin(self, came)
            if made is not None and made != span:
                labels.append((made, f"gives {show(came.shape)}"))
        notes = [*error.notes, *_rounds(self)]
        session.report(error.code, error.message, *labels, notes=notes, help=error.help)
        return
    labels = [(span, " and ".join(dict.fromkeys(show(t.shape) for t in values)))]
    for tensor in values:
        made = origin(self, tensor)
        if made is not None and made != span:
            labels.append((made, f"{show(tensor.shape)}{_how(self, tensor)}"))
    help_text, fixes = projection(self, values, spans, skip)
    notes = [*(n for n in error.notes if n != labels[0][1]), *_rounds(self)]
    message = error.message
    if skip is not None:
        by = getattr(session.ops[op], "by", "sum")
        message = message.replace(f"fuse(by={by})", "skip" if by == "sum" else f"skip(by={by})")
    session.report(
        error.code, message, *labels, notes=notes, help=help_text or error.help, fixes=fixes
    )


_ABOUT_SHAPES = ("E0402", "E0403", "E0404")


def _rounds(self: Stages) -> list[str]:
    """In which round of the loops around it a mistake shows, where not in the first."""
    rounds = [i + 1 for i in self.builder.iters]
    if all(n == 1 for n in rounds):
        return []
    listed = ", ".join(map(str, rounds))
    return [
        f"in round{'s'[: len(rounds) > 1]} {listed} of the loop{'s'[: len(rounds) > 1]} around it"
    ]


def origin(self: Stages, tensor: Tensor) -> Span | None:
    """Where a value gets its shape in this body: a stage, or an input declaration."""
    value = _shaped(self, tensor.id)
    node = self.builder.body.values[value].node
    if node >= 0:
        return self.builder.spans[node]
    for entry, span in zip(self.builder.body.inputs, self.builder.input_spans, strict=False):
        if entry.value == value:
            return span
    return None


def _shaped(self: Stages, value: int) -> int:
    """The value, or the one before it from which on layers (batchnorm, relu) keep the shape."""
    body = self.builder.body
    while body.values[value].node >= 0:
        node = body.nodes[body.values[value].node]
        shape = body.values[value].shape
        keeps = len(node.inputs) == 1 and body.values[node.inputs[0]].shape == shape
        if node.op < 0 or not keeps:
            break
        value = node.inputs[0]
    return value


def _how(self: Stages, tensor: Tensor) -> str:
    """The arithmetic that led to a spatial size: `:  (32 + 2·1 - 3) / 2 + 1 = 16`."""
    value = self.builder.body.values[_shaped(self, tensor.id)]
    if value.node < 0:
        return ""
    node = self.builder.body.nodes[value.node]
    if node.op < 0:
        return ""
    shapes = [self.builder.body.values[i].shape for i in node.inputs]
    lines = self.session.ops[node.op].arithmetic(*shapes)
    if not lines:
        return ""
    return ":  " + lines[0].partition(": ")[2] if ": " in lines[0] else ":  " + lines[0]


def projection(
    self: Stages, values: list[Tensor], spans: list[Span] | None, skip: tree.Skip | None
) -> tuple[str | None, list[Fix]]:
    """The 1x1 convolution that would bring one of two values to the shape of the other."""
    if len(values) != 2 or len(values[0].shape) != len(values[1].shape) or len(values[0].shape) < 2:
        return None, []
    (a, b), axes = (values[0].shape, values[1].shape), range(1, len(values[0].shape))
    first_larger = all(a[i] >= b[i] for i in axes)
    big, small = (a, b) if first_larger else (b, a)
    strides = {-(-big[i] // small[i]) for i in axes}
    if len(strides) != 1:
        return None, []
    stride = strides.pop()
    if any(-(-big[i] // stride) != small[i] for i in axes):
        return None, []
    conv = (
        f"conv({int(small[0])}, 1, stride={stride})" if stride > 1 else f"conv({int(small[0])}, 1)"
    )
    if skip is not None:
        if not first_larger or (a[0] == b[0] and stride == 1):
            return None, []
        text = f"a projection on the shortcut: `via downsample: {conv}`"
        if skip.via is None:
            end = Span(skip.span.source, skip.span.end, skip.span.end)
            return text, [Fix("add a projection", (Edit(end, f" via downsample: {conv}"),))]
        return text, []
    which = spans[0 if first_larger else 1] if spans else None
    name = which.text if which is not None and which.text.isidentifier() else "x"
    nth = "first" if first_larger else "second"
    text = f"bring the {nth} value to the same shape: {name} -> {conv}"
    if which is not None and "->" not in which.text and "[" not in which.text:
        return text, [Fix("add a projection", (Edit(which, f"{which.text} -> {conv}"),))]
    return text, []


__all__ = ["POISON", "Shape", "all_names", "apply", "is_known", "partial", "validate"]

"""Arguments: which parameter each is for, what a bare word means there, and whether types fit."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

from ..diagnostics import Edit, Fix, closest
from ..dims import is_free
from ..ops import known, operator
from ..source import Span
from ..syntax import tree
from . import misspelt
from . import swapped as swaps
from .fitting import WHOLE, convert, typed
from .values import POISON, Callable, Fail, Tensor

if TYPE_CHECKING:
    from .expressions import Expressions


class Given:
    """Arguments by parameter, with their places. `broken`: a mistake in one was reported."""

    __slots__ = ("broken", "nodes", "spans", "values")

    def __init__(self) -> None:
        self.values: dict[str, Any] = {}
        self.spans: dict[str, Span] = {}
        self.nodes: dict[str, tree.Expr] = {}
        self.broken = False


class Paired:
    """Which argument is for which parameter, the same at each evaluation of a call."""

    __slots__ = ("args", "by_name", "nodes", "pairs", "params", "spans")

    def __init__(
        self,
        args: tuple[tree.Arg, ...],
        params: tuple[tree.Param, ...],
        by_name: dict[str, tree.Param],
        pairs: list[tuple[str, tree.Arg]],
    ) -> None:
        self.args = args  # kept, so that their ids stay theirs
        self.params = params
        self.by_name = by_name
        self.pairs = pairs
        self.spans = {param: arg.value.span for param, arg in pairs}
        self.nodes = {param: arg.value for param, arg in pairs}


def assign(
    self: Expressions,
    what: str,
    params: tuple[str, ...],
    args: tuple[tree.Arg, ...],
    span: Span,
    declared: dict[str, tree.Param] | None = None,
) -> list[tuple[str, tree.Arg]] | None:
    """Pair arguments with parameters (`declared` in a spec); None after a mistake was reported."""
    pairs: list[tuple[str, tree.Arg]] = []
    seen: dict[str, Span] = {}
    broken = False
    for position, arg in enumerate(args):
        if arg.name is None:
            if position >= len(params):
                self.session.report(
                    "E0303",
                    f"`{what}` takes at most {len(params)} argument{'s'[: len(params) != 1]}",
                    (arg.span, "one too many"),
                    help=_listed(params),
                )
                broken = True
                break
            name = params[position]
        else:
            name = arg.name.name
            if name not in params:
                _no_parameter(self, what, params, arg.name, declared)
                broken = True
                continue
        if name in seen:
            self.session.report(
                "E0306",
                f"`{name}` is given twice",
                (arg.span, "again"),
                (seen[name], "first"),
                help="remove one",
            )
            broken = True
            continue
        seen[name] = arg.span
        pairs.append((name, arg))
    return None if broken else pairs


def _no_parameter(
    self: Expressions,
    what: str,
    params: tuple[str, ...],
    name: tree.Ident,
    declared: dict[str, tree.Param] | None,
) -> None:
    """E0301 for an argument whose name is none of the parameters'."""
    from . import foreign

    meant = closest(name.name, params)
    advice = foreign.parameter(name.name, params) if known(what) else None
    if advice is not None:
        meant = foreign.renamed(advice)
    if declared and meant and misspelt.parameter(self, declared[meant], name.name):
        return
    guess = f"did you mean `{meant}`?"
    self.session.report(
        "E0301",
        f"`{what}` has no parameter `{name.name}`",
        name.span,
        help=advice or (guess if meant else _listed(params)),
        fixes=[Fix(guess, (Edit(name.span, meant),))] if meant else (),
    )


def _listed(params: tuple[str, ...]) -> str:
    return f"its parameters: {', '.join(params)}" if params else "it has no parameters"


def operator_arguments(
    self: Expressions, name: str, args: tuple[tree.Arg, ...], span: Span
) -> Given:
    """Arguments of an operator: bare words and initialisers are read by its parameters.

    Where all are written as numbers and words, they are the same in every round of a loop.
    """
    key = (name, id(args))
    known = self.session.literal.get(key)
    if known is not None:
        return known[1]
    given = _operator_arguments(self, name, args, span)
    words = operator(name).words()
    if not given.broken and all(_literal(v, words.get(p, ())) for p, v in given.nodes.items()):
        self.session.literal[key] = (args, given)
    return given


def _literal(node: tree.Expr, words: tuple[str, ...]) -> bool:
    """Does it mean the same wherever it is evaluated?"""
    if isinstance(node, tree.Name):
        return node.name in words
    return isinstance(node, (tree.Number, tree.Bool))


def _operator_arguments(
    self: Expressions, name: str, args: tuple[tree.Arg, ...], span: Span
) -> Given:
    given = Given()
    cls = operator(name)
    pairs = assign(self, name, cls.parameters(), args, span)
    if pairs is None:
        given.broken = True
        return given
    if _swapped_words(self, cls, dict(pairs)):
        given.broken = True
        return given
    for param, arg in pairs:
        given.spans[param] = arg.value.span
        given.nodes[param] = arg.value
        try:
            value = _operator_value(self, cls, param, arg.value)
        except Fail:
            given.broken = True
            continue
        if value is POISON:
            given.broken = True
            continue
        given.values[param] = value
    return given


def _swapped_words(self: Expressions, cls: Any, args: dict[str, tree.Arg]) -> bool:
    """Does a bare word stand at one parameter that is another's, which is given, too?"""
    words = cls.words()
    for param, arg in args.items():
        word = arg.value.name if isinstance(arg.value, tree.Name) else ""
        if not word or word in words.get(param, ()) or word in self.env or self.unit.find(word):
            continue
        for other in args:
            if other != param and word in words.get(other, ()):
                swaps.say(self.session, cls.op, param, other, args[param].value, args[other].value)
                return True
    return False


def _operator_value(self: Expressions, cls: Any, param: str, node: tree.Expr) -> Any:
    words = cls.words().get(param, ())
    if isinstance(node, tree.Name):
        if node.name in words:
            return node.name
        if words and node.name not in self.env and self.unit.find(node.name) is None:
            _no_word(self, cls, param, node)
    if isinstance(node, tree.Call) and isinstance(node.func, tree.Name) and node.func.name in words:
        return _initializer(self, node)
    value = self.eval(node)
    if isinstance(value, Tensor):
        if param not in cls.takes_value():
            self.session.fail(
                "E0304",
                f"`{param}` of `{cls.op}` takes no value of the network",
                node.span,
                help="numbers, words or lists stand here",
            )
        return value
    if isinstance(value, Callable):
        self.session.fail("E0304", f"`{param}` of `{cls.op}` takes no {value.kind}", node.span)
    if isinstance(node, tree.String) and value in words:
        self.session.fail(
            "E0304",
            f"`{param}` takes a word, not text",
            node.span,
            help=f"without quotes: {param}={value}",
            fixes=[Fix("remove the quotes", (Edit(node.span, value),), safe=True)],
        )
    self.session.handle(self.session.weight(value), node.span)
    value = constant(self, value, node)
    if _has_free(value):
        self.session.fail(
            "E0410",
            f"`{param}` of `{cls.op}` depends on a free size",
            (node.span, _free_text(value)),
            help="give the input a fixed size, or use `to=v` with another value's size",
        )
    return value


def _no_word(self: Expressions, cls: Any, param: str, node: tree.Name) -> None:
    """Report a bare word that a parameter does not take, or the misspelt name of a value."""
    words = cls.words()[param]
    names = [*self.env, *self.unit.names()]
    if self.unit.may_declare(node.name):
        raise Fail
    if node.name in self.assigned or closest(node.name, [*words, *names]) in names:
        self.outer(node.name, node.span)
    near = closest(node.name, words)
    self.session.fail(
        "E0305",
        f"`{param}` of `{cls.op}` cannot be `{node.name}`",
        node.span,
        help=f"did you mean `{near}`?" if near else f"it takes: {cls.kinds()[param].describe()}",
        fixes=[Fix(f"did you mean `{near}`?", (Edit(node.span, near),))] if near else (),
    )


def _initializer(self: Expressions, node: tree.Call) -> Any:
    from ..ops import init
    from ..ops.base import OpError

    assert isinstance(node.func, tree.Name)
    args: list[Any] = []
    kwargs: dict[str, Any] = {}
    for arg in node.args.items:
        words = init.WORDS.get(arg.name.name, ()) if arg.name is not None else ()
        bare = isinstance(arg.value, tree.Name) and arg.value.name in words
        # `bare` has seen that it is a name
        value = arg.value.name if bare else self.eval(arg.value)  # type: ignore[union-attr]
        if arg.name is None:
            args.append(value)
        else:
            kwargs[arg.name.name] = value
    try:
        return init.make(node.func.name, tuple(args), kwargs)
    except OpError as error:
        self.session.fail(error.code, error.message, node.span, notes=error.notes, help=error.help)


def constant(self: Expressions, value: Any, node: tree.Expr) -> Any:
    """Lists as tuples, all the way down; a value of the network in one is a mistake."""
    if isinstance(value, (list, tuple, range)):
        return tuple(constant(self, v, node) for v in value)
    if value is POISON:
        raise Fail
    if isinstance(value, Tensor):
        self.session.fail("E0304", "a list of numbers is due, not of values", node.span)
    return value


def _has_free(value: Any) -> bool:
    return any(map(_has_free, value)) if isinstance(value, tuple) else is_free(value)


def _free_text(value: Any) -> str:
    parts = value if isinstance(value, tuple) else (value,)
    return ", ".join(str(getattr(p, "form", p)) for p in parts)


def block_arguments(
    self: Expressions,
    name: str,
    params: tuple[tree.Param, ...],
    args: tuple[tree.Arg, ...],
    span: Span,
) -> Given:
    """Arguments of a block or network, types checked."""
    given = Given()
    known = self.session.paired.get((id(args), id(params)))
    if known is None:
        by_name = {p.name.name: p for p in params}
        pairs = assign(self, name, tuple(by_name), args, span, by_name)
        if pairs is None:
            given.broken = True
            return given
        known = self.session.paired[id(args), id(params)] = Paired(args, params, by_name, pairs)
    by_name, pairs = known.by_name, known.pairs
    given.spans, given.nodes = known.spans, known.nodes  # nobody writes to them
    for param, arg in pairs:
        try:
            value = self.eval(arg.value)
            if value is POISON:
                raise Fail
            if value.__class__ is not int:
                self.session.handle(self.session.weight(value), arg.value.span)
            given.values[param] = value
        except Fail:
            given.broken = True
    _convert_all(self, name, given, by_name)
    return given


def _convert_all(self: Expressions, name: str, given: Given, params: dict[str, tree.Param]) -> None:
    """Bring arguments to the types of their parameters; report those that do not fit."""

    wrong = []
    for param, value in given.values.items():
        kind = params[param].type
        if value.__class__ is int and (kind is None or kind.name in WHOLE):
            continue  # nearly all of them
        made = convert(value, kind)
        if made is None:
            wrong.append(param)
        else:
            given.values[param] = made[0]
    if not wrong:
        return
    given.broken = True

    def fits(param: str, value: Any) -> bool:
        return convert(value, params[param].type) is not None

    def swapped(one: str, other: str) -> bool:
        both = one in given.values and other in given.values
        return both and fits(one, given.values[other]) and fits(other, given.values[one])

    if not swaps.report(self.session, name, given, wrong, swapped):
        for param in wrong:
            with suppress(Fail):
                typed(self, given.values[param], params[param], given.spans[param])

"""One method per rule of the grammar: the children of a production become a node of the tree.

Methods are named as the rules and aliases of `grammars/arch.lark`. A token child is its number in
the token list; helper rules that match nothing give None. Rules for lists return tuples.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ..source import Source, Span
from . import tree
from .docs import Docs
from .literals import number_value
from .tokens import Tokens

MAX_NESTING = 100

if TYPE_CHECKING:
    Parts = tuple[str | tree.Expr, ...]


_span = tuple.__new__  # a Span without the detour through the class, which takes twice as long


class Builder:
    """Builds nodes for one token list."""

    def __init__(
        self,
        source: Source,
        tokens: Tokens,
        docs: Docs,
        interpolate: Callable[[int, int], Parts],
    ) -> None:
        """`interpolate` parses the text between two quotes, given its range of offsets."""
        self.source = source
        self.tokens = tokens
        self.docs = docs
        self.interpolate = interpolate
        self.broken: list[int] = []  # offsets at which statements were skipped

    def span(self, start: int, end: int) -> Span:
        return _span(Span, (self.source, start, end))

    def ident(self, token: int) -> tree.Ident:
        tokens = self.tokens
        span = _span(Span, (self.source, tokens.starts[token], tokens.ends[token]))
        return tree.Ident(span, tokens.name(token))

    def _incomplete(self, start: int, end: int) -> bool:
        return any(start <= offset <= end for offset in self.broken)

    # ------------------------------------------------------------------ declarations

    def start(self, start: int, end: int, *declarations: tree.Decl) -> tuple[tree.Decl, ...]:
        return declarations

    def use(self, start: int, end: int, path: Any, names: Any, alias: Any) -> tree.Use:
        return tree.Use(self.span(start, end), path, None, names or (), alias)

    def use_file(self, start: int, end: int, file: int, names: Any, alias: Any) -> tree.Use:
        span = self.span(self.tokens.starts[file], self.tokens.ends[file])
        text = tree.String(span, (self.tokens.quoted(file),))
        return tree.Use(self.span(start, end), (), text, names or (), alias)

    def names(self, start: int, end: int, *names: int) -> tuple[tree.Ident, ...]:
        return tuple([self.ident(n) for n in names])

    dotted = names

    def alias(self, start: int, end: int, name: int) -> tree.Ident:
        return self.ident(name)

    def const(self, start: int, end: int, name: int, params: Any, value: Any) -> tree.Const:
        doc = self.docs.above(start)
        return tree.Const(self.span(start, end), self.ident(name), params, value, doc)

    def network(self, start: int, end: int, name: int, params: Any, body: Any) -> tree.Network:
        doc, part = self.docs.above(start), self._incomplete(start, end)
        span = self.span(start, end)
        return tree.Network(span, self.ident(name), params or (), body, doc, part)

    def block(self, start: int, end: int, name: int, params: Any, body: Any) -> tree.Block:
        doc, part = self.docs.above(start), self._incomplete(start, end)
        span = self.span(start, end)
        return tree.Block(span, self.ident(name), params or (), body, None, doc, part)

    def block_stage(self, start: int, end: int, name: int, params: Any, stage: Any) -> tree.Block:
        doc = self.docs.above(start)
        return tree.Block(self.span(start, end), self.ident(name), params or (), (), stage, doc)

    def variant(
        self, start: int, end: int, name: int, base: Any, args: Any, claims: Any
    ) -> tree.Variant:
        doc = self.docs.above(start)
        return tree.Variant(self.span(start, end), self.ident(name), base, args, claims or (), doc)

    def claims(self, start: int, end: int, *claims: tree.Expect) -> tuple[tree.Expect, ...]:
        return claims

    def recipe(self, start: int, end: int, name: int, network: Any, settings: Any) -> tree.Recipe:
        target = None if network is None else self.ident(network)
        doc = self.docs.above(start)
        return tree.Recipe(self.span(start, end), self.ident(name), target, settings, doc)

    def settings(self, start: int, end: int, *settings: tree.Setting) -> tuple[tree.Setting, ...]:
        return settings

    def setting(self, start: int, end: int, path: Any, value: Any) -> tree.Setting:
        return tree.Setting(self.span(start, end), path, value)

    def params(self, start: int, end: int, *params: Any) -> tuple[tree.Param, ...]:
        return tuple([p for p in params if p is not None])

    def param(self, start: int, end: int, name: int, kind: Any, default: Any) -> tree.Param:
        return tree.Param(self.span(start, end), self.ident(name), kind, default)

    def type(self, start: int, end: int, name: int) -> tree.Type:
        return tree.Type(self.span(start, end), self.tokens.name(name), None)

    def list_type(self, start: int, end: int, of: tree.Type) -> tree.Type:
        return tree.Type(self.span(start, end), "list", of)

    # ------------------------------------------------------------------ statements

    def body(self, start: int, end: int, *statements: tree.Stmt) -> tuple[tree.Stmt, ...]:
        return statements

    def input(self, start: int, end: int, name: int, shape: Any, where: Any) -> tree.Input:
        dims, rest = (None, False) if shape is None else shape
        return tree.Input(self.span(start, end), self.ident(name), dims, rest, where)

    def where(self, start: int, end: int, condition: tree.Expr) -> tree.Expr:
        return condition

    def shape(self, start: int, end: int, *parts: Any) -> tuple[tuple[tree.Dim, ...], bool]:
        return tuple([p for p in parts if isinstance(p, tree.Dim)]), True in parts

    def rest(self, start: int, end: int) -> bool:
        return True

    def dim(self, start: int, end: int, value: tree.Expr) -> tree.Dim:
        return tree.Dim(self.span(start, end), None, value)

    def named_dim(self, start: int, end: int, name: int, value: tree.Expr) -> tree.Dim:
        return tree.Dim(self.span(start, end), self.ident(name), value)

    def output(self, start: int, end: int, value: tree.Expr, when: Any) -> tree.Output:
        return tree.Output(self.span(start, end), None, value, when is not None)

    def output_named(
        self, start: int, end: int, name: int, value: tree.Expr, when: Any
    ) -> tree.Output:
        return tree.Output(self.span(start, end), self.ident(name), value, when is not None)

    def when(self, start: int, end: int) -> bool:
        return True

    def assign(self, start: int, end: int, *parts: Any) -> tree.Assign:
        return tree.Assign(self.span(start, end), parts[:-1], parts[-1])

    def assigned(self, start: int, end: int, name: int) -> tree.Ident:
        return self.ident(name)

    def share(self, start: int, end: int, name: int, stage: tree.Stage) -> tree.Share:
        return tree.Share(self.span(start, end), self.ident(name), stage)

    def default_stmt(self, start: int, end: int, name: int, args: tree.Args) -> tree.Default:
        return tree.Default(self.span(start, end), self.ident(name), args)

    def for_stmt(self, start: int, end: int, targets: Any, over: Any, body: Any) -> tree.For:
        return tree.For(self.span(start, end), targets, over, body)

    def targets(self, start: int, end: int, index: Any, target: Any) -> tree.Targets:
        first = None if index is None else self.ident(index)
        unpack = isinstance(target, tuple)
        names = target if unpack else (self.ident(target),)
        return tree.Targets(self.span(start, end), first, names, unpack)

    unpack = names

    def if_stmt(self, start: int, end: int, test: Any, yes: Any, no: Any) -> tree.If:
        otherwise = (no,) if isinstance(no, tree.If) else no or ()
        return tree.If(self.span(start, end), test, yes, otherwise)

    def expect(self, start: int, end: int, claim: tree.Expr, origin: int | None) -> tree.Expect:
        text = None if origin is None else self.tokens.quoted(origin)
        return tree.Expect(self.span(start, end), claim, text)

    # ------------------------------------------------------------------ expressions

    def pipeline(self, start: int, end: int, first: Any, *stages: Any) -> tree.Pipeline:
        return tree.Pipeline(self.span(start, end), first, stages)

    def ternary(self, start: int, end: int, test: Any, yes: Any, no: Any) -> tree.Ternary:
        return tree.Ternary(self.span(start, end), test, yes, no)

    def or_e(self, start: int, end: int, *operands: tree.Expr) -> tree.Binary:
        return tree.Binary(self.span(start, end), ("or",) * (len(operands) - 1), operands)

    def and_e(self, start: int, end: int, *operands: tree.Expr) -> tree.Binary:
        return tree.Binary(self.span(start, end), ("and",) * (len(operands) - 1), operands)

    def negation(self, start: int, end: int, operand: tree.Expr) -> tree.Unary:
        return tree.Unary(self.span(start, end), "not", operand)

    def cmp(self, start: int, end: int, *parts: Any) -> tree.Compare:
        return tree.Compare(self.span(start, end), self._operators(parts), parts[::2])

    def range_span(self, start: int, end: int, first: Any, stop: Any) -> tree.Range:
        return tree.Range(self.span(start, end), first, stop)

    def sum(self, start: int, end: int, *parts: Any) -> tree.Binary:
        return tree.Binary(self.span(start, end), self._operators(parts), parts[::2])

    term = sum

    def neg(self, start: int, end: int, minus: int, operand: tree.Expr) -> tree.Unary:
        return tree.Unary(self.span(start, end), "-", operand)

    def pow(self, start: int, end: int, base: Any, op: int, exponent: Any) -> tree.Binary:
        return tree.Binary(self.span(start, end), ("**",), (base, exponent))

    def _operators(self, parts: tuple[Any, ...]) -> tuple[str, ...]:
        return tuple([self.tokens.name(op) for op in parts[1::2]])

    def index(self, start: int, end: int, base: Any, index: Any) -> tree.Index:
        return tree.Index(self.span(start, end), base, index)

    def call(self, start: int, end: int, func: Any, args: tree.Args) -> tree.Call:
        return tree.Call(self.span(start, end), func, args)

    def attr(self, start: int, end: int, base: Any, name: int) -> tree.Attr:
        return tree.Attr(self.span(start, end), base, self.ident(name))

    def number(self, start: int, end: int, token: int) -> tree.Number:
        text = self.tokens.name(token)
        return tree.Number(self.span(start, end), number_value(text), text)

    def string(self, start: int, end: int, token: int) -> tree.String:
        return tree.String(self.span(start, end), self.interpolate(start + 1, end - 1))

    def name(self, start: int, end: int, token: int) -> tree.Name:
        return tree.Name(self.span(start, end), self.tokens.name(token))

    def true(self, start: int, end: int) -> tree.Bool:
        return tree.Bool(self.span(start, end), True)

    def false(self, start: int, end: int) -> tree.Bool:
        return tree.Bool(self.span(start, end), False)

    def list(self, start: int, end: int, *items: Any) -> tree.ListExpr:
        return tree.ListExpr(self.span(start, end), tuple([i for i in items if i is not None]))

    def comprehension(
        self, start: int, end: int, item: Any, targets: Any, over: Any, where: Any
    ) -> tree.Comprehension:
        return tree.Comprehension(self.span(start, end), item, targets, over, where)

    def call_args(self, start: int, end: int, *args: Any) -> tree.Args:
        return tree.Args(self.span(start, end), tuple([a for a in args if a is not None]))

    def arg(self, start: int, end: int, value: tree.Expr) -> tree.Arg:
        return tree.Arg(self.span(start, end), None, value)

    def named_arg(self, start: int, end: int, name: int, value: tree.Expr) -> tree.Arg:
        return tree.Arg(self.span(start, end), self.ident(name), value)

    # ------------------------------------------------------------------ stages

    def labelled(self, start: int, end: int, label: tree.StageLabel, stage: Any) -> tree.Stage:
        fields = [getattr(stage, field) for field in stage.fields[2:]]
        labelled: tree.Stage = type(stage)(self.span(start, end), label, *fields)
        return labelled

    def label(self, start: int, end: int, base: Any, *indices: tree.Expr) -> tree.StageLabel:
        named = base if isinstance(base, tree.String) else self.ident(base)
        return tree.StageLabel(self.span(start, end), named, indices)

    label_text = string

    def if_stage(self, start: int, end: int, test: Any, yes: Any, no: Any) -> tree.IfStage:
        return tree.IfStage(self.span(start, end), None, test, yes, no)

    def via_stage(self, start: int, end: int, args: Any, chain: Any, via: Any) -> tree.Skip:
        return tree.Skip(self.span(start, end), None, args, chain, via)

    def skip(self, start: int, end: int, args: Any, chain: Any) -> tree.Skip:
        return tree.Skip(self.span(start, end), None, args, chain, None)

    def apply(self, start: int, end: int, name: Any, args: Any) -> tree.Apply:
        return tree.Apply(self.span(start, end), None, name, args)

    def group(self, start: int, end: int, chain: Any) -> tree.Group:
        return tree.Group(self.span(start, end), None, chain)

    def repeat(self, start: int, end: int, count: Any, var: Any, chain: Any) -> tree.Repeat:
        return tree.Repeat(self.span(start, end), None, count, var, chain)

    def for_stage(self, start: int, end: int, targets: Any, over: Any, chain: Any) -> tree.ForStage:
        return tree.ForStage(self.span(start, end), None, targets, over, chain)

    def chain(self, start: int, end: int, *stages: tree.Stage) -> tuple[tree.Stage, ...]:
        return stages

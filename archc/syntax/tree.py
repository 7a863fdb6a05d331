"""The syntax tree: frozen nodes with spans. Nothing here knows what a name means.

Every node has `span`. Expressions, stages and statements are told apart by class; the elaborator
dispatches on the class, so a new construct is a class here, a rule in the grammar and a method
there.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Union

from ..source import Source, Span
from .frozen import Frozen


class Node(Frozen):
    """A part of the text."""

    span: Span


class Ident(Node):
    """A name where it stands."""

    name: str


# --------------------------------------------------------------------------- expressions


class Number(Node):
    """`61_706`, `4.09G`, `1e-3`. `value` is exact: an int where the figure is whole."""

    value: int | float
    text: str  # as written: `~=` compares at this precision


class String(Node):
    """Text between quotes; `parts` alternates text and the expressions between braces."""

    parts: tuple[Union[str, Expr], ...]


class Bool(Node):
    value: bool


class Name(Node):
    name: str


class ListExpr(Node):
    items: tuple[Expr, ...]


class Comprehension(Node):
    """`[item for targets in over if where]`."""

    item: Expr
    targets: Targets
    over: Expr
    where: Expr | None


class Index(Node):
    """`base[index]`; the index may be a `Range` (a slice)."""

    base: Expr
    index: Expr


class Attr(Node):
    base: Expr
    name: Ident


class Call(Node):
    func: Expr
    args: Args


class Unary(Node):
    op: str  # "-" or "not"
    operand: Expr


class Binary(Node):
    """A run of one precedence level, left to right: `a + b - c` is ("+", "-") over (a, b, c).

    Levels: `or`, `and`, `+ -`, `* / // %`; `**` has exactly two operands. Flat, so that a sum of
    100,000 terms does not recurse.
    """

    ops: tuple[str, ...]
    operands: tuple[Expr, ...]


class Compare(Node):
    """`a < b <= c`, chained as in Python. Operators: == != <= >= < > ~=."""

    ops: tuple[str, ...]
    operands: tuple[Expr, ...]


class Range(Node):
    """`a..b`, half-open."""

    start: Expr
    stop: Expr


class Ternary(Node):
    """`if test then yes else no`."""

    test: Expr
    yes: Expr
    no: Expr


class Pipeline(Node):
    """`start -> stage -> stage`."""

    start: Expr
    stages: tuple[Stage, ...]


Expr = Union[
    Number,
    String,
    Bool,
    Name,
    ListExpr,
    Comprehension,
    Index,
    Attr,
    Call,
    Unary,
    Binary,
    Compare,
    Range,
    Ternary,
    Pipeline,
]


class Arg(Node):
    """A positional (`name` is None) or named argument."""

    name: Ident | None
    value: Expr


class Args(Node):
    items: tuple[Arg, ...]


class Targets(Node):
    """`x`, `i, x`, `[a, b]` or `i, [a, b]`."""

    index: Ident | None
    names: tuple[Ident, ...]
    unpack: bool  # with brackets: the element is a list of len(names)


# --------------------------------------------------------------------------- stages


class StageLabel(Node):
    """`conv1`, `"layer{i + 1}"`, `hg[i][0]`; `base` is a name or an interpolated string."""

    base: Ident | String
    indices: tuple[Expr, ...]


class Apply(Node):
    """An operator, block or network by its dotted name, with or without arguments."""

    label: StageLabel | None
    name: tuple[Ident, ...]
    args: Args | None


class Group(Node):
    """`( a -> b )`."""

    label: StageLabel | None
    stages: tuple[Stage, ...]


class Repeat(Node):
    """`repeat count as var { stages }`."""

    label: StageLabel | None
    count: Expr
    var: Ident | None
    stages: tuple[Stage, ...]


class ForStage(Node):
    """`for targets in over { stages }`."""

    label: StageLabel | None
    targets: Targets
    over: Expr
    stages: tuple[Stage, ...]


class Skip(Node):
    """`skip(args) { stages } via shortcut`."""

    label: StageLabel | None
    args: Args | None
    stages: tuple[Stage, ...]
    via: Stage | None


class IfStage(Node):
    """`if test then stage else stage`; without `else` no stage at all."""

    label: StageLabel | None
    test: Expr
    yes: Stage
    no: Stage | None


Stage = Union[Apply, Group, Repeat, ForStage, Skip, IfStage]


# --------------------------------------------------------------------------- statements


class Dim(Node):
    """One axis of an input: an expression (a bare unbound name binds), or `H=224`."""

    name: Ident | None  # of `H=224`
    value: Expr


class Input(Node):
    name: Ident
    dims: tuple[Dim, ...] | None  # None: no shape given
    rest: bool  # `...` at the end: any further axes
    where: Expr | None


class Output(Node):
    name: Ident | None
    value: Expr
    training: bool


class Assign(Node):
    targets: tuple[Ident, ...]
    value: Expr


class Share(Node):
    name: Ident
    stage: Stage


class Default(Node):
    """`default conv(pad=half)`."""

    name: Ident
    args: Args


class For(Node):
    targets: Targets
    over: Expr
    body: tuple[Stmt, ...]


class If(Node):
    """`else if` is an `If` alone in `no`."""

    test: Expr
    yes: tuple[Stmt, ...]
    no: tuple[Stmt, ...]


class Expect(Node):
    claim: Expr
    source: str | None


Stmt = Union[Input, Output, Assign, Share, Default, For, If, Expect]


# --------------------------------------------------------------------------- declarations


class Type(Node):
    """`int`, `float`, `bool`, `string`, `size`, `block`, `any`, or `[type]` (name "list")."""

    name: str
    of: Type | None


class Param(Node):
    name: Ident
    type: Type | None
    default: Expr | None


class Use(Node):
    """`use std.residual: Bottleneck`, `use "blocks/mine.arch" as mine`."""

    path: tuple[Ident, ...]  # dotted; empty when `file` is given
    file: String | None
    names: tuple[Ident, ...]  # empty: all
    alias: Ident | None


class Const(Node):
    name: Ident
    params: tuple[Param, ...] | None  # None: a number, not a function
    value: Expr
    doc: str


class Block(Node):
    """A block with statements (`body`) or with one stage (`stage`)."""

    name: Ident
    params: tuple[Param, ...]
    body: tuple[Stmt, ...]
    stage: Stage | None
    doc: str
    incomplete: bool = False  # text in it was skipped after a syntax error


class Network(Node):
    name: Ident
    params: tuple[Param, ...]
    body: tuple[Stmt, ...]
    doc: str
    incomplete: bool = False


class Variant(Node):
    """`network Name = base(args) { expect ... }`."""

    name: Ident
    base: tuple[Ident, ...]
    args: Args | None
    claims: tuple[Expect, ...]
    doc: str


class Setting(Node):
    """`loss.aux1 = [0.3, cross_entropy()]`: path ("loss", "aux1")."""

    path: tuple[Ident, ...]
    value: Expr


class Recipe(Node):
    name: Ident
    network: Ident | None
    settings: tuple[Setting, ...]
    doc: str


Decl = Union[Use, Default, Const, Block, Network, Variant, Recipe]


class File(Frozen):
    """A whole file: declarations in order, and all comments with their places."""

    source: Source
    doc: str
    declarations: tuple[Decl, ...]
    comments: tuple[tuple[Span, str], ...]
    broken: frozenset[str] = frozenset()  # names that skipped text would have declared


def nodes_in(*parts: object) -> Iterator[Node]:
    """All nodes within parts of a tree, themselves included, in no order; without recursion."""
    pending: list[object] = [*parts]
    while pending:
        part = pending.pop()
        if type(part) is tuple:
            pending += part
        elif isinstance(part, Node):
            yield part
            pending += part.__dict__.values()


def names_in(node: Node) -> set[str]:
    """The names that stand as expressions or stages anywhere in a node."""
    found: set[str] = set()
    for part in nodes_in(node):
        if isinstance(part, Name):
            found.add(part.name)
        elif isinstance(part, Apply):
            found.add(part.name[0].name)
    return found

"""Steps to statements: which results are written into the expression that uses them.

A frame is a program whose statements stand together: the whole forward, or the body of a loop.
One idiom (convolution, norm, activation) makes one statement.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

from .code import Apply, Arg, Attr, Expr, Gen, Infix, Item, Lit, Raw, Seq, Use
from .errors import Mismatch
from .layers import Leaf
from .program import Key, Merged, Phi, Program, Ref, RefTree, Rolled, Val
from .reads import PHI, Reads, vals
from .statements import Header, Inlined, Stmt, Test
from .swap import fill, replace
from .zipped import side_by_side

_LIGHT = {"norm", "activation", "regularize"}
_DEPTH = 3


class Frame(Reads):
    """Makes the statements of one program."""

    def __init__(
        self, number: int, program: Program, split: set[tuple[int, int]], test: Test, main: bool
    ) -> None:
        super().__init__(number, program)
        self.split = split
        self.test = test
        self.main = main
        self.symbolic: Callable[[list[tuple[int, ...] | None]], tuple[str, ...] | None] | None = (
            None
        )
        """Gives a shape that differs between instances as text."""
        self.calls: dict[int, Expr] = {}
        self.loops: dict[int, tuple[Frame, Header]] = {}
        self.inputs: dict[int, Expr] = {}
        """What stands for an input, if not a variable of its own."""
        self.everywhere = (True,) * len(program.units)
        self.columns = self.everywhere
        self.stmts: list[Stmt] = []
        self.pending: dict[tuple[int, int], Inlined] = {}
        self.phis: dict[Phi, int] = {}
        self.appends: dict[int, Key] = {}
        """Steps whose result goes to a list, and that list."""
        self.same: dict[tuple[int, int], Key] = {}
        """Results of loops that are what the loop hands on."""

    # ------------------------------------------------------------------ what a step is

    def function(self, step: int, template: Expr) -> None:
        """A step that is an expression over its inputs."""
        merged = self.program.steps[step]
        if merged.first.skip and isinstance(template, Infix) and template.op == "+":
            template = Infix("+", tuple(reversed(template.args)))
        self.calls[step] = template

    def module(self, step: int, access: Expr) -> None:
        """A step that calls a module."""
        takes = self.program.steps[step].takes
        self.calls[step] = Apply(access, tuple(Arg(n) for n in range(len(takes))))

    # ------------------------------------------------------------------ statements

    def body(self) -> list[Stmt]:
        """Statements of a whole forward."""
        self._start()
        self._steps([n for n in range(len(self.program.steps)) if n not in self.aux])
        if any(end.training for end in self.program.outputs):
            first = len(self.stmts)
            for step in sorted(self.aux):
                self._step(step, self.columns)
            for stmt in self.stmts[first:]:
                stmt.aux = True  # loops with all that is in them
            self._return(self.columns, aux=True)
        self._return(self.columns)
        return self.stmts

    def _start(self) -> None:
        self.stmts = []
        self.pending = {}
        self.phis = {}
        self.columns = self.everywhere

    def _add(self, stmt: Stmt) -> Stmt:
        stmt.base = self.columns
        stmt.where = stmt.where or self.columns
        self.stmts.append(stmt)
        return stmt

    def _steps(self, order: list[int]) -> None:
        steps = self.program.steps
        for n, step in enumerate(order):
            where = _and(self._where(steps[step]), self.columns)
            if not any(where):
                continue
            rest = _and(self.columns, tuple(not w for w in where))
            if any(rest) and self.number == 0 and not self.aux:
                later = [self._where(steps[s]) for s in order[n:]]
                if not any(any(_and(w, rest)) for w in later):
                    self._return(rest, early=True)
                    self.columns = where
            self._step(step, where)

    def _where(self, merged: Merged) -> tuple[bool, ...]:
        return self.everywhere if merged.optional else merged.present

    def _step(self, n: int, where: tuple[bool, ...]) -> None:
        merged = self.program.steps[n]
        if merged.rolled is not None:
            self._loop(n, merged.rolled)
            return
        parts = [self._argument(tree, where) for tree in merged.takes]
        value = self._gathered(fill(self.calls[n], [p.expr for p in parts], Raw("")))
        if isinstance(value, Apply) and value.func == "sum" and isinstance(value.args[0], Gen):
            value = Apply("sum", (dataclasses.replace(value.args[0], brackets="()"),))
        inlined = [s for p in parts for s in p.steps]
        depth = 1 + max((p.depth for p in parts), default=0)
        light = self._is_light(n) and all(p.light for p in parts)
        if n in self.appends:
            append = Apply(Attr(Use(self.appends[n]), "append"), (value,))
            self._add(Stmt("call", self, [], append, where, step=n, inlined=inlined))
            return
        if len(merged.first.gives) == 1 and self._can_inline(n, depth, light, where):
            self.pending[(n, 0)] = Inlined(value, [(self.number, n), *inlined], depth, light)
            return
        targets = [self.key(n, k) for k in range(len(merged.first.gives))]
        aux = n in self.aux
        self._add(
            Stmt("assign", self, targets, value, where, (), n, inlined, aux, shape=self._shape(n))
        )

    def _gathered(self, e: Expr) -> Expr:
        """`[xs[0], xs[1]]` is `xs`, if it has no more elements."""

        def swap(part: Expr) -> Expr | None:
            if not isinstance(part, Seq) or not part.items or not isinstance(part.items[0], Item):
                return None
            use = part.items[0].on
            if not isinstance(use, Use) or use.ref[0] != self.number:
                return None
            tree = self.result_tree(use.ref[1], use.ref[2])
            if self.is_ragged(use.ref[1], use.ref[2]):
                return None
            size = len(tree) if isinstance(tree, list) else -1
            return use if part.items == tuple(Item(use, Lit(n)) for n in range(size)) else None

        return replace(e, swap)

    def key(self, step: int, result: int) -> Key:
        return (self.number, step, result)

    def _argument(self, tree: RefTree, where: tuple[bool, ...]) -> Inlined:
        whole = self.whole(tree)
        if whole is not None:
            return self.pending.pop(whole, None) or Inlined(self._value(*whole))
        if isinstance(tree, list):
            parts = [self._argument(part, where) for part in tree]
            return Inlined(
                Seq(tuple(p.expr for p in parts)),
                [s for p in parts for s in p.steps],
                max((p.depth for p in parts), default=0),
                all(p.light for p in parts),
            )
        if isinstance(tree, Phi):
            return Inlined(self._phi(tree, where))
        expr = self._value(tree.step, tree.result)
        for n in tree.path:
            expr = Item(expr, Lit(n))
        return Inlined(expr)

    def _value(self, step: int, result: int) -> Expr:
        if step < 0 and result in self.inputs:
            return self.inputs[result]
        return Use(self.same.get((step, result), self.key(step, result)))

    def _phi(self, phi: Phi, where: tuple[bool, ...]) -> Expr:
        """A value that depends on the instance: chosen in a statement before its use."""
        there = [v if keep else None for v, keep in zip(phi.columns, where, strict=True)]
        options = list(dict.fromkeys(v for v in there if v is not None))
        if len(options) == 1:
            return self._argument(options[0], where).expr
        if phi not in self.phis:
            if len(options) > 2 or where != self.columns:
                raise Mismatch
            number = self.phis[phi] = PHI + len(self.phis)
            row = tuple(v == options[1] for v in phi.columns)
            other, first = (self._argument(v, where).expr for v in (options[1], options[0]))
            pair = Seq((other, first), "()")
            self._add(Stmt("assign", self, [self.key(number, 0)], pair, where, choice=row))
        return Use(self.key(self.phis[phi], 0))

    # ------------------------------------------------------------------ loops

    def _loop(self, n: int, rolled: Rolled) -> None:
        """The statements of a loop: what it hands on gets its first value before it."""
        inner, header = self.loops[n]
        inner._start()
        carried = [k for k, t in enumerate(rolled.plan.taken) if t.kind == "carried"]
        for k, ref in enumerate(rolled.taken):
            kind = rolled.plan.taken[k].kind
            if isinstance(ref, list):
                self._element(inner, k, ref, header)
                continue
            value = self._argument(ref, self.columns).expr
            if kind == "fixed":
                inner.inputs[k] = value
            else:
                self._add(Stmt("assign", self, [inner.key(-1, k)], value))
        results = list(enumerate(rolled.plan.results))
        own = [(k, result) for k, result in results if result.carried is None]
        ends = inner.program.outputs
        tails = list(zip(own, ends[rolled.results :], strict=True))
        for k, result in results:
            if result.carried is not None:
                self.same[(n, k)] = inner.key(-1, result.carried)
        for (k, result), end in tails:
            if result.whole:
                self._add(Stmt("assign", self, [self.key(n, k)], Seq(()), name="list"))
                if isinstance(end.value, Val) and inner.is_made_for(end.value):
                    inner.appends[end.value.step] = self.key(n, k)
        self._add(Stmt("for", self, [], header.over, name=header.variable, step=n))
        inner._steps(list(range(len(inner.program.steps))))
        for (k, result), end in tails:
            if isinstance(end.value, Val) and end.value.step in inner.appends:
                continue
            made = inner._argument(end.value, inner.columns)
            if result.whole:
                append = Apply(Attr(Use(self.key(n, k)), "append"), (made.expr,))
                inner._add(Stmt("call", inner, [], append, inlined=made.steps))
            else:
                inner._add(Stmt("assign", inner, [self.key(n, k)], made.expr, inlined=made.steps))
        for k, end in zip(carried, ends, strict=False):
            inner._hand_on(k, end.value, later=[e.value for e in ends[: len(carried)]])
        if len(inner.stmts) == 1 and inner.stmts[0].kind == "call" and not carried:
            self._comprehension(n, inner.stmts[0], header)
            return
        self.stmts += inner.stmts
        self._add(Stmt("end", self))

    def is_made_for(self, end: Val) -> bool:
        """Is a value that a loop collects read by nothing else, and made by a plain step?"""
        plain = end.step >= 0 and self.program.steps[end.step].rolled is None
        return plain and len(self.uses[(end.step, 0)]) == 1

    def _comprehension(self, n: int, append: Stmt, header: Header) -> None:
        """A loop that does nothing but fill a list is a comprehension."""
        self.stmts.pop()  # the loop's head
        first = self.stmts[-1]
        assert isinstance(append.value, Apply)
        item = append.value.args[0]
        given = self.loops[n][0].inputs.items()
        lists = [e.on for k, e in given if k in header.lists and isinstance(e, Item)]
        made = side_by_side(item, header, lists, self._words())
        first.value = made or Gen(item, header.variable, header.over, "[]")
        first.name = ""
        first.inlined = append.inlined
        users = self.uses.get((n, 0), [])
        if len(users) == 1 and (self.number, n) not in self.split:
            user = users[0]
            if user < len(self.program.steps) and self.program.steps[user].listed:
                self.stmts.pop()
                steps = [(self.number, n), *first.inlined]
                self.pending[(n, 0)] = Inlined(first.value, steps, 1, False)

    def _words(self) -> set[str]:
        """What the source calls values: no name for a variable of a comprehension."""
        return {value.name for unit in self.program.units for value in unit.values if value.name}

    def _element(self, inner: Frame, k: int, row: list[Ref], header: Header) -> None:
        """An input that is the next element of a list."""
        first = row[0]
        if not isinstance(first, Val) or k not in header.indices:
            raise Mismatch
        expr = self._value(first.step, first.result)
        for n in first.path[:-1]:
            expr = Item(expr, Lit(n))
        inner.inputs[k] = Item(expr, Raw(header.indices[k]))

    def _hand_on(self, k: int, end: RefTree, later: list[RefTree]) -> None:
        """The last statement of an iteration for a value that it hands on."""
        target = self.key(-1, k)
        own = Val(-1, k)
        if len(later) > 1 and any(own in vals(tree) for tree in later):
            raise Mismatch  # values that change places need more than assignments
        if isinstance(end, Phi):
            made = {v for v in end.columns if v is not None} - {own}
            if len(made) != 1:
                raise Mismatch
            val = made.pop()
            where = tuple(v == val for v in end.columns)
            value = self._argument(val, where)
            self._add(Stmt("assign", self, [target], value.expr, where, inlined=value.steps))
            return
        value = self._argument(end, self.columns)
        step = end.step if isinstance(end, Val) else -1
        stmt = Stmt("assign", self, [target], value.expr, inlined=value.steps, step=step)
        self._add(stmt)

    # ------------------------------------------------------------------ inlining

    def _is_light(self, n: int) -> bool:
        layer = self.program.steps[n].first.layer
        return isinstance(layer, Leaf) and (layer.family in _LIGHT or layer.op == "flatten")

    def _can_inline(self, n: int, depth: int, light: bool, where: tuple[bool, ...]) -> bool:
        users = self.uses.get((n, 0), [])
        if (self.number, n) in self.split or len(users) != 1:
            return False
        if not isinstance(self.result_tree(n, 0), int):
            return False
        user = users[0]
        if user == len(self.program.steps):
            return self.number > 0 or self._is_only_output()
        merged = self.program.steps[user]
        if merged.rolled is not None or self._where(merged) != where:
            return False
        if (user in self.aux) != (n in self.aux):
            return False
        layer = merged.first.layer
        family = layer.family if isinstance(layer, Leaf) else ""
        op = layer.op if isinstance(layer, Leaf) else ""
        if op == "fuse":
            return depth == 1 and not isinstance(self.calls[n], Infix) and not self._named(n)
        if self.whole(merged.takes[0]) != (n, 0) or self._named(n) or depth >= _DEPTH:
            return False
        if self._is_light(user):
            return True
        return light and family in {"conv", "dense"}

    def _is_only_output(self) -> bool:
        ends = self.program.outputs
        return len(ends) == 1 and not ends[0].training and isinstance(ends[0].value, Val)

    def _named(self, n: int) -> bool:
        """Does the source give the result a name of its own?"""
        merged = self.program.steps[n]
        for unit, step in zip(self.program.units, merged.steps, strict=True):
            if step is not None and unit.values[step.outputs[0]].name:
                return True
        return False

    def _return(self, columns: tuple[bool, ...], early: bool = False, aux: bool = False) -> None:
        ends = self.program.outputs
        if self.main:
            ends = [e for e in ends if not e.training] + [e for e in ends if e.training and aux]
        made = [
            Inlined(Lit(None)) if end.training and not aux else self._argument(end.value, columns)
            for end in ends
        ]
        value = made[0].expr if len(made) == 1 else Seq(tuple(m.expr for m in made), "()")
        inlined = [s for m in made for s in m.steps]
        step, shape = -1, None
        last = self.stmts[-1] if self.stmts and not self.aux else None
        if last and _returnable(last, columns) and [m.expr for m in made] == _uses(last):
            value, step, shape = last.value, last.step, last.shape
            inlined = [(self.number, step), *last.inlined] if step >= 0 else []
            self.stmts.pop()
        elif len(made) == 1 and isinstance(ends[0].value, Val) and inlined:
            shape = self._shape(ends[0].value.step)
        self._add(
            Stmt("return", self, [], value, columns, (), step, inlined, aux, early, shape=shape)
        )

    def _shape(self, n: int) -> tuple[int | str, ...] | None:
        """The shape of a step's only result, if there is a way to say it for all instances."""
        if n < 0 or len(self.program.steps[n].first.outputs) != 1:
            return None
        merged = self.program.steps[n]
        row = [
            None if step is None else tuple(map(int, unit.values[step.outputs[0]].shape))
            for unit, step in zip(self.program.units, merged.steps, strict=True)
        ]
        shapes = {shape for shape in row if shape is not None}
        if len(shapes) == 1:
            return shapes.pop()
        if self.symbolic is None:
            return None
        if merged.optional:  # elsewhere it is the identity
            return None
        return self.symbolic(row)


def _returnable(stmt: Stmt, columns: tuple[bool, ...]) -> bool:
    return stmt.kind == "assign" and stmt.where == columns and not (stmt.choice or stmt.name)


def _uses(stmt: Stmt) -> list[Expr]:
    return [Use(key) for key in stmt.targets]


def _and(a: tuple[bool, ...], b: tuple[bool, ...]) -> tuple[bool, ...]:
    return tuple(x and y for x, y in zip(a, b, strict=True))

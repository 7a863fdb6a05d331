"""The forward of a class: steps to statements, values to names.

First it is decided which results are written into the expression that uses them: one idiom
(convolution, norm, activation) makes one line. Then values get names: `x` along the trunk, another
only where paths part. A line that comes out too long is split, and the names are given anew.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from ...graph import Tree
from .code import WIDTH, Apply, Arg, Expr, Infix, Item, Lit, Raw, Seq, Use, flat, layout
from .merge import Key, Merged, Phi, Program, Ref, RefTree, Val, form, refs
from .naming import Namer
from .solve import ABSENT
from .templates import Mismatch, fill
from .text import signature
from .units import Leaf

_LIGHT = {"norm", "activation", "regularize"}
_DEPTH = 3


@dataclass(slots=True)
class Stmt:
    """`targets = value`, or `return value` (no targets), for the instances in `where`."""

    targets: list[Key]
    value: Expr
    where: tuple[bool, ...]
    step: int = -1
    inlined: list[int] = field(default_factory=list)
    """Steps that are written into it, outermost first."""
    aux: bool = False
    early: bool = False
    """A return before the end, under its condition."""
    shape: tuple[int, ...] | None = None
    choice: tuple[bool, ...] | None = None
    """`value` is a pair: the first in these columns, the second in others."""


class Forward:
    """Builds the lines of one forward."""

    def __init__(self, program: Program, main: bool) -> None:
        self.program = program
        self.main = main
        self.calls: dict[int, Expr] = {}
        self.everywhere = (True,) * len(program.units)
        self.split: set[int] = set()
        self.uses: dict[Key, list[int]] = {}
        """Steps that use a result (len(steps): an output)."""
        self._count_uses()
        self.aux = self._auxiliary()

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

    def lines(self, test: Callable[[tuple[bool, ...]], str]) -> list[str]:
        """The whole method."""
        while True:
            stmts = self._statements()
            namer = Namer(self, stmts)
            before = len(self.split)
            text = self._print(stmts, namer, test)
            if len(self.split) == before:
                break
        params = [
            (namer.names[(-1, n)], annotation(tree), ABSENT)
            for n, tree in enumerate(self.program.input_trees())
        ]
        return [*signature("forward", params, self._result()), *text]

    # ------------------------------------------------------------------ facts

    def key(self, ref: Ref) -> Key:
        return ref if isinstance(ref, Phi) else (ref.step, ref.result)

    def result_tree(self, key: Key) -> Tree:
        """What a result is: a value, or a list of values (ids of the first unit that has it)."""
        if isinstance(key, Phi):
            return 0
        step, number = key
        if step < 0:
            return self.program.units[0].inputs[number].value
        return self.program.steps[step].first.gives[number]

    def _count_uses(self) -> None:
        for n, merged in enumerate(self.program.steps):
            for tree in merged.takes:
                self._use(tree, n)
        for end in self.program.outputs:
            self._use(end.value, len(self.program.steps))

    def _use(self, tree: RefTree, step: int) -> None:
        whole = self._whole(tree)
        if whole is not None:
            self.uses.setdefault(whole, []).append(step)
            return
        if isinstance(tree, list):
            for part in tree:
                self._use(part, step)
            return
        self.uses.setdefault(self.key(tree), []).append(step)
        if isinstance(tree, Phi):
            for val in tree.columns:
                if val is not None:
                    # twice: it must have a name, for it is not used at once
                    self.uses.setdefault((val.step, val.result), []).extend((step, step))

    def _whole(self, tree: RefTree) -> Key | None:
        """The result that a tree is as a whole, if it is one."""
        found = list(refs(tree))
        if not found or not isinstance(found[0], Val):
            return None
        key = (found[0].step, found[0].result)
        made = self.result_tree(key)
        paths = [Val(*key, path) for path in _paths(made)]
        return key if _form(tree) == form(made) and found == paths else None

    def _auxiliary(self) -> set[int]:
        """Steps that only training outputs need."""
        needed: set[int] = set()
        pending = [
            val.step for end in self.program.outputs if not end.training for val in _vals(end.value)
        ]
        while pending:
            step = pending.pop()
            if step >= 0 and step not in needed:
                needed.add(step)
                for tree in self.program.steps[step].takes:
                    pending += [val.step for val in _vals(tree)]
        return set(range(len(self.program.steps))) - needed

    def _result(self) -> str:
        plain = [annotation(_example(e.value)) for e in self.program.outputs if not e.training]
        aux = [annotation(_example(e.value)) for e in self.program.outputs if e.training]
        every = [plain, plain + aux] if aux else [plain]
        return " | ".join(k[0] if len(k) == 1 else f"tuple[{', '.join(k)}]" for k in every if k)

    # ------------------------------------------------------------------ statements

    def _statements(self) -> list[Stmt]:
        self.pending: dict[Key, tuple[Expr, list[int], int, bool]] = {}
        self.stmts: list[Stmt] = []
        order = [n for n in range(len(self.program.steps)) if n not in self.aux]
        self._emit(order, self.everywhere)
        return self.stmts

    def _emit(self, order: list[int], columns: tuple[bool, ...]) -> None:
        """Statements of some steps for some columns, and the return."""
        steps = self.program.steps
        for n, step in enumerate(order):
            where = _and(self._where(steps[step]), columns)
            if not any(where):
                continue
            if where != columns:
                rest = _and(columns, tuple(not w for w in where))
                later = [steps[s] for s in order[n:]]
                if not any(any(_and(self._where(m), rest)) for m in later) and not self.aux:
                    self._return(rest, early=True)
                    columns = where
            self._step(step, where, columns)
        if any(end.training for end in self.program.outputs):
            for step in sorted(self.aux):
                self._step(step, columns, columns)
            self._return(columns, aux=True)
        self._return(columns)

    def _where(self, merged: Merged) -> tuple[bool, ...]:
        return self.everywhere if merged.optional else merged.present

    def _step(self, n: int, where: tuple[bool, ...], columns: tuple[bool, ...]) -> None:
        merged = self.program.steps[n]
        inlined: list[int] = []
        depth, light = 0, self._is_light(n)
        args: list[Expr] = []
        for tree in merged.takes:
            expr, steps, below, thin = self._argument(tree, where)
            args.append(expr)
            inlined += steps
            depth, light = max(depth, below), light and thin
        value = fill(self.calls[n], args, Raw(""))
        aux = n in self.aux
        if len(merged.first.gives) == 1 and self._can_inline(n, depth + 1, light, where):
            self.pending[(n, 0)] = (value, [n, *inlined], depth + 1, light)
            return
        targets: list[Key] = [(n, k) for k in range(len(merged.first.gives))]
        shape = self._shape(n)
        self.stmts.append(Stmt(targets, value, where, n, inlined, aux, shape=shape))

    def _argument(
        self, tree: RefTree, where: tuple[bool, ...]
    ) -> tuple[Expr, list[int], int, bool]:
        """(expression, steps written into it, depth, whether all of them are light)."""
        whole = self._whole(tree)
        if whole is not None:
            found = self.pending.pop(whole, None)
            return found if found is not None else (Use(whole), [], 0, True)
        if isinstance(tree, list):
            parts = [self._argument(part, where) for part in tree]
            steps = [s for part in parts for s in part[1]]
            depth = max((p[2] for p in parts), default=0)
            return Seq(tuple(p[0] for p in parts)), steps, depth, all(p[3] for p in parts)
        if isinstance(tree, Phi):
            return self._phi(tree, where), [], 0, True
        expr: Expr = Use((tree.step, tree.result))
        for n in tree.path:
            expr = Item(expr, Lit(n))
        return expr, [], 0, True

    def _phi(self, phi: Phi, where: tuple[bool, ...]) -> Expr:
        """A value that depends on the instance: chosen in a statement before its use."""
        there = [v if keep else None for v, keep in zip(phi.columns, where, strict=True)]
        options = list(dict.fromkeys(v for v in there if v is not None))
        if len(options) == 1:
            return self._argument(options[0], where)[0]
        if phi not in {key for stmt in self.stmts for key in stmt.targets}:
            if len(options) > 2 or where != self.everywhere:
                raise Mismatch
            row = tuple(v == options[1] for v in phi.columns)
            other, first = (self._argument(v, where)[0] for v in (options[1], options[0]))
            self.stmts.append(Stmt([phi], Seq((other, first), "()"), where, choice=row))
        return Use(phi)

    def _is_light(self, n: int) -> bool:
        layer = self.program.steps[n].first.layer
        return isinstance(layer, Leaf) and (layer.family in _LIGHT or layer.op == "flatten")

    def _can_inline(self, n: int, depth: int, light: bool, where: tuple[bool, ...]) -> bool:
        users = self.uses.get((n, 0), [])
        if n in self.split or len(users) != 1 or not isinstance(self.result_tree((n, 0)), int):
            return False
        user = users[0]
        if user == len(self.program.steps):
            plain = [e for e in self.program.outputs if not e.training]
            return len(self.program.outputs) == 1 == len(plain) and isinstance(plain[0].value, Val)
        merged = self.program.steps[user]
        if self._where(merged) != where or (user in self.aux) != (n in self.aux):
            return False
        layer = merged.first.layer
        family = layer.family if isinstance(layer, Leaf) else ""
        op = layer.op if isinstance(layer, Leaf) else ""
        if op == "fuse":
            return depth == 1 and not isinstance(self.calls[n], Infix) and not self._named(n)
        if self._whole(merged.takes[0]) != (n, 0) or self._named(n) or depth >= _DEPTH:
            return False
        if self._is_light(user):
            return True
        return light and family in {"conv", "dense"}

    def _named(self, n: int) -> bool:
        """Does the source give the result a name of its own?"""
        merged = self.program.steps[n]
        for unit, step in zip(self.program.units, merged.steps, strict=True):
            if step is not None and unit.values[step.outputs[0]].name:
                return True
        return False

    def _return(self, columns: tuple[bool, ...], early: bool = False, aux: bool = False) -> None:
        ends = [e for e in self.program.outputs if not e.training]
        if aux:
            ends += [e for e in self.program.outputs if e.training]
        made = [self._argument(end.value, columns) for end in ends]
        value = made[0][0] if len(made) == 1 else Seq(tuple(m[0] for m in made), "()")
        inlined = [s for m in made for s in m[1]]
        last = self.stmts[-1] if self.stmts else None
        if last and not self.aux and last.where == columns and last.choice is None:
            results = [Use(key) for key in last.targets]
            if [m[0] for m in made] == results:
                value, inlined = last.value, [last.step, *last.inlined] if last.step >= 0 else []
                self.stmts.pop()
                stmt = Stmt([], value, columns, last.step, inlined, aux, early, last.shape)
                self.stmts.append(stmt)
                return
        stmt = Stmt([], value, columns, -1, inlined, aux, early)
        if len(made) == 1 and isinstance(ends[0].value, Val) and inlined:
            stmt.shape = self._shape(ends[0].value.step)
        self.stmts.append(stmt)

    def _shape(self, n: int) -> tuple[int, ...] | None:
        """The shape of a step's only result, where it is the same in all instances."""
        merged = self.program.steps[n]
        if len(merged.first.outputs) != 1 or n < 0:
            return None
        shapes = {
            tuple(int(k) for k in unit.values[step.outputs[0]].shape)
            for unit, step in zip(self.program.units, merged.steps, strict=True)
            if step is not None
        }
        return shapes.pop() if len(shapes) == 1 else None

    # ------------------------------------------------------------------ text

    def _print(
        self, stmts: list[Stmt], namer: Namer, test: Callable[[tuple[bool, ...]], str]
    ) -> list[str]:
        lines: list[str] = []
        columns = self.everywhere
        last = ""
        for stmt in stmts:
            cond = "" if stmt.where == columns else test(stmt.where)
            if stmt.aux:
                cond = "self.training"
            if cond and (cond != last or stmt.early):
                lines.append(f"        if {cond}:")
            last = "" if stmt.early else cond
            indent = 12 if cond else 8
            if stmt.early:
                columns = _and(columns, tuple(not w for w in stmt.where))
            lines += self._line(stmt, namer, indent, test)
        return lines

    def _line(
        self, stmt: Stmt, namer: Namer, indent: int, test: Callable[[tuple[bool, ...]], str]
    ) -> list[str]:
        value = namer.named(stmt.value)
        if stmt.choice is not None and isinstance(value, Seq):
            yes, no = map(flat, value.items)
            value = Raw(f"{yes} if {test(stmt.choice)} else {no}")
        names = ", ".join(namer.names[key] for key in stmt.targets)
        prefix = f"{names} = " if stmt.targets else "return "
        text = _bare(value) if not stmt.targets else flat(value)
        shape = f"  # [{', '.join(map(str, stmt.shape))}]" if stmt.shape else ""
        one = f"{' ' * indent}{prefix}{text}"
        if len(one) + len(shape) <= WIDTH:
            return [one + shape]
        if _spread(value, indent) and len(made := layout(value, indent, prefix)) == 3:
            if len(made[-1] + shape) <= WIDTH:
                return [*made[:-1], made[-1] + shape]
        if stmt.inlined:
            inner = 1 if not stmt.targets and len(stmt.inlined) > 1 else 0
            before = len(self.split)
            if isinstance(value, Apply) and value.func == "torch.cat":
                self.split.update(stmt.inlined)
            else:
                self.split.add(stmt.inlined[inner])
            if len(self.split) > before:
                return [one]
        if len(one) <= WIDTH:
            return [one]
        made = layout(value, indent, prefix)
        if len(made) > 1 and len(made[-1] + shape) <= WIDTH:
            made[-1] += shape
        return made


def _spread(value: Expr, indent: int) -> bool:
    """A join of several values, that reads well with its arguments on a line of their own."""
    return isinstance(value, Apply) and value.func in ("torch.cat", "torch.stack")


def _bare(value: Expr) -> str:
    """What stands after `return`: a tuple without its parentheses."""
    if isinstance(value, Seq) and value.brackets == "()" and len(value.items) > 1:
        return ", ".join(map(flat, value.items))
    return flat(value)


def annotation(tree: Tree) -> str:
    """The type of a value or (nested) list of values."""
    return f"list[{annotation(tree[0])}]" if isinstance(tree, list) and tree else "Tensor"


def _example(tree: RefTree) -> Tree:
    return [_example(part) for part in tree] if isinstance(tree, list) else 0


def _form(tree: RefTree) -> object:
    return form(_example(tree))


def _paths(tree: Tree, path: tuple[int, ...] = ()) -> list[tuple[int, ...]]:
    """Where the leaves of a tree stand."""
    if isinstance(tree, int):
        return [path]
    return [leaf for n, part in enumerate(tree) for leaf in _paths(part, (*path, n))]


def _vals(tree: RefTree) -> list[Val]:
    found: list[Val] = []
    for ref in refs(tree):
        found += [ref] if isinstance(ref, Val) else [v for v in ref.columns if v is not None]
    return found


def _and(a: tuple[bool, ...], b: tuple[bool, ...]) -> tuple[bool, ...]:
    return tuple(x and y for x, y in zip(a, b, strict=True))

"""The text of a forward: statements with names and shapes, as lines."""

from __future__ import annotations

from collections.abc import Container

from ...graph import Tree
from .code import WIDTH, Apply, Expr, Infix, Raw, Seq, flat, layout
from .frames import Frame
from .naming import Namer
from .solve import ABSENT
from .statements import Stmt
from .text import signature


def forward_lines(frame: Frame) -> list[str]:
    """The whole method. A line that comes out too long is split, and the names are given anew."""
    while True:
        stmts = frame.body()
        namer = Namer(frame, stmts)
        before = len(frame.split)
        text = Printer(frame, namer).lines(stmts)
        if len(frame.split) == before:
            break
    unit = frame.program.units[0]
    params = [
        (namer.names[(0, -1, n)], annotation(declared.value, unit.sizes), ABSENT)
        for n, declared in enumerate(unit.inputs)
    ]
    return [*signature("forward", params, _result(frame)), *text]


def _result(frame: Frame) -> str:
    unit = frame.program.units[0]
    plain = [annotation(e.value, unit.sizes) for e in unit.outputs if not e.training]
    aux = [annotation(e.value, unit.sizes) for e in unit.outputs if e.training]
    if aux and not frame.main:
        kinds = [
            annotation(e.value, unit.sizes) + (" | None" if e.training else "")
            for e in unit.outputs
        ]
        return kinds[0] if len(kinds) == 1 else f"tuple[{', '.join(kinds)}]"
    every = [plain, plain + aux] if aux else [plain]
    return " | ".join(k[0] if len(k) == 1 else f"tuple[{', '.join(k)}]" for k in every if k)


class Printer:
    """Statements as lines, under their conditions and in their loops."""

    def __init__(self, frame: Frame, namer: Namer) -> None:
        self.frame = frame
        self.split = frame.split
        self.namer = namer
        self.known: set[str] = set()
        """Names that have a type by an earlier line."""

    def lines(self, stmts: list[Stmt]) -> list[str]:
        result: list[str] = []
        indent, last = 8, ""
        around: list[tuple[int, str]] = []
        heads: list[tuple[int, int]] = []  # lines before and after the head of each loop
        for stmt in stmts:
            if stmt.kind == "end":
                indent -= around.pop()[0]
                before, after = heads.pop()
                if len(result) == after:
                    del result[before:]  # a loop of identities does nothing
                last = ""
                continue
            start = len(result)
            cond = "" if stmt.where == stmt.base else stmt.frame.test(stmt.where)
            if stmt.early:
                cond = stmt.frame.test(stmt.where)
            if stmt.aux:
                cond = "self.training"
            outer = around[-1][1] if around else ""
            if cond == outer:
                cond = ""  # the loop around it stands under it already
            if cond and (cond != last or stmt.early):
                result.append(f"{' ' * indent}if {cond}:")
            last = "" if stmt.early or stmt.kind == "for" else cond
            result += self._line(stmt, indent + (4 if cond else 0))
            if stmt.kind == "for":
                around.append((8 if cond else 4, cond or outer))
                heads.append((start, len(result)))
                indent += around[-1][0]
        return result

    def _line(self, stmt: Stmt, indent: int) -> list[str]:
        value = self.namer.named(stmt.value)
        if stmt.kind == "for":
            return [f"{' ' * indent}for {stmt.name} in {flat(value)}:"]
        if stmt.choice is not None and isinstance(value, Seq):
            yes, no = map(flat, value.items)
            value = Raw(f"{yes} if {stmt.frame.test(stmt.choice)} else {no}")
        names = ", ".join(self.namer.names[key] for key in stmt.targets)
        if stmt.kind == "assign" and flat(value) == names:
            return []
        prefix = {"return": "return ", "call": ""}.get(stmt.kind, f"{names} = ")
        if stmt.name == "list" and names not in self.known:
            prefix = f"{names}: list[Tensor] = "
        self.known.update(names.split(", "))
        text = _bare(value) if stmt.kind == "return" else flat(value)
        shape = f"  # [{', '.join(map(str, stmt.shape))}]" if stmt.shape else ""
        one = f"{' ' * indent}{prefix}{text}"
        if len(one) + len(shape) <= WIDTH:
            return [one + shape]
        if len(one) <= WIDTH and any(isinstance(n, str) for n in stmt.shape or ()):
            return [one]  # a symbolic shape is not worth another line
        return self._long(stmt, value, one, shape, indent, prefix)

    def _long(
        self, stmt: Stmt, value: Expr, one: str, shape: str, indent: int, prefix: str
    ) -> list[str]:
        """A line that is too long: broken if that reads well, otherwise split into several."""
        join = _is_join(value)
        # A formatter breaks a sum of two within its last operand, which nobody would read.
        pair = isinstance(value, Infix) and len(value.args) == 2
        if join and not (pair and any(s not in self.split for s in stmt.inlined)):
            made = layout(value, indent, prefix)
            short = len(made) == 3 or not (isinstance(value, Apply) and value.func == "torch.cat")
            if short and len(made[-1] + shape) <= WIDTH:
                return [*made[:-1], made[-1] + shape]
        new = [s for s in stmt.inlined if s not in self.split]
        if new:
            inner = 1 if stmt.kind == "return" and len(new) > 1 else 0
            self.split.update(new if join else new[inner : inner + 1])
            return [one]
        if len(one) <= WIDTH:
            return [one]
        made = layout(value, indent, prefix)
        if len(made) > 1 and len(made[-1] + shape) <= WIDTH:
            made[-1] += shape
        return made


def _is_join(value: Expr) -> bool:
    """A join of several values, which reads well with all of them on a line of their own."""
    if isinstance(value, Apply) and value.func in ("torch.cat", "torch.stack"):
        return True
    if isinstance(value, Apply) and len(value.args) == 1 and not value.kwargs:
        return isinstance(value.args[0], Infix)
    return isinstance(value, Infix)


def _bare(value: Expr) -> str:
    """What stands after `return`: a tuple without its parentheses."""
    if isinstance(value, Seq) and value.brackets == "()" and len(value.items) > 1:
        return ", ".join(map(flat, value.items))
    return flat(value)


def annotation(tree: Tree, sizes: Container[int]) -> str:
    """The type of a value or (nested) list of values."""
    if isinstance(tree, list) and tree:
        return f"list[{annotation(tree[0], sizes)}]"
    return "list[int]" if tree in sizes else "Tensor"

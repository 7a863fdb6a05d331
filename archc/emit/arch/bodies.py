"""One body: its inputs, its statements, its outputs."""

from __future__ import annotations

from typing import Any, NamedTuple

from ...graph import Graph, Node, Tree, leaves
from .arguments import arguments, path_to, subtrees
from .errors import Unwritable
from .items import Exit, Item, Items, fields
from .layout import STEP, Stage, rolled, statement
from .names import BUILT_IN, identifier, label


class _Unnamed(Exception):
    """A value is wanted by name that has none yet."""

    def __init__(self, value: int) -> None:
        self.value = value


class _Where(NamedTuple):
    """The scope that gives names: its path, and whether by position."""

    path: str
    positional: bool


class _Counter:
    """Positions given so far."""

    def __init__(self) -> None:
        self.next = 0


class _Pipe:
    """A pipeline: its start, its stages, what leaves it."""

    def __init__(self, start: str, exit: Exit) -> None:
        self.start = start
        self.stages: list[Stage] = []
        self.exit = exit


class BodyWriter:
    """Writes one body of a graph. `blocks` are the names of the bodies before it."""

    def __init__(self, graph: Graph, index: int, blocks: dict[int, str], taken: set[str]) -> None:
        self.graph = graph
        self.body = graph.bodies[index]
        self.blocks = blocks
        self.items = Items(graph, self.body)
        self.reserved = taken | BUILT_IN
        nodes = self.body.nodes
        self.shared = {node.module.split(".")[0] for node in nodes if node.module is not None}
        self.wanted: set[int] = set()
        """Values that are taken by name."""
        self.counted = self._counted()

    # ------------------------------------------------------------------ whole bodies

    def block(self) -> list[str]:
        """The text after `block Name`."""
        if self.body.kind == "stage" and self.body.scopes[0].positional:
            lines = self._tries(self._stage)
            return [f" = {lines[0]}", *lines[1:]]
        return [" {", *self._tries(self._statements), "}"]

    def network(self) -> list[str]:
        """The text after `network Name `."""
        return ["{", *self._tries(self._statements), "}"]

    def _tries(self, write: Any) -> list[str]:
        """Write; where a value turns out to need a name, once more with that name."""
        while True:
            self.known: dict[str, str] = {}
            self.used: set[str] = set(self.reserved) | self.shared
            self.used |= {end.name for end in self.body.outputs if end.name}
            self.declared: dict[str, Stage] = {}
            try:
                lines: list[str] = write()
                return lines
            except _Unnamed as missing:
                if missing.value in self.wanted:
                    made = self.body.values[missing.value].node
                    name = self.body.nodes[made].name if made >= 0 else self.body.block
                    raise Unwritable(f"`{name}` is used outside of its group") from None
                self.wanted.add(missing.value)

    def _stage(self) -> list[str]:
        """A block that is one stage, a group."""
        entry = [end.value for end in self.body.inputs if not end.hidden]
        items = self.items.of(0)
        stages, left = self._chain(items, _Where("", True), _Counter(), entry[0])
        end = [end.value for end in self.body.outputs if not end.hidden]
        if len(entry) != 1 or len(end) != 1 or left != end[0] or self.declared:
            raise Unwritable(f"block `{self.body.block}` is no chain of stages")
        one = Stage("", inner=rolled(stages), brackets="()")
        lines = list(statement("", (one,), ""))
        return [lines[0].replace(" -> ", "", 1), *lines[1:]] if len(lines) == 1 else _unarrowed(one)

    def _statements(self) -> list[str]:
        lines = [STEP + self._input(end) for end in self.body.inputs if not end.hidden]
        pipes = self._pipes()
        ends = [end for end in self.body.outputs if not end.hidden]
        named = fields(self.body) if len(ends) > 1 else [ends[0].name or ""]
        if self.body.kind == "network" and len(ends) > 1:
            named = [end.name or "" for end in ends]
        heads = ["output " + (f"{name} = " if name else "") for name in named]  # before the value
        tails = [" when training" if end.training else "" for end in ends]
        text: list[str] = []
        done = 0
        for pipe in pipes:
            # an output stands with its pipeline where the order of outputs lets it
            direct = done < len(ends) and pipe.exit == Exit(ends[done].value) and not tails[done]
            if direct and not any(v in self.wanted for v in leaves(pipe.exit.tree)):
                text += statement(heads[done] + pipe.start, rolled(pipe.stages), STEP)
                done += 1
                continue
            name = self._bind(pipe.exit)
            text += statement(f"{name} = {pipe.start}", rolled(pipe.stages), STEP)
        for end, head, tail in list(zip(ends, heads, tails, strict=True))[done:]:
            text.append(STEP + head + self._value(end.value) + tail)
        shares = [
            line
            for name, stage in self.declared.items()
            for line in _declared(f"share {name} = ", stage)
        ]
        return lines + shares + text

    def _input(self, end: Any) -> str:
        for tree in subtrees(end.value):
            self.known.setdefault(repr(tree), path_to(end.name, end.value, tree))
        self.used.add(end.name)
        if self.body is not self.graph.main:
            return f"input {end.name}"
        shape = self.body.values[end.value].shape
        axes = {axis: name for name, axis in end.dims.items() if name in self.body.rows}
        sizes = [f"{axes[i]}={int(n)}" if i in axes else str(int(n)) for i, n in enumerate(shape)]
        return f"input {end.name}[{', '.join(sizes)}]"

    # ------------------------------------------------------------------ pipelines

    def _pipes(self) -> list[_Pipe]:
        """The body's items as pipelines, each as long as nobody needs a value on the way."""
        pipes: list[_Pipe] = []
        where, counter = _Where("", self.body.scopes[0].positional), _Counter()
        for item in self.items.of(0):
            exit = self.items.leaves(item)
            if self.items.joins(item):
                pipe = _Pipe(self._fuse(item, pipes), exit)
                pipes.append(pipe)
                continue
            entry = self.items.enters(item)
            pipe_now = pipes[-1] if pipes else None
            if pipe_now is None or not self._goes_on(pipe_now.exit, entry):
                pipe_now = _Pipe(self._later(entry, pipes), exit)
                pipes.append(pipe_now)
            pipe_now.stages.append(self._item(item, where, counter, pipes))
            pipe_now.exit = exit
        return pipes

    def _goes_on(self, exit: Exit, entry: Tree) -> bool:
        return (
            not exit.fields
            and exit.tree == entry
            and not any(v in self.wanted for v in leaves(entry))
        )

    def _later(self, tree: Tree, pipes: list[_Pipe]) -> str:
        """A value by its name; the pipelines so far get theirs."""
        for pipe in pipes:
            self._bind(pipe.exit)
        return self._value(tree)

    def _value(self, tree: Tree) -> str:
        found = self.known.get(repr(tree))
        if found is not None and (
            not isinstance(tree, int) or tree in self.wanted or self._is_input(tree)
        ):
            return found
        if isinstance(tree, int):
            raise _Unnamed(tree)
        return "[" + ", ".join(self._value(part) for part in tree) + "]"

    def _is_input(self, value: int) -> bool:
        return self.body.values[value].node < 0

    def _bind(self, exit: Exit) -> str:
        """Give a name to what leaves a pipeline."""
        key = repr(exit)
        if key in self.known:
            return self.known[key]
        first = leaves(exit.tree)[0]
        value = self.body.values[first]
        node = self.body.nodes[value.node]
        base = value.name or node.name.split(".")[0] or "x"
        if not value.name and not node.labelled:
            base = "x"
        name = base = identifier(base, "x")
        number = 1
        while name in self.used:
            number += 1
            name = f"{base}{number}"
        self.used.add(name)
        self.known[key] = name
        if exit.fields and not isinstance(exit.tree, int):
            for field, part in zip(exit.fields, exit.tree, strict=True):
                for tree in subtrees(part):
                    self.known[repr(tree)] = path_to(f"{name}.{field}", part, tree)
        else:
            for tree in subtrees(exit.tree):
                self.known[repr(tree)] = path_to(name, exit.tree, tree)
        return name

    # ------------------------------------------------------------------ stages

    def _chain(
        self, items: list[Item], where: _Where, counter: _Counter, value: Tree
    ) -> tuple[list[Stage], Tree]:
        """Stages that pass one value on, and what leaves the last."""
        stages = []
        for item in items:
            if self.items.joins(item) or self.items.enters(item) != value:
                raise Unwritable(f"`{self.items.name(item)}` does not follow what is before it")
            stages.append(self._item(item, where, counter, []))
            exit = self.items.leaves(item)
            if any(v in self.wanted for v in leaves(exit.tree)) and item is not items[-1]:
                raise Unwritable(f"`{self.items.name(item)}` is used outside of its group")
            value = exit.tree
        return stages, value

    def _item(self, item: Item, where: _Where, counter: _Counter, pipes: list[_Pipe]) -> Stage:
        for pipe in pipes[:-1]:
            self._bind(pipe.exit)
        path = self.items.name(item)
        if path in self.shared and self.items.named(item):
            if path not in self.declared:
                self.declared[path] = self._bare(item, _Where("", False), _Counter())
            return Stage(path)
        if not self.items.named(item):
            return self._bare(item, where, counter)
        text = self._label(item, path, where, counter)
        return self._bare(item, where, counter)._replace(label=text)

    def _label(self, item: Item, path: str, where: _Where, counter: _Counter) -> str:
        """The label of an item that takes a name; empty where it gets that name unasked."""
        if where.path and not path.startswith(where.path + "."):
            raise Unwritable(f"`{path}` is not within `{where.path}`")
        within = path[len(where.path) + 1 :] if where.path else path
        if where.positional:
            position = str(counter.next)
            counter.next += 1
            if within == position:
                return ""
        elif item.first in self.counted and item.node is not None:
            return ""
        text = label(within)
        if not text:
            raise Unwritable(f"`{path}` is no label within `{where.path or self.body.block}`")
        return text

    def _bare(self, item: Item, where: _Where, counter: _Counter) -> Stage:
        """The stage without its label."""
        if item.node is not None:
            return Stage(self._call(item.node))
        scope = self.items.scope(item)
        named = self.items.named(item)
        inside, count = (_Where(scope.path, True), _Counter()) if named else (where, counter)
        if scope.kind == "skip":
            return self._skip(item, inside, count)
        entry = self.items.enters(item)
        stages, left = self._chain(self.items.of(item.scope), inside, count, entry)
        if scope.output is not None and leaves(left) != leaves(scope.output):
            raise Unwritable(f"`{scope.path}` gives more than its last stage")
        inner = rolled(stages)
        if len(inner) == 1 and inner[0].head.startswith("repeat ") and not inner[0].label:
            return inner[0]  # a loop is a scope by itself
        return Stage("", inner=inner, brackets="()")

    def _skip(self, item: Item, where: _Where, counter: _Counter) -> Stage:
        total = self.items.skip_sum(item)
        shortcut, result = total.inputs
        inner = [i for i in self.items.of(item.scope) if i.node is not total]
        entry = self.items.enters(item)
        cut = next((k for k, i in enumerate(inner, 1) if self.items.leaves(i).tree == result), 0)
        body, left = self._chain(inner[:cut], where, counter, entry)
        around, other = self._chain(inner[cut:], where, counter, entry)
        if left != result or other != shortcut:
            raise Unwritable(f"the paths of the skip `{self.items.name(item)}` are no chains")
        by = getattr(self.graph.ops[total.op], "by", "sum")
        head = "skip" if by == "sum" else f"skip(by={by})"
        via = None
        if around:
            via = around[0] if len(around) == 1 else Stage("repeat 1", inner=tuple(around))
        # a branch that does nothing is written as a stage that is not there
        inside = rolled(body) or (Stage("if false then relu"),)
        return Stage(head, inner=inside, via=via)

    # ------------------------------------------------------------------ operators and calls

    def _call(self, node: Node) -> str:
        if node.op < 0:
            return self.blocks[node.body]
        op = self.graph.ops[node.op]
        others = iter(node.inputs[1:])
        args = arguments(op, lambda: self._reference(next(others)))
        return f"{op.op}({args})" if args else op.op

    def _reference(self, value: int) -> str:
        """A value that an argument names; for positions of maxima, what was pooled."""
        for index, pooled in enumerate(self.body.values):
            if pooled.positions == value:
                return self._value(index)
        return self._value(value)

    def _fuse(self, item: Item, pipes: list[_Pipe]) -> str:
        assert item.node is not None
        for pipe in pipes:
            self._bind(pipe.exit)
        parts = ", ".join(self._value(v) for v in item.node.inputs)
        if len(item.node.inputs) == 1:
            parts = f"[{parts}]"
        given = arguments(self.graph.ops[item.node.op], lambda: "")
        return f"fuse({parts}, {given})" if given else f"fuse({parts})"

    def _counted(self) -> set[int]:
        """Nodes whose names come about by counting, so that no label is needed."""
        if self.body.scopes[0].positional:
            return set()
        nodes = self.body.nodes
        free = {n for n, node in enumerate(nodes) if not node.labelled and node.op >= 0}
        while True:
            taken = {node.name for n, node in enumerate(nodes) if n not in free}
            counts: dict[str, int] = {}
            wrong = set()
            for n in sorted(free):
                if self._in_positions(nodes[n].scope):
                    continue
                kind = self.items.op(nodes[n])
                counts[kind] = counts.get(kind, 0) + 1
                while f"{kind}{counts[kind]}" in taken:
                    counts[kind] += 1
                if nodes[n].name != f"{kind}{counts[kind]}" and kind != "fuse":
                    wrong.add(n)
            if not wrong:
                return free
            free -= wrong

    def _in_positions(self, scope: int) -> bool:
        while scope > 0:
            if self.body.scopes[scope].positional:
                return True
            scope = self.body.scopes[scope].parent
        return False


def _unarrowed(stage: Stage) -> list[str]:
    """A group over several lines, without the arrow before it."""
    from .layout import _broken

    return list(_broken(stage, "", ""))


def _declared(head: str, stage: Stage) -> list[str]:
    """`share name = stage`."""
    if stage.inner is None or len(head + stage.flat()) < 100:
        return [STEP + head + stage.flat()]
    lines = _unarrowed(stage)
    return [STEP + head + lines[0], *(STEP + line for line in lines[1:])]

"""Who reads which value of a program."""

from __future__ import annotations

from ...graph import Tree
from .merge import form, refs
from .program import Merged, Phi, Program, RefTree, Val

PHI = 1_000_000
"""Steps from this number on stand for values that are chosen by instance."""


class Reads:
    """The uses of every result of a program."""

    def __init__(self, number: int, program: Program) -> None:
        self.number = number
        self.program = program
        self.uses: dict[tuple[int, int], list[int]] = {}
        """Steps that use a result; the number of steps stands for an output."""
        for n, merged in enumerate(program.steps):
            for tree in merged.takes:
                self._use(tree, n)
            for taken in merged.rolled.taken if merged.rolled else ():
                for ref in taken if isinstance(taken, list) else [taken]:
                    self._use(ref, n)
                    self._use(ref, n)  # twice: it needs a name
        for end in program.outputs:
            self._use(end.value, len(program.steps))
        self.aux = self._auxiliary()

    def result_tree(self, step: int, number: int) -> Tree:
        """What a result is: a value, or a list of values (ids of the first unit that has it)."""
        if step >= PHI:
            return 0
        if step < 0:
            return self.program.units[0].inputs[number].value
        return self.program.steps[step].first.gives[number]

    def is_ragged(self, step: int, number: int) -> bool:
        """Is a result a list whose length depends on the instance?"""
        if step >= PHI:
            return False
        trees: list[Tree] = (
            [unit.inputs[number].value for unit in self.program.units]
            if step < 0
            else [s.gives[number] for s in self.program.steps[step].steps if s is not None]
        )
        return len({len(tree) for tree in trees if isinstance(tree, list)}) > 1

    def _use(self, tree: RefTree, step: int) -> None:
        whole = self.whole(tree)
        if whole is not None:
            self.uses.setdefault(whole, []).append(step)
        elif isinstance(tree, list):
            for part in tree:
                self._use(part, step)
        elif isinstance(tree, Phi):
            handed = {val for val in tree.columns if val is not None and val.step >= 0}
            if step == len(self.program.steps) and self.number and len(handed) == 1:
                val = handed.pop()  # given anew in some iterations, kept in others
                self.uses.setdefault((val.step, val.result), []).append(step)
                return
            for other in tree.columns:
                if other is not None:
                    # twice: it must have a name, for it is not used at once
                    self.uses.setdefault((other.step, other.result), []).extend((step, step))
        else:
            self.uses.setdefault((tree.step, tree.result), []).append(step)

    def whole(self, tree: RefTree) -> tuple[int, int] | None:
        """The result that a tree is as a whole, if it is one."""
        found = list(refs(tree))
        if not found or not isinstance(found[0], Val):
            return None
        key = (found[0].step, found[0].result)
        made = self.result_tree(*key)
        if isinstance(made, list) and tree == Val(*key):
            return key
        if self.is_ragged(*key):
            return None
        paths = [Val(*key, path) for path in _paths(made)]
        return key if form(example(tree)) == form(made) and found == paths else None

    def _auxiliary(self) -> set[int]:
        """Steps that only training outputs need."""
        if not any(end.training for end in self.program.outputs):
            return set()
        needed: set[int] = set()
        pending = [v.step for e in self.program.outputs if not e.training for v in vals(e.value)]
        while pending:
            step = pending.pop()
            if step >= 0 and step not in needed:
                needed.add(step)
                pending += [val.step for val in self._reads(self.program.steps[step])]
        return set(range(len(self.program.steps))) - needed

    def _reads(self, merged: Merged) -> list[Val]:
        found = [val for tree in merged.takes for val in vals(tree)]
        for taken in merged.rolled.taken if merged.rolled else ():
            for ref in taken if isinstance(taken, list) else [taken]:
                found += vals(ref)
        return found


def example(tree: RefTree) -> Tree:
    """A tree of the same form."""
    return [example(part) for part in tree] if isinstance(tree, list) else 0


def _paths(tree: Tree, path: tuple[int, ...] = ()) -> list[tuple[int, ...]]:
    """Where the leaves of a tree stand."""
    if isinstance(tree, int):
        return [path]
    return [leaf for n, part in enumerate(tree) for leaf in _paths(part, (*path, n))]


def vals(tree: RefTree) -> list[Val]:
    found: list[Val] = []
    for ref in refs(tree):
        found += [ref] if isinstance(ref, Val) else [v for v in ref.columns if v is not None]
    return found

"""Names of modules: labels, positions and counts (see "Names of modules" in docs/language.md)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache

from ..graph import join
from ..source import Span

_SNAKE = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
LABEL = re.compile(r"[A-Za-z0-9_-]+\Z")

# Attributes that nn.Module needs for itself: a submodule of that name would break it.
RESERVED = frozenset([
    "T_destination", "add_module", "apply", "bfloat16", "buffers", "call_super_init",
    "children", "compile", "cpu", "cuda", "double", "dump_patches", "eval", "extra_repr",
    "float", "forward", "get_buffer", "get_extra_state", "get_parameter", "get_submodule",
    "half", "ipu", "load_state_dict", "modules", "mtia", "named_buffers", "named_children",
    "named_modules", "named_parameters", "parameters", "register_backward_hook",
    "register_buffer", "register_forward_hook", "register_forward_pre_hook",
    "register_full_backward_hook", "register_full_backward_pre_hook",
    "register_load_state_dict_post_hook", "register_load_state_dict_pre_hook",
    "register_module", "register_parameter", "register_state_dict_post_hook",
    "register_state_dict_pre_hook", "requires_grad_", "set_extra_state", "set_submodule",
    "share_memory", "state_dict", "to", "to_empty", "train", "training", "type", "xpu",
    "zero_grad"
])  # fmt: skip


@cache
def snake(name: str) -> str:
    """`DoubleConv` -> `double_conv`."""
    return _SNAKE.sub("_", name).lower()


class Context:
    """A scope that gives names: a body (unlabelled stages are counted) or a positional one."""

    __slots__ = ("count", "path", "positional")

    def __init__(self, path: str, positional: bool) -> None:
        self.path = path
        self.positional = positional
        self.count = 0


def _around(path: str) -> Iterator[str]:
    """`a` and `a.b` for `a.b.c`."""
    end = path.find(".")
    while end >= 0:
        yield path[:end]
        end = path.find(".", end + 1)


class Names:
    """The names in one body. Counted ones come last, so that no label is in their way."""

    def __init__(self, positional: bool) -> None:
        self.contexts = [Context("", positional)]
        self.taken: dict[str, Span] = {}
        self.holders: dict[str, Span] = {}
        """Paths that indexed labels are within (`a` of `a[0]`), and where the first of these is."""
        self.again: set[str] = set()
        """Paths that were taken twice: what is within them is no mistake of its own."""

    @property
    def here(self) -> Context:
        return self.contexts[-1]

    def take(self, label: str | None, span: Span) -> tuple[str | None, Span | None]:
        """The path of the next stage (None: to be counted later), and the place of a label that
        is equal, or holds this one, or is held by it."""
        here = self.here
        name = label
        if here.positional:
            if name is None:
                name = str(here.count)
            here.count += 1
        if name is None:
            return None, None
        path = join(here.path, name)
        other = self.taken.get(path) or self.holders.get(path)
        if label is not None and "." in label:
            # `a[0]` is within `a`, which then can be no layer of its own.
            parts = label.split(".")
            for n in range(1, len(parts)):
                holder = join(here.path, ".".join(parts[:n]))
                other = other or self.taken.get(holder)
                if other is None:
                    self.holders.setdefault(holder, span)
        if other is None:
            self.taken[path] = span
        elif self.again and any(outer in self.again for outer in _around(path)):
            other = None
        else:
            self.again.add(path)
        return path, other

    def count(self, kinds: list[tuple[str, str]]) -> list[str]:
        """Paths for unlabelled stages (scope, kind), in order: `conv1`, `conv2`, `batchnorm1`."""
        counts: dict[tuple[str, str], int] = {}
        names: list[str] = []
        for scope, kind in kinds:
            while True:
                counts[scope, kind] = counts.get((scope, kind), 0) + 1
                name = join(scope, f"{kind}{counts[scope, kind]}")
                if name not in self.taken and name not in self.holders:
                    break
            names.append(name)
        return names

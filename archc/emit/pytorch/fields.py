"""The modules of a class: what its `__init__` assigns, containers included."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from .code import Apply, Expr, Lit, Raw, Seq, flat, is_table, layout
from .errors import EmitError, Mismatch
from .lists import module_list
from .names import child_key, is_attribute, is_reserved, variable
from .swap import fill, replace

IDENTITY = Apply("nn.Identity")


@dataclass(slots=True)
class Entry:
    """A statement of `__init__`: `prefix` + expression, under a condition or in a loop."""

    prefix: str
    value: Expr
    test: str = ""
    head: str = ""


@dataclass(slots=True)
class Slot:
    """A module at a path, or a container of further ones."""

    value: Expr | None = None
    present: tuple[bool, ...] = ()
    optional: bool = False
    setup: tuple[Expr, ...] = ()
    before: list[Entry] = field(default_factory=list)
    """Locals that it needs."""
    children: dict[str, Slot] = field(default_factory=dict)


@dataclass(slots=True)
class Generated:
    """Modules that a loop of `__init__` adds: `call` for each value of its variable."""

    variable: str
    over: Expr
    call: Expr
    names: set[str]


class Fields:
    """The tree of modules of a class, by path, in order of first use."""

    def __init__(self) -> None:
        self.root = Slot()
        self.generated: list[Generated] = []

    def generate(self, new: Generated) -> None:
        """Add a loop that adds modules."""
        self.generated.append(new)
        self.root.children[f"\0{len(self.generated) - 1}"] = Slot()

    def put(self, path: str, slot: Slot) -> None:
        """Declare a module; one that is there already (shared) stays as it is."""
        parts = path.split(".")
        at = self.root
        for n, part in enumerate(parts):
            if at.value is not None:
                raise EmitError(f"`{'.'.join(parts[:n])}` is a layer and holds `{path}`")
            if n == len(parts) - 1:
                found = at.children.get(part)
                if found is not None and found.value is None:
                    raise EmitError(f"`{path}` is a layer and holds others")
                if found is not None and found.present != slot.present:
                    raise Mismatch
                at.children.setdefault(part, slot)
            else:
                at = at.children.setdefault(part, Slot())

    def names(self) -> set[str]:
        """All attributes."""
        names = {name for name in self.root.children if not name.startswith("\0")}
        return names.union(*(g.names for g in self.generated))

    @property
    def plain(self) -> set[str]:
        """Attributes that no loop adds."""
        return {name for name in self.root.children if not name.startswith("\0")}

    def access(self, path: str) -> Expr:
        """How a forward reaches the module at a path."""
        first, *rest = path.split(".")
        if not is_attribute(first):
            for part in (first, *rest):
                child_key(part)
            return Raw(f'self.get_submodule("{path}")')
        text = f"self.{first}"
        at = self.root.children[first]
        for part in rest:
            text += f"[{part}]" if is_listed(at) else f"[{_quoted(part)}]"
            at = at.children[part]
        return Raw(text)

    def entries(self, condition: Callable[[tuple[bool, ...]], str]) -> list[Entry]:
        """The statements, in order."""
        result: list[Entry] = []
        taken: set[str] = set()
        for name, slot in self.root.children.items():
            if name.startswith("\0"):
                made = self.generated[int(name[1:])]
                result.append(
                    Entry("", made.call, head=f"for {made.variable} in {flat(made.over)}:")
                )
            else:
                result += _statements(name, slot, condition, taken)
        return result


def _quoted(text: str) -> str:
    return f'"{child_key(text)}"'


def is_listed(slot: Slot) -> bool:
    """Are the children numbered densely enough for an `nn.ModuleList`?"""
    keys = list(slot.children)
    if not all(key.isdigit() and str(int(key)) == key for key in keys):
        return False
    return max(map(int, keys)) < 2 * len(keys) + 2


def _statements(
    name: str, slot: Slot, condition: Callable[[tuple[bool, ...]], str], taken: set[str]
) -> list[Entry]:
    if is_reserved(name):
        raise EmitError(f"the label `{name}` is an attribute of nn.Module")
    entries: list[Entry] = []
    value = _container(slot, entries, condition, taken)
    test = "" if slot.value is None or all(slot.present) else condition(slot.present)
    if not is_attribute(name):
        made = value if not (test and slot.optional) else _either(value, test)
        short = len(flat(made)) + len(name) < 60
        if slot.setup or (test and slot.optional and not short):
            local = _local(variable(f"layer_{re.sub(r'[^A-Za-z0-9_]', '_', name)}"), taken)
            under = ""
            if test and slot.optional:
                entries.append(Entry(f"{local.text}: nn.Module = ", IDENTITY))
                under = test
            entries.append(Entry(f"{local.text} = ", value, under))
            entries += [Entry("", fill(part, (), local), under) for part in slot.setup]
            made = local
        call = Apply("self.add_module", (Lit(child_key(name)), made))
        return [*entries, Entry("", call, "" if slot.optional else test)]
    own = Entry(f"self.{name} = ", value, test)
    if test and slot.optional:
        own = _optional(name, value, test, entries, bool(slot.setup))
    entries.append(own)
    entries += [Entry("", fill(part, (), Raw(f"self.{name}")), own.test) for part in slot.setup]
    return entries


def _local(wish: str, taken: set[str]) -> Raw:
    """A local that no other layer of the class has."""
    name, number = wish, 1
    while name in taken:
        number += 1
        name = f"{wish}_{number}"
    taken.add(name)
    return Raw(name)


def _either(value: Expr, test: str) -> Raw:
    return Raw(f"{flat(value)} if {test} else nn.Identity()")


def _optional(name: str, value: Expr, test: str, entries: list[Entry], simple: bool) -> Entry:
    """`self.d = ... if test else nn.Identity()` where that is a line, otherwise a block."""
    one = _either(value, test)
    if not simple and not entries and len(one.text) + len(f"self.{name} = ") + 8 <= 88:
        return Entry(f"self.{name} = ", one)
    entries.append(Entry(f"self.{name}: nn.Module = ", IDENTITY))
    return Entry(f"self.{name} = ", value, test)


def _container(
    slot: Slot,
    entries: list[Entry],
    condition: Callable[[tuple[bool, ...]], str],
    taken: set[str],
) -> Expr:
    """The expression of a module or of the container of several. `taken`: names of locals."""
    if slot.value is not None:
        entries += slot.before
        return slot.value
    made = {}
    for key, child in slot.children.items():
        value = _container(child, entries, condition, taken)
        if child.setup:
            local = _local(variable(f"layer_{key}") if key.isidentifier() else f"layer{key}", taken)
            entries.append(Entry(f"{local.text} = ", value))
            entries += [Entry("", fill(part, (), local)) for part in child.setup]
            value = local
        if child.value is not None and not all(child.present):
            raise Mismatch  # a condition for each element is no list that a person writes
        made[child_key(key)] = value
    if is_listed(slot):
        size = max(map(int, made)) + 1
        return module_list([made.get(str(n), IDENTITY) for n in range(size)])
    pairs = tuple(Seq((Lit(key), value), "()") for key, value in made.items())
    return Apply("nn.ModuleDict", (Apply("OrderedDict", (Seq(pairs),)),))


def lines(entries: Sequence[Entry], indent: int = 8) -> list[str]:
    """The text of statements; neighbours under one condition share its `if`."""
    result: list[str] = []
    last = ""
    for entry in entries:
        head = entry.head or (f"if {entry.test}:" if entry.test else "")
        if head and (head != last or entry.head):
            result.append(f"{' ' * indent}{head}")
        last = head
        inner = indent + (4 if head else 0)
        made = layout(entry.value, inner, entry.prefix)
        if _has_table(entry.value) and len(made) > 1:
            off, on = (f"{' ' * inner}# fmt: {word}" for word in ("off", "on"))
            made = [off, *made, on]
        result += made
    return result


def _has_table(e: Expr) -> bool:
    found: list[bool] = []
    replace(e, lambda part: found.append(is_table(part)))
    return any(found)

"""The constructor parameters of an emitted class: which, in what order, with what defaults."""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING, Any

from .arithmetic import names_in
from .rows import Param, kind, known
from .solve import ABSENT, fits

if TYPE_CHECKING:
    from .build import ClassBuilder


def parameters(builder: ClassBuilder, body: str) -> list[Param]:
    """Those that are used: channels first, then the block's own in its order, then others."""
    code = re.sub(r"  # .*", "", body)
    order = list(known(builder.units, builder.names))
    order.sort(key=lambda n: not (n == "in_channels" or n.endswith("_channels")))
    new = [n for n in builder.solver.known if n not in order]
    own = [p.name for p in builder.params] if builder.recursive else []
    wanted = {*builder.solver.used, *new, *own}
    made = [
        Param(name, builder.solver.known[name], name in order)
        for name in (*order, *new)
        if name in wanted and re.search(rf"(?<![.\w]){name}\b", code)
    ]
    for param in reversed(made):
        if param.name.endswith("in_channels"):
            break
        default = _usual(builder, param)
        if default is ABSENT:
            break
        param.default = default
    return made


def is_spare(builder: ClassBuilder, name: str) -> bool:
    """Is a parameter an element of another, whose number is a third?"""
    given = {param.name: param.row for param in builder.params}
    return name in given and any(
        fits(given[name], row)
        for text in builder.solver.elements()
        if set(names_in(text)) <= set(given) and (row := builder.solver.row(text)) is not None
    )


def _usual(builder: ClassBuilder, param: Param) -> Any:
    """The value that most instances give, where it is one that leaves things as they are."""
    counts: Counter[str] = Counter()
    for number, value in zip(builder.numbers, param.row, strict=True):
        counts[repr(value)] += max(1, builder.context.calls[number])
    text, most = counts.most_common(1)[0]
    value = next(v for v in param.row if repr(v) == text)
    neutral = value is None or (isinstance(value, (bool, int)) and value in (0, 1))
    return value if neutral and 2 * most > sum(counts.values()) else ABSENT


def annotation(param: Param) -> str:
    kinds = dict.fromkeys(kind(v) for v in param.row)
    return " | ".join(sorted(kinds, key=lambda k: (k == "None", k)))

"""What `archc ops` prints: the list of operators, and the page of one, made from what it states."""

from __future__ import annotations

import re
from collections.abc import Mapping
from textwrap import wrap
from typing import Any

from . import FAMILIES, names, operator
from .base import REF, Op, Shape, show
from .call import Call, Infix, Input, Method, Module, SizeOf, Torch, Weight
from .init import KNOWN
from .windows import Geometry

WIDTH = 100
_LAYOUTS = {0: "[F]", 1: "[C, L]", 2: "[C, H, W]", 3: "[C, D, H, W]"}
_LEADING = ("kernel", "factor", "amounts", "p", "pieces", "slope")
"""Optional parameters that are written without their names."""


def listing() -> str:
    """All operators by family, a line each."""
    families = dict(FAMILIES)
    own = {name for members in FAMILIES.values() for name in members}
    others = tuple(name for name in names() if name not in own)
    if others:
        families["from other packages"] = others
    lines: list[str] = []
    for family, members in families.items():
        lines += ["", family] if lines else [family]
        for name in members:
            lines.append(f"  {name:<18} {_headline(operator(name))}")
    return "\n".join([*lines, "", "`archc ops NAME` documents one."])


def document(name: str) -> str:
    """The page of one operator; KeyError where there is none."""
    cls = operator(name)
    layouts = [_LAYOUTS[r] for r in cls.ranks]
    taken = " or ".join(filter(None, [", ".join(layouts[:-1]), layouts[-1]]))
    if cls.arity is None:
        taken = f"any number of values, each {taken}"
    lines = [_signature(cls), "", *_paragraph(cls.__doc__ or ""), ""]
    lines += ["Input", *_hanging("  ", taken), ""]
    parts = [_parameters(cls), _initialisers(cls), _formulas(cls), _example(cls)]
    return "\n".join([*lines, *"\n\n".join(filter(None, parts)).splitlines()])


# ---------------------------------------------------------------------------- parts of a page


def _headline(cls: type[Op]) -> str:
    """The first sentence, or what of it comes before a colon, if it fits; else cut."""
    room = WIDTH - 22
    sentence = re.split(r"\. (?=[A-Z])", " ".join((cls.__doc__ or "").split()))[0].rstrip(".")
    if len(sentence) > room:
        sentence = sentence.split(": ")[0]
    return sentence if len(sentence) <= room else sentence[:room].rsplit(" ", 1)[0] + " …"


def _paragraph(doc: str) -> list[str]:
    lines: list[str] = []
    for part in doc.split("\n\n"):
        lines += [*([""] if lines else []), *wrap(" ".join(part.split()), WIDTH)]
    return lines


def _hanging(head: str, text: str) -> list[str]:
    """Text after a head, further lines below where it begins."""
    return wrap(text, WIDTH, initial_indent=head, subsequent_indent=" " * len(head)) or [head]


def _signature(cls: type[Op]) -> str:
    parts = []
    for spelled, (name, _) in cls._facts().items():
        info = cls.model_fields[name]
        shown = info.is_required() or info.default is None
        parts.append(spelled if shown else f"{spelled}={spell(info.default)}")
    head = f"{cls.op}("
    return "\n".join(_hanging(head, ", ".join(parts) + ")"))


def _parameters(cls: type[Op]) -> str:
    rows = []
    for spelled, (name, kind) in cls._facts().items():
        info = cls.model_fields[name]
        default = "required" if info.is_required() else spell(kind.show(info.default))
        takes = kind.describe() if kind.words != tuple(KNOWN) else "initialiser or number"
        rows.append((spelled, default, takes, info.description or ""))
    if not rows:
        return ""
    first = max(len(r[0]) for r in rows) + 2
    second = max(len(r[1]) for r in rows) + 2
    lines = ["Parameters"]
    for spelled, default, takes, description in rows:
        head = f"  {spelled:<{first}}{default:<{second}}"
        lines += _hanging(head, description)
        lines += _hanging(" " * len(head), f"({takes})")
    return "\n".join(lines)


def _initialisers(cls: type[Op]) -> str:
    """Those that some weight of the example has enough axes for."""
    if not any(kind.words == tuple(KNOWN) for kind in cls.kinds().values()):
        return ""
    op, shapes = example(cls)
    most = max(map(len, op.weights(shapes[0]).values()), default=1)
    rows = []
    for name, known in KNOWN.items():
        given = [k if v is None else f"{k}={spell(v)}" for k, v in known.parameters.items()]
        if known.axes <= most:
            rows.append((f"{name}({', '.join(given)})" if given else name, known.doc))
    width = max(len(r[0]) for r in rows) + 2
    lines = ["Initialisers"]
    for call, doc in rows:
        lines += _hanging(f"  {call:<{width}}", doc)
    return "\n".join(lines)


def _formulas(cls: type[Op]) -> str:
    usual = {"size": "n, as the input", "channels": "C, as the input"}
    usual |= {"params": "none", "buffers": "", "MACs": "0"}
    lines = ["Formulas"]
    for what, text in (usual | cls.formulas).items():
        if text:
            lines += _hanging(f"  {what:<10}", text)
    return "\n".join(lines)


def example(cls: type[Op]) -> tuple[Op, tuple[Shape, ...]]:
    """The operator that a page shows, and its inputs."""
    args, shapes = cls.example
    return cls.make(args), shapes


def _example(cls: type[Op]) -> str:
    op, shapes = example(cls)
    form = op.torch(*shapes)
    ends = " and ".join(show(s) for s in op.outputs(*shapes))
    rows = [(".arch", written(op)), ("input", " and ".join(show(s) for s in shapes))]
    rows += [("output", ends), *(("", line) for line in op.arithmetic(*shapes))]
    rows += [("PyTorch", line) for line in pytorch(op, form, shapes)]
    if form.helpers:
        brought = " and ".join(f"`{h.name}`" for h in form.helpers)
        rows.append(("", f"({brought}: PyTorch lacks it, so the emitted file brings it along)"))
    weights = {**op.weights(shapes[0]), **op.buffers(shapes[0])}
    rows += [("keys", f"{key} {show(shape)}") for key, shape in weights.items()]
    if weights:
        rows.append(("params", f"{op.count_weights(shapes[0]):,}"))
    if op.macs(*shapes):
        rows.append(("MACs", f"{op.macs(*shapes):,}"))
    rows += [("sees", text) for text in _sees(op, shapes)]
    lines, last = ["Example"], ""
    for what, text in rows:
        lines += _hanging(f"  {'' if what == last else what:<10}", text)
        last = what or last
    return "\n".join(lines)


def _sees(op: Op, shapes: tuple[Shape, ...]) -> list[str]:
    """The receptive field of one unit over the first input, in words."""
    axes = op.reads(*shapes)[0] or ()
    if not axes:
        return []
    if all(g.whole for g in axes):
        return ["a unit sees all of the input"]
    text = f"a unit sees {_by([_span(g) for g in axes])}"
    if any(g.period != (1, 1) for g in axes):
        text += f"; neighbours are {_by([_ratio(g) for g in axes])} apart"
    if any(g.gate for g in axes):
        text += "; and all of the input through a statistic"
    return [text]


def _by(values: list[str]) -> str:
    return " x ".join(values)


def _span(g: Geometry) -> str:
    sizes = [high - low + 1 for low, high in (g.reads(u, u) for u in range(g.period[0]))]
    return str(max(sizes)) if len(set(sizes)) == 1 else f"{max(min(sizes), 0)}-{max(sizes)}"


def _ratio(g: Geometry) -> str:
    p, q = g.period
    return str(q // p) if q % p == 0 else f"{q}/{p}"


# ---------------------------------------------------------------------------- as it is written


def spell(value: Any) -> str:
    """A value as .arch writes it."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (tuple, list)):
        return "[" + ", ".join(map(spell, value)) + "]"
    if isinstance(value, float):
        whole = value.is_integer() and abs(value) < 1e15
        return str(int(value)) if whole else repr(value).replace("e-0", "e-")
    if value == REF:
        return "v"
    return "-" if value is None else str(value)


def written(op: Op) -> str:
    """A use of the operator in .arch, with the arguments that it was given."""
    given = {k: v for k, v in op.given().items() if k not in op.hidden}
    required = [
        n for n, (field, _) in op._facts().items() if type(op).model_fields[field].is_required()
    ]
    args: list[str] = []
    for spelled, value in given.items():
        leading = spelled in (*required, *_LEADING) and op.parameters()[len(args)] == spelled
        args.append(spell(value) if leading else f"{spelled}={spell(value)}")
    if op.arity is None:
        return f"{op.op}({', '.join(['x', 'y', *args])})"
    return f"x -> {op.op}({', '.join(args)})" if args else f"x -> {op.op}"


def pytorch(op: Op, form: Torch, shapes: tuple[Shape, ...]) -> list[str]:
    """The layer and its use as lines of Python."""
    other = "v" if REF in op.given().values() else "y"
    text = _Python(("x", "positions" if op.op == "unpool" else other))
    made = ", ".join("abcdefgh"[: len(op.outputs(*shapes))])
    result = "x" if len(made) == 1 else made
    lines = []
    if form.module is not None:
        lines.append("layer = " + text.of(form.module))
    lines += [text.of(statement) for statement in form.setup]
    if form.function is not None:
        lines.append(f"{result} = " + text.of(form.function))
    return lines


class _Python:
    """Expressions of `call.py` on one line, with names for the inputs."""

    def __init__(self, inputs: tuple[str, ...]) -> None:
        self.inputs = inputs

    def of(self, e: Any) -> str:
        match e:
            case Input(index):
                return self.inputs[index]
            case Module():
                return "layer"
            case Weight(name):
                return f"layer.{name}"
            case SizeOf(index):
                return f"{self.inputs[index]}.shape[2:]"
            case Call(func, args, kwargs):
                return f"{func if isinstance(func, str) else 'layer'}({self._among(args, kwargs)})"
            case Method(on, name, args, kwargs):
                return f"{self.of(on)}.{name}({self._among(args, kwargs)})"
            case Infix(op, args):
                return f" {op} ".join(map(self.of, args))
            case tuple():
                return f"({', '.join(map(self.of, e))}{',' if len(e) == 1 else ''})"
            case list():
                return f"[{', '.join(map(self.of, e))}]"
            case str():
                return f'"{e}"'
        return repr(e)

    def _among(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> str:
        named = (f"{k}={self.of(v)}" for k, v in kwargs.items())
        return ", ".join([*map(self.of, args), *named])

"""What an operator is: one frozen pydantic class that states its parameters, geometry and weights.

Shape, parameter count, receptive field and state_dict entries are derived here from what it states,
so they cannot disagree. Operators know nothing of source text: they raise `OpError`, and whoever
called them knows the place.
"""

from inspect import get_annotations
from math import prod
from typing import Any, ClassVar, Self

from pydantic import BaseModel, ConfigDict

from ..diagnostics.model import closest
from .call import Torch
from .error import OpError
from .kind import REF, Kind, Refused
from .windows import POINT, Geometry

__all__ = ["AXES", "REF", "Op", "OpError", "Shape", "per_axis", "show", "spatial"]

Shape = tuple[int, ...]
"""Without the batch: (C, H, W), (C, L), (C, D, H, W) or (F,)."""

AXES: dict[int, tuple[str, ...]] = {
    0: (),
    1: ("length",),
    2: ("height", "width"),
    3: ("depth", "height", "width"),
}
"""Names of spatial axes, by their number."""

_LAYOUT = {0: "[F]", 1: "[C, L]", 2: "[C, H, W]", 3: "[C, D, H, W]"}


class Op(BaseModel):
    """Base of all operators. The order of positional arguments is that of the fields, the class's
    own first and then those of its bases.

    A field whose name is a Python keyword carries a trailing underscore and an alias (`from_`).
    Fields named in `hidden` are set by the elaborator and are no parameters.
    """

    model_config = ConfigDict(
        frozen=True, strict=True, extra="forbid", defer_build=True, populate_by_name=True
    )

    op: ClassVar[str]
    """As spelled in .arch."""
    family: ClassVar[str]
    """Groups operators in `archc ops` and gives the colour in diagrams."""
    arity: ClassVar[int | None] = 1
    """Values it takes besides those given as parameters; None: any number."""
    weighty: ClassVar[bool] = False
    """Counts as a weight layer in `depth` and `neurons` (conv, conv_transpose, linear, ...)."""
    hidden: ClassVar[tuple[str, ...]] = ()
    ranks: ClassVar[tuple[int, ...]] = (0, 1, 2, 3)
    """Numbers of spatial axes that the first input may have."""
    example: ClassVar[tuple[dict[str, Any], tuple[Shape, ...]]] = ({}, ((64, 32, 32),))
    """Arguments and input shapes to document it with."""
    formulas: ClassVar[dict[str, str]] = {}
    """How "size", "channels", "params" and "MACs" come about, where they are not the input's or
    none. C are the channels that arrive, n is the size of an axis."""

    # ------------------------------------------------------------------ stated by each operator

    def channels_out(self, x: Shape) -> int:
        """Channels (or features) of the result."""
        return x[0]

    def axes(self, x: Shape) -> tuple[Geometry, ...]:
        """Geometry of each spatial axis of the first input."""
        return (POINT,) * (len(x) - 1)

    def weights(self, x: Shape) -> dict[str, Shape]:
        """Learned tensors by state_dict name, in PyTorch's order; frozen ones too."""
        return {}

    def buffers(self, x: Shape) -> dict[str, Shape]:
        """Persistent buffers by state_dict name."""
        return {}

    def macs(self, *xs: Shape) -> int:
        """Multiply-accumulates per sample, bias ignored."""
        return 0

    def coherent(self) -> None:
        """Raise `OpError` (E0312) where the arguments contradict each other."""

    def check(self, *xs: Shape) -> None:
        """Raise `OpError` where the inputs cannot be taken. To be called before the rest."""
        spatial(self, xs[0])

    def torch(self, *xs: Shape) -> Torch:
        """How it is written in PyTorch for these inputs."""
        raise NotImplementedError  # every registered class overrides this; tests see to it

    # ------------------------------------------------------------------ derived

    def shape(self, *xs: Shape) -> Shape:
        """Shape of the (only) result. The first input decides."""
        x = xs[0]
        sizes = [g.size(n) for g, n in zip(self.axes(x), x[1:], strict=True)]
        return (self.channels_out(x), *sizes)

    def outputs(self, *xs: Shape) -> tuple[Shape, ...]:
        """Shapes of all results; `split` has several."""
        return (self.shape(*xs),)

    def reads(self, *xs: Shape) -> tuple[tuple[Geometry, ...] | None, ...]:
        """For each input, how its spatial axes are read; None: only its size is."""
        return (self.axes(xs[0]), *(None for _ in xs[1:]))

    def arithmetic(self, *xs: Shape) -> tuple[str, ...]:
        """The size formula of each spatial axis with numbers put in; one line if all are equal."""
        x = xs[0]
        lines = [g.formula(n) for g, n in zip(self.axes(x), x[1:], strict=True)]
        if len(set(lines)) == 1:
            return (lines[0],) if lines[0] else ()
        names = AXES.get(len(lines), tuple(f"axis {i}" for i in range(len(lines))))
        return tuple(f"{a}: {text}" for a, text in zip(names, lines, strict=True) if text)

    def remembers(self, x: Shape) -> bool:
        """Can `unpool` put back what it takes from x? Only a max pool's, see there."""
        return False

    @property
    def is_frozen(self) -> bool:
        """Weights are there but not trained."""
        return bool(getattr(self, "frozen", False))

    def count_weights(self, x: Shape) -> int:
        """Scalars in all weights, frozen or not."""
        return sum(prod(s) for s in self.weights(x).values())

    def count_buffers(self, x: Shape) -> int:
        """Scalars in all persistent buffers."""
        return sum(prod(s) for s in self.buffers(x).values())

    # ------------------------------------------------------------------ arguments

    def model_post_init(self, context: Any, /) -> None:
        self.coherent()

    @classmethod
    def make(cls, args: dict[str, Any]) -> Self:
        """The operator for these arguments (lists as tuples, bare words as str, values as `REF`).

        Raises `OpError` E0301, E0302, E0304, E0305, E0307 or E0312 with `parameter` set; further
        mistakes are in its `also`.
        """
        facts = cls._facts()
        wrong: list[OpError] = []
        values: dict[str, Any] = {}
        for spelled, value in args.items():
            fact = facts.get(spelled)
            if fact is None and spelled not in cls.hidden:
                wrong.append(_unknown(cls, spelled))
                continue
            field, kind = fact or (spelled, _kind(cls, spelled))
            try:
                values[field] = kind.parse(value)
            except Refused as refused:
                text = refused.text.replace("{}", f"`{spelled}` of `{cls.op}`", 1)
                wrong.append(OpError(refused.code, text, spelled, help=refused.help))
        # A misspelt parameter explains why another is missing.
        if not any(error.code == "E0301" for error in wrong):
            wrong += _missing(cls, args)
        if wrong:
            wrong[0].also = tuple(wrong[1:])
            raise wrong[0]
        # Every value is parsed: pydantic's validator, slow to build, has nothing to add.
        return super().model_construct(**values)

    @classmethod
    def parameters(cls) -> tuple[str, ...]:
        """Names of the parameters as spelled in .arch, in positional order."""
        return tuple(cls._facts())

    @classmethod
    def kinds(cls) -> dict[str, Kind]:
        """What each parameter takes."""
        return {name: kind for name, (_, kind) in cls._facts().items()}

    @classmethod
    def words(cls) -> dict[str, tuple[str, ...]]:
        """The bare words that each parameter takes, for those that take any."""
        found: dict[str, tuple[str, ...]] | None = cls.__dict__.get("_cached_words")
        if found is None:
            found = {name: kind.words for name, kind in cls.kinds().items() if kind.words}
            type.__setattr__(cls, "_cached_words", found)
        return found

    @classmethod
    def takes_value(cls) -> tuple[str, ...]:
        """Parameters that may be given a value of the graph; the values follow in this order."""
        found: tuple[str, ...] | None = cls.__dict__.get("_cached_values")
        if found is None:
            found = tuple(name for name, kind in cls.kinds().items() if kind.value)
            type.__setattr__(cls, "_cached_values", found)
        return found

    @classmethod
    def _facts(cls) -> dict[str, tuple[str, Kind]]:
        """Spelling in .arch -> (field, kind), in positional order. Worked out once per class."""
        found: dict[str, tuple[str, Kind]] | None = cls.__dict__.get("_cached_facts")
        if found is None:
            fields = cls.model_fields
            order: dict[str, None] = {}
            for base in cls.__mro__:
                order |= dict.fromkeys(get_annotations(base))
            found = {}
            for name in order:
                if name in fields and name not in cls.hidden:
                    info = fields[name]
                    found[info.alias or name] = (name, _kind(cls, name))
            type.__setattr__(cls, "_cached_facts", found)
        return found

    def given(self) -> dict[str, Any]:
        """Arguments that differ from the defaults, by their names in .arch, as written there.

        Hidden fields are included where they are set: the operator is made anew from them.
        """
        fields = type(self).model_fields
        found: dict[str, Any] = {}
        for spelled, (name, kind) in self._facts().items():
            value, info = getattr(self, name), fields[name]
            if info.is_required() or value != info.default:
                found[spelled] = kind.show(value)
        for name in self.hidden:
            value = getattr(self, name)
            if value != fields[name].default:
                found[name] = value
        return found


def _kind(cls: type[Op], field: str) -> Kind:
    return next(m for m in cls.model_fields[field].metadata if isinstance(m, Kind))


def _unknown(cls: type[Op], name: str) -> OpError:
    """E0301, with what was probably meant."""
    known = cls.parameters()
    near = closest(name, known)
    listed = ", ".join(f"`{n}`" for n in known) or "none"
    help = f"did you mean `{near}`?" if near else f"its parameters: {listed}"
    return OpError("E0301", f"`{cls.op}` has no parameter `{name}`", name, help=help)


def _missing(cls: type[Op], args: dict[str, Any]) -> list[OpError]:
    """E0302, once for all that is missing."""
    fields = cls.model_fields
    needed = [s for s, (field, _) in cls._facts().items() if fields[field].is_required()]
    lacking = [name for name in needed if name not in args]
    if not lacking:
        return []
    listed = " and ".join(f"`{n}`" for n in lacking)
    help = f"write `{cls.op}({', '.join(needed)})`"
    return [OpError("E0302", f"`{cls.op}` needs {listed}", lacking[0], help=help)]


# ---------------------------------------------------------------------- for the operators


def show(shape: Shape) -> str:
    """A shape as people write it: `[64, 32, 32]`."""
    return "[" + ", ".join(str(int(n)) for n in shape) + "]"


def spatial(op: Op, x: Shape) -> int:
    """The number of spatial axes of the input; E0402 where the operator does not take it."""
    rank = len(x) - 1
    if rank not in op.ranks:
        layouts = [_LAYOUT[r] for r in op.ranks]
        wanted = " or ".join(filter(None, [", ".join(layouts[:-1]), layouts[-1]]))
        help = "layers over axes come before `flatten`" if rank == 0 else None
        if op.ranks == (0,):
            help = "put `flatten` or `pool(global)` and `flatten` before it"
        raise OpError("E0402", f"`{op.op}` takes {wanted}, not {show(x)}", help=help)
    return rank


def undivided(parameter: str, what: str, channels: int, parts: int) -> OpError:
    """E0404 for a number of channels (`what`: "30 channels") that does not divide into parts."""
    n = int(channels)
    near = [d for d in range(1, min(n, 1024) + 1) if n % d == 0]
    near = sorted(sorted(near, key=lambda d: abs(d - parts))[:6])
    listed = ", ".join(map(str, near))
    return OpError(
        "E0404",
        what,
        parameter,
        (f"{n} / {parts} leaves {n % parts}",),
        f"{n} divides by {listed}{' and others' if near[-1] < n and len(near) == 6 else ''}",
    )


def per_axis(op: Op, name: str, x: Shape) -> tuple[Any, ...]:
    """A parameter that is a number or a list per axis, for each spatial axis of x; E0402."""
    value, rank = getattr(op, name), len(x) - 1
    if not isinstance(value, tuple):
        return (value,) * rank
    if len(value) != rank:
        entries = "1 entry" if len(value) == 1 else f"{len(value)} entries"
        axes = "1 spatial axis" if rank == 1 else f"{rank} spatial axes"
        text = f"`{name}` has {entries}, but {show(x)} has {axes}"
        raise OpError("E0402", text, name.rstrip("_"))
    return value

"""Kinds of parameters: what a value may be, said once for checking, documentation and completion.

They stand in the `Annotated` types at the end of this file.
"""

from __future__ import annotations

from math import isfinite
from typing import Annotated, Any

from ..diagnostics.model import closest
from .error import OpError
from .init import KNOWN, Initializer, constant, make
from .kind import REF, Kind, Refused, what


class Whole(Kind):
    """A whole number, at least `least`."""

    def __init__(self, least: int) -> None:
        self.least = least

    def parse(self, value: Any) -> Any:
        if isinstance(value, float):
            help = "divide with `//` to stay whole"
            raise Refused("E0307", f"{{}} must be a whole number, not {value}", help)
        if isinstance(value, bool) or not isinstance(value, int):
            raise Refused("E0304", f"{{}} must be a whole number, not {what(value)}")
        if value < self.least:
            raise Refused("E0305", f"{{}} must be at least {self.least}, not {value}")
        return value

    def describe(self) -> str:
        return f"whole number from {self.least}"


class Real(Kind):
    """A finite number, with bounds."""

    def __init__(
        self, least: float | None = None, most: float | None = None, above: float | None = None
    ) -> None:
        self.least, self.most, self.above = least, most, above

    def parse(self, value: Any) -> Any:
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise Refused("E0304", f"{{}} must be a number, not {what(value)}")
        try:
            real = float(value)
        except OverflowError:
            raise Refused("E0305", "{} is too large") from None
        if not isfinite(real):
            raise Refused("E0305", f"{{}} must be finite, not {real}")
        if self.least is not None and self.most is not None:
            if not self.least <= real <= self.most:
                text = f"{{}} must be between {self.least:g} and {self.most:g}, not {value}"
                raise Refused("E0305", text)
        elif self.least is not None and real < self.least:
            raise Refused("E0305", f"{{}} must be at least {self.least:g}, not {value}")
        if self.above is not None and real <= self.above:
            raise Refused("E0305", f"{{}} must be more than {self.above:g}, not {value}")
        return real

    def describe(self) -> str:
        if self.least is not None and self.most is not None:
            return f"number from {self.least:g} to {self.most:g}"
        if self.least is not None:
            return f"number from {self.least:g}"
        return "number" if self.above is None else f"number above {self.above:g}"


class Flag(Kind):
    """true or false."""

    def parse(self, value: Any) -> Any:
        if not isinstance(value, bool):
            raise Refused("E0304", f"{{}} must be true or false, not {what(value)}")
        return value

    def describe(self) -> str:
        return "true or false"


class OneOf(Kind):
    """One of a few words."""

    def __init__(self, *words: str) -> None:
        self.words = words

    def parse(self, value: Any) -> Any:
        if not isinstance(value, str) or value == REF:
            listed = ", ".join(self.words)
            raise Refused("E0304", f"{{}} must be one of {listed}, not {what(value)}")
        if value not in self.words:
            raise self.unknown(value)
        return value

    def unknown(self, word: str) -> Refused:
        near = closest(word, self.words)
        text = f"{{}} must be one of {', '.join(self.words)}, not `{word}`"
        if len(self.words) == 1:
            text = f"{{}} can only be {self.words[0]}, not `{word}`"
        return Refused("E0305", text, f"did you mean `{near}`?" if near else None)

    def describe(self) -> str:
        return " | ".join(self.words)


class PerAxis(Kind):
    """A number from `least`, or a list of one per axis; with words and values where they fit."""

    def __init__(
        self, least: int, words: tuple[str, ...] = (), value: bool = False, single: bool = True
    ) -> None:
        self.least, self.words, self.value, self.single = least, words, value, single
        self.whole = Whole(least)

    def parse(self, value: Any) -> Any:
        if isinstance(value, str):
            if value in self.words or (self.value and value == REF):
                return value
            if self.words and value != REF:
                raise OneOf(*self.words).unknown(value)
        if isinstance(value, (tuple, list)):
            if not value:
                raise Refused("E0305", "{} must not be an empty list")
            return tuple(_entry(self.whole, v) for v in value)
        if not self.single:
            raise Refused("E0304", f"{{}} must be a list with one size per axis, not {what(value)}")
        return self.whole.parse(value)

    def describe(self) -> str:
        parts = [f"whole number from {self.least}"] if self.single else []
        parts.append("list per axis")
        return ", ".join([*parts, *self.words, *(["value" if self.value else ""])]).strip(", ")


class Padding(PerAxis):
    """Amounts: a number, a list per axis, or a list of [before, after] per axis; or a word."""

    def __init__(self, words: tuple[str, ...] = ()) -> None:
        super().__init__(0, words)

    def parse(self, value: Any) -> Any:
        if not isinstance(value, (tuple, list)) or not any(_is_list(v) for v in value):
            return super().parse(value)
        pairs = []
        for entry in value:
            if not _is_list(entry) or len(entry) != 2:
                text = "{} must be a number, a list per axis, or [before, after] for each axis"
                raise Refused("E0304", text)
            pairs.append(tuple(_entry(self.whole, v) for v in entry))
        return tuple(pairs)

    def describe(self) -> str:
        parts = ["whole number from 0", "list per axis", "list of [before, after]", *self.words]
        return ", ".join(parts)


class Factor(PerAxis):
    """A factor: a whole number or a simple fraction (0.5, 1.5), or a list of them per axis."""

    def __init__(self) -> None:
        super().__init__(1)

    def parse(self, value: Any) -> Any:
        if isinstance(value, (tuple, list)):
            if not value:
                raise Refused("E0305", "{} must not be an empty list")
            return tuple(self._one(v) for v in value)
        return self._one(value)

    def _one(self, value: Any) -> Any:
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise Refused("E0304", f"{{}} must be a number, not {what(value)}")
        if value <= 0:
            raise Refused("E0305", f"{{}} must be more than 0, not {value}")
        if isinstance(value, int):
            return value
        # Sixteenths are exact in binary, so sizes are those that PyTorch works out in floats.
        if not isfinite(value) or value * 16 % 1:
            text = f"{{}} must be a whole number or a fraction in sixteenths, not {value}"
            raise Refused("E0305", text, "give the size instead: `to=[h, w]`")
        return int(value) if value % 1 == 0 else value

    def describe(self) -> str:
        return "number above 0, list per axis"


class Parts(PerAxis):
    """How many parts, or a list with the size of each."""

    most = 4096  # each is a value of its own

    def parse(self, value: Any) -> Any:
        parsed = super().parse(value)
        count = len(parsed) if isinstance(parsed, tuple) else parsed
        if count > self.most:
            raise Refused("E0305", f"{{}} must be at most {self.most} parts, not {count}")
        return parsed

    def describe(self) -> str:
        return f"whole number from {self.least}, list of them"


class Init(Kind):
    """An initialiser, by name or with arguments; a number fills."""

    words = tuple(KNOWN)

    def parse(self, value: Any) -> Any:
        if value is None or isinstance(value, Initializer):
            return value
        if isinstance(value, dict):
            value = Initializer.model_validate(value)
            return make(value.name, value.args, dict(value.kwargs))
        if isinstance(value, str) and value != REF:
            try:
                return make(value)
            except OpError as error:
                raise Refused(error.code, f"{{}}: {error.message}", error.help) from None
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            return constant(Real().parse(value))
        raise Refused("E0304", f"{{}} must be an initialiser or a number, not {what(value)}")

    def show(self, value: Any) -> Any:
        return _unfill(value)

    def describe(self) -> str:
        return "initialiser, number"


class Table(Kind):
    """Numbers given outright: one number that fills, or a nested list of the tensor's shape.

    With `flag`, true and false say whether there is a tensor at all.
    """

    def __init__(self, flag: bool = False) -> None:
        self.flag = flag

    def parse(self, value: Any) -> Any:
        if isinstance(value, bool) and self.flag:
            return value
        if (value is None and not self.flag) or isinstance(value, Initializer):
            return value
        if isinstance(value, dict):
            return Initializer.model_validate(value)
        if isinstance(value, (tuple, list)):
            return self._rows(value)[0]
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            return constant(Real().parse(value))
        must = "true, false, a number or a list" if self.flag else "a number or a nested list"
        raise Refused("E0304", f"{{}} must be {must}, not {what(value)}")

    def _rows(self, value: Any) -> tuple[Any, tuple[int, ...]]:
        """The table as tuples of floats, and its shape."""
        if not _is_list(value):
            return _entry(Real(), value), ()
        if not value:
            raise Refused("E0305", "{} must not hold an empty list")
        rows = [self._rows(v) for v in value]
        for _, shape in rows:
            if shape != rows[0][1]:
                raise Refused("E0304", "{} must be a table: its rows have unequal lengths")
        return tuple(r for r, _ in rows), (len(rows), *rows[0][1])

    def show(self, value: Any) -> Any:
        return _unfill(value)

    def describe(self) -> str:
        return "true, false, number, list" if self.flag else "number, nested list"


class Momentum(Real):
    """A number from 0 to 1, or `cumulative`: the plain average of all batches."""

    words = ("cumulative",)

    def __init__(self) -> None:
        super().__init__(0, 1)

    def parse(self, value: Any) -> Any:
        return value if value == "cumulative" else super().parse(value)

    def describe(self) -> str:
        return super().describe() + ", cumulative"


class Reference(Kind):
    """A value of the graph."""

    value = True

    def parse(self, value: Any) -> Any:
        if value != REF:
            raise Refused("E0304", f"{{}} must be a value of the network, not {what(value)}")
        return value

    def describe(self) -> str:
        return "value"


def shape_of(table: Any) -> tuple[int, ...]:
    """Shape of a nested tuple, which is regular."""
    shape = []
    while isinstance(table, tuple):
        shape.append(len(table))
        table = table[0]
    return tuple(shape)


def _is_list(value: Any) -> bool:
    return isinstance(value, (tuple, list))


def _entry(kind: Kind, value: Any) -> Any:
    """An entry of a list: the refusal speaks of entries."""
    try:
        return kind.parse(value)
    except Refused as refused:
        text = refused.text.replace("{}", "each entry of {}", 1)
        raise Refused(refused.code, text, refused.help) from None


def _unfill(value: Any) -> Any:
    if isinstance(value, Initializer) and value.name == "constant" and value.args:
        return value.args[0]
    return value


PADDING_WORDS = ("valid", "half", "full", "same")
PAD_MODES = ("zeros", "reflect", "replicate", "circular")

Count = Annotated[int, Whole(1)]
Natural = Annotated[int, Whole(0)]
Number = Annotated[float, Real()]
Positive = Annotated[float, Real(above=0)]
NotNegative = Annotated[float, Real(least=0)]
Probability = Annotated[float, Real(0, 1)]
Bool = Annotated[bool, Flag()]
Sizes = Annotated[int | tuple[int, ...], PerAxis(1)]
Naturals = Annotated[int | tuple[int, ...], PerAxis(0)]
Target = Annotated[tuple[int, ...] | str | None, PerAxis(1, value=True, single=False)]
Pads = Annotated[Any, Padding(PADDING_WORDS)]
Weights = Annotated[tuple[Any, ...] | Initializer | None, Table()]
Biases = Annotated[bool | tuple[Any, ...] | Initializer, Table(flag=True)]
Start = Annotated[Initializer | None, Init()]

"""Immutable values, like frozen dataclasses, whose classes cost next to nothing to make.

`dataclass` compiles several methods for each class, a third of a millisecond every time; start-up
time is a feature, so the methods here are shared.
"""

from __future__ import annotations

from inspect import get_annotations
from typing import Any, ClassVar, dataclass_transform


@dataclass_transform(frozen_default=True)
class Record:
    """Base of values that compare and hash by their fields, which are its annotations in order.

    A field with a default has it as an attribute of the class, where it is found when not given.
    """

    __match_args__: ClassVar[tuple[str, ...]] = ()
    _required: ClassVar[int] = 0

    def __init_subclass__(cls) -> None:
        names = list(cls.__match_args__)
        for name, kind in get_annotations(cls).items():
            if name not in names and not str(kind).startswith(("ClassVar", "typing.ClassVar")):
                names.append(name)
        type.__setattr__(cls, "__match_args__", tuple(names))
        cls._required = sum(not hasattr(cls, name) for name in names)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        names = type(self).__match_args__
        values = self.__dict__
        values.update(zip(names, args, strict=False))
        if kwargs:
            values.update(kwargs)
        if len(args) < self._required or kwargs or len(args) > len(names):
            self._check(len(args), kwargs)

    def _check(self, positional: int, kwargs: dict[str, Any]) -> None:
        names = type(self).__match_args__
        missing = [name for name in names if not hasattr(self, name)]
        surplus = [name for name in kwargs if name not in names or name in names[:positional]]
        if missing or surplus or positional > len(names):
            wrong = ", ".join([*missing, *surplus]) or f"{positional} arguments"
            raise TypeError(f"{type(self).__name__}: missing or too many: {wrong}")

    def _values(self) -> tuple[Any, ...]:
        return tuple([getattr(self, name) for name in type(self).__match_args__])

    def __eq__(self, other: object) -> bool:
        if self is other:
            return True
        if type(self) is not type(other):
            return NotImplemented
        return self._values() == other._values()

    def __hash__(self) -> int:
        return hash((type(self), self._values()))

    def __repr__(self) -> str:
        shown = zip(type(self).__match_args__, self._values(), strict=True)
        return f"{type(self).__name__}({', '.join(f'{k}={v!r}' for k, v in shown)})"

    def __setattr__(self, name: str, value: Any) -> None:
        raise AttributeError(f"{type(self).__name__} is immutable: {name}")

    def __delattr__(self, name: str) -> None:
        raise AttributeError(f"{type(self).__name__} is immutable: {name}")

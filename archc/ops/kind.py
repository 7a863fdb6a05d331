"""What a kind of parameter is: the base of those in `kinds.py`.

A kind stands in a field's `Annotated` type. It parses the value (from .arch, from JSON or from
Python; lists become tuples) and refuses it in plain words: `Refused` carries the code and a text in
which `{}` stands for the parameter's name.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic_core import core_schema

if TYPE_CHECKING:
    from pydantic import GetCoreSchemaHandler

REF = "<value>"
"""Stands in a parameter (`to=`, `from=`) that was given a value of the graph: the next input."""


class Refused(ValueError):
    """A value that a parameter cannot take."""

    def __init__(self, code: str, text: str, help: str | None = None) -> None:
        super().__init__(text)
        self.code = code
        self.text = text
        self.help = help


def what(value: Any) -> str:
    """A value as a person would name it."""
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return str(value)
    if value == REF:
        return "a value of the network"
    if isinstance(value, str):
        return "a string"
    if isinstance(value, (tuple, list)):
        return "a list"
    return "something else"


class Kind:
    """What one parameter takes."""

    words: tuple[str, ...] = ()
    """Bare words that it takes."""
    value: bool = False
    """It may be given a value of the graph."""

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> core_schema.CoreSchema:
        return core_schema.no_info_plain_validator_function(self.parse)

    def parse(self, value: Any) -> Any:
        """The value in its normal form; raises `Refused`."""
        raise NotImplementedError

    def show(self, value: Any) -> Any:
        """The value as it is written in .arch, from its normal form."""
        return value

    def describe(self) -> str:
        """What it takes, in a few words, for documentation."""
        raise NotImplementedError

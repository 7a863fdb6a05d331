"""The one exception of this package."""

from __future__ import annotations


class OpError(Exception):
    """An operator refuses its arguments or inputs. `parameter` names the argument at fault, if one.

    `notes` carry the arithmetic (`(32 + 2·1 - 3) / 2 + 1 = 16`), `help` a way out. `also` holds
    further mistakes in the same arguments, independent of this one.
    """

    def __init__(
        self,
        code: str,
        message: str,
        parameter: str | None = None,
        notes: tuple[str, ...] = (),
        help: str | None = None,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.parameter = parameter
        self.notes = notes
        self.help = help
        self.also: tuple[OpError, ...] = ()

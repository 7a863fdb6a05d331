"""How many brackets of a kind are still to come: are there enough for those that are open?"""

from __future__ import annotations

from bisect import bisect_right

from .layout import PARTNER
from .tables import load
from .view import View


class Balance:
    """Sums over the tokens of a text, made when they are first asked for."""

    def __init__(self, view: View) -> None:
        self.view = view
        self.sums: dict[str, list[int]] = {}
        """By closing bracket: closing less opening ones before each token."""
        self.heads: list[int] | None = None
        """Tokens at which declarations begin."""

    def lacks(self, token: int, sign: str, due: int) -> bool:
        """Are fewer closing brackets of a kind to come than are due, up to the next declaration?"""
        sums, heads = self._sums(sign), self._heads()
        at = bisect_right(heads, token)
        end = heads[at] if at < len(heads) else len(self.view.kinds)
        return sums[end] - sums[token] < due

    def _sums(self, sign: str) -> list[int]:
        if sign not in self.sums:
            closing, opening = load().literals[sign], load().literals[PARTNER[sign]]
            sums = [0]
            for kind in self.view.kinds:
                sums.append(sums[-1] + (kind == closing) - (kind == opening))
            self.sums[sign] = sums
        return self.sums[sign]

    def _heads(self) -> list[int]:
        if self.heads is None:
            view = self.view
            tokens = range(len(view.kinds))
            self.heads = [n for n in tokens if view.is_declaration(n) and view.first_on_line(n)]
        return self.heads

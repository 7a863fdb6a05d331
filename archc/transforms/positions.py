"""Names after some nodes are gone: positions in sequences close up."""

from __future__ import annotations

from ..graph import Body, join


class Renaming:
    """Old paths of a body to new ones, where the nodes `gone` are left out."""

    def __init__(self, body: Body, gone: set[int]) -> None:
        self.body = body
        self.at: dict[str, dict[str, str]] = {}
        """By old path of a sequence: old position -> new position."""
        entries: dict[str, list[tuple[int, int, str, bool]]] = {}
        for i, scope in enumerate(body.scopes[1:], 1):
            if self._named(i):
                home = self._home(scope.parent)
                entries.setdefault(home, []).append((scope.first, 0, scope.path, False))
        for n, node in enumerate(body.nodes):
            if node.role != "skip":
                home = self._home(node.scope)
                entries.setdefault(home, []).append((n, 1, node.name, n in gone))
        for i, scope in enumerate(body.scopes):
            if scope.positional and (i == 0 or self._named(i)):
                self._close_up(scope.path, sorted(entries.get(scope.path, [])))

    def __call__(self, path: str) -> str:
        found, old = "", ""
        for part in path.split("."):
            found = join(found, self.at.get(old, {}).get(part, part))
            old = join(old, part)
        return found

    def _named(self, scope: int) -> bool:
        """Does it take a name or a position, as a group does?"""
        return self.body.scopes[scope].labelled or self.body.scopes[scope].kind == "group"

    def _home(self, scope: int) -> str:
        """The path of the scope that gives names here."""
        while scope > 0 and not self._named(scope):
            scope = self.body.scopes[scope].parent
        return self.body.scopes[max(scope, 0)].path

    def _close_up(self, path: str, entries: list[tuple[int, int, str, bool]]) -> None:
        old = new = 0
        moved: dict[str, str] = {}
        for _, _, name, gone in entries:
            if path and not name.startswith(path + "."):
                continue  # a shared module, which lives elsewhere
            if name[len(path) + 1 if path else 0 :] == str(old):
                moved[str(old)] = str(new)
            old += 1
            new += not gone
        if any(a != b for a, b in moved.items()):
            self.at[path] = moved

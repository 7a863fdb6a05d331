"""Files are read once, with what they use; where those may lie."""

from __future__ import annotations

import os
from typing import Any

from ..diagnostics import Diagnostics, Edit, Fix, closest
from ..ops import builtin
from ..source import Source, Span
from ..syntax import parse, tree
from ..syntax.load import read
from .modules import Constants, Unit
from .session import Limits, Session
from .values import Exhausted, Fail

STD = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "std")


class Loader:
    """Reads files and what they use, each once. `root` bounds what `use` may read."""

    def __init__(self, diagnostics: Diagnostics, max_bytes: int = 1_000_000) -> None:
        self.diagnostics = diagnostics
        self.max_bytes = max_bytes
        self.units: dict[str, Unit] = {}
        self.loading: list[tuple[str, str]] = []

    def load(self, path: str, source: Source | None = None) -> Unit | None:
        """The unit of a file named on the command line (or of text already read)."""
        if source is None:
            source = read(path, self.diagnostics, max_bytes=self.max_bytes)
            if source is None:
                return None
        folder = os.path.dirname(os.path.abspath(path)) if path != "-" else os.getcwd()
        return self.unit(source, os.path.realpath(path), folder, project_root(folder))

    def unit(self, source: Source, key: str, folder: str, root: str) -> Unit:
        unit = Unit(parse(source, self.diagnostics))
        self.units[key] = unit
        self.loading.append((key, source.name))
        session = Session(self.diagnostics, Limits())
        first: Any = None
        for decl in unit.file.declarations:
            if isinstance(decl, tree.Use):
                try:
                    self.use(unit, decl, folder, root, session)
                except Fail:
                    unit.broken.update(n.name for n in decl.names)
                    if decl.alias is not None:
                        unit.broken.add(decl.alias.name)
                    elif not decl.names:
                        unit.broken.add("*")
                continue
            if isinstance(decl, tree.Default):
                self.file_default(unit, decl, first, session)
                continue
            first = first or decl
            self.declare(unit, decl)
        self.loading.pop()
        return unit

    def declare(self, unit: Unit, decl: Any) -> None:
        name: tree.Ident = decl.name
        recipe = isinstance(decl, tree.Recipe)
        key = (
            f"recipe {decl.network.name if decl.network else ''}.{name.name}"
            if recipe
            else name.name
        )
        before = unit.declared.get(key)
        if before is None and name.name in unit.imported and not recipe:
            before = unit.imported[name.name][1]
        if before is not None:
            self.diagnostics.error(
                "E0203",
                f"`{name.name}` is declared twice",
                (name.span, "again"),
                (before.name.span, "first declared here"),
                help="give one of them another name",
            )
            return
        if not recipe and builtin(name.name):
            unit.broken.add(name.name)
            self.diagnostics.error(
                "E0206",
                f"`{name.name}` is an operator",
                (name.span, "a declaration cannot take its name"),
                help=f"give it another name, such as `{name.name.title().replace('_', '')}`",
            )
            return
        if self.sound_inside(decl):
            unit.declared[key] = decl
        else:
            unit.broken.add(name.name)

    def sound_inside(self, decl: Any) -> bool:
        """Have parameters and inputs names of their own, and do inputs stand outside of loops?"""
        before = len(self.diagnostics)
        seen: dict[str, Span] = {}
        inputs = [s for s in getattr(decl, "body", ()) if isinstance(s, tree.Input)]
        for entry in (*(getattr(decl, "params", None) or ()), *inputs):
            ident = entry.name
            if ident.name in seen:
                self.diagnostics.error(
                    "E0203",
                    f"`{ident.name}` is declared twice",
                    (ident.span, "again"),
                    (seen[ident.name], "first declared here"),
                    help="give one of them another name",
                )
            seen.setdefault(ident.name, ident.span)
        pending = [s for s in getattr(decl, "body", ()) if isinstance(s, (tree.For, tree.If))]
        while pending:
            node = pending.pop()
            for inner in node.body if isinstance(node, tree.For) else (*node.yes, *node.no):
                if isinstance(inner, tree.Input):
                    self.diagnostics.error(
                        "E0508",
                        f"input `{inner.name.name}` stands in "
                        + ("a loop" if isinstance(node, tree.For) else "an `if`"),
                        inner.span,
                        help="move it to the top of the body: what arrives is always the same",
                    )
                elif isinstance(inner, (tree.For, tree.If)):
                    pending.append(inner)
        return len(self.diagnostics) == before

    def file_default(self, unit: Unit, decl: tree.Default, first: Any, session: Session) -> None:
        from .frame import default_values

        mistakes = session.mistakes
        if first is not None:
            self.diagnostics.error(
                "E0508",
                "a file's `default` stands before its first declaration",
                decl.span,
                (first.name.span, "declared before it"),
                help="move it to the top, or into the block that it is for",
            )
        try:
            frame = Constants(session, unit)
            unit.defaults.setdefault(decl.name.name, {}).update(default_values(frame, decl))
        except (Fail, Exhausted):
            pass
        unit.lacks_default = unit.lacks_default or session.mistakes > mistakes

    # ------------------------------------------------------------------ use

    def use(self, unit: Unit, decl: tree.Use, folder: str, root: str, session: Session) -> None:
        other = self.resolve(decl, folder, root, session)
        if decl.alias is not None:
            unit.aliases[decl.alias.name] = other
            if not decl.names:
                return
        wanted = [n.name for n in decl.names]
        for ident in decl.names:
            if ident.name not in other.declared and not other.may_declare(ident.name):
                meant = closest(ident.name, other.declared)
                session.report(
                    "E0201",
                    f"`{other.source.name}` declares no `{ident.name}`",
                    ident.span,
                    help=f"did you mean `{meant}`?"
                    if meant
                    else f"it declares {', '.join(n for n in other.declared if ' ' not in n)}",
                    fixes=[Fix(f"did you mean `{meant}`?", (Edit(ident.span, meant),))]
                    if meant
                    else (),
                )
                unit.broken.update([ident.name, meant or ident.name])
        for name, found in other.declared.items():
            if (not wanted or name in wanted) and not isinstance(found, tree.Recipe):
                if name in unit.imported and unit.imported[name][1] is not found:
                    session.report(
                        "E0203",
                        f"`{name}` comes from two files",
                        decl.span,
                        (unit.imported[name][1].name.span, "first from here"),
                        help="name what you want: `use ...: A, B`, or `as` a name of its own",
                    )
                unit.imported[name] = (other, found)

    def resolve(self, decl: tree.Use, folder: str, root: str, session: Session) -> Unit:
        """The unit that a `use` means; E0701, E0702 or E0703 where it cannot be."""
        if decl.file is None:
            parts = [p.name for p in decl.path]
            span = decl.path[0].span.to(decl.path[-1].span)
            path = os.path.join(STD, *parts[1:]) + ".arch"
            if parts[0] != "std" or len(parts) < 2 or not os.path.isfile(path):
                have = sorted(f[:-5] for f in os.listdir(STD) if f.endswith(".arch"))
                meant = closest(parts[-1], have)
                session.fail(
                    "E0701",
                    f"no library file `{'.'.join(parts)}`",
                    span,
                    help=f"did you mean `std.{meant}`?"
                    if meant
                    else f"there is {', '.join('std.' + h for h in have)}; "
                    "a file of yours goes in quotes",
                )
            name, root = "std/" + "/".join(parts[1:]) + ".arch", STD
        else:
            span = decl.file.span
            text = "".join(p for p in decl.file.parts if isinstance(p, str))
            path = self.inside(text, folder, root, span, session)
            name = os.path.relpath(path)
            if name.startswith(".."):
                name = path
        key = os.path.realpath(path)
        if any(key == k for k, _ in self.loading):
            start = next(i for i, (k, _) in enumerate(self.loading) if k == key)
            circle = [*(n for _, n in self.loading[start:]), name]
            session.fail(
                "E0703",
                "these files use each other in a circle"
                if len(circle) > 2
                else "this file uses itself",
                (span, " -> ".join(circle) if len(circle) > 2 else ""),
                help="move what both need to a third file" if len(circle) > 2 else "remove it",
            )
        if key not in self.units:
            source = read(path, self.diagnostics, name=name, max_bytes=self.max_bytes, at=span)
            if source is None:
                raise Fail
            self.unit(source, key, os.path.dirname(path), root)
        return self.units[key]

    def inside(self, text: str, folder: str, root: str, span: Span, session: Session) -> str:
        """A path below the project root, symbolic links followed."""
        if os.path.isabs(text) or "://" in text or "\\" in text or "\0" in text:
            session.fail(
                "E0702",
                "`use` takes a path inside the project, relative to this file",
                span,
                help='such as `use "blocks/residual.arch"`',
            )
        path = os.path.join(folder, text)
        real, base = os.path.realpath(path), os.path.realpath(root)
        if os.path.commonpath([real, base]) != base:
            session.fail(
                "E0702",
                f"`{text}` is outside of the project",
                (span, ""),
                help="files come from below the nearest folder with pyproject.toml or .git, "
                "or the spec's own folder",
            )
        return path


def project_root(folder: str) -> str:
    """The nearest folder upwards with a pyproject.toml or .git, else the folder itself."""
    at = folder
    while True:
        if any(os.path.exists(os.path.join(at, mark)) for mark in ("pyproject.toml", ".git")):
            return at
        above = os.path.dirname(at)
        if above == at:
            return folder
        at = above

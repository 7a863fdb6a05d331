"""Rooms import only what docs/architecture.md lets them."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent / "archc"
LOW = {"source", "record"}
MIDDLE = LOW | {"diagnostics", "dims", "conditions", "ops", "graph", "recipe"}
MAY: dict[str, set[str]] = {
    "source": set(),
    "record": set(),
    "dims": set(),
    "conditions": {"dims"},
    "diagnostics": LOW,
    "recipe": LOW,
    "ops": LOW | {"dims", "diagnostics"},
    "syntax": LOW | {"diagnostics", "ops"},
    "graph": LOW | {"ops", "dims"},
    "elaborate": MIDDLE | {"syntax"},
    "transforms": {"graph", "ops", "dims", "record"},
    "analysis": MIDDLE,
    "emit": MIDDLE | {"analysis"},
    "driver": MIDDLE | {"syntax", "elaborate", "analysis", "emit", "transforms", "train"},
    "train": MIDDLE | {"driver", "emit", "analysis", "data"},
}  # api, cli and verify may import everything
HEAVY = {
    "torch",
    "numpy",
    "networkx",
    "sympy",
    "rich",
    "graphviz",
    "pygraphviz",
    "matplotlib",
    "PIL",
}
FILES = sorted(ROOT.rglob("*.py"))


def imports(path: Path) -> Iterator[tuple[str, bool]]:
    """(dotted name, at module level) of every import that runs; archc's own without `archc.`."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    package = ["archc", *path.relative_to(ROOT).parts[:-1]]
    typing = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
        for inner in ast.walk(node)
    }
    top = set(map(id, tree.body))
    for node in ast.walk(tree):
        if id(node) in typing:
            continue
        if isinstance(node, ast.Import):
            yield from ((alias.name, id(node) in top) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) + 1 - node.level] if node.level else []
            stem = ".".join([*base, *([node.module] if node.module else [])])
            names = [f"{stem}.{a.name}" for a in node.names] if stem == "archc" else [stem]
            yield from ((name, id(node) in top) for name in names)


def room(path: Path) -> str:
    if path.name == "__main__.py":
        return "cli"  # `python -m archc.train` is a command
    return path.relative_to(ROOT).parts[0].removesuffix(".py")


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(ROOT)))
def test_imports_follow_the_layers(path: Path) -> None:
    here = room(path)
    for name, at_top in imports(path):
        if name.startswith("archc.") and here in MAY:
            other = name.split(".")[1]
            assert other == here or other in MAY[here] or other == "__version__", f"{path}: {name}"
        if name.split(".")[0] in HEAVY and here not in ("train", "verify"):
            lazily = not at_top and not name.startswith("torch")
            assert lazily, f"{path}: {name} is heavy"

"""Recipes: settings with their places, as plain data. What they may be is `archc.train`'s."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from ..recipe import Called, RecipeSpec, Setting
from ..source import Span
from ..syntax import tree
from .modules import Constants, Unit
from .session import Session
from .values import POISON, Exhausted, Fail


def read_recipes(unit: Unit, session: Session) -> list[RecipeSpec]:
    """All recipes of a file. Mistakes in values are reported; such a setting is left out."""
    found = []
    for decl in unit.file.declarations:
        if isinstance(decl, tree.Recipe):
            settings = []
            for setting in decl.settings:
                try:
                    value = setting_value(Constants(session, unit), setting.value)
                except (Fail, Exhausted):
                    continue
                path = setting.path
                settings.append(
                    Setting(
                        tuple(p.name for p in path),
                        value,
                        path[0].span.to(path[-1].span),
                        setting.value.span,
                    )
                )
            network = decl.network.name if decl.network else None
            if decl.network is not None and not isinstance(
                unit.find(decl.network.name), (tree.Network, tree.Variant)
            ):
                with suppress(Fail):
                    unit.no_network(decl.network, session)
            found.append(
                RecipeSpec(decl.name.name, network, tuple(settings), decl.doc, decl.name.span)
            )
    return found


def setting_value(frame: Constants, node: tree.Expr) -> Any:
    """Numbers, text, lists; `sgd(lr=0.05)` as `Called`; a bare word as text."""
    if isinstance(node, tree.Name) and frame.unit.find(node.name) is None:
        return node.name
    if isinstance(node, tree.ListExpr):
        return [setting_value(frame, item) for item in node.items]
    if isinstance(node, tree.Call) and isinstance(node.func, tree.Name):
        args: list[Any] = []
        kwargs: dict[str, Any] = {}
        places: dict[int | str, Span] = {}
        for arg in node.args.items:
            value = setting_value(frame, arg.value)
            if arg.name is None:
                places[len(args)] = arg.value.span
                args.append(value)
            else:
                places[arg.name.name] = arg.value.span
                kwargs[arg.name.name] = value
        return Called(node.func.name, tuple(args), kwargs, node.span, places)
    value = frame.eval(node)
    if value is POISON:
        raise Fail
    return list(value) if isinstance(value, (range, tuple)) else value

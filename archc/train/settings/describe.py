"""What a recipe may say, for readers: made from the classes that check it. Without torch."""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Iterable
from typing import Any

from pydantic import BaseModel
from pydantic_core import PydanticUndefined

from ...diagnostics import closest
from .choices import CHOICES, Choice
from .recipe import SETTINGS, Recipe
from .words import expected, spelled

WIDTH = 100
LOSSES = ("loss.NAME", "`[weight, loss]` of the output NAME: several outputs, auxiliary heads.")


def page(name: str = "recipe") -> str | None:
    """What `archc ops recipe` prints, or of `recipe.SETTING`; None where there is no such thing."""
    if name == "recipe":
        return _overview()
    setting = name.removeprefix("recipe.")
    return _setting(setting) if setting in SETTINGS else None


def near(name: str) -> str | None:
    """The page that may have been meant."""
    meant = closest(name.removeprefix("recipe."), SETTINGS)
    return f"recipe.{meant}" if meant else None


def _overview() -> str:
    lines = [
        "recipe NAME for NETWORK { SETTING = VALUE ... }",
        "",
        "How `archc train` trains a network. `--set SETTING=VALUE` overrides a setting, and",
        "`--set optimizer.lr=0.1` one argument of it. `archc ops recipe.SETTING` says more.",
        "",
        "Settings",
    ]
    docs = documented(Recipe)
    for name in SETTINGS:
        given = default(name)
        lines += _item(name, docs[name] + (f" Default: {given}." if given != "required" else ""))
    lines += _item(*LOSSES)
    lines += ["", "Values"]
    for name, choices in CHOICES.items():
        for choice in choices:
            lines.append(f"  {name} = {signature(choice)}")
    return "\n".join(lines)


def _setting(name: str) -> str:
    lines = [name, "", *textwrap.wrap(documented(Recipe)[name], WIDTH), ""]
    if name in CHOICES:
        several = "a list of these" if name == "augment" else "one of these"
        lines += [f"Default: {default(name)}; {several}:", ""]
        for choice in CHOICES[name]:
            lines += [f"  {signature(choice)}"]
            lines += textwrap.wrap(
                said(choice), WIDTH, initial_indent=INDENT, subsequent_indent=INDENT
            )
            lines += _arguments(choice)
        return "\n".join(lines)
    takes = expected(Recipe.model_json_schema()["properties"][name])
    return "\n".join([*lines, f"Default: {default(name)}; it takes {takes}."])


INDENT = "      "


def _arguments(choice: type[Choice]) -> Iterable[str]:
    properties = choice.model_json_schema().get("properties", {})
    docs = documented(choice)
    for name in choice.model_fields:
        words = expected(properties[name])
        words += f": {docs[name]}" if docs.get(name) else ""
        yield from textwrap.wrap(
            f"{name}: {words}",
            WIDTH,
            initial_indent=INDENT + "  ",
            subsequent_indent=INDENT + "    ",
        )


def _item(name: str, text: str) -> list[str]:
    first = f"  {name:<15} "
    return textwrap.wrap(text, WIDTH, initial_indent=first, subsequent_indent=" " * len(first))


# --------------------------------------------------------------------------- markdown


def settings_table() -> str:
    """The settings as rows of a Markdown table."""
    docs = documented(Recipe)
    rows = [(f"`{name}`", f"`{default(name)}`", docs[name]) for name in SETTINGS]
    rows = [(n, d.strip("`") if d == "`required`" else d, words) for n, d, words in rows]
    rows.append((f"`{LOSSES[0]}`", "", LOSSES[1]))
    return _table(("setting", "default", "what it is"), rows)


def values_table() -> str:
    """What settings can be that take one of several things, as rows of a Markdown table."""
    rows = [
        (f"`{name}`" if not i else "", f"`{signature(choice)}`", said(choice))
        for name, choices in CHOICES.items()
        for i, choice in enumerate(choices)
    ]
    return _table(("setting", "value", "what it is"), rows)


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [head, ("---",) * len(head), *rows]
    return "\n".join(
        "| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in lines
    )


# --------------------------------------------------------------------------- parts


def default(name: str) -> str:
    """What a setting is where a recipe does not give it, as it would be written."""
    field = Recipe.model_fields[name]
    if field.is_required():
        return "required"
    value = field.default
    if isinstance(value, Choice):
        given = [
            f"{k}={_value(v)}"
            for k, v in value.model_dump().items()
            if v != type(value).model_fields[k].default
        ]
        return f"{value.name}({', '.join(given)})" if type(value).model_fields else value.name
    return "none" if value is None else _value(value)


def signature(choice: type[Choice]) -> str:
    """`sgd(lr, momentum=0, nesterov=false)`, as it is called."""
    words = []
    for name, field in choice.model_fields.items():
        if field.is_required():
            words.append(name)
        elif field.default is not None and field.default is not PydanticUndefined:
            words.append(f"{name}={_value(field.default)}")
        else:
            words.append(f"{name}=...")
    return f"{choice.name}({', '.join(words)})" if words else choice.name


def said(choice: type[BaseModel]) -> str:
    """The docstring of a class, as one line."""
    return " ".join((choice.__doc__ or "").split())


def _value(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(_value(v) for v in value) + "]"
    return spelled(value).strip('"')


def documented(cls: type[BaseModel]) -> dict[str, str]:
    """The texts under the fields of a class, by field, each as one line."""
    body = ast.parse(textwrap.dedent(inspect.getsource(cls))).body[0]
    assert isinstance(body, ast.ClassDef)
    found: dict[str, str] = {}
    for item, after in zip(body.body, body.body[1:], strict=False):
        if (
            isinstance(item, ast.AnnAssign)
            and isinstance(item.target, ast.Name)
            and isinstance(after, ast.Expr)
            and isinstance(after.value, ast.Constant)
            and isinstance(after.value.value, str)
        ):
            found[item.target.id] = " ".join(after.value.value.split())
    return found

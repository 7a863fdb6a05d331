"""HTML elements as text. What is not HTML already is escaped, always."""

from __future__ import annotations

import html as library

VOID = frozenset({"meta", "input", "br", "line", "rect", "circle", "path"})


class Html(str):
    """Text that is HTML already."""

    __slots__ = ()


def tag(name: str, /, *children: str, **attributes: str | int | float | bool | None) -> Html:
    """An element. `class_` and `data_tip` are the attributes `class` and `data-tip`.

    An attribute that is None or False is left out, one that is True has no value.
    """
    parts = [name]
    for key, value in attributes.items():
        key = key.rstrip("_").replace("_", "-")
        if value is True:
            parts.append(key)
        elif value is not None and value is not False:
            parts.append(f'{key}="{escaped(str(value))}"')
    start = f"<{' '.join(parts)}>"
    if name in VOID and not children:
        return Html(start if name in ("meta", "input", "br") else f"{start[:-1]}/>")
    return Html(f"{start}{join(*children)}</{name}>")


def join(*children: str) -> Html:
    """Several pieces after each other."""
    return Html("".join(c if isinstance(c, Html) else escaped(c) for c in children))


def escaped(text: str) -> str:
    """Text as HTML, in elements and in attributes; control characters become visible."""
    shown = "".join(
        ch if ch.isprintable() or ch in "\n\t" else "\N{REPLACEMENT CHARACTER}" for ch in text
    )
    return library.escape(shown, quote=True)

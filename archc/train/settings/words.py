"""What a setting takes, in words: made from the JSON schema of its pydantic class."""

from __future__ import annotations

from typing import Any

from ...recipe import Called

Schema = dict[str, Any]


def expected(schema: Schema) -> str:
    """`{"type": "number", "exclusiveMinimum": 0}` is "a number above 0"."""
    if "takes" in schema:  # said by the setting itself
        return str(schema["takes"])
    if "anyOf" in schema:
        parts = [expected(s) for s in schema["anyOf"] if s.get("type") != "null"]
        return ", ".join(parts[:-1]) + " or " + parts[-1] if len(parts) > 1 else parts[0]
    if "const" in schema:
        return str(schema["const"])
    if "enum" in schema:
        *most, last = [str(word) for word in schema["enum"]]
        return f"{', '.join(most)} or {last}" if most else last
    kind = schema.get("type")
    if kind == "array":
        return _array(schema)
    if kind in ("integer", "number"):
        return ("a whole number" if kind == "integer" else "a number") + _range(schema)
    if kind == "string" and schema.get("minLength"):
        return "a text in quotes that is not empty"
    return {"boolean": "true or false", "string": "a text in quotes"}.get(str(kind), "a value")


def _array(schema: Schema) -> str:
    low, high = schema.get("minItems"), schema.get("maxItems")
    item = expected(schema.get("items", {}))
    plural = item.removeprefix("a ").replace("number", "numbers", 1).replace("text", "texts", 1)
    count = f"{low} " if low is not None and low == high else ""
    if low and low != high:
        count = f"{low} or more "
    return f"a list of {count}{plural}"


def _range(schema: Schema) -> str:
    words = []
    for key, word in (
        ("minimum", "at least"),
        ("exclusiveMinimum", "above"),
        ("maximum", "at most"),
        ("exclusiveMaximum", "below"),
    ):
        if key in schema:
            words.append(f"{word} {schema[key]:g}")
    if not words:
        return ""
    return (" of " if words[0].startswith("at") else " ") + " and ".join(words)


def spelled(value: object) -> str:
    """A value as a recipe spells it."""
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return '"' + value + '"' if len(value) <= 60 else '"' + value[:57] + '..."'
    if isinstance(value, list | tuple):
        return "[" + ", ".join(spelled(v) for v in value) + "]"
    if isinstance(value, Called):
        args = [spelled(v) for v in value.args]
        args += [f"{k}={spelled(v)}" for k, v in value.kwargs.items()]
        return f"{value.name}({', '.join(args)})"
    return str(value)

"""Unexpected text (E0101) in the words of somebody who writes specs.

The rules at the end of this file are tried in their order; the last one always has an answer.
Terminals and rules of the grammar are never named: only what stands in the text and what could.
"""

from __future__ import annotations

from collections.abc import Callable

from ..diagnostics import Edit, Fix, Label, closest
from ..source import Span
from .situation import (
    AWAITING,
    IN_BODY,
    STAGE_STARTS,
    TOP,
    VALUE_STARTS,
    Said,
    Situation,
    expectation,
)
from .tables import load
from .tokens import kinds_of_terminals
from .view import DECLARATIONS, STATEMENTS

# Words of other languages for what is a keyword here.
OTHERS = {
    "net": "network", "model": "network", "class": "network", "module": "block", "def": "block",
    "fn": "block", "func": "block", "function": "block", "import": "use", "from": "use",
    "include": "use", "let": "const", "var": "const", "return": "output", "assert": "expect",
    "foreach": "for", "while": "for", "train": "recipe",
}  # fmt: skip


# --------------------------------------------------------------------------- rules


def _no_keyword(s: Situation) -> Said | None:
    """A word that should be a keyword: `ouput x`, `netwrok A {`."""
    token = s.token if s.at_start else s.token - 1
    name = s.name(token)
    if not name or not (s.at_start or s.begun_by_name):
        return None
    words = TOP if s.content == "top" else IN_BODY if s.content == "body" else ("expect",)
    if s.content in ("settings", "expression"):
        return None
    meant = OTHERS.get(name) or closest(name, words)
    if meant is None or meant not in words:
        return None
    if s.begun_by_name and s.text(s.token) in ("->", ":", "=", ".", ","):
        return None
    if s.begun_by_name and s.text(s.token) == "(" and name not in OTHERS:
        return None
    place = "declaration" if s.content == "top" else "statement"
    return s.say(
        token,
        f"`{name}` begins no {place}",
        f"did you mean `{meant}`?",
        f"write `{meant}`",
        fixes=s.replace(token, meant),
    )


def _no_declaration(s: Situation) -> Said | None:
    """Something between declarations."""
    if s.content != "top" or not s.at_start:
        return None
    text = s.text(s.token)
    if text in IN_BODY:
        message = f"`{text}` stands outside of a network or block"
        return s.say(s.token, message, "not between declarations", "put it between their braces")
    if text in ("/", "//"):
        return _slashes(s)
    if s.name(s.token) and s.text(s.token + 1) == "=":
        name = s.name(s.token)
        return s.say(
            s.token,
            f"`{name} = ...` stands outside of a network or block",
            "not between declarations",
            f"a number for the whole file is `const {name} = ...`",
        )
    words = ", ".join(f"`{w}`" for w in sorted(TOP))
    message = f"{s.shown(s.token)} begins no declaration"
    return s.say(s.token, message, "a declaration is expected here", f"one of {words} begins one")


def _slashes(s: Situation) -> Said | None:
    """`// comment`."""
    if s.text(s.token) == "" and s.layout.tokens.name(s.token) != "//":
        return None
    return s.say(s.token, "`//` begins no comment", "", "a comment begins with `#`")


def _comment(s: Situation) -> Said | None:
    if s.token >= len(s.layout.tokens) or not s.on_new_line(s.token):
        return None
    return _slashes(s) if s.layout.tokens.name(s.token) == "//" else None


def _nested(s: Situation) -> Said | None:
    """`network` or `use` inside a body."""
    text = s.text(s.token)
    if s.content in ("top", "expression") or text not in DECLARATIONS or not s.at_start:
        return None
    message = f"`{text}` stands inside of another declaration"
    help = "move it out, to the file's own level"
    return s.say(s.token, message, "only between declarations", help)


def _reserved(s: Situation) -> Said | None:
    """A keyword in the place of a name: `skip: conv(3)`, `input = x`."""
    keywords = kinds_of_terminals().keywords
    follows = ("=", ":", ",", ")", "]", ".", "->")
    for token in (s.token, s.token - 1):
        word = s.text(token)
        if word not in keywords or word in ("true", "false", "training", "block"):
            continue
        if s.text(token + 1) not in follows:
            continue
        if token == s.token and "NAME" not in s.expected:
            continue
        if token == s.token and s.at_start and s.on_new_line(token):
            continue
        if token < s.token and s.text(s.token) in s.expected:
            continue
        message = f"`{word}` is a word of the language and no name"
        return s.say(token, message, "reserved", f"choose another name, `{word}_` perhaps")
    return None


def _unlike_signs(s: Situation) -> Said | None:
    """`=` for `:` or `==`, `:` for `=`, `==` for `=`."""
    text = s.text(s.token)
    found = s.layout.tokens.name(s.token) if s.token < len(s.layout.tokens) else ""
    name = s.name(s.token - 1)
    if text == "=" and ":" in s.expected and s.content != "top":
        meant, why = ":", "a label is followed by `:`"
    elif text == "=" and "CMP" in s.expected:
        meant, why = "==", "values are compared with `==`"
    elif text == ":" and "=" in s.expected and name:
        if s.begun_by_name and s.content == "body" and s.goes_on(s.token - 1):
            return None
        meant, why = "=", "a value or an argument is named with `=`"
    elif found == "==" and "=" in s.expected and "CMP" not in s.expected:
        meant, why = "=", "a value is named with `=`"
    else:
        return None
    message = f"`{found}` where `{meant}` is due"
    edit = Edit(s.span(s.token), meant)
    if meant == ":":  # a label's colon touches it
        start = s.span(s.token - 1).end
        edit = Edit(Span(edit.span.source, start, edit.span.end), meant)
    fix = Fix(f"write `{meant}`", (edit,))
    return s.say(s.token, message, why, fix.title, fixes=(fix,))


def _untyped(s: Situation) -> Said | None:
    """`classes int = 10` in parameters."""
    if not {":", "=", ",", ")"} <= s.expected or "->" in s.expected or not s.name(s.token - 1):
        return None
    if s.name(s.token) in ("int", "float", "bool", "string", "size", "any") or (
        s.text(s.token) in ("block", "[")
    ):
        return s.say(
            s.token,
            f"`:` is missing between `{s.name(s.token - 1)}` and its type",
            "the type follows `:`",
            fixes=s.insert(s.token, ":"),
        )
    return None


def _nameless(s: Situation) -> Said | None:
    """A statement that begins with a name and goes on as a stage or a pipeline."""
    if not s.begun_by_name or s.content != "body":
        return None
    token = s.token - 1
    name = s.name(token)
    if s.goes_on(token):
        return s.say(
            token,
            f"`->` is missing before `{name}`",
            "a stage or a value behind a complete one",
            f"write `-> {name}`, or begin a statement: `{name} = ...`",
            fixes=s.insert(token, " ->"),
            drops_previous=True,
        )
    if s.text(s.token) in ("->", ".", "[", "("):
        return s.say(
            token,
            "a pipeline without a name",
            "this value goes nowhere",
            f"name it: `y = {name} ...`, or put it out: `output {name} ...`",
        )
    words = ", ".join(f"`{w}`" for w in sorted(IN_BODY))
    help = f"`name = value` or one of {words} begins one"
    return s.say(token, f"`{name}` begins no statement", "", help)


def _no_statement(s: Situation) -> Said | None:
    """Something else that begins no statement."""
    if not s.at_start or s.content not in ("body", "claims", "settings"):
        return None
    shown = s.shown(s.token)
    text = s.text(s.token)
    if s.content == "body" and text in STAGE_STARTS and s.listed and not s.on_new_line(s.token):
        return s.say(
            s.token,
            f"`->` is missing before {shown}",
            "",
            "stages are joined by `->`",
            fixes=s.insert(s.token, " ->"),
            drops_previous=True,
        )
    if s.content == "claims":
        help = "a network made from another holds `expect` lines only"
        return s.say(s.token, f"{shown} among the claims of a network", "", help)
    if s.content == "settings":
        message = f"{shown} begins no setting"
        return s.say(s.token, message, "", "a setting is written: name = value")
    words = ", ".join(f"`{w}`" for w in sorted(IN_BODY))
    help = f"`name = value` or one of {words} begins one"
    return s.say(s.token, f"{shown} begins no statement", "", help)


def _after_arrow(s: Situation) -> Said | None:
    if s.text(s.token - 1) != "->":
        return None
    shown = s.shown(s.token)
    if s.text(s.token) == "[":
        help = "several values begin a pipeline, they are no stage: [a, b] -> stage"
        return s.say(s.token, "a list is no stage", "a stage is due after `->`", help)
    label = "" if s.on_new_line(s.token) else f"not {shown}"
    also = Label(s.span(s.token), label) if label else None
    return s.say(s.token - 1, "no stage follows `->`", "a stage is due after it", also=also)


def _missing_word(s: Situation) -> Said | None:
    """`for x of xs`, `use std.residual Basic`."""
    if "in" in s.expected and s.name(s.token):
        return s.say(
            s.token, f"`in` is due before {s.shown(s.token)}", "`in` is expected here",
            "a loop is written: for x in xs",
        )  # fmt: skip
    if s.content != "top" or s.on_new_line(s.token):
        return None
    if {":", "as"} <= s.expected and s.name(s.token):
        return s.say(
            s.token, f"`:` is missing before {s.shown(s.token)}", "the names follow `:`",
            "written: use std.residual: Basic, Bottleneck", fixes=s.insert(s.token, ":"),
        )  # fmt: skip
    if {"network", "recipe"} <= s.expected and (s.text(s.token) == "->" or s.name(s.token)):
        return s.say(
            s.token, "a block is one stage", "the stage ends before this",
            "several stages stand in parentheses: block Name = (a -> b)",
        )  # fmt: skip
    return None


def _nothing_after(s: Situation) -> Said | None:
    """A sign that something must follow, and then a new line or a closing bracket."""
    before = s.text(s.token - 1)
    shown = s.shown(s.token - 1)
    tokens = s.layout.tokens
    sign = before if before else tokens.name(s.token - 1) if s.token else ""
    if sign not in AWAITING or not (VALUE_STARTS & s.expected):
        return None
    if s.text(s.token) not in (")", "]", "}", ",") and not s.on_new_line(s.token):
        return None
    due = f"{expectation(s.expected)} is due after it"
    return s.say(s.token - 1, f"nothing follows {shown}", due)


def _conditional(s: Situation) -> Said | None:
    """`if` without `then` or `else`, or next to `->` without parentheses."""
    text = s.text(s.token)
    if text == "->" and _has_then(s):
        return s.say(
            s.token,
            "a conditional next to `->` stands in parentheses",
            "the conditional ends before this",
            "write (if condition then a else b) -> ...",
        )
    if text == "if" and s.text(s.token - 1) in ("+", "-", "==", "and", "or", "not", "in"):
        return s.say(
            s.token, "a conditional inside of an expression stands in parentheses", "",
            "write (if condition then a else b)",
        )  # fmt: skip
    if "then" in s.expected and "{" not in s.expected:
        return s.say(
            s.token, f"`then` is due before {s.shown(s.token)}", "`then` is expected here",
            "a choice is written: if condition then a else b",
        )  # fmt: skip
    if "else" in s.expected and "->" not in s.expected and "{" not in s.expected and _has_then(s):
        return s.say(
            s.token, "a conditional value without `else`", "`else` is expected here",
            "a choice is written: if condition then a else b",
        )  # fmt: skip
    return None


def _has_then(s: Situation) -> bool:
    """Whether a `then` stands before, on the same level of the same statement."""
    parent = s.layout.parent
    level = parent[s.token] if s.token < len(parent) else -1
    if s.token in s.layout.match:
        level = s.layout.match[s.token]
    token = s.token - 1
    for _ in range(200):
        if token <= level:
            return False
        if parent[token] == level:
            if s.text(token) == "then":
                return True
            if s.text(token) in STATEMENTS or s.text(token) in (",", "->"):
                return False
        token -= 1
    return False


def _separator(s: Situation) -> Said | None:
    """A missing comma or arrow between two values or stages."""
    if s.token >= len(s.layout.tokens):
        return None
    text = s.text(s.token)
    kind = load().terminals[s.layout.tokens.kinds[s.token]]
    begins = kind in ("NAME", "NUMBER", "STRING") or text in ("(", "[", "true", "false", "-")
    shown = s.shown(s.token)
    if "," in s.expected and begins and s.on_new_line(s.token):
        return s.say(
            s.token - 1, f"`,` is missing behind {s.shown(s.token - 1)}", "",
            "values and arguments are separated by `,`", fixes=s.insert(s.token, ","),
        )  # fmt: skip
    if "," in s.expected and begins:
        return s.say(
            s.token, f"`,` is missing before {shown}", "",
            "values and arguments are separated by `,`", fixes=s.insert(s.token, ","),
        )  # fmt: skip
    if "->" in s.expected and (kind in ("NAME", "STRING") or text in STAGE_STARTS):
        return s.say(
            s.token, f"`->` is missing before {shown}", "", "stages are joined by `->`",
            fixes=s.insert(s.token, " ->"),
        )  # fmt: skip
    return None


def _braces(s: Situation) -> Said | None:
    """A header without its body."""
    if "{" not in s.expected or s.text(s.token) in ("{", ""):
        return None
    shown = s.shown(s.token)
    return s.say(s.token, f"`{{` is due before {shown}", "the body begins with `{`")


def _any(s: Situation) -> Said:
    if not len(s.layout.tokens):
        return s.say(s.token, "nothing where a value is due", "a value is expected here")
    shown = s.shown(s.token)
    due = expectation(s.expected)
    before = s.shown(s.token - 1) if s.token else ""
    label = f"expected {due}" + (f" after {before}" if before else "")
    return s.say(s.token, f"{shown} is unexpected", label)


RULES: tuple[Callable[[Situation], Said | None], ...] = (
    _comment,
    _no_keyword,
    _no_declaration,
    _nested,
    _reserved,
    _unlike_signs,
    _untyped,
    _nameless,
    _no_statement,
    _conditional,
    _after_arrow,
    _missing_word,
    _nothing_after,
    _separator,
    _braces,
)


def explain(situation: Situation) -> Said:
    """What to say about the place at which the parser is stuck."""
    for rule in RULES:
        said = rule(situation)
        if said is not None:
            return said
    return _any(situation)

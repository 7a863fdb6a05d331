"""Text to tree: values, spans, comments; and what is said about text that is no tree."""

from __future__ import annotations

import json
import os
import random
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archc.diagnostics import Diagnostics
from archc.source import Source, Span
from archc.syntax import parse, parse_expr, read, tree
from archc.syntax.broken import parse_broken
from archc.syntax.build import MAX_NESTING
from archc.syntax.parser import Rejected
from archc.syntax.tables import STORED, generate, grammar_path
from archc.syntax.tokens import scan

SPECS = sorted((Path(__file__).parents[1] / "specs").glob("*.arch"))
STD = sorted((Path(__file__).parents[1] / "archc" / "std").glob("*.arch"))


def parsed(text: str) -> tuple[tree.File, Diagnostics]:
    diagnostics = Diagnostics()
    return parse(Source("t.arch", text), diagnostics), diagnostics


def sound(text: str) -> tree.File:
    file, diagnostics = parsed(text)
    assert [d.message for d in diagnostics] == []
    return file


def found(text: str) -> list[tuple[str, int, int]]:
    """(code, line, column) of every diagnostic."""
    _, diagnostics = parsed(text)
    return [(d.code, d.labels[0].span.line, d.labels[0].span.column) for d in diagnostics]


def body(*lines: str) -> str:
    """A network whose own statements start at line 3."""
    return "\n".join(["network A(n: int = 3) {", "  input image[3, 8, 8]", *lines, "}", ""])


def expression(text: str) -> Any:
    diagnostics = Diagnostics()
    value = parse_expr(Source("<set>", text), diagnostics)
    assert value is not None, [d.message for d in diagnostics]
    return value


def nodes(part: object) -> Iterator[tuple[tree.Node, list[tree.Node]]]:
    """Every node below a part with its direct children."""
    stack = [part]
    while stack:
        item = stack.pop()
        if isinstance(item, tuple) and not isinstance(item, Span):
            stack.extend(item)
        elif isinstance(item, tree.Node):
            children = list(_children(item))
            yield item, children
            stack.extend(children)


def _children(node: tree.Node) -> Iterator[tree.Node]:
    pending = [getattr(node, name) for name in node.fields if name != "span"]
    while pending:
        item = pending.pop()
        if isinstance(item, tree.Node):
            yield item
        elif isinstance(item, tuple) and not isinstance(item, Span):
            pending.extend(item)


# ---------------------------------------------------------------------------- the grammar's tables


def test_stored_tables_are_those_of_the_grammar() -> None:
    fresh = generate(Path(grammar_path()).read_text(encoding="utf-8"))
    assert json.loads(Path(STORED).read_bytes()) == fresh, "run: python -m archc.syntax"


# ---------------------------------------------------------------------------- values


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("61_706", 61706),
        ("4.09G", 4_090_000_000),
        ("25.6M", 25_600_000),
        ("64K", 64_000),
        ("1.5K", 1500),
        ("2T", 2 * 10**12),
        ("0.0005K", 0.5),
        ("0.5", 0.5),
        ("1.0", 1.0),
        ("5e-4", 5e-4),
        ("1e3", 1000.0),
        ("1e3K", 10**6),
        ("007", 7),
        ("9007199254740993", 9007199254740993),
    ],
)
def test_numbers_are_exact(text: str, value: float) -> None:
    number = expression(text)
    assert number.value == value and type(number.value) is type(value)
    assert number.text == text


def test_runs_are_flat() -> None:
    total = expression(" + ".join(["x"] * 100_000))
    assert isinstance(total, tree.Binary) and len(total.operands) == 100_000
    mixed = expression("a + b - c * d")
    assert mixed.ops == ("+", "-") and isinstance(mixed.operands[2], tree.Binary)
    chain = expression("a < b <= c")
    assert isinstance(chain, tree.Compare) and chain.ops == ("<", "<=")


def test_power_binds_tighter_than_minus_on_its_left() -> None:
    value = expression("-2 ** -x")
    assert isinstance(value, tree.Unary) and isinstance(value.operand, tree.Binary)
    assert isinstance(value.operand.operands[1], tree.Unary)


def test_strings_interpolate() -> None:
    file = sound(body('  output image -> "layer{i + 1}_{j}"[k]: relu -> "a{{b}}": tanh'))
    network = file.declarations[0]
    assert isinstance(network, tree.Network)
    output = network.body[-1]
    assert isinstance(output, tree.Output) and isinstance(output.value, tree.Pipeline)
    first, second = output.value.stages
    assert first.label and isinstance(first.label.base, tree.String)
    parts = first.label.base.parts
    assert [p if isinstance(p, str) else p.span.text for p in parts] == ["layer", "i + 1", "_", "j"]
    assert [i.span.text for i in first.label.indices] == ["k"]
    assert second.label and isinstance(second.label.base, tree.String)
    assert second.label.base.parts == ("a{b}",)


def test_the_source_of_a_claim_is_not_interpolated() -> None:
    network = sound(body('  output image  expect params == 3 "He et al., {2015}"')).declarations[0]
    assert isinstance(network, tree.Network)
    claim = network.body[-1]
    assert isinstance(claim, tree.Expect) and claim.source == "He et al., {2015}"


def test_arguments_keep_calls_apart_from_names() -> None:
    network = sound(body("  output image -> relu -> relu() -> mine.Conv(3, pad=half,)"))
    output = network.declarations[0].body[-1]  # type: ignore[union-attr]
    bare, called, dotted = output.value.stages  # type: ignore[union-attr]
    assert bare.args is None and called.args.items == ()
    assert [n.name for n in dotted.name] == ["mine", "Conv"]
    assert [a.name and a.name.name for a in dotted.args.items] == [None, "pad"]


def test_every_declaration() -> None:
    file = sound(
        "use std.residual: Basic, Bottleneck\n"
        'use "blocks/mine.arch" as mine\n'
        "default conv(pad=half)\n"
        "const half_of(v: float) = v / 2\n"
        "const two = 2\n"
        "block Stage(act: block = relu, sizes: [[int]] = []) = (conv(3) -> act)\n"
        "block Body { input x[C, ...] output x }\n"
        "network A { input a[3, H=8, W] where H % 2 == 0 output a }\n"
        "network B = mine.A(n=3) { expect params == 0 }\n"
        "network C = A\n"
        "recipe fast for A { epochs = 2 loss.aux = [0.3, cross_entropy()] }\n"
    )
    kinds = [type(d).__name__ for d in file.declarations]
    declared = "Use Use Default Const Const Block Block Network Variant Variant Recipe"
    assert " ".join(kinds) == declared
    use, used_file, _, function, number, stage, block, network, variant, plain, recipe = (
        file.declarations
    )
    assert isinstance(use, tree.Use) and [n.name for n in use.names] == ["Basic", "Bottleneck"]
    assert isinstance(used_file, tree.Use) and used_file.file and used_file.alias
    assert used_file.file.parts == ("blocks/mine.arch",) and used_file.alias.name == "mine"
    assert isinstance(function, tree.Const) and function.params and function.params[0].type
    assert isinstance(number, tree.Const) and number.params is None
    assert isinstance(stage, tree.Block) and isinstance(stage.stage, tree.Group)
    assert stage.params[0].type and stage.params[0].type.name == "block"
    assert stage.params[1].type and stage.params[1].type.of and stage.params[1].type.of.of
    assert isinstance(block, tree.Block) and isinstance(block.body[0], tree.Input)
    assert block.body[0].rest and block.body[0].dims and len(block.body[0].dims) == 1
    assert isinstance(network, tree.Network) and isinstance(network.body[0], tree.Input)
    assert network.body[0].dims and network.body[0].dims[1].name and network.body[0].where
    assert isinstance(variant, tree.Variant) and [n.name for n in variant.base] == ["mine", "A"]
    assert isinstance(plain, tree.Variant) and plain.args is None and plain.claims == ()
    assert isinstance(recipe, tree.Recipe) and recipe.network
    assert [[n.name for n in s.path] for s in recipe.settings] == [["epochs"], ["loss", "aux"]]


def test_every_stage() -> None:
    file = sound(
        body(
            "  output image",
            "    -> a: repeat n as i { conv(i) }",
            "    -> for i, [b, c] in rows { conv(b) }",
            "    -> skip(by=concat) { relu } via short: identity",
            "    -> d: if n > 2 then relu else if n > 1 then tanh",
            "    -> block: (relu)",
        )
    )
    output = file.declarations[0].body[-1]  # type: ignore[union-attr]
    repeat, loop, skip, choice, group = output.value.stages  # type: ignore[union-attr]
    assert repeat.label.base.name == "a" and repeat.var.name == "i"
    assert loop.targets.index.name == "i" and loop.targets.unpack
    assert skip.args.items[0].name.name == "by" and skip.via.label.base.name == "short"
    assert isinstance(choice.no, tree.IfStage) and choice.no.no is None
    assert choice.label.base.name == "d" and group.label.base.name == "block"


def test_comments_document_what_they_touch() -> None:
    file = sound(
        "# The file.\n\n# A block\n#   of lines.\nblock B { input x output x } # aside\n"
        "network A { input x[3] output x }\n\n# floating\n\n# Doc.\nconst c = 3\n"
    )
    assert file.doc == "The file."
    docs = [getattr(d, "doc", None) for d in file.declarations]
    assert docs == ["A block\n  of lines.", "", "Doc."]
    assert [text for _, text in file.comments][3] == "# aside"
    assert all(span.text == text for span, text in file.comments)


def test_a_comment_on_a_use_is_the_files() -> None:
    file = sound("# All of it.\nuse std.residual\nnetwork A { input x[3] output x }\n")
    assert file.doc == "All of it."


# ---------------------------------------------------------------------------- spans


@pytest.mark.parametrize("path", [*SPECS, *STD], ids=lambda p: p.stem)
def test_spans_of_specs_are_exact(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    spans_are_exact(sound(text))


@pytest.mark.parametrize("end", ["\r\n", "\r", "\n\t"])
def test_spans_survive_line_ends_and_tabs(end: str) -> None:
    text = body("  # ünïcode ×", '  x = image -> "l{n}": conv(3,\tpad=half)', "  output x")
    spans_are_exact(sound(text.replace("\n", end)))


def spans_are_exact(file: tree.File) -> None:
    count = 0
    for node, children in nodes(file.declarations):
        count += 1
        assert 0 <= node.span.start < node.span.end <= len(file.source.text)
        for child in children:
            assert node.span.start <= child.span.start and child.span.end <= node.span.end
        if isinstance(node, tree.Ident | tree.Name):
            assert node.span.text == node.name
        elif isinstance(node, tree.Number):
            assert node.span.text == node.text
        elif isinstance(node, tree.String):
            assert node.span.text[0] == node.span.text[-1] == '"'
        elif isinstance(node, tree.Bool):
            assert node.span.text == str(node.value).lower()
        else:
            # No blank or comment at either end, and brackets in balance.
            written = node.span.text
            assert written == written.strip() and not written.startswith("#")
            assert written.count("(") == written.count(")")
    assert count > 5


# ---------------------------------------------------------------------------- mistakes

MISTAKES: dict[str, tuple[str, list[tuple[str, int, int]]]] = {
    "misspelt statement": (body("  ouput image"), [("E0101", 3, 3)]),
    "misspelt declaration": ("netwrok A { input x output x }", [("E0101", 1, 1)]),
    "word of another language": (body("  return image"), [("E0101", 3, 3)]),
    "missing arrow on the line": (body("  x = image conv(3)"), [("E0101", 3, 13)]),
    "missing arrow on the next": (body("  x = image", "    relu -> relu"), [("E0101", 4, 5)]),
    "missing comma": (body("  x = fuse(image image)"), [("E0101", 3, 18)]),
    "missing comma before name": (body("  x = f(image,", "    a)", ""), []),
    "label with =": (body("  x = image -> c1 = conv(6)"), [("E0101", 3, 19)]),
    "value with :": (body("  x: image"), [("E0101", 3, 4)]),
    "argument with :": (body("  x = f(stride: 2)"), [("E0101", 3, 15)]),
    "claim with =": (body("  expect params = 5"), [("E0101", 3, 17)]),
    "value with ==": (body("  x == image"), [("E0101", 3, 5)]),
    "keyword as label": (body("  x = image -> skip: conv(3)"), [("E0101", 3, 16)]),
    "keyword as name": (body("  input = image"), [("E0101", 3, 3)]),
    "keyword as argument": (body("  x = f(in=3)"), [("E0101", 3, 9)]),
    "nothing after arrow": (body("  x = image ->", "  y = image"), [("E0101", 3, 13)]),
    "nothing after plus": (body("  x = 3 +", "  output x"), [("E0101", 3, 9)]),
    "two arrows": (body("  x = image -> -> relu"), [("E0101", 3, 13)]),
    "list as a stage": (body("  x = image -> [a, b]"), [("E0101", 3, 16)]),
    "pipeline without name": (body("  image -> relu"), [("E0101", 3, 3)]),
    "conditional beside arrow": (body("  x = if a then b else c -> d"), [("E0101", 3, 26)]),
    "conditional without else": (body("  x = f(if a then b)"), [("E0101", 3, 20)]),
    "then with braces": (body("  if n > 3 then { x = image }"), [("E0101", 3, 12)]),
    "of for in": (body("  for x of xs { y = x }"), [("E0101", 3, 9)]),
    "parameter without colon": ("const a(b int) = b", [("E0101", 1, 11)]),
    "names without colon": ("use std.residual Basic\nconst a = 1", [("E0101", 1, 18)]),
    "stage after a block's stage": ("block A = conv(3) -> relu", [("E0101", 1, 19)]),
    "comment with slashes": ("// text\nconst a = 3", [("E0101", 1, 1)]),
    "value outside": ("x = 3\nconst a = 3", [("E0101", 1, 1)]),
    "statement outside": ("const a = 3\noutput x", [("E0101", 2, 1)]),
    "network inside": (body("  network B { input x output x }"), [("E0101", 3, 3)]),
    "end of text": ("const a", [("E0101", 1, 8)]),
    "header without brace": ("network A\n  input x\n  output x\n}\n", [("E0101", 2, 3)]),
    "brace of a loop missing": (body("  for i in xs", "    x = i", "  }"), [("E0101", 4, 5)]),
    "parenthesis open": (body("  x = image -> conv(3", "  output x"), [("E0102", 3, 20)]),
    "parenthesis too many": (body("  x = image -> conv(3))"), [("E0102", 3, 23)]),
    "parenthesis unlike": (body("  x = image -> conv(3]"), [("E0102", 3, 22)]),
    "brace open at the end": ("network A {\n  input x\n  output x\n", [("E0102", 1, 11)]),
    "brace open before the next": (
        "network A {\n  input x\n  if a {\n    output x\n}\n\nnetwork B { input x output x }\n",
        [("E0102", 3, 8)],
    ),
    "brace too many": (
        "network A {\n  input x\n  }\n  output x\n}\nconst b = 1\n",
        [("E0102", 5, 1)],
    ),
    "brace of a stage open": (
        body("  x = image -> repeat 3 { relu", "  y = x"),
        [("E0102", 3, 25)],
    ),
    "brace in a string": (body('  x = image -> "a{n": relu'), [("E0102", 3, 18)]),
    "brace closed in a string": (body('  x = image -> "an}": relu'), [("E0102", 3, 19)]),
    "bad interpolation": (body('  x = image -> "a{n + }": relu'), [("E0101", 3, 21)]),
    "smart quotes": (body("  x = pool(by=“avg”)"), [("E0103", 3, 15)]),
    "arrow sign": (body("  x = image → relu"), [("E0103", 3, 13)]),
    "semicolon": (body("  x = image;"), [("E0103", 3, 12)]),
    "Cyrillic letter, twice": (body("  х = image", "  output х"), [("E0103", 3, 3)]),
    "no-break spaces": (body("  x\u00a0=\u00a0image"), [("E0103", 3, 4)]),
    "NUL": (body("  x = im\0age"), [("E0103", 3, 9)]),
    "direction in a comment": (body("  # a\u202eb"), [("E0103", 3, 6)]),
    "direction in a string": (body('  expect params == 1 "a\u2066b"'), [("E0103", 3, 24)]),
    "at sign": (body("  x = @image"), [("E0103", 3, 7)]),
    "string open": (body('  expect params == 5 "paper'), [("E0104", 3, 22)]),
    "string open in brackets": (body('  x = f("a, b)', "  y = (image)"), [("E0104", 3, 9)]),
    "word from a digit": (body("  x = 12abc"), [("E0106", 3, 7)]),
    "underscores": (body("  x = 1__0"), [("E0106", 3, 7)]),
    "no digit before the point": (body("  x = .5"), [("E0106", 3, 7)]),
    "no digit behind the point": (body("  x = 5. "), [("E0106", 3, 7)]),
    "two points": (body("  x = 1.2.3"), [("E0106", 3, 7)]),
    "too large": (body("  x = 1e400"), [("E0106", 3, 7)]),
    "5,000 digits": (body("  x = " + "1" * 5000), [("E0106", 3, 7)]),
    "empty": ("", [("E0107", 1, 1)]),
    "only a comment": ("# nothing\n", [("E0107", 2, 1)]),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_each_mistake_is_one_error_at_its_place(name: str) -> None:
    text, expected = MISTAKES[name]
    assert found(text) == expected


@pytest.mark.parametrize("name", MISTAKES)
def test_messages_speak_of_the_text(name: str) -> None:
    _, diagnostics = parsed(MISTAKES[name][0])
    for item in diagnostics:
        said = [item.message, item.help or "", *(label.text for label in item.labels)]
        for text in said:
            for word in ("NAME", "ANON", "LPAR", "Token", "terminal", "or_e", "simple_stage"):
                assert word not in text


def test_independent_mistakes_are_counted_one_by_one() -> None:
    text = (
        "const a = = 3\n"
        "network A(classes int = 10) {\n"
        "  input image[3, 8, 8]\n"
        "  ouput image\n"
        "}\n"
        "block B(n: int) {\n"
        "  input x\n"
        "  y = x -> conv(3\n"
        "  for i in 0..n {\n"
        "    y = y -> relu -> -> relu\n"
        "    z = 12abc\n"
        "  }\n"
        "  output y )\n"
        "}\n"
        "network C = B(3) { expect params = 3 }\n"
        "recipe r for C { epochs: 3 batch = 4 }\n"
    )
    assert [(code, line) for code, line, _ in found(text)] == [
        ("E0101", 1),
        ("E0101", 2),
        ("E0101", 4),
        ("E0102", 8),
        ("E0101", 10),
        ("E0106", 11),
        ("E0102", 13),
        ("E0101", 15),
        ("E0101", 16),
    ]


def test_what_is_lost_is_known() -> None:
    file, diagnostics = parsed(
        "use std,residual\n"
        + body("  a, b = image -> -> split(2)", "  share s = = relu", "  ouput y -> c1: conv(3)")
        + "block Gone(x int) { input y output y }\nblock Kept { input x output x }\n"
    )
    assert len(diagnostics) == 5
    assert {"*", "a", "b", "s", "y", "c1", "Gone"} <= file.broken
    assert "Kept" not in file.broken
    network, kept = file.declarations
    assert isinstance(network, tree.Network) and network.incomplete
    assert isinstance(kept, tree.Block) and not kept.incomplete


def test_a_fix_is_what_was_meant() -> None:
    text = body("  x = image -> c1 = conv(6)", "  y = f(x x)", "  ouput y")
    diagnostics = Diagnostics()
    parse(Source("t", text), diagnostics)
    edits = sorted((e for d in diagnostics for f in d.fixes for e in f.edits), reverse=True)
    for edit in sorted(edits, key=lambda e: -e.span.start):
        text = text[: edit.span.start] + edit.text + text[edit.span.end :]
    sound(text)
    assert "c1: conv(6)" in text and "f(x, x)" in text and "output y" in text


@pytest.mark.parametrize(
    "text",
    [
        "(" * 300 + "1" + ")" * 300,
        "-" * 300 + "1",
        "not " * 300 + "1",
        "2 ** " * 300 + "1",
        "x" + "[0]" * 300,
        "f" + "(0)" * 300,
        "x" + ".a" * 300,
        "if a then 1 else " * 300 + "2",
        "[" * 300 + "]" * 300,
        "f(x -> " * 300 + "g" + ")" * 300,
    ],
)
def test_deep_nesting_is_refused(text: str) -> None:
    assert [code for code, _, _ in found(body(f"  x = {text}"))] == ["E0105"]


@pytest.mark.parametrize(
    "text", ["if a { " * 300 + "}" * 300, "if a { x = 1 } else " * 300 + "{ x = 1 }"]
)
def test_deep_statements_are_refused(text: str) -> None:
    assert [code for code, _, _ in found(body(f"  {text}"))] == ["E0105"]


def test_nesting_up_to_the_limit_is_read() -> None:
    depth = MAX_NESTING - 2
    sound(body("  x = " + "(" * depth + "1" + ")" * depth))


@pytest.mark.parametrize(
    "text",
    [
        "{" * 100_000,
        '"' + "a" * 900_000,
        "x " * 100_000,
        "“" * 100_000,
        "}\n" * 100_000,
        body("  x = " + "(" * 100_000),
        body("  y = x" + "[0]" * 100_000),
        body("  y = x" + ".a" * 100_000),
        "network A {\n" * 20_000,
        "a,\n" * 50_000,
    ],
    ids=range(10),
)
def test_hostile_texts_take_linear_time(text: str) -> None:
    start = time.process_time()
    codes = found(text)
    assert 0 < len(codes) <= 100
    assert time.process_time() - start < 30


def test_too_many_mistakes_stop_at_the_limit() -> None:
    assert len(found("network A {\n" + "  a = = 1\n" * 500 + "}\n")) == 100


@pytest.mark.parametrize(
    ("text", "code"), [("", "E0101"), ("[3, 4", "E0102"), ("3 4", "E0101"), ("x = 3", "E0101")]
)
def test_settings_that_are_no_expression(text: str, code: str) -> None:
    diagnostics = Diagnostics()
    assert parse_expr(Source("<set>", text), diagnostics) is None
    assert [d.code for d in diagnostics] == [code]


# ---------------------------------------------------------------------------- any text

VOCABULARY = (
    "network block recipe use const default input output expect share for if else then repeat skip "
    "via in as when training where not and or true ( ) [ ] { } , : = -> . .. ... + - ** == ~= x y "
    'conv 3 0.5 4G "a" "a{i}" "b{" " # ; @ é “ \x00 12ab'
)
WORDS = VOCABULARY.split(" ")


def always_read(text: str) -> None:
    file, diagnostics = parsed(text)
    assert file.declarations or len(diagnostics)
    if not len(diagnostics):
        assert not file.broken
        for node, children in nodes(file.declarations):
            assert all(
                node.span.start <= c.span.start and c.span.end <= node.span.end for c in children
            )
    for item in diagnostics:
        for label in item.labels:
            assert 0 <= label.span.start <= label.span.end <= len(text)


@settings(max_examples=150, deadline=None)
@given(st.text(max_size=200))
def test_any_text_is_read_or_refused(text: str) -> None:
    always_read(text)


@settings(max_examples=250, deadline=None)
@given(st.lists(st.sampled_from([*WORDS, "\n"]), max_size=60))
def test_any_words_are_read_or_refused(words: list[str]) -> None:
    always_read(" ".join(words))


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_damaged_specs_are_read_or_refused(data: st.DataObject) -> None:
    text = data.draw(st.sampled_from(SPECS)).read_text(encoding="utf-8")
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(text)))
        cut = data.draw(st.integers(0, 12))
        text = text[:at] + data.draw(st.sampled_from(["", *WORDS])) + text[at + cut :]
    always_read(text)


# ---------------------------------------------------------------------------- files


def refused(path: str | Path, **options: Any) -> list[str]:
    diagnostics = Diagnostics()
    assert read(path, diagnostics, **options) is None
    return [d.code for d in diagnostics]


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    assert refused(tmp_path / "none.arch") == ["E0701"]
    assert refused(tmp_path) == ["E0701"]
    assert refused("a\0b") == ["E0701"]
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    assert refused(pipe) == ["E0701"]
    assert refused("/dev/zero") == ["E0701"]
    big = tmp_path / "big.arch"
    big.write_bytes(b"#" * 101)
    assert refused(big, max_bytes=100) == ["E0706"]


def test_text_that_is_not_utf8(tmp_path: Path) -> None:
    path = tmp_path / "a.arch"
    path.write_bytes("const é = 3".encode("latin-1"))
    diagnostics = Diagnostics()
    assert read(path, diagnostics, name="shown.arch") is None
    [item] = diagnostics.items
    assert (item.code, item.labels[0].span.column) == ("E0707", 7)
    assert item.labels[0].span.source.name == "shown.arch"
    path.write_bytes("const a = 3".encode("utf-16"))
    assert refused(path) == ["E0707"]


def test_a_byte_order_mark_is_dropped(tmp_path: Path) -> None:
    path = tmp_path / "a.arch"
    path.write_bytes(b"\xef\xbb\xbfconst a = 3\n")
    source = read(path, Diagnostics())
    assert source is not None and source.text.startswith("const")
    assert sound(source.text).declarations[0].span.column == 1


def _mutated(rng: random.Random, text: str) -> str:
    """A text with one token gone, added, replaced, or with nothing behind it."""
    tokens = scan(Source("mutated", text))
    at = rng.randrange(len(tokens))
    start, end = tokens.starts[at], tokens.ends[at]
    sign = rng.choice(["(", ")", "{", "}", "[", "]", "->", "=", "for", "if", "x", ",", "network"])
    return rng.choice(
        [
            text[:start] + text[end:],
            f"{text[:start]}{sign} {text[start:]}",
            f"{text[:start]}{sign}{text[end:]}",
            text[:start],
        ]
    )


@pytest.mark.parametrize("seed", range(4))
def test_recovery_goes_on_where_the_plain_run_ended(seed: int) -> None:
    """What it then says is what it says when it reads all of the text itself."""
    rng = random.Random(seed)
    texts = [p.read_text(encoding="utf-8")[:4000] for p in SPECS]
    rejected = 0
    for _ in range(25):
        source = Source("mutated", _mutated(rng, rng.choice(texts)))
        went_on, afresh = Diagnostics(), Diagnostics()
        file = parse(source, went_on)
        if not len(went_on):
            continue
        rejected += 1
        other = parse_broken(source, scan(source), afresh, Rejected(len(source.text)))
        assert went_on.items == afresh.items, source.text
        assert file.broken == other.broken
        assert len(file.declarations) == len(other.declarations)
    assert rejected > 10

"""Inputs that mean harm, or look like it: text, names, strings and files.

Each gives coded diagnostics with a place, exit code 1, in bounded time, and no word of a library.
"""

from __future__ import annotations

import keyword
import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from .support.hostile import Screen, accepted, alarmed, net, refused, sane, stage, write


@pytest.fixture(autouse=True)
def _alarm() -> Iterator[None]:
    with alarmed(120):
        yield


# ---------------------------------------------------------------------------- text


@pytest.mark.parametrize(
    ("text", "code"),
    [
        (b"", "E0107"),
        (b"\n\n  \n", "E0107"),
        (b"\xef\xbb\xbf", "E0107"),
        (b"network Net {\x00}", "E0103"),
        (b"network N\x00et { input x[3] output x -> linear(3) }", "E0103"),
        ("# \u202e hidden\nnetwork Net { input x[3] output x -> linear(3) }", "E0103"),
        ('network Net { input x[3] output x -> "a\u2066b": linear(3) }', "E0103"),
        ("network Net { input x[3] output x -> linear(3)\u200b }", "E0103"),
        (net('output image -> "' + "a" * 900_000), "E0104"),
        ("{" * 100_000, "E0105"),
        (net("output " + "(" * 50_000 + "image" + ")" * 50_000), "E0105"),
        ("const x = " + "-" * 100_000 + "1", "E0105"),
        ("const x = " + "not " * 100_000 + "true", "E0105"),
        ("const x = " + "[" * 5_000 + "1" + "]" * 5_000, "E0105"),
        ("const x = " + "if true then 1 else " * 20_000 + "1", "E0105"),
        ("const x = 1" + "0" * 4_999, "E0106"),
        ("const x = 1e400", "E0106"),
        ("const x = 1e99999999999", "E0106"),
        ("const x = 2 ** 10 ** 9", "E0310"),
        ("const x = 10.0 ** 400", "E0310"),
        ("const x = 9 ** 9 ** 9", "E0310"),
        ("const x = (-8) ** 0.5", "E0310"),
        ("const x = 0 ** -1", "E0310"),
        ("const x = 1 % 0", "E0310"),
        ("const x = int(1e200 * 1e200)", "E0310"),
        ("const x = nan", "E0201"),
        ("const x = inf", "E0201"),
    ],
    ids=lambda v: None if isinstance(v, str) and v.startswith("E0") else repr(v[:24]),
)
def test_text(tmp_path: Path, text: str | bytes, code: str) -> None:
    screen = refused(tmp_path, text)
    assert set(screen.codes) == {code}


def test_bytes_that_are_no_utf8_are_placed(tmp_path: Path) -> None:
    screen = refused(tmp_path, b"network Net {\n  input \xffx[3]\n  output x\n}\n")
    assert screen.codes == ["E0707"]
    assert screen.places[0][1:] == ("2", "9")


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "latin-1", "utf-32"])
def test_other_encodings(tmp_path: Path, encoding: str) -> None:
    text = "# größer\nnetwork Net { input x[3] output x -> linear(3) }\n"
    screen = refused(tmp_path, text.encode(encoding), placed=False)
    assert set(screen.codes) <= {"E0707", "E0103"}


def test_a_byte_order_mark_is_fine(tmp_path: Path) -> None:
    accepted(tmp_path, "\ufeff" + stage("conv(8, 3)"))


def test_ten_megabytes_are_refused_unparsed(tmp_path: Path) -> None:
    screen = refused(tmp_path, b"# " + b"x" * 10_000_000, placed=False)
    assert screen.codes == ["E0706"]
    assert screen.seconds < 3


DENSE = {
    "braces": "{}" * 499_000,
    "calls": "const x = a" + "()" * 499_000,
    "names": "a " * 499_000,
    "numbers": "1a " * 330_000,
    "keywords": "network block for if " * 47_000,
    "unknown": net("".join(f"x{i} = imgae -> cnov(8, 3)\n  " for i in range(31_000))),
    "networks": "".join(f"network N{i} {{ }}\n" for i in range(52_000)),
    "settings": "recipe r {\n" + "a = 1\n" * 160_000 + "}",
}
"""A megabyte of one thing."""


@pytest.mark.parametrize("name", DENSE)
def test_a_megabyte_of_one_thing(tmp_path: Path, name: str) -> None:
    text = DENSE[name]
    assert 900_000 < len(text) <= 1_000_000
    refused(tmp_path, text)


def test_what_was_not_looked_at_is_said(tmp_path: Path) -> None:
    screen = refused(tmp_path, "{}" * 499_000)
    assert screen.codes == ["E0101"]
    assert re.search(r"note: the text from 1:[0-9]+ on was not looked at", screen.err)


def test_a_mistake_behind_much_is_found(tmp_path: Path) -> None:
    lines = "  x = image -> conv(8, 3)\n" * 8_000
    screen = refused(tmp_path, f"network A {{\n  input image[3, 8, 8]\n{lines}  output ->\n}}\n")
    assert screen.codes == ["E0101"]
    assert screen.places[0][1:] == ("8003", "3")


def test_a_long_expression_is_no_problem(tmp_path: Path) -> None:
    terms = " + ".join(["1"] * 100_000)
    accepted(tmp_path, f"const x = {terms}\n" + stage("conv(x // 25_000, 3)"))


def test_a_long_condition_is_no_problem(tmp_path: Path) -> None:
    terms = " and ".join(["true"] * 50_000)
    accepted(tmp_path, f"const x = {terms}\n" + stage("conv(8, 3)"))


@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"], ids=["lf", "crlf", "cr"])
def test_lines_and_columns_are_exact(tmp_path: Path, newline: str) -> None:
    lines = ["network Net {", "\tinput image[3, 32, 32]", "\toutput image -> cnov(8, 3)", "}"]
    screen = refused(tmp_path, newline.join(lines))
    assert screen.codes == ["E0202"]
    assert screen.places[0][1:] == ("3", "18")


def test_columns_count_characters(tmp_path: Path) -> None:
    text = (
        "# 🙂\nnetwork Net { input image[3, 32, 32] output image -> conv(8, 3)\n"
        '  expect parms == 1 "ä🙂" }'
    )
    screen = refused(tmp_path, text)
    assert screen.places[0][1:] == ("3", "10")


# ---------------------------------------------------------------------------- names

PYTHON = sorted(
    {*keyword.kwlist, *keyword.softkwlist} - {"for", "if", "else", "and", "or", "not", "in", "as"}
)


@pytest.mark.parametrize(
    "name", [*PYTHON, "print", "self", "torch", "nn", "F", "super", "__class__", "__init__"]
)
def test_names_of_python_are_names(tmp_path: Path, name: str) -> None:
    """Keywords and builtins may name anything; what is emitted renames them."""
    text = f"""
block B_{name}({name}: int) {{
  input x
  output x -> conv({name}, 3)
}}
network Net({name}: int = 8) {{
  input image[3, 32, 32]
  y = image -> {name}_: conv({name}, 3)
  output y -> B_{name}({name})
}}
"""
    accepted(tmp_path, text)
    accepted(tmp_path, stage(f'"{name}": conv(8, 3)'))


MODULE = [
    "train", "eval", "forward", "type", "to", "half", "float", "double", "cpu", "cuda",
    "parameters",
    "buffers", "children", "modules", "apply", "state_dict", "load_state_dict", "zero_grad",
    "register_buffer", "requires_grad_", "add_module", "call_super_init", "compile",
]  # fmt: skip


@pytest.mark.parametrize("name", MODULE)
def test_attributes_of_modules_are_no_labels(tmp_path: Path, name: str) -> None:
    screen = refused(tmp_path, stage(f"{name}: conv(8, 3)"))
    assert screen.codes == ["E0206"]


@pytest.mark.parametrize(
    "name", ["a.b", "../x", "a/b", "a b", "", "a\\\\b", "ä", "<b>", "a'b", "{1}.{2}"]
)
def test_labels_with_other_characters(tmp_path: Path, name: str) -> None:
    screen = refused(tmp_path, stage(f'"{name}": conv(8, 3)'))
    assert set(screen.codes) <= {"E0206", "E0103"}


@pytest.mark.parametrize("name", ["../Net", "a/b", "..", "Net.arch", "/etc/Net", "C:Net", "-"])
def test_names_of_networks_are_no_paths(tmp_path: Path, name: str) -> None:
    text = f"network {name} {{ input x[3] output x -> linear(3) }}"
    screen = refused(tmp_path, text)
    assert set(screen.codes) <= {"E0101", "E0103", "E0106"}


@pytest.mark.parametrize(
    "text",
    [
        "network {n} {{ input x[3] output x -> linear(3) }}",
        "block {n} = conv(8, 3)\nnetwork Net {{ input x[3, 8, 8] output x -> {n} }}",
        "network Net {{ input {n}[3] output {n} -> linear(3) }}",
        "network Net {{ input x[3] output x -> {n}: linear(3) }}",
        "network Net({n}: int = 3) {{ input x[3] output x -> linear({n}) }}",
        "const {n} = 3\nnetwork Net {{ input x[{n}] output x -> linear(3) }}",
    ],
)
def test_very_long_names(tmp_path: Path, text: str) -> None:
    accepted(tmp_path, text.format(n="n" * 100_000))


def test_a_very_long_unknown_name(tmp_path: Path) -> None:
    screen = refused(tmp_path, stage("x" * 100_000))
    assert screen.codes == ["E0202"]
    screen = refused(tmp_path, stage(f"conv({'x' * 100_000}, 3)"))
    assert screen.codes == ["E0201"]
    screen = refused(tmp_path, stage(f"conv(8, 3, {'x' * 100_000}=3)"))
    assert screen.codes == ["E0301"]


@pytest.mark.parametrize("name", ["ﬁlter", "Ｎet", "imаge", "x²", "naïve", "π", "𝓍"])
def test_letters_outside_ascii_are_no_names(tmp_path: Path, name: str) -> None:
    screen = refused(tmp_path, net(f"{name} = image -> conv(8, 3)\n  output {name} -> relu"))
    assert set(screen.codes) == {"E0103"}


def test_a_thousand_wrong_names_stay_readable(tmp_path: Path) -> None:
    lines = "\n  ".join(f"x{i} = image -> nothing{i}" for i in range(1000))
    screen = refused(tmp_path, net(f"{lines}\n  output image -> relu"))
    assert len(screen.codes) == 100
    assert screen.err.endswith("100 errors, and perhaps more: no further ones are looked for\n")


# ---------------------------------------------------------------------------- strings


@pytest.mark.parametrize(
    "text",
    [
        '"""; import os; os.system("x")',
        "'; import os",
        "</script><script>alert(1)</script>",
        "<b>bold</b>",
        "javascript:alert(1)",
        "ends in a backslash \\",
        "{__import__('os')}",
        "%s %d {0} {}",
        "\\N{BULLET} \\x00 \\u0000",
    ],
)
def test_docs_hold_any_text(tmp_path: Path, text: str) -> None:
    screen = accepted(tmp_path, f"# {text}\n" + stage("conv(8, 3)").lstrip())
    assert "Whole" in screen.out


@pytest.mark.parametrize(
    "text", ["{__import__('os')}", "{", "}", "{}", "{1", "{image}", "{open}", "{'a'}"]
)
def test_expressions_in_labels_are_those_of_the_language(tmp_path: Path, text: str) -> None:
    screen = refused(tmp_path, stage(f'"{text}": conv(8, 3)'))
    assert set(screen.codes) <= {"E0101", "E0102", "E0103", "E0201", "E0206", "E0308"}


def test_a_source_of_a_claim_is_text(tmp_path: Path) -> None:
    accepted(tmp_path, net('output image -> conv(8, 3)\n  expect params == 224 "</b> {x} \\"'))


# ---------------------------------------------------------------------------- files


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("../../x", "E0702"),
        ("../" * 30 + "etc/passwd", "E0702"),
        ("/etc/passwd", "E0702"),
        ("/dev/zero", "E0702"),
        ("https://example.org/x.arch", "E0702"),
        ("file:///etc/passwd", "E0702"),
        ("a\\\\..\\\\b", "E0702"),
        ("missing.arch", "E0701"),
        ("", "E0701"),
        (".", "E0701"),
        ("folder", "E0701"),
        ("pipe", "E0701"),
        ("loop", "E0701"),
        ("link", "E0702"),
        ("x" * 5000, "E0701"),
        ("a" * 300 + "/b", "E0701"),
    ],
)
def test_use_reads_only_inside_of_the_project(tmp_path: Path, path: str, code: str) -> None:
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "link").symlink_to("/etc/passwd")
    screen = refused(tmp_path, f'use "{path}" as other\n' + stage("conv(8, 3)"))
    assert screen.codes == [code]
    assert "root:" not in screen.err


def test_files_that_use_each_other(tmp_path: Path) -> None:
    write(tmp_path, 'use "b.arch"', "a.arch")
    write(tmp_path, 'use "c.arch"', "b.arch")
    write(tmp_path, 'use "a.arch"', "c.arch")
    screen = refused(tmp_path, 'use "a.arch"\n' + stage("conv(8, 3)"))
    assert screen.codes == ["E0703"]
    assert screen.err.count("a.arch") >= 2, "the circle is shown"


def test_a_long_chain_of_files(tmp_path: Path) -> None:
    for i in range(300):
        write(tmp_path, f'use "f{i + 1}.arch"\nconst c{i} = {i}', f"f{i}.arch")
    write(tmp_path, "const last = 8", "f300.arch")
    accepted(tmp_path, 'use "f0.arch"\n' + stage("conv(8, 3)"))


@pytest.mark.parametrize(
    "path", ["", ".", "/", "/dev/null", "missing.arch", "pipe", "loop", "nul\0name"]
)
def test_specs_that_cannot_be_read(
    tmp_path: Path, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    os.mkfifo("pipe")
    Path("loop").symlink_to("loop")
    screen = Screen(["check", "--color=never", path])
    assert (screen.code, screen.codes) == (1, ["E0701"])
    sane(screen)

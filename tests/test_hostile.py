"""Inputs that mean harm, or look like it: coded diagnostics, exit code 1, bounded time and memory.

The corpus is that of docs/architecture.md, "What users may rely on". Each case goes through
`archc.cli.main`, as a user's file would.
"""

from __future__ import annotations

import contextlib
import io
import keyword
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from archc.cli import main

ROOT = Path(__file__).resolve().parent.parent

SECONDS = 2.0
"""Of processor time, for any input."""

FOREIGN = re.compile(
    r"Traceback|bug in archc|[Ll]ark\b|Unexpected(Token|Characters)|Token\(|pydantic|validation error"
    r"|Input should be|type=|[a-z]Error\b|object at 0x|<class|Exception"
)
"""What only a library or the interpreter would say."""


class Endless(BaseException):
    """A case takes far too long; nothing catches this on its way."""


@pytest.fixture(autouse=True)
def _alarm() -> Iterator[None]:
    def ring(*_: object) -> None:
        raise Endless

    before = signal.signal(signal.SIGALRM, ring)
    signal.alarm(10)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


class Screen:
    """What a user sees of a command."""

    def __init__(self, args: list[str]) -> None:
        out, err = io.StringIO(), io.StringIO()
        before = time.process_time()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            self.code = main(args)
        self.seconds = time.process_time() - before
        self.out, self.err = out.getvalue(), err.getvalue()
        self.codes = re.findall(r"^error\[(E\d{4})\]: ", self.err, flags=re.M)
        self.places = re.findall(r"^ *--> (.+):(\d+):(\d+)$", self.err, flags=re.M)


def write(folder: Path, text: str | bytes, name: str = "spec.arch") -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def refused(folder: Path, text: str | bytes, *args: str, placed: bool = True) -> Screen:
    """Check a text that is wrong, in the ways that all of them have in common."""
    screen = Screen(["check", "--color=never", str(write(folder, text)), *args])
    assert screen.code == 1, screen.err
    assert screen.codes, "refused without a code"
    assert not screen.out, "no table of a network that is wrong"
    sane(screen)
    if placed:
        assert len(screen.places) == len(screen.codes), screen.err
    return screen


def accepted(folder: Path, text: str, *args: str) -> Screen:
    screen = Screen(["check", "--color=never", str(write(folder, text)), *args])
    assert screen.code == 0, screen.err
    sane(screen)
    return screen


def sane(screen: Screen) -> None:
    # Names of the spec may hold any word, so look at what archc says around them.
    said = re.sub(r"`[^`]*`|^ *\d* [|+].*$|^ *-->.*$", "", screen.err, flags=re.M)
    assert not FOREIGN.search(said), screen.err
    assert screen.seconds < SECONDS, f"{screen.seconds:.1f} s"
    assert len(screen.err) < 100_000, "a screen that nobody can read"


def net(body: str, input: str = "3, 32, 32", before: str = "") -> str:
    return f"{before}\nnetwork Whole {{\n  input image[{input}]\n  {body}\n}}\n"


def stage(text: str, input: str = "3, 32, 32") -> str:
    return net(f"output image -> {text}", input)


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
    assert screen.seconds < 0.3


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
    text = '# 🙂\nnetwork Net { input image[3, 32, 32] output image -> conv(8, 3)\n' \
        '  expect parms == 1 "ä🙂" }'
    screen = refused(tmp_path, text)
    assert screen.places[0][1:] == ("3", "10")


# ---------------------------------------------------------------------------- names

PYTHON = sorted({*keyword.kwlist, *keyword.softkwlist} - {"for", "if", "else", "and", "or", "not", "in", "as"})


@pytest.mark.parametrize("name", [*PYTHON, "print", "self", "torch", "nn", "F", "super", "__class__", "__init__"])
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
    "train", "eval", "forward", "type", "to", "half", "float", "double", "cpu", "cuda", "parameters",
    "buffers", "children", "modules", "apply", "state_dict", "load_state_dict", "zero_grad",
    "register_buffer", "requires_grad_", "add_module", "call_super_init", "compile",
]  # fmt: skip


@pytest.mark.parametrize("name", MODULE)
def test_attributes_of_modules_are_no_labels(tmp_path: Path, name: str) -> None:
    screen = refused(tmp_path, stage(f"{name}: conv(8, 3)"))
    assert screen.codes == ["E0206"]


@pytest.mark.parametrize("name", ["a.b", "../x", "a/b", "a b", "", "a\\\\b", "ä", "<b>", "a'b", "{1}.{2}"])
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
    assert len(screen.codes) <= 100


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


@pytest.mark.parametrize("text", ["{__import__('os')}", "{", "}", "{}", "{1", "{image}", "{open}", "{'a'}"])
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


@pytest.mark.parametrize("path", ["", ".", "/", "/dev/null", "missing.arch", "pipe", "loop", "nul\0name"])
def test_specs_that_cannot_be_read(tmp_path: Path, path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    os.mkfifo("pipe")
    Path("loop").symlink_to("loop")
    screen = Screen(["check", "--color=never", path])
    assert (screen.code, screen.codes) == (1, ["E0701"])
    sane(screen)


# ---------------------------------------------------------------------------- graph

TEN = "repeat 10 {{ {} }}"


def nested(form: str, inner: str, times: int) -> str:
    for i in range(times):
        inner = form.format(inner, i=i)
    return inner


@pytest.mark.parametrize(
    ("text", "code"),
    [
        (stage("b: repeat 1_000_000_000 { relu }"), "E0704"),
        (stage("b: repeat 10 ** 30 { relu }"), "E0704"),
        (stage("b: repeat 0 { relu }"), "E0305"),
        (stage("b: repeat -1 { relu }"), "E0305"),
        (stage("b: repeat 1.5 { relu }"), "E0307"),
        (stage("b: repeat true { relu }"), "E0308"),
        (stage("b: " + nested("repeat 10 {{ {} }}", "relu", 12)), "E0704"),
        (stage("b: " + nested("repeat 10 {{ if true then {} }}", "relu", 1)), None),
        (stage("b: " + nested("for i{i} in 0..10 {{ {} }}", "relu", 12)), "E0704"),
        (
            net("x = image\n" + nested("for i{i} in 0..10 {{ {} }}", "x = x -> relu", 12) + "\noutput x"),
            "E0704",
        ),
        (
            net("x = image\n" + nested("for i{i} in 0..10 {{ {} }}", "y = 1", 12) + "\noutput x -> relu"),
            "E0704",
        ),
        ("const xs = " + nested("[{} for i{i} in 0..10]", "0", 12), "E0704"),
        ("const xs = [0 for i in 0..10 ** 12]", "E0704"),
        ("const n = sum(0..10 ** 15)", "E0704"),
        ("const n = sum([i for i in 0..10 ** 9])", "E0704"),
        ("const n = max(0..10 ** 12)", "E0704"),
        ("const n = len(reversed(0..10 ** 12))", "E0704"),
        ("const n = zip(0..10 ** 9, 0..10 ** 9)", "E0704"),
        ("const a0 = [1]\n" + "\n".join(f"const a{i + 1} = a{i} + a{i}" for i in range(64)), "E0704"),
        (
            net("xs = [image]\n  for i in 0..64 { xs = xs + xs }\n  output fuse(xs, by=sum)"),
            "E0704",
        ),
        (net("x = image\n  for i in 0..64 { x = fuse(x, x, by=concat) }\n  output x"), None),
        (net('s = "a"\n  for i in 0..64 { s = s + s }\n  output image -> "{s}": relu'), "E0704"),
        (net("x = 2\n  for i in 0..64 { x = x * x }\n  output image -> conv(x, 1)"), "E0310"),
        (net("output image -> B", before="block B { input x output x -> B }"), "E0705"),
        (
            net(
                "output image -> B(0)",
                before="block B(n: int) { input x output x -> relu -> B(n + 1) }",
            ),
            "E0705",
        ),
        (
            net(
                "output image -> B(40)",
                before="block B(n: int) { input x y = if n > 0 then 1 else 2\n"
                "output x -> if n > 0 then B(n - 1) else relu -> if n > 0 then B(n - 1) else relu }",
            ),
            "E0704",
        ),
        (net("output image -> A", before="block A = (B -> relu)\nblock B = (A -> relu)"), "E0705"),
        (net("output image -> A", before="block A = B\nblock B = A"), "E0705"),
        ("const f(n: int) = f(n)\n" + stage("conv(f(1), 3)"), "E0705"),
        ("const a = b\nconst b = a", "E0205"),
        ("network A = B\nnetwork B = A", "E0703"),
        ("network A = A", "E0703"),
        (net("x = y -> relu\n  y = x -> relu\n  output y"), "E0205"),
        (net("x = x -> relu\n  output image -> relu"), "E0205"),
        (net("output image -> relu\n  output image -> relu"), "E0508"),
        (net("output a = image -> relu\n  output a = image -> tanh"), "E0203"),
        (net("input image[3, 32, 32]\n  output image -> relu"), "E0203"),
        (net("for i in 0..2 { input other[3] }\n  output image -> relu"), "E0508"),
        (net("if true { input other[3] }\n  output image -> relu"), "E0508"),
        (net("for i in 0..100_000 { expect params == i }\n  output image -> relu"), "E0704"),
        (net("xs = [image]\n  for i in 0..64 { xs = [xs, xs] }\n  output image -> relu"), "E0704"),
        ("const a0 = [1]\n" + "\n".join(f"const a{i + 1} = [a{i}, a{i}]" for i in range(64)), "E0704"),
        (
            net(
                "x = [image]\n  for i in 0..30 { x = x -> Twice }\n  output fuse(x, by=sum)",
                before="block Twice { input x output [x, x] }",
            ),
            "E0704",
        ),
        (stage("b: repeat 500_000 { conv(8, 3, strides=2) }"), "E0301"),
        (net("for i in 0..500_000 { x = image -> conv(8, 3, strides=2) }\n  output image -> relu"), "E0301"),
        ("block B(n: int, n: int) = conv(n, 3)\n" + stage("B(3, 3)"), "E0203"),
        (net("y = image -> conv(8, 3)"), "E0502"),
        ("network Net { output image }", "E0503"),
        ("network Net { }", "E0503"),
        ("network Net { input image[3, 8, 8] }", "E0502"),
        ("network Net { input image output image -> relu }", "E0402"),
        ("network Net { input image[...] output image -> relu }", "E0402"),
        ("network Net { input image[] output image -> relu }", "E0402"),
        ("network Net { input image[0, 8, 8] output image -> relu }", "E0305"),
        ("network Net { input image[-3, 8, 8] output image -> relu }", "E0305"),
        ("network Net { input image[3, 8, 8, 8, 8] output image -> conv(8, 3) }", "E0402"),
    ],
)
def test_graph(tmp_path: Path, text: str, code: str | None) -> None:
    if code is None:
        accepted(tmp_path, text)
        return
    screen = refused(tmp_path, text)
    assert screen.codes == [code], screen.err


def test_a_hundred_thousand_layers(tmp_path: Path) -> None:
    screen = Screen(["check", str(write(tmp_path, stage("b: repeat 100_000 { relu }")))])
    assert screen.code == 0, screen.err


def test_a_thousand_blocks_in_a_row(tmp_path: Path) -> None:
    block = "block B { input x output x -> relu }"
    accepted(tmp_path, net("output image -> b: repeat 3_000 { B }", before=block))


def test_settings_from_outside_are_bounded_too(tmp_path: Path) -> None:
    text = "network Net(n: int = 3) { input image[3, 8, 8] output image -> b: repeat n { relu } }"
    for value, code in {
        "10 ** 9": "E0704", "-1": "E0305", "x": "E0201", "[": "E0102", '"': "E0104", "1 2": "E0101",
        "2 ** 10 ** 9": "E0310", "image": "E0201", "true": "E0304", "1.5": "E0307",
    }.items():  # fmt: skip
        screen = refused(tmp_path, text, "--set", f"n={value}", placed=False)
        assert screen.codes == [code], (value, screen.err)


# ---------------------------------------------------------------------------- meaning


@pytest.mark.parametrize(
    ("text", "code"),
    [
        (stage("conv(8, 33)"), "E0403"),
        (stage("conv(8, 3, dilation=16)"), "E0403"),
        (stage("pool(33)"), "E0403"),
        (stage("conv(8, [3, 33])"), "E0403"),
        (stage("conv(8, 10 ** 40)"), "E0403"),
        (stage("conv(8, 3, stride=0)"), "E0305"),
        (stage("conv(8, 3, stride=-1)"), "E0305"),
        (stage("conv(8, 3, dilation=0)"), "E0305"),
        (stage("conv(8, 3, pad=-1)"), "E0305"),
        (stage("conv(8, 0)"), "E0305"),
        (stage("conv(0, 3)"), "E0305"),
        (stage("conv(-8, 3)"), "E0305"),
        (stage("conv(8, 3, groups=2)"), "E0404"),
        (stage("conv(8, 3, groups=0)"), "E0305"),
        (stage("conv(8, [])"), "E0305"),
        (stage("conv(8, [[3]])"), "E0304"),
        (stage("pool(2, pad=2)"), "E0408"),
        (stage("pool(3, pad=2)"), "E0408"),
        (stage("dropout(1.5)"), "E0305"),
        (stage("dropout(-0.1)"), "E0305"),
        (stage("linear(10)"), "E0402"),
        (stage("flatten -> conv(8, 3)"), "E0402"),
        (stage("split(2)"), "E0404"),
        (stage("split(1_000_000_000)"), "E0305"),
        (stage("upsample(0)"), "E0305"),
        (stage("upsample(1e-300)"), "E0305"),
        (stage("pixel_shuffle(2)"), "E0404"),
        (stage("batchnorm(momentum=2)"), "E0305"),
        (stage("groupnorm(2)"), "E0404"),
        (stage("maxout(2)"), "E0404"),
        (stage("crop(16)"), "E0408"),
        (stage("pad(33, by=reflect)"), "E0408"),
        (stage("conv(8, 3, weight=[1, 2, 3])"), "E0408"),
        (net("a = image -> pool(global)\n  output fuse(a, image, by=sum)"), "E0401"),
        (net("a = image -> conv(1, 1)\n  output fuse(a, image, by=sum)"), "E0401"),
        (net("output fuse(image, by=sum)"), "E0505"),
        (net("output a = image -> relu\n  output b = fuse(by=sum)"), "E0505"),
        (net("output a = image -> relu\n  output b = fuse([], by=sum)"), "E0505"),
        (
            net(
                "share s = conv(8, 1)\n  a = image -> s\n  b = image -> conv(4, 1) -> s\n"
                "  output fuse(a, b, by=sum)"
            ),
            "E0406",
        ),
        (net("output image -> relu\n  expect params == 1 / 0"), "E0310"),
        (net("output image -> relu\n  expect shape(nothing) == [1]"), "E0208"),
        (net("output image -> relu\n  expect params ~= params"), "E0308"),
    ],
)
def test_meaning(tmp_path: Path, text: str, code: str) -> None:
    screen = refused(tmp_path, text)
    assert screen.codes == [code], screen.err


@pytest.mark.parametrize(
    "text",
    [
        stage("conv(8, 3) -> batchnorm -> relu", "3, 3, 3"),  # fails in training at batch 1 only
        stage("flatten -> linear(10)"),  # a forgotten pooling is legal
        stage("pool(3, stride=2, ceil=true)", "3, 6, 6"),
        stage("pool(2, stride=2, pad=1, ceil=true)", "3, 5, 5"),
        stage("pool(3, stride=5, ceil=true)", "3, 4, 4"),
        stage("pool(32)"),
        stage("conv(8, 32)"),
        stage("dropout(1.0)"),
        stage("repeat 3 { relu }"),
        net("a = image -> pool(global)\n  output fuse(a, image, by=product)"),
        stage("conv(8, 3)", "3, 1_000_000_000, 1_000_000_000"),
    ],
)
def test_legal_edges(tmp_path: Path, text: str) -> None:
    accepted(tmp_path, text)


def test_huge_channels_are_counted_exactly(tmp_path: Path) -> None:
    text = net(
        "output image -> conv(2 ** 40, 3)\n"
        "  expect params == 2 ** 40 * (2 ** 40 * 9 + 1)\n"
        "  expect macs == 2 ** 80 * 9 * 30 * 30",
        "2 ** 40, 32, 32",
    )
    accepted(tmp_path, text)


def test_a_unet_at_odd_sizes(tmp_path: Path) -> None:
    unet = (ROOT / "specs" / "unet.arch").read_text(encoding="utf-8")
    accepted(tmp_path, unet, "--at", "H=64,W=96", "--network", "UNet")
    odd = refused(tmp_path, unet, "--at", "H=65,W=96", "--network", "UNet")
    assert odd.codes == ["E0409"]
    free = re.sub(r" where fit[^\n]*", "", unet)
    assert free != unet
    screen = refused(tmp_path, free, "--at", "H=65,W=96", "--network", "UNet")
    assert screen.codes == ["E0401"]
    for size in ("H=0", "H=-5", "H=1"):
        screen = Screen(["check", str(write(tmp_path, free)), "--network", "UNet", "--at", size])
        assert screen.code in (1, 2)
        assert set(screen.codes) <= {"E0305", "E0403"}
        sane(screen)


# ---------------------------------------------------------------------------- memory

BOMBS = {
    "repeat": stage("b: " + nested("repeat 10 {{ {} }}", "conv(8, 3, pad=half)", 12)),
    "comprehension": "const xs = " + nested("[{} for i{i} in 0..10]", "0", 12),
    "doubling": "const a0 = [1]\n" + "\n".join(f"const a{i + 1} = a{i} + a{i}" for i in range(64)),
    "braces": "{" * 100_000,
    "terms": "const x = " + " + ".join(["1"] * 100_000),
    "power": "const x = 9 ** 9 ** 9 ** 9",
}


@pytest.mark.parametrize("name", BOMBS)
def test_memory_is_bounded(tmp_path: Path, name: str) -> None:
    """As a process of its own, which may take 500 MB."""
    path = write(tmp_path, BOMBS[name])
    limited = (
        "import resource, sys; resource.setrlimit(resource.RLIMIT_AS, (500 << 20, 500 << 20));"
        "from archc.cli import main; sys.exit(main(sys.argv[1:]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", limited, "check", str(path)],
        cwd=ROOT, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == (0 if name == "terms" else 1), done.stderr
    assert "bug in archc" not in done.stderr

"""`archc fmt`: one style that says the same, keeps comments, and leaves its own output alone."""

from __future__ import annotations

import io
import random
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archc.cli import main
from archc.diagnostics import Diagnostics
from archc.source import Source
from archc.syntax import parse, tree
from archc.syntax.format import WIDTH, format_source
from archc.syntax.format.same import difference
from archc.syntax.tokens import scan
from tests.strategies import specs
from tests.support.random_nets import RandomNet

ROOT = Path(__file__).parent.parent
FILES = sorted(
    [
        *ROOT.glob("specs/*.arch"),
        *ROOT.glob("specs/experiments/*.arch"),
        *ROOT.glob("archc/std/*.arch"),
    ]
)
TEXTS = {path.stem: path.read_text() for path in FILES}


def formatted(text: str) -> str:
    diagnostics = Diagnostics()
    result = format_source(Source("a.arch", text), diagnostics)
    assert result is not None, [d.message for d in diagnostics]
    return result


def file(text: str) -> tree.File:
    diagnostics = Diagnostics()
    parsed = parse(Source("a.arch", text), diagnostics)
    assert len(diagnostics) == 0, [d.message for d in diagnostics]
    return parsed


def holds(text: str) -> str:
    """The text formatted, having seen that it says the same and stays as it is."""
    result = formatted(text)
    assert difference(file(text), file(result)) is None
    assert formatted(result) == result
    assert result.endswith("\n") or not result
    assert not any(line != line.rstrip() for line in result.split("\n"))
    assert "\n\n\n" not in result
    return result


# ---------------------------------------------------------------------------- what is formatted


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_specs_and_the_library_are_formatted(path: Path) -> None:
    assert holds(path.read_text()) == path.read_text()


def test_what_new_writes_is_formatted(tmp_path: Path) -> None:
    assert main(["new", "Mine", "-o", str(tmp_path)]) == 0
    assert main(["fmt", "--check", str(tmp_path / "Mine.arch")]) == 0


def test_tables_and_the_authors_lines_stay() -> None:
    """A style that people like is left as it is: every line here is a choice of its author."""
    text = """\
# About the file.

# About the block.
block Unit(width: int) {
  input x[C, ...]  # a pattern
  output x         # two remarks
    -> skip {
         conv1: conv(width, 1)    -> bn1: batchnorm -> relu
         -> conv2: conv(width, 3) -> bn2: batchnorm
       } via downsample: if C == width then identity
                         else (conv(width, 1) -> batchnorm)
    -> relu
}

network N {
  input image[3, H=64, W=64] where H % 2 == 0

  a = image
    -> c1: Inception(64,  [96, 128],  32)
    -> c2: Inception(128, [128, 192], 32) -> pool(2)
  output fuse(
    a -> relu,
    a -> tanh,
    by=concat)
}

recipe r for N {
  data      = idx("a")
  loss.aux1 = [0.3, cross_entropy()]
}
"""
    assert holds(text) == text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("\n\n# a\n\n\n\n# b\nconst a=1\n\n\n#c\n\n", "# a\n\n# b\nconst a = 1\n\n#c\n"),
        ("network A\n{\ninput x[ 3,H = 4 ,... ]\n}", "network A {\n  input x[3, H=4, ...]\n}\n"),
        (
            "network A=B( a=- 1,b = if c then d else e, )",
            "network A = B(a=-1, b = if c then d else e)\n",
        ),
        ("const f(a:float=1E-3)=a**-2", "const f(a: float = 1e-3) = a ** -2\n"),
        (
            "const a=[x  for  x in 0 .. 3 if not(x>1)]",
            "const a = [x for x in 0..3 if not (x > 1)]\n",
        ),
        ("const a=5 .x", "const a = 5 .x\n"),
        (
            "const a=[[1,2] ,[ 3,4]] [0] [1]",
            "const a = [[1, 2], [3, 4]][0][1]\n",
        ),
        ("block A=relu block B=a [0]:tanh", "block A = relu\nblock B = a[0]: tanh\n"),
        ("network A=B{expect a==1}", "network A = B { expect a == 1 }\n"),
        (
            "network A=B{expect a==1 expect b~=2M}",
            "network A = B {\n  expect a == 1\n  expect b ~= 2M\n}\n",
        ),
        ("network A=B{\n}", "network A = B {}\n"),
        ("network A=B{ # c\n}", "network A = B {  # c\n}\n"),
        ("block A{output x->\n\n# c\nrelu}", "block A {\n  output x\n\n    # c\n    -> relu\n}\n"),
        ("block A{output x-> # c\nrelu}", "block A {\n  output x  # c\n    -> relu\n}\n"),
        ("block A(\n  a: int,\n  b: int,\n) = relu", "block A(\n  a: int,\n  b: int,\n) = relu\n"),
        (
            "block A{if a{b=1}\nelse\n{b=2\n}}",
            "block A {\n  if a {\n    b = 1\n  } else {\n    b = 2\n  }\n}\n",
        ),
        (
            "block A{if a{b=1}else{b=2}\nc=3}",
            "block A {\n  if a { b = 1 } else { b = 2 }\n  c = 3\n}\n",
        ),
        (
            "recipe r{a=1\nlonger=2\n\nb=3}",
            "recipe r {\n  a      = 1\n  longer = 2\n\n  b = 3\n}\n",
        ),
    ],
)
def test_the_style(text: str, expected: str) -> None:
    assert holds(text) == expected


def test_ends_of_lines_and_tabs() -> None:
    assert holds("network A {\r\n\tinput x[3]\r\n\r\n\r\n\toutput x\r\n}") == (
        "network A {\n  input x[3]\n\n  output x\n}\n"
    )


def test_long_lines_are_broken_where_idioms_begin() -> None:
    stages = " -> ".join(f"c{i}: conv({i + 1}, 3) -> batchnorm -> relu" for i in range(4))
    output = f"output y = x -> {stages} -> flatten -> linear(10)"
    text = f"network A {{\n  input x[3, 9, 9]\n  {output}\n}}\n"
    assert holds(text).split("\n")[2:8] == [
        "  output y = x",
        *[f"    -> c{i}: conv({i + 1}, 3) -> batchnorm -> relu" for i in range(3)],
        "    -> c3: conv(4, 3) -> batchnorm -> relu -> flatten",
        "    -> linear(10)",
    ]


def test_long_lists_are_filled() -> None:
    result = holds(f"const rows = [{', '.join(['[1, 2, 3, 4]'] * 30)}]\n")
    lines = result.splitlines()
    assert lines[0] == "const rows =" or lines[0] == "const rows = ["
    assert max(map(len, lines)) <= WIDTH
    assert len(lines) < 10


def test_what_cannot_be_broken_is_left() -> None:
    text = f'network A = B {{\n  expect params == 1 "{"word " * 30}"\n}}\n'
    assert holds(text) == text


# ---------------------------------------------------------------------------- properties


@given(specs())
@settings(max_examples=25, deadline=None)
def test_random_networks(net: RandomNet) -> None:
    holds(net.text)


@given(st.sampled_from(sorted(TEXTS)), st.integers(0, 2**32), st.sampled_from([0.02, 0.3, 1.0]))
@settings(max_examples=60, deadline=None)
def test_any_spacing(name: str, seed: int, share: float) -> None:
    """Blanks, lines and comments anywhere between tokens: the same tree, and a fixed point."""
    holds(respaced(TEXTS[name], random.Random(seed), share))


@given(st.sampled_from(sorted(TEXTS)), st.integers(0, 2**32))
@settings(max_examples=25, deadline=None)
def test_only_lines_and_alignment_are_the_authors(name: str, seed: int) -> None:
    """Where lines break alone decides the result, if nothing is aligned."""
    dice = random.Random(seed)
    plain = "\n".join(" ".join(line.split()) for line in TEXTS[name].splitlines())
    if '  "' in TEXTS[name] or any("  " in part for part in TEXTS[name].split('"')[1::2]):
        return  # blanks in texts are the author's
    indented = "\n".join(" " * dice.randrange(9) + line for line in plain.splitlines())
    one, two = formatted(plain), formatted(indented)
    # Lines that start below a word of another line are aligned by accident.
    assert [line.split() for line in one.splitlines()] == [
        line.split() for line in two.splitlines()
    ]


def respaced(text: str, dice: random.Random, share: float) -> str:
    """Other blanks between a share of the tokens; comments stay, and some are added."""
    source = Source("a.arch", text)
    tokens = scan(source)
    pieces: list[str] = []
    last = 0
    for start, end in zip(tokens.starts, tokens.ends, strict=True):
        between = text[last:start]
        if "#" not in between and dice.random() < share:
            between = dice.choice(
                [" ", " ", "   ", "\n", "\n  ", "\n\n", "\r\n", "\n\n\n\t", " # why\n"]
            )
        pieces += [between, text[start:end]]
        last = end
    return "".join(pieces) + text[last:]


# ---------------------------------------------------------------------------- the command


@pytest.fixture
def untidy(tmp_path: Path) -> Path:
    path = tmp_path / "a.arch"
    path.write_text("network A{input x[3]\noutput x}")
    return path


TIDY = "network A {\n  input x[3]\n  output x\n}\n"


def test_files_are_written(untidy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["fmt", str(untidy)]) == 0
    assert untidy.read_text() == TIDY
    assert capsys.readouterr().out == f"{untidy}\n"
    assert main(["fmt", str(untidy)]) == 0
    assert capsys.readouterr().out == ""


def test_check_writes_nothing(untidy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = untidy.read_bytes()
    assert main(["fmt", "--check", str(untidy)]) == 1
    assert untidy.read_bytes() == before
    assert capsys.readouterr().out == f"{untidy}\n"
    untidy.write_text(TIDY)
    assert main(["fmt", "--check", str(untidy)]) == 0


def test_syntax_errors_leave_the_file(untidy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    untidy.write_text("network A{input x[3\noutput x}")
    before = untidy.read_bytes()
    assert main(["fmt", str(untidy)]) == 1
    assert untidy.read_bytes() == before
    assert "E0102" in capsys.readouterr().err


def test_one_bad_file_does_not_stop_the_others(untidy: Path, tmp_path: Path) -> None:
    assert main(["fmt", str(tmp_path / "none.arch"), str(untidy)]) == 1
    assert untidy.read_text() == TIDY


def test_ends_of_lines_and_byte_order_marks_count_as_changes(untidy: Path) -> None:
    untidy.write_bytes(b"\xef\xbb\xbf" + TIDY.replace("\n", "\r\n").encode())
    assert main(["fmt", "--check", str(untidy)]) == 1
    assert main(["fmt", str(untidy)]) == 0
    assert untidy.read_bytes() == TIDY.encode()


def test_links_are_followed(untidy: Path, tmp_path: Path) -> None:
    link = tmp_path / "link.arch"
    link.symlink_to(untidy)
    assert main(["fmt", str(link)]) == 0
    assert link.is_symlink()
    assert untidy.read_text() == TIDY


def test_standard_input_is_filtered(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    given = io.TextIOWrapper(io.BytesIO(b"network A{input x[3]\noutput x}"))
    monkeypatch.setattr("sys.stdin", given)
    assert main(["fmt", "-"]) == 0
    assert capsys.readouterr().out == TIDY

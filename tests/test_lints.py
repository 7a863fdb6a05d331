"""Lints: each is given by what it is about, and not by what only looks like it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from archc.cli import main
from archc.diagnostics import Diagnostic
from archc.driver import Options, compile_spec
from archc.source import Source

SPECS = Path(__file__).resolve().parent.parent / "specs"


def found(text: str, **options: object) -> list[Diagnostic]:
    """What archc says to a text."""
    made = Options(**options)  # type: ignore[arg-type]
    return list(compile_spec("-", made, source=Source("net.arch", text)).diagnostics)


def codes(text: str, **options: object) -> list[str]:
    return [d.code for d in found(text, **options)]


def network(pipeline: str, shape: str = "3, 32, 32") -> str:
    return f"network Net {{\n  input x[{shape}]\n  output y = {pipeline}\n}}\n"


@pytest.mark.parametrize("path", sorted(SPECS.glob("*.arch")), ids=lambda path: path.stem)
def test_no_spec_has_warnings(path: Path) -> None:
    """Each is mended or silenced with a reason, and no comment silences nothing."""
    said = [(d.labels[0].span.line, d.code, d.message) for d in compile_spec(str(path)).diagnostics]
    assert said == []


# ---------------------------------------------------------------------------- windows


@pytest.mark.parametrize(
    ("pipeline", "said"),
    [
        ("x -> pool(5)", "the last 2 rows of 32 and the last 2 columns of 32 are in no window"),
        ("x -> pool([5, 4])", "the last 2 rows of 32 are in no window"),
        ("x -> conv(8, 3, stride=[2, 1])", "the last row of 32 is in no window"),
        ("x -> conv(8, 3, stride=3, dilation=2)", None),  # (32 - 5) / 3 = 9
        ("x -> conv(8, 3, stride=2, pad=1)", None),  # a row of the border is lost, none of the map
        ("x -> conv(8, 1, stride=2)", None),  # gaps on purpose
        ("x -> pool(5, ceil=true)", None),
        ("x -> conv(8, 5, stride=2, pad=same)", None),
        ("x -> pool(to=[5, 5])", None),
    ],
)
def test_dropped_borders(pipeline: str, said: str | None) -> None:
    items = found(network(pipeline))
    assert [d.code for d in items] == (["W101"] if said else [])
    if said:
        assert items[0].message.endswith(said)


def test_a_dropped_border_is_that_of_the_size_at_hand() -> None:
    text = network("x -> pool(2)", "3, H=32, W=32")
    assert codes(text) == []
    (item,) = found(text, sizes={"H": 33})
    assert item.code == "W101"
    assert any("H=33, W=32" in note for note in item.notes)


@pytest.mark.parametrize(
    ("args", "code"),
    [
        ("8, 3, stride=2", "W103"),
        ("8, 2, stride=3", "W103"),
        ("8, 4, stride=2, pad=1", None),
        ("8, 3", None),
    ],
)
def test_checkerboards(args: str, code: str | None) -> None:
    assert codes(network(f"x -> conv_transpose({args})")) == ([code] if code else [])


@pytest.mark.parametrize(
    ("pipeline", "code"),
    [
        ("x -> pool(global) -> conv(8, 3, pad=1)", "W111"),
        ("x -> pool(32) -> pool(3, stride=1, pad=1)", "W111"),
        ("x -> pool(global) -> conv(8, 1)", None),
        ("x -> pool([32, 1]) -> conv(8, [1, 3], pad=[0, 1])", None),
    ],
)
def test_kernels_over_one_place(pipeline: str, code: str | None) -> None:
    assert codes(network(pipeline)) == ([code] if code else [])


# ---------------------------------------------------------------------------- neighbours


@pytest.mark.parametrize(
    ("pipeline", "code"),
    [
        ("x -> conv(8, 3) -> batchnorm", "W102"),
        ("x -> flatten -> linear(8) -> batchnorm -> relu", "W102"),
        ("x -> conv(8, 3) -> relu -> batchnorm", None),
        ("x -> conv(8, 3, bias=false) -> batchnorm", None),
        ("x -> conv(8, 3) -> groupnorm(2)", None),
    ],
)
def test_biases_before_batchnorm(pipeline: str, code: str | None) -> None:
    assert codes(network(pipeline)) == ([code] if code else [])


def test_a_bias_that_something_else_reads_has_an_effect() -> None:
    text = (
        "network N {\n input x[3, 8, 8]\n a = x -> conv(4, 3)\n output fuse(a, a -> batchnorm)\n}"
    )
    assert codes(text) == []


def test_a_fix_is_safe_only_if_every_layer_of_the_stage_wants_it() -> None:
    text = (
        "block B(norm: block) = (conv(4, 3) -> norm)\n"
        "network N { input x[3, 8, 8] output x -> a: B(batchnorm) -> b: B(relu) }\n"
        "network M { input x[3, 8, 8] output x -> a: B(batchnorm) }\n"
    )
    (item,) = found(text)
    assert item.code == "W102"
    assert [fix.safe for fix in item.fixes] == [False]
    alone = text.replace(" -> b: B(relu)", "")
    (item,) = found(alone)
    assert [fix.safe for fix in item.fixes] == [True]


@pytest.mark.parametrize(
    ("pipeline", "code"),
    [
        ("linear(64) -> linear(10)", "W107"),
        ("linear(64) -> dropout -> linear(10)", "W107"),
        ("linear(64) -> tanh -> linear(10)", None),
        ("linear(4) -> linear(64)", None),  # 4 (3072 + 64) weights instead of 3072 * 64
    ],
)
def test_linear_layers_that_are_one(pipeline: str, code: str | None) -> None:
    assert codes(network(f"x -> flatten -> {pipeline}")) == ([code] if code else [])


@pytest.mark.parametrize(
    ("pipeline", "code"),
    [
        ("x -> dropout(0.5) -> relu -> batchnorm", "W109"),
        ("x -> dropout(0) -> batchnorm", None),
        ("x -> dropout(0.5) -> conv(4, 3, bias=false) -> batchnorm", None),
        ("x -> batchnorm -> dropout(0.5)", None),
    ],
)
def test_dropout_before_batchnorm(pipeline: str, code: str | None) -> None:
    assert codes(network(pipeline)) == ([code] if code else [])


def test_heavy_linear_layers_of_large_convolutional_networks() -> None:
    assert codes(network("x -> conv(64, 3) -> flatten -> linear(100)")) == ["W112"]
    assert codes(network("x -> flatten -> linear(4000)")) == []
    assert codes(network("x -> conv(8, 3) -> flatten -> linear(10)")) == []


# ---------------------------------------------------------------------------- along paths


@pytest.mark.parametrize(
    ("rates", "count"),
    [
        ([2, 2, 2], 1),  # one stage, said once
        ([1, 2, 4, 8], 0),
        ([1, 2, 5, 1, 2, 5], 0),
        ([4, 2], 1),
        ([2, 3], 0),
        ([2, 1, 2], 0),
    ],
)
def test_gridding(rates: list[int], count: int) -> None:
    text = network(f"x -> for r in {rates} {{ conv(4, 3, pad=half, dilation=r) -> relu }}")
    assert codes(text) == ["W104"] * count


def test_gridding_across_blocks_and_shortcuts() -> None:
    unit = (
        "block U { input x[C, ...] output x -> skip { conv(C, 3, pad=2, dilation=2) -> relu } }\n"
    )
    text = unit + network("x -> U() -> {}U()")
    assert codes(text.replace("{}", "")) == ["W104"]
    assert codes(text.replace("{}", "pool(2) -> ")) == []


@pytest.mark.parametrize(
    ("pads", "code"),
    [("[[1, 1], [1, 1]]", None), ("[[2, 0], [1, 1]]", "W105"), ("[[0, 2], [1, 1]]", "W105")],
)
def test_misaligned_branches(pads: str, code: str | None) -> None:
    text = network(f"fuse(x, x -> conv(3, 3, pad={pads}))")
    assert codes(text) == ([code] if code else [])


def test_half_a_step_between_branches_is_usual() -> None:
    down_and_up = "x -> conv(3, 3, stride=2, pad=1) -> upsample(2)"
    assert codes(network(f"fuse(x, {down_and_up})")) == []


def test_small_fields_of_classifiers() -> None:
    body = "x -> f: repeat 4 { conv(8, 3, pad=1) -> relu } -> {}pool(global, by=avg) -> flatten"
    text = network(body + " -> linear(10)")
    (item,) = found(text.replace("{}", "", 1))
    assert item.code == "W106"
    assert "9 x 9 of 32 x 32" in item.message
    assert codes(text.replace("{}", "conv(8, 25, pad=half) -> relu -> ", 1)) == []
    # A gate averages too, and is no classifier's end.
    gate = network("fuse(x, x -> pool(global, by=avg) -> conv(3, 1) -> sigmoid, by=product)")
    assert codes(gate) == []


def test_small_fields_inside_of_blocks() -> None:
    text = (
        "block Head(classes: int) {\n"
        "  input x\n  output x -> pool(global, by=avg) -> flatten -> linear(classes)\n}\n"
    ) + network("x -> f: repeat 4 { conv(8, 3, pad=1) -> relu } -> head: Head(10)")
    (item,) = found(text)
    assert (item.code, item.labels[0].span.line) == ("W106", 3)


@pytest.mark.parametrize(
    ("end", "loss", "code"),
    [
        ("softmax", "loss = cross_entropy()", "W108"),
        ("softmax", "loss.y = [0.5, cross_entropy()]", "W108"),
        ("softmax", "loss = mse()", None),
        ("softmax", "epochs = 2", None),
        ("relu", "loss = cross_entropy()", None),
    ],
)
def test_softmax_before_loss(end: str, loss: str, code: str | None) -> None:
    text = network(f"x -> flatten -> linear(10) -> {end}")
    text += f'recipe r for Net {{ data = idx("fashion-mnist") {loss} }}\n'
    assert codes(text) == ([code] if code else [])


# ---------------------------------------------------------------------------- names


def test_what_nothing_refers_to() -> None:
    text = (
        "use std.residual: Basic, Bottleneck\n"
        "const idle = 3\n"
        "const used = 4\n"
        "block U(width: int, spare: int = 1) = (conv(width, 3, stride=1))\n"
        "block Idle() = (relu)\n" + network("x -> U(used) -> Basic(used)")
    )
    said = [(d.code, d.message) for d in found(text)]
    assert said == [
        ("W110", "name `Bottleneck` is not used"),
        ("W110", "constant `idle` is not used"),
        ("W110", "parameter `spare` is not used"),
        ("W110", "block `Idle` is not used"),
    ]
    # Of a part of the file it cannot be said, and a library is for others.
    assert codes(text, network="Net") == []
    assert codes("block U() = (relu)\nconst two = 2\n") == []


def test_variants_recipes_and_defaults_refer() -> None:
    text = (
        "const wide = 8\n"
        "block U(width: int) = (conv(width, 3))\n"
        "network Base(unit: block, width: int) { input x[3, 8, 8] output x -> unit(width) }\n"
        "network V = Base(U, wide)\n"
    )
    assert codes(text) == []


# ---------------------------------------------------------------------------- tensor cores


@pytest.mark.parametrize(
    ("pipeline", "said"),
    [
        ("x -> conv(36, 3, pad=1) -> conv(36, 3, pad=1)", "36 in, 36 out"),
        ("x -> conv(40, 3, pad=1) -> conv(36, 3, pad=1)", "40 in, 36 out"),
        ("x -> repeat 3 { conv(36, 3, pad=1) }", "36 in, 36 out"),  # once for all
        ("x -> conv(40, 3, pad=1) -> conv(40, 3, pad=1)", None),
        ("x -> conv(36, 3, pad=1)", None),  # what reads an image
        ("x -> conv(36, 3, pad=1) -> conv(36, 3, pad=1, groups=36)", None),
        ("x -> conv(36, 3, pad=1) -> pool(4) -> conv(36, 3, pad=1)", None),  # too small
        ("x -> conv(256, 3, pad=1) -> conv(256, 3, pad=1) -> conv(36, 1)", None),  # a small share
        ("x -> conv(127, 3, pad=1) -> conv(127, 3, pad=1)", None),  # nearly full
    ],
)
def test_channels_that_fill_no_blocks(pipeline: str, said: str | None) -> None:
    items = found(network(pipeline), tensor_cores=True)
    assert [(d.code, d.labels[0].text) for d in items] == ([("W113", said)] if said else [])
    assert codes(network(pipeline)) == [], "only where a device is asked for"


def test_what_blocks_cost_is_counted() -> None:
    (item,) = found(network("x -> conv(36, 3, pad=1) -> conv(36, 3, pad=1)"), tensor_cores=True)
    first, second = 32 * 32 * 9 * 3 * 36, 32 * 32 * 9 * 36 * 36
    waste = 32 * 32 * 9 * 40 * 40 - second
    assert f"do {100 * waste / second:.0f}% more work" in item.message
    assert f"in vain: {100 * waste / (first + second):.0f}%" in item.notes[0]


@pytest.mark.parametrize(
    ("asked", "given"),
    [
        (["--device", "h100", "--precision", "bf16"], True),
        (["--device", "h100"], False),  # fp32 runs elsewhere
        ([], False),
    ],
)
def test_tensor_cores_must_be_asked_for(
    asked: list[str], given: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "net.arch"
    file.write_text(network("x -> conv(36, 3, pad=1) -> conv(36, 3, pad=1)"))
    assert main(["check", str(file), *asked]) == 0
    assert ("W113" in capsys.readouterr().err) == given


def test_allow_of_tensor_cores_is_not_idle_without_a_device() -> None:
    text = network("x -> conv(36, 3, pad=1) -> conv(36, 3, pad=1)")
    text = "# allow W113: as published\n\n" + text
    assert codes(text) == codes(text, tensor_cores=True) == []


@pytest.mark.parametrize("path", sorted(SPECS.glob("*.arch")), ids=lambda path: path.stem)
def test_no_spec_wastes_tensor_cores(path: Path) -> None:
    said = compile_spec(str(path), Options(tensor_cores=True)).diagnostics
    assert [(d.labels[0].span.line, d.code) for d in said] == []


# ---------------------------------------------------------------------------- silencing

POOL = "network Net {\n  input x[3, 33, 33]\n  output x -> pool(2)\n}\n"
ALLOW = "# allow W101: its border is empty"


@pytest.mark.parametrize(
    "text",
    [
        POOL.replace("pool(2)", f"pool(2)  {ALLOW}"),
        POOL.replace("  output", f"  {ALLOW}\n  output"),
        f"{ALLOW}\n{POOL}",
        f"# A net.\n{ALLOW}\n# More of it.\n{POOL}",
        f"{ALLOW}\n\n{POOL}",
        POOL.replace("pool(2)", "pool(2)  # allow W101: its border is empty, and so on"),
        f"{ALLOW}\ndefault conv(pad=half)\n{POOL}",
    ],
    ids=["line", "line above", "network", "among its comments", "file", "long", "file, touching"],
)
def test_allow(text: str) -> None:
    assert codes(text) == []


def test_allow_for_one_network_leaves_the_others() -> None:
    other = POOL.replace("Net", "Other")
    assert codes(f"{ALLOW}\n{POOL}{other}") == ["W101"]
    assert codes(f"{ALLOW}\n\n{POOL}{other}") == []


def test_allow_of_several_codes() -> None:
    text = network(
        "x -> conv(4, 3, stride=2) -> batchnorm  # allow W101, W102: as in the checkpoint"
    )
    assert codes(text) == []


@pytest.mark.parametrize(
    ("comment", "why"),
    [
        ("# allow W101", "it gives no reason"),
        ("# allow W101:", "it gives no reason"),
        ("# allow W10l: no such code", "there is no warning `W10l`"),
        ("# allow W103: nothing of that kind", "nothing here gives W103"),
    ],
)
def test_an_allow_that_silences_nothing(comment: str, why: str) -> None:
    items = found(POOL.replace("pool(2)", f"pool(2)  {comment}"))
    assert sorted(d.code for d in items) == ["W100", "W101"]
    assert why in next(d.message for d in items if d.code == "W100")


def test_prose_is_no_allow() -> None:
    assert codes(POOL.replace("33, 33", "32, 32") + "# they allow W101 here\n") == []


def test_an_allow_is_idle_only_where_all_was_looked_at() -> None:
    text = network("x -> pool(2)  # allow W101: at odd sizes", "3, H=33, W=33")
    assert codes(text) == []
    assert codes(text, sizes={"H": 32, "W": 32}) == []


def test_an_allow_documents_nothing() -> None:
    state = compile_spec("-", source=Source("net.arch", f"# A net.\n{ALLOW}\n{POOL}"))
    assert state["Net"].doc == "A net."


def test_errors_come_alone() -> None:
    assert codes(POOL.replace("33, 33]", "33, 33]\n  expect params == 1")) == ["E0601"]


def test_warnings_are_bounded_by_nothing() -> None:
    lines = "\n".join(f"  -> pool(2, stride=[{s}, 1], pad=[0, 0])" for s in [2] * 4)
    many = "".join(
        f"network N{i} {{ input x[3, 33, 33] output x{lines[:40]} }}\n" for i in range(150)
    )
    assert codes(many) == ["W101"] * 150


# ---------------------------------------------------------------------------- command line


def check(*args: str) -> int:
    return main(["check", "--color=never", *args])


def test_warnings_fail_only_on_demand(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    spec = tmp_path / "net.arch"
    spec.write_text(POOL)
    assert check(str(spec)) == 0
    assert "1 warning" in capsys.readouterr().err
    assert check("--deny-warnings", str(spec)) == 1
    spec.write_text(network("x -> conv(64, 3) -> flatten -> linear(100)"))
    assert check("--deny-warnings", str(spec)) == 0, "a note is no warning"


def test_fix_writes_what_is_safe(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    spec = tmp_path / "net.arch"
    text = (
        "network Net {\r\n  input x[3, 8, 8]\r\n"
        "  output x -> a: conv(4, 3) -> batchnorm -> b: conv(4, 3,) -> batchnorm"
        " -> c: conv(4, 1, bias=true) -> batchnorm\r\n"
        "  expect params(a) == 112\r\n}\r\n"
    )
    spec.write_bytes(b"\xef\xbb\xbf" + text.encode())
    link = tmp_path / "link.arch"
    link.symlink_to(spec)
    assert check("--fix", str(link)) == 0
    wanted = text.replace("conv(4, 3,)", "conv(4, 3,bias=false)").replace("bias=true", "bias=false")
    assert spec.read_bytes() == b"\xef\xbb\xbf" + wanted.encode()
    assert link.is_symlink()
    err = capsys.readouterr().err
    said = [line.partition("fixed: ")[0] for line in err.splitlines() if "fixed: " in line]
    assert said == ["", "", "not "]
    assert "a claim about `Net` does not hold" in err
    assert "W102" in err.split("warning[")[1], "the one that is left is still said"


def test_fix_leaves_alone_what_is_not_safe(tmp_path: Path) -> None:
    spec = tmp_path / "net.arch"
    text = network("x -> flatten -> linear(10) -> softmax")
    text += 'recipe r for Net { data = idx("fashion-mnist") loss = cross_entropy() }\n'
    spec.write_text(text)
    before = os.stat(spec)
    assert check("--fix", str(spec)) == 0
    assert spec.read_text() == text
    assert os.stat(spec).st_mtime_ns == before.st_mtime_ns


def test_fix_looks_at_the_whole_file(tmp_path: Path) -> None:
    """Another network may need what the chosen one does not; one without values cannot be asked."""
    spec = tmp_path / "net.arch"
    text = (
        "block B(norm: block) = (conv(4, 3) -> norm)\n"
        "network N { input x[3, 8, 8] output x -> a: B(batchnorm) }\n"
    )
    other = "network M { input x[3, 8, 8] output x -> a: B(relu) }\n"
    asked = "network M(norm: block) { input x[3, 8, 8] output x -> a: B(norm) }\n"
    for rest, kept in ((other, True), (asked, True), ("", False)):
        spec.write_text(text + rest)
        assert check("--fix", "--network=N", str(spec)) == 0
        assert (spec.read_text() == text + rest) is kept


def test_fix_needs_files(capsys: pytest.CaptureFixture[str]) -> None:
    assert check("--fix", "-") == 2
    assert "--fix writes files" in capsys.readouterr().err


def test_fix_mends_errors_with_safe_fixes(tmp_path: Path) -> None:
    spec = tmp_path / "net.arch"
    spec.write_text(network('x -> pool(2, by="avg")'))
    assert check("--fix", str(spec)) == 0
    assert spec.read_text() == network("x -> pool(2, by=avg)")

"""The language, rule by rule (docs/language.md), from text to figures."""

from __future__ import annotations

from typing import Any

import pytest

from archc.driver import Compilation, Options, compile_spec
from archc.source import Source


def compiled(text: str, **options: Any) -> Compilation:
    return compile_spec("-", Options(**options), source=Source("t.arch", text))


def network(text: str, name: str | None = None, **options: Any) -> Any:
    """The network of a spec that must be right."""
    state = compiled(text, **options)
    assert [(d.code, d.message) for d in state.diagnostics if d.severity == "error"] == []
    return state.networks[-1] if name is None else state[name]


def codes(text: str, **options: Any) -> list[str]:
    return [d.code for d in compiled(text, **options).diagnostics if d.severity == "error"]


def paths(text: str) -> list[str]:
    """Paths of all layers, skips and fuses left out."""
    rows = network(text).report.layers()
    return [r.path for r in rows if r.op != "fuse"]


def body(statements: str, shape: str = "[3, 32, 32]", before: str = "") -> str:
    return f"{before}\nnetwork N {{ input image{shape}\n{statements}\n}}"


# ---------------------------------------------------------------------------- names of modules


def test_unlabelled_stages_are_counted_by_operator() -> None:
    assert paths(body("output image -> conv(8, 3) -> batchnorm -> relu -> conv(8, 3) -> relu")) == [
        "conv1",
        "batchnorm1",
        "relu1",
        "conv2",
        "relu2",
    ]


def test_counted_names_keep_out_of_the_way_of_labels() -> None:
    text = body("output image -> conv(8, 3) -> conv1: conv(8, 3) -> conv(8, 3)")
    assert paths(text) == ["conv2", "conv1", "conv3"]


def test_unlabelled_calls_are_counted_in_snake_case() -> None:
    before = "block DoubleConv(c: int) { input x\n output x -> conv(c, 3) -> relu }"
    text = body("output image -> DoubleConv(4) -> DoubleConv(8)", before=before)
    assert paths(text) == [
        "double_conv1.conv1",
        "double_conv1.relu1",
        "double_conv2.conv1",
        "double_conv2.relu1",
    ]


def test_a_labelled_group_numbers_every_stage() -> None:
    text = body(
        "output image -> features: (conv(8, 3) -> relu -> pool(2) -> last: conv(4, 3) -> relu)"
    )
    assert paths(text) == ["features.0", "features.1", "features.2", "features.last", "features.4"]


def test_repeat_in_a_group_is_one_numbering_and_parentheses_open_a_level() -> None:
    flat = body("output image -> k: (relu -> repeat 2 { conv(3, 1) -> relu })")
    assert paths(flat) == ["k.0", "k.1", "k.2", "k.3", "k.4"]
    nested = body("output image -> k: repeat 2 { (conv(3, 1) -> batchnorm) }")
    assert paths(nested) == ["k.0.0", "k.0.1", "k.1.0", "k.1.1"]


def test_unlabelled_repeat_for_and_skip_are_transparent() -> None:
    text = body(
        "output image -> repeat 2 { conv(3, 3, pad=half) } -> skip { conv(3, 1) }"
        " -> for w in [3, 4] { conv(w, 1) }"
    )
    assert paths(text) == ["conv1", "conv2", "conv3", "conv4", "conv5"]


def test_indices_and_interpolation_make_nested_names() -> None:
    text = body(
        "xs = [image -> hg[i][j]: conv(4, 1) for i, j in [5, 6]]\n"
        'y = fuse(xs) -> "transition{len(xs)}"[1]: relu\n output y'
    )
    assert paths(text) == ["hg.0.5", "hg.1.6", "transition2.1"]


def test_body_stages_of_a_skip_come_before_those_of_via() -> None:
    text = body("output image -> k: (skip { conv(8, 1) -> relu } via conv(8, 1) -> relu)")
    assert paths(text) == ["k.0", "k.1", "k.2", "k.3"]


def test_if_without_else_takes_no_position() -> None:
    for flag, names in (("true", ["k.0", "k.1", "k.2"]), ("false", ["k.0", "k.1"])):
        assert (
            paths(body(f"output image -> k: (conv(8, 1) -> if {flag} then batchnorm -> relu)"))
            == names
        )


def test_identity_takes_a_position_but_no_name_elsewhere() -> None:
    assert paths(body("output image -> k: (identity -> relu) -> identity -> relu")) == [
        "k.0",
        "k.1",
        "relu1",
    ]


def test_a_one_stage_block_is_its_stage_under_the_name_of_the_call() -> None:
    before = (
        "block ConvBn(c: int) = (conv(c, 1) -> batchnorm -> relu)\n"
        "block Act = relu\n"
        "block Maybe(on: bool) = if on then dropout(0.5)\n"
        "block Pick(up: bool) = if up then ConvBn(4) else repeat 2 { relu }\n"
    )
    text = body(
        "output image -> a: ConvBn(4) -> ConvBn(8) -> Act -> act: Act -> Maybe(true)"
        " -> Maybe(false) -> p: Pick(true) -> q: Pick(false)",
        before=before,
    )
    assert paths(text) == [
        "a.0", "a.1", "a.2", "conv_bn1.0", "conv_bn1.1", "conv_bn1.2", "act1", "act", "maybe1",
        "p.0", "p.1", "p.2", "q.0", "q.1",
    ]  # fmt: skip


def test_one_stage_blocks_in_a_group_take_one_position() -> None:
    before = "block ConvBn(c: int) = (conv(c, 1) -> batchnorm)\n"
    assert paths(body("output image -> k: (ConvBn(4) -> relu)", before=before)) == [
        "k.0.0",
        "k.0.1",
        "k.1",
    ]


def test_an_unlabelled_group_in_a_body_is_an_error() -> None:
    assert codes(body("output image -> (conv(8, 3) -> relu)")) == ["E0108"]


@pytest.mark.parametrize("label", ["forward", "train", "type", "parameters", "to", "half"])
def test_labels_that_would_break_a_module_are_refused(label: str) -> None:
    assert codes(body(f"output image -> {label}: conv(8, 3)")) == ["E0206"]


def test_labels_may_not_repeat_but_values_may_share_their_names() -> None:
    assert codes(body("output image -> a: conv(3, 1) -> a: conv(3, 1)")) == ["E0204"]
    text = body("conv1 = image -> conv1: conv(4, 1)\n output conv1 -> relu")
    assert paths(text) == ["conv1", "relu1"]


# ---------------------------------------------------------------------------- control


def test_statement_loops_rebind_and_their_variables_end() -> None:
    text = body("x = image\n for i, c in [4, 8] { x = x -> conv[i]: conv(c, 1) }\n output x")
    assert paths(text) == ["conv.0", "conv.1"]
    assert codes(body("x = image\n for i in 0..2 { x = x -> relu }\n output x -> conv(i, 1)")) == [
        "E0205"
    ]


def test_unpacking_loops_and_conditions() -> None:
    text = body(
        "x = image\n for i, [c, k] in [[4, 1], [8, 3]] {\n"
        " if k == 1 { x = x -> conv(c, k) } else if c > 100 { x = x -> relu }"
        " else { x = x -> conv(c, k) -> relu }\n"
        " }\n output x"
    )
    assert paths(text) == ["conv1", "conv2", "relu1"]


def test_a_name_of_an_untaken_if_has_no_value() -> None:
    assert codes(body("if false { y = image -> relu }\n output y")) == ["E0205"]


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("1 + 2 * 3 ** 2", 19),
        ("-2 ** 2", -4),
        ("7 // 2 + 7 % 2", 4),
        ("2 ** 3 ** 2", 512),
        ("[1, 2, 3][-1]", 3),
        ("sum([1, 2, 3, 4][1..3])", 5),
        ("len([1] + [2, 3])", 3),
        ("sum([i * 2 for i in 0..4 if i != 1])", 10),
        ("sum([a * b for [a, b] in zip([1, 2], [3, 4])])", 11),
        ("reversed(0..3)[0]", 2),
        ("min(3, 2) + max([4, 9])", 11),
        ("int(7 / 2) + round(2.6)", 6),
        ("round(log(8) / log(2))", 3),
        ("if 1 < 2 <= 2 and not false then 5 else 6", 5),
        ("shape(image)[0]", 3),
        ("64K + 1_000", 65_000),
        ("4.09G // 1M", 4090),
        ("half8(17)", 2),
        ("wide", 12),
    ],
)
def test_expressions(expression: str, value: int) -> None:
    before = "const half8(v: float) = round(v / 8)\nconst wide = 3 * 4"
    found = network(
        body(f"n = ({expression})\n output image -> relu\n expect n == {value}", before=before)
    )
    assert [c.holds for c in found.claims] == [True]


@pytest.mark.parametrize(
    ("expression", "code"),
    [
        ("conv(8 / 2, 3)", "E0307"),
        ("conv([1, 2][2], 3)", "E0309"),
        ("conv(1 // 0, 3)", "E0310"),
        ("conv(2 ** 100000, 3)", "E0310"),
        ("conv(1 + true, 3)", "E0308"),
        ("conv(chanels, 3)", "E0201"),
        ("conv(8, 3, strid=2)", "E0301"),
        ("conv(8)", "E0302"),
        ("relu(1)", "E0303"),
        ('conv("8", 3)', "E0304"),
        ("conv(8, 3, stride=0)", "E0305"),
        ("conv(8, 3, kernel=3)", "E0306"),
        ("cnov(8, 3)", "E0202"),
        ("image", "E0507"),
        ("repeat 0 { relu }", "E0305"),
        ("fuse(image, image)", "E0507"),
        ("pool(2, by=median)", "E0305"),
        ('pool(2, by="avg")', "E0304"),
        ("conv(8, 40)", "E0403"),
        ("conv(8, 3, groups=2)", "E0404"),
    ],
)
def test_mistakes_in_a_stage(expression: str, code: str) -> None:
    assert codes(body(f"output image -> {expression} -> relu")) == [code]


# ---------------------------------------------------------------------------- blocks


def test_patterns_bind_and_assert() -> None:
    block = "block B { input x[C, H, W]\n output x -> conv(C * 2, 1) }\n"
    assert network(body("output image -> B", before=block)).report.outputs[0][1] == (6, 32, 32)
    assert codes(
        body("output image -> B", before="block B { input x[4, ...]\n output x -> relu }\n")
    ) == ["E0405"]
    square = "block B { input x[C, H, H]\n output x -> relu }\n"
    assert codes(body("output image -> B", "[3, 32, 16]", square)) == ["E0405"]
    assert codes(body("output image -> B", "[3, 32]", block)) == ["E0402"]


def test_several_inputs_take_a_list_of_exactly_so_many() -> None:
    block = "block Merge { input a\n input b\n output fuse(a, b) }\n"
    assert paths(body("output [image, image -> relu] -> Merge", before=block)) == ["relu1"]
    assert codes(body("output image -> Merge", before=block)) == ["E0505"]
    assert codes(body("output [image, image, image] -> Merge", before=block)) == ["E0505"]


def test_one_input_receives_the_whole_list() -> None:
    block = "block All { input xs\n output fuse(xs, by=concat) }\n"
    found = network(body("output [image, image, image] -> All", before=block))
    assert found.report.outputs[0][1] == (9, 32, 32)


def test_several_outputs_make_a_record_and_a_list_a_list() -> None:
    blocks = (
        "block Two { input x\n output small = x -> pool(2)\n output large = x -> relu }\n"
        "block Many { input x\n output [x -> relu, x -> pool(4)] }\n"
    )
    text = body(
        "p = image -> Two\n a, b = image -> Many\n"
        " output y = p.small -> conv(4, 1)\n output z = b -> conv(4, 1)",
        before=blocks,
    )
    # p.large and a are taken by nobody outside, but they are outputs of their blocks
    assert [s for _, s in network(text).report.outputs] == [(4, 16, 16), (4, 8, 8)]
    assert codes(body("p = image -> Two\n output p.smal", before=blocks)) == ["E0201"]


def test_split_names_its_parts() -> None:
    text = body("a, b = image -> split(2)\n output fuse(a, b)", "[4, 8, 8]")
    assert network(text).report.outputs[0][1] == (2, 8, 8)
    assert codes(body("a, b, c = image -> split(2)\n output fuse(a, b)", "[4, 8, 8]")) == ["E0311"]


def test_blocks_and_operators_are_values() -> None:
    blocks = (
        "block Unit(act: block = relu) { input x\n output x -> conv(4, 1) -> act }\n"
        "block Twice(unit: block) { input x\n output x -> unit -> unit(act=tanh) }\n"
    )
    rows = list(
        network(
            body("output image -> Unit(act=leaky_relu(0.2)) -> Twice(Unit)", before=blocks)
        ).report.layers()
    )
    assert [r.op for r in rows] == ["conv", "leaky_relu", "conv", "relu", "conv", "tanh"]
    assert rows[1].args == {"slope": 0.2}


def test_recursive_blocks_end_by_an_if() -> None:
    block = (
        "block Down(n: int) { input x\n y = x -> pool(2)\n"
        " if n > 1 { output y -> inner: Down(n - 1) } else { output y } }\n"
    )
    assert paths(body("output image -> d: Down(3)", before=block)) == [
        "d.pool1",
        "d.inner.pool1",
        "d.inner.inner.pool1",
    ]


def test_skip_by_sum_concat_and_product() -> None:
    shapes = {"sum": (3, 32, 32), "concat": (6, 32, 32), "product": (3, 32, 32)}
    for by, shape in shapes.items():
        text = body(f"output image -> skip(by={by}) {{ conv(3, 1) }}")
        assert network(text).report.outputs[0][1] == shape
    gate = body(
        "output image -> skip(by=product) { pool(global, by=avg) -> conv(3, 1) -> sigmoid }"
    )
    assert network(gate).report.outputs[0][1] == (3, 32, 32)
    assert codes(body("output image -> skip { pool(global, by=avg) }")) == ["E0401"]


def test_skip_concat_joins_the_shortcut_first() -> None:
    text = body("output image -> skip(by=concat) { a: conv(5, 1) } via b: conv(7, 1)")
    row = next(r for r in network(text).report.layers() if r.op == "fuse")
    assert row.inputs == ["b", "a"]


# ---------------------------------------------------------------------------- defaults


def test_defaults_merge_and_own_arguments_win() -> None:
    text = body(
        "default conv(bias=false)\n a = image -> conv(4, 3)\n"
        "default conv(pad=valid)\n output a -> conv(4, 3) -> conv(4, 3, bias=true)",
        before="default conv(pad=half)",
    )
    rows = list(network(text).report.layers())
    assert [r.shape[1] for r in rows] == [32, 30, 28]
    assert [r.params for r in rows] == [108, 144, 148]


def test_defaults_never_reach_into_a_block_defined_elsewhere() -> None:
    text = body(
        "default conv(pad=half)\n output image -> B -> conv(4, 3)",
        before="block B { input x\n output x -> conv(4, 3) }\n",
    )
    assert [r.shape[1] for r in network(text).report.layers()] == [30, 30]


def test_a_file_default_stands_first() -> None:
    assert codes("const a = 1\ndefault conv(pad=half)\n" + body("output image -> conv(a, 3)")) == [
        "E0508"
    ]


# ------------------------------------------------------------------- share, variants, backbones


def test_a_shared_module_counts_once() -> None:
    text = body(
        "share head = (conv(4, 3, pad=half) -> relu)\n"
        "output p = image -> head\n output q = image -> pool(2) -> head\n"
        "expect params == 112\n expect params(head) == 112\n expect macs == 138_240"
    )
    found = network(text)
    assert found.report.params == 4 * 27 + 4
    assert found.report.macs == 4 * 27 * (32 * 32 + 16 * 16)
    rows = list(found.report.layers())
    assert [(r.path, r.params) for r in rows if r.op == "conv"] == [("head.0", 112), ("head.0", 0)]


def test_a_shared_module_has_one_weight_shape() -> None:
    text = body("share head = conv(4, 3)\n a = image -> head\n output a -> head")
    assert codes(text) == ["E0406"]
    assert codes(body("share head = conv(4, 3)\n output image -> relu")) == ["E0501"]


def test_variants_apply_partially_and_have_claims_of_their_own() -> None:
    text = (
        "network N(c: int, k: int = 1) { input image[3, 8, 8]\n output image -> conv(c, k)\n }\n"
        "network A = N(4)\n network B = A(k=3) { expect params == 112 }"
    )
    state = compiled(text)
    assert [d.code for d in state.diagnostics if d.severity == "error"] == []
    assert {n.name: n.report.params for n in state.networks if n.report} == {"A": 16, "B": 112}


BACKBONE = """
network Base(c: int = 4) { input image[3, H=32, W=32]
  x = image -> stem: conv(c, 3, stride=2, pad=1)
  for i in 0..3 { x = x -> "layer{i + 1}": repeat 2 { conv(c, 3, pad=half) -> relu } -> pool(2) }
  output x -> pool(global, by=avg) -> flatten -> fc: linear(10)
}
"""


def test_a_network_is_a_block_and_taps_prune_it() -> None:
    text = BACKBONE + (
        "network Seg { input photo[3, 64, 64]\n"
        " taps = photo -> body: Base(outputs=[layer1, layer2])\n"
        " output fuse(taps.layer1, taps.layer2 -> upsample(2)) -> conv(2, 1) }"
    )
    found = network(text, "Seg")
    rows = [r.path for r in found.report.layers()]
    assert "body.layer2.2" in rows and "body.layer3.0" not in rows and "body.fc" not in rows
    assert codes(
        BACKBONE + "network S { input p[3, 64, 64]\n output p -> b: Base(outputs=[layer9]) }"
    ) == ["E0208"]


# ---------------------------------------------------------------------------- claims


@pytest.mark.parametrize(
    ("claim", "holds"),
    [
        ("params ~= 0.2K", True),
        ("params ~= 0.3K", False),
        ("params <= 300", True),
        ("params(features) == 224", True),
        ("shape(features) == [8, 15, 15]", True),
        ("shape(a) == [8, 30, 30]", True),
        ("receptive_field(b) == 4", True),
        ("stride(features) == 2", True),
        ("neurons == 8 * 30 * 30", True),
        ("depth == 1", True),
        ("flops == 2 * macs", True),
        ("frozen == 0 and params > 0", True),
        ("not params == 0", True),
        ("memory < 1M", True),
        ("macs(features) < macs", False),
    ],
)
def test_claims(claim: str, holds: bool) -> None:
    text = body(
        f"a = image -> features: (conv(8, 3) -> pool(2))\n b = a\n output b\n expect {claim}"
    )
    text = (
        text.replace(
            "a = image -> features: (conv(8, 3) -> pool(2))",
            "a = image -> c: conv(8, 3)\n f = a -> pool(2)",
        ).replace("b = a", "b = f")
        if "(a)" in claim
        else text
    )
    state = compiled(text)
    assert [c.holds for n in state.networks for c in n.claims] == [holds]
    assert [d.code for d in state.diagnostics if d.severity == "error"] == (
        [] if holds else ["E0601"]
    )


def test_a_label_wins_in_a_claim_and_a_value_is_all_it_depends_on() -> None:
    text = body(
        "x = image -> a: conv(4, 1)\n a = x -> b: conv(4, 1)\n output a\n"
        "expect params(a) == 16\n expect params(x) == 16\n expect params(b) == 20"
    )
    assert [c.holds for c in network(text).claims] == [True] * 3


def test_claims_about_what_is_not_there() -> None:
    assert codes(body("output image -> conv1: conv(4, 1)\n expect params(conv2) == 4")) == ["E0208"]
    assert codes(
        body("output image -> flatten -> f: linear(4)\n expect receptive_field(f) == 4")
    ) == ["E0602"]


# ---------------------------------------------------------------------------- sizes


def test_free_sizes_and_where() -> None:
    text = body("output image -> pool(2) -> pool(2)", "[3, H, W] where H % 4 == 0 and W % 4 == 0")
    assert network(text).report.inputs[0][1] == (3, 224, 224)
    assert network(text, sizes={"H": 64, "W": 32}).report.outputs[0][1] == (3, 16, 8)
    assert codes(text, sizes={"H": 30}) == ["E0409"]


@pytest.mark.parametrize(
    ("condition", "code"),
    [
        ("H > 8", ["E0410"]),
        ("H % 2 == 0", []),
        ("H % 8 == 0", ["E0410"]),
        ("H >= 1", []),
        ("H == W", ["E0410"]),
    ],
)
def test_structure_depends_on_a_free_size_only_where_decided(
    condition: str, code: list[str]
) -> None:
    text = body(
        f"x = image\n if {condition} {{ x = x -> relu }}\n output x",
        "[3, H=32, W=32] where H % 4 == 0",
    )
    assert [c for c in codes(text) if c != "W120"] == code  # it needs no more than the condition


def test_training_outputs_are_apart() -> None:
    text = body(
        "x = image -> conv(4, 1)\n output x -> conv(2, 1)\n"
        "output aux = x -> aux: conv(100, 1) when training\n"
        "expect params == 16 + 10\n expect params(aux) == 500"
    )
    found = network(text)
    assert [c.holds for c in found.claims] == [True, True]
    assert found.report.auxiliary_params == 500


def test_settings_from_outside() -> None:
    text = (
        "network N(depths: [int] = [1, 1], c: int = 4) { input image[3, 8, 8]\n"
        " output image -> for n in depths { repeat n { conv(c, 1) } }\n expect depth == 2 }"
    )
    assert network(text, settings={"depths": "[2, 3]"}).report.depth == 5
    assert codes(text, settings={"depht": "[2]"}) == ["E0301"]
    assert codes(text, settings={"c": "4.5"}) == ["E0307"]


# ---------------------------------------------------------------------------- nothing is lost


@pytest.mark.parametrize(
    ("statements", "code"),
    [
        ("y = image -> conv(4, 1)\n output image -> relu", ["E0501"]),
        ("y = image -> conv(4, 1) -> relu", ["E0502"]),
        ("output 3", ["E0308"]),
        ("a = image -> relu\n output b", ["E0201"]),
    ],
)
def test_lost_values(statements: str, code: list[str]) -> None:
    assert sorted(codes(body(statements))) == sorted(code)


def test_unused_inputs() -> None:
    assert codes("network N { input a[3, 8, 8]\n input b[3, 8, 8]\n output a -> relu }") == [
        "E0504"
    ]
    assert codes("network N { output 3 }")[0] == "E0503"


def test_several_mistakes_are_as_many_errors() -> None:
    text = """
    block B(c: int) { input x
      output x -> conv(c, 3) -> rleu }
    network N { input image[3, 32, 32]
      a = image -> B(4) -> conv(8, 3, pading=1)
      b = image -> conv(8, 3, stride=2) -> lost: conv(4, 1)
      c = image -> conv(16, 3, stride=2)
      d = fuse(c, image -> conv(16, 3))
      output fuse(a, d)
    }
    network M { input image[3, 4, 4]
      output image -> conv(4, 9) }
    """
    assert sorted(codes(text)) == ["E0202", "E0301", "E0401", "E0403", "E0501"]

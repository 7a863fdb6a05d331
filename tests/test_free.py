"""Free sizes: what is said of them is what re-elaborating at every size shows."""

from __future__ import annotations

import random
from typing import Any

import pytest

from archc.analysis.free import FreeSizes
from archc.analysis.free_forms import totals
from archc.conditions import explore, probe
from archc.dims import Linear, Size, form_of, symbol
from archc.driver import Compilation, Options, compile_spec
from archc.graph import Graph
from archc.ops import OpError
from archc.source import Source

LARGEST = 600


def compiled(text: str) -> Compilation:
    return compile_spec("-", source=Source("net.arch", text))


def free_of(text: str) -> FreeSizes:
    state = compiled(text)
    assert not state.failed, [d.message for d in state.diagnostics]
    free = state.networks[0].free_sizes()
    assert free is not None
    return free


def holds(text: str | None, **sizes: int) -> bool:
    """A condition as .arch writes it, for given sizes; its words are Python's."""
    assert text is not None
    if text in ("", "false"):
        return text == ""
    return bool(eval(text, {"__builtins__": {}}, sizes))


# ---------------------------------------------------------------------------- brute force


def runs(graph: Graph, sizes: dict[str, int]) -> bool:
    """Does every operator take what it gets? By numbers alone, layer after layer."""
    return _body(graph, len(graph.bodies) - 1, None, sizes) is not None


def _body(
    graph: Graph, index: int, given: list[Any] | None, sizes: dict[str, int]
) -> list[Any] | None:
    """Shapes of the outputs of a body for shapes of its inputs; None where it cannot be."""
    body = graph.bodies[index]
    shapes: dict[int, tuple[int, ...]] = {}
    if given is None:
        given = [
            tuple(form_of(n).at(sizes) for n in body.values[end.value].shape)  # type: ignore[index]
            for end in body.inputs
        ]
    for end, shape in zip(body.inputs, given, strict=True):
        assert isinstance(end.value, int)
        shapes[end.value] = shape
    for node in body.nodes:
        xs = [shapes[v] for v in node.inputs]
        if node.op < 0:
            made = _body(graph, node.body, xs, sizes)
            if made is None:
                return None
        else:
            op = graph.ops[node.op]
            try:
                op.check(*xs)
            except OpError:
                return None
            made = list(op.outputs(*xs))
        shapes.update(zip(node.outputs, made, strict=False))
    return [shapes[end.value] for end in body.outputs]  # type: ignore[index]


STAGES = (
    "conv(4, {k}, stride={s}, pad={p})",
    "conv(4, {k}, stride={s}, pad=same)",
    "conv(4, 3, pad=2, dilation=2)",
    "conv(4, 3, pad=1, pad_mode=reflect)",
    "conv(4, 5, pad=same, pad_mode=circular, stride=2)",
    "pool({k}, stride={s})",
    "pool({s})",
    "pool(3, stride=2, ceil=true)",
    "pool(3, stride=2, pad=1, by=avg)",
    "upsample(2)",
    "upsample(1.5)",
    "conv_transpose(4, {k}, stride={s}, pad=1)",
    "pad(1)",
    "crop(1)",
    "batchnorm -> relu",
)


def stage(rng: random.Random) -> str:
    k, s = rng.randint(1, 5), rng.randint(1, 3)
    return rng.choice(STAGES).format(k=k, s=s, p=rng.randint(0, k // 2))


def chain(rng: random.Random, most: int) -> str:
    return " -> ".join(stage(rng) for _ in range(rng.randint(1, most)))


def network(rng: random.Random, inputs: str = "L=96") -> str:
    """A random network; its paths meet only by luck, or brought to one size."""
    lines = [f"  input x[4, {inputs}]", f"  a = x -> {chain(rng, 4)}"]
    shape = rng.randrange(5)
    if shape == 0:
        lines.append(f"  b = fuse(a, a -> {chain(rng, 3)})")
    elif shape == 1:
        down, up = rng.choice([("pool(2)", 2), ("conv(4, 3, stride=2, pad=1)", 2), ("pool(3)", 3)])
        lines.append(f"  b = fuse(a, a -> {down} -> upsample({up}), by=concat)")
    elif shape == 2:
        to = rng.choice(["pad", "crop", "upsample"])
        lines.append(f"  c = a -> {chain(rng, 2)}")
        lines.append(f"  b = fuse(a, c -> {to}(to=a))")
    elif shape == 3:
        lines.append(f"  b = fuse(a, a -> pool(global), by=product) -> {chain(rng, 2)}")
    else:
        lines.append(f"  b = a -> {chain(rng, 2)}")
    lines.append(f"  output b -> {chain(rng, 2)}")
    return "network Net {\n" + "\n".join(lines) + "\n}\n"


def legal_network(rng: random.Random, inputs: str = "L=96") -> tuple[str, Compilation]:
    """A random network that can be at its default."""
    while True:
        text = network(rng, inputs)
        state = compiled(text)
        if not state.failed:
            return text, state


@pytest.mark.parametrize("seed", range(60))
def test_one_symbol_up_to_600(seed: int) -> None:
    text, state = legal_network(random.Random(seed))
    found = state.networks[0]
    free = found.free_sizes()
    assert free is not None
    answer = free.build
    assert not answer.undecided, text
    said = [n for n in range(1, LARGEST + 1) if holds(answer.text, L=n)]
    true = [n for n in range(1, LARGEST + 1) if runs(found.graph, {"L": n})]
    assert said == true, (text, answer.text)
    assert answer.smallest == ({"L": true[0]} if true else None)


@pytest.mark.parametrize("seed", range(8))
def test_elaborating_anew_says_the_same(seed: int) -> None:
    text, state = legal_network(random.Random(1000 + seed))
    free, program = state.networks[0].free_sizes(), state.program
    assert free is not None and program is not None
    params, macs = state.networks[0].closed_forms()
    for n in random.Random(seed).sample(range(1, LARGEST + 1), 40):
        again = compile_spec("-", _at({"L": n}), source=Source("net.arch", text))
        assert again.failed is not holds(free.build.text, L=n), (text, n)
        if not again.failed:
            report = again.networks[0].report
            assert report is not None
            assert (params.at({"L": n}), macs.at({"L": n})) == (report.params, report.macs)


def _at(sizes: dict[str, int]) -> Any:
    from archc.driver import Options

    return Options(sizes=sizes)


@pytest.mark.parametrize("seed", range(12))
def test_two_symbols(seed: int) -> None:
    _, state = legal_network(random.Random(500 + seed), "H=40, W=56")
    found = state.networks[0]
    free = found.free_sizes()
    assert free is not None and not free.build.undecided
    rng = random.Random(seed)
    for _ in range(150):
        sizes = {"H": rng.randint(1, 80), "W": rng.randint(1, 80)}
        assert holds(free.build.text, **sizes) is runs(found.graph, sizes), sizes


# ---------------------------------------------------------------------------- answers


UNET = """
block Level(width: int, levels: int) {
  input x
  here = x -> conv(width, 3, pad=half) -> relu
  if levels == 0 {
    output here
  } else {
    up = here -> pool(2) -> Level(2 * width, levels - 1) -> conv_transpose(width, 2, stride=2)
    output fuse(here, up, by=concat) -> conv(width, 3, pad=half) -> relu
  }
}
network Net {
  input image[3, H=64, W=64] WHERE
  output image -> Level(8, 3)
}
"""


def test_a_condition_has_its_reason_and_its_lines() -> None:
    free = free_of(UNET.replace("WHERE", ""))
    assert free.build.text == "H % 8 == 0 and W % 8 == 0"
    assert free.build.smallest == {"H": 8, "W": 8}
    (reason,) = free.build.reasons
    assert reason.line == 9
    assert "halved 3 times (line 8)" in reason.because


def test_sizes_of_unequal_slopes_meet_at_a_few_sizes() -> None:
    text = "network Net {\n input x[3, H=8, W=8]\n output fuse(x -> conv(3, 5), x -> pool(2))\n}"
    assert free_of(text).build.text == "7 <= H <= 8 and 7 <= W <= 8"


def test_weights_that_depend_on_the_size() -> None:
    text = (
        "network Net {\n input x[3, H=64, W=64]\n"
        " output x -> conv(8, 3, stride=2, pad=1) -> pool(8) -> flatten -> linear(10)\n}"
    )
    free = free_of(text)
    assert free.build.text == "H >= 15 and W >= 15"
    for h, w in ((64, 64), (63, 78), (79, 64), (62, 64), (31, 256), (256, 32), (128, 32), (96, 64)):
        made = ((h + 1) // 2 // 8) * ((w + 1) // 2 // 8)
        assert holds(free.weights.text, H=h, W=w) is (made == 16), (h, w)


def test_ends_that_no_window_reads() -> None:
    text = "network Net {\n input x[3, H=64, W=64]\n output x\n -> pool(2)\n -> pool(3)\n}"
    free = free_of(text)
    assert free.whole.text == "H % 6 == 0 and W % 6 == 0"
    assert [(r.line, r.text) for r in free.lost()] == [
        (4, "H % 2 == 0 and W % 2 == 0"),
        (5, "H % 6 <= 1 and W % 6 <= 1"),
    ]
    assert free.build.text == "H >= 6 and W >= 6"


def test_padding_at_the_end_may_be_left_over() -> None:
    text = "network Net {\n input x[3, H=64]\n output x -> conv(3, 3, stride=2, pad=1)\n}"
    assert not free_of(text).loses


def test_square_inputs_are_one_symbol() -> None:
    text = (
        "network Net {\n input x[3, H=64, W=64] where H == W and H % 4 == 0\n"
        " output fuse(x, x -> pool(4) -> upsample(4))\n}"
    )
    free = free_of(text)
    assert free.build.text == "W == H and H % 4 == 0"
    assert free.verdict().allows is None


def test_sizes_that_must_equal_each_other_are_left_undecided() -> None:
    text = (
        "block Square(c: int) {\n input x[C, S, S]\n output x -> conv(c, 1) -> relu\n}\n"
        "network Net {\n input x[3, H=64, W=64]\n output x -> Square(8)\n}"
    )
    free = free_of(text)
    assert free.build.text is None
    assert [r.line for r in free.build.undecided] == [2]


def test_closed_forms_give_the_figures() -> None:
    state = compiled(UNET.replace("WHERE", ""))
    report = state.networks[0].report
    assert report is not None
    params, macs = totals(state.networks[0].graph)
    assert (params.at({}), macs.at({"H": 64, "W": 64})) == (report.params, report.macs)
    assert "(H//8)*(W//8)" in str(macs)


# ---------------------------------------------------------------------------- where


def found_in(where: str) -> list[Any]:
    return list(compiled(UNET.replace("WHERE", where)).diagnostics)


def test_a_where_that_says_what_is_needed() -> None:
    assert found_in("where H % 8 == 0 and W % 8 == 0") == []
    assert found_in("") == []


@pytest.mark.parametrize(
    ("where", "fixed"),
    [
        ("where H % 4 == 0 and W % 8 == 0", "H % 8 == 0 and W % 8 == 0"),
        (
            "where H % 4 == 0 and W % 8 == 0 and H >= 30",
            "H % 8 == 0 and H >= 32 and W % 8 == 0",
        ),
    ],
)
def test_a_where_that_is_too_weak_is_mended_exactly(where: str, fixed: str) -> None:
    (item,) = found_in(where)
    assert (item.code, item.severity) == ("E0411", "error")
    (fix,) = item.fixes
    (edit,) = fix.edits
    assert edit.text == fixed
    assert all(d.severity == "note" for d in found_in(f"where {edit.text}"))


def test_a_where_that_is_too_strong_is_a_note() -> None:
    (item,) = found_in("where H % 16 == 0 and W % 8 == 0")
    assert (item.code, item.severity) == ("W120", "note")


# ---------------------------------------------------------------------------- forms


def test_floors_of_sums_keep_all_their_parts() -> None:
    h = symbol("H", 65)
    form = form_of((h - h // 2 * 2) // 2)
    assert [form.at({"H": n}) for n in range(1, 20)] == [0] * 19
    assert [form_of((h + h // 2) // 3).at({"H": n}) for n in range(20)] == [
        (n + n // 2) // 3 for n in range(20)
    ]


def test_arithmetic_of_sizes_and_their_forms_agree() -> None:
    rng = random.Random(3)
    for _ in range(300):
        h, w = symbol("H", rng.randint(1, 99)), symbol("W", rng.randint(1, 99))
        value: int = h
        for _ in range(6):
            n = rng.randint(1, 5)
            value = rng.choice(
                [value + n, value - n, value * n, value // n, value % n, value * w, value - h]
            )
        form, here = form_of(value), {"H": int(h), "W": int(w)}
        assert form.at(here) == int(value)
        assert isinstance(value, Size) or form == Linear((), value)


def test_a_number_taken_out_of_sight_is_not_decided() -> None:
    h = probe(symbol("H", 8))
    assert explore(lambda: int(h) == 8) is None
    assert explore(lambda: h / 2 == 4) is None
    assert explore(lambda: h in {8, 9}) is None


def test_sizes_that_no_network_has_are_refused() -> None:
    text = "network Net {\n  input x[1, H=8, 8]\n  output x -> conv(2, 3)\n}\n"
    state = compile_spec("-", Options(sizes={"h": 16, "Z": 3}), source=Source("net.arch", text))
    found = sorted((d.code, d.help or "") for d in state.diagnostics)
    assert found == [("E0301", "did you mean `H`?"), ("E0301", "free sizes: H")]

"""Operators refuse what makes no sense: with the right code, at the right parameter, in words."""

from __future__ import annotations

from typing import Any

import pytest

from archc.ops import REF, OpError, names, operator
from archc.ops.init import KNOWN, Initializer, make
from archc.ops.kinds import Init

IMAGE = (3, 32, 32)

# operator, arguments, code, parameter, part of the message or help
ARGUMENTS: list[tuple[str, dict[str, Any], str, str | None, str]] = [
    ("conv", {"chanels": 3, "kernel": 3}, "E0301", "chanels", "did you mean `channels`?"),
    ("relu", {"slope": 3}, "E0301", "slope", "none"),
    ("linear", {"features": 3, "zzzzzz": 1}, "E0301", "zzzzzz", "`features`, `over`"),
    ("conv", {}, "E0302", "channels", "`channels` and `kernel`"),
    ("conv", {"channels": 3}, "E0302", "kernel", "`conv` needs `kernel`"),
    ("pool", {}, "E0302", "kernel", "pool(global)"),
    ("upsample", {}, "E0302", "factor", "needs `factor` or `to`"),
    ("crop", {}, "E0302", "amounts", "needs `amounts` or `to`"),
    ("drop_path", {}, "E0302", "p", "needs `p`"),
    ("unpool", {}, "E0302", "from", "needs `from`"),
    ("conv", {"channels": "7", "kernel": 3}, "E0304", "channels", "whole number, not a string"),
    ("conv", {"channels": True, "kernel": 3}, "E0304", "channels", "not true"),
    ("conv", {"channels": (1, 2), "kernel": 3}, "E0304", "channels", "not a list"),
    ("conv", {"channels": REF, "kernel": 3}, "E0304", "channels", "a value of the network"),
    ("conv", {"channels": object(), "kernel": 3}, "E0304", "channels", "something else"),
    ("conv", {"channels": 3, "kernel": 3, "bias": "yes"}, "E0304", "bias", "true, false"),
    ("conv", {"channels": 3, "kernel": (3, "x")}, "E0304", "kernel", "each entry of `kernel`"),
    ("conv", {"channels": 3, "kernel": 3, "weight": ((1,), (1, 2))}, "E0304", "weight", "unequal"),
    ("conv", {"channels": 3, "kernel": 3, "weight": (("x",),)}, "E0304", "weight", "a string"),
    ("conv", {"channels": 3, "kernel": 3, "weight": True}, "E0304", "weight", "nested list"),
    ("conv", {"channels": 3, "kernel": 3, "pad": ((1, 2), 1)}, "E0304", "pad", "[before, after]"),
    ("conv", {"channels": 3, "kernel": 3, "pad": ((1, 2, 3),)}, "E0304", "pad", "[before, after]"),
    ("conv", {"channels": 3, "kernel": 3, "pad_mode": 3}, "E0304", "pad_mode", "zeros, reflect"),
    ("pool", {"kernel": 2, "ceil": 1}, "E0304", "ceil", "true or false"),
    ("pool", {"to": 7}, "E0304", "to", "a list with one size per axis"),
    ("dropout", {"p": "half"}, "E0304", "p", "must be a number"),
    ("dropout", {"p": True}, "E0304", "p", "not true"),
    ("unpool", {"from": 3}, "E0304", "from", "a value of the network, not 3"),
    ("upsample", {"factor": "two"}, "E0304", "factor", "must be a number"),
    ("conv", {"channels": 3, "kernel": 3, "init": True}, "E0304", "init", "an initialiser"),
    ("conv", {"channels": 0, "kernel": 3}, "E0305", "channels", "at least 1, not 0"),
    ("conv", {"channels": 3, "kernel": 3, "stride": 0}, "E0305", "stride", "at least 1, not 0"),
    ("conv", {"channels": 3, "kernel": 3, "stride": -1}, "E0305", "stride", "not -1"),
    ("conv", {"channels": 3, "kernel": 3, "dilation": 0}, "E0305", "dilation", "at least 1"),
    ("conv", {"channels": 3, "kernel": 3, "pad": -1}, "E0305", "pad", "at least 0, not -1"),
    ("conv", {"channels": 3, "kernel": 3, "pad": "hlaf"}, "E0305", "pad", "did you mean `half`?"),
    ("conv", {"channels": 3, "kernel": ()}, "E0305", "kernel", "empty list"),
    ("conv", {"channels": 3, "kernel": "global"}, "E0304", "kernel", "not a string"),
    ("conv", {"channels": 3, "kernel": 3, "weight": ()}, "E0305", "weight", "empty list"),
    ("conv", {"channels": 3, "kernel": 3, "bias": float("nan")}, "E0305", "bias", "finite"),
    ("conv", {"channels": 3, "kernel": 3, "init": "kaming_normal"}, "E0305", "init", "kaiming"),
    ("pool", {"kernel": "globl"}, "E0305", "kernel", "did you mean `global`?"),
    ("pool", {"kernel": 2, "by": "average"}, "E0305", "by", "max, avg, sum, not `average`"),
    ("dropout", {"p": 1.5}, "E0305", "p", "between 0 and 1, not 1.5"),
    ("dropout", {"p": 10**400}, "E0305", "p", "too large"),
    ("batchnorm", {"eps": -1e-5}, "E0305", "eps", "at least 0"),
    ("softplus", {"beta": 0}, "E0305", "beta", "more than 0, not 0"),
    ("lrn", {"size": 5, "alpha": float("inf")}, "E0305", "alpha", "finite"),
    ("upsample", {"factor": 0}, "E0305", "factor", "more than 0"),
    ("upsample", {"factor": 1.1}, "E0305", "factor", "to=[h, w]"),
    ("upsample", {"factor": float("inf")}, "E0305", "factor", "sixteenths"),
    ("split", {"parts": 10**9}, "E0305", "parts", "at most 4096"),
    ("linear", {"features": 3, "over": "space"}, "E0305", "over", "can only be channels"),
    ("conv", {"channels": 3.0, "kernel": 3}, "E0307", "channels", "`//`"),
    ("conv", {"channels": 3, "kernel": (3, 1.5)}, "E0307", "kernel", "each entry of `kernel`"),
    ("pool", {"kernel": 2, "to": (7, 7)}, "E0312", "to", "contradict"),
    ("pool", {"kernel": "global", "stride": 2}, "E0312", "stride", "nothing with `global`"),
    ("pool", {"to": (7, 7), "pad": 1}, "E0312", "pad", "nothing with `to`"),
    ("pool", {"to": (7, 7), "by": "sum"}, "E0312", "by", "needs a window"),
    ("pool", {"kernel": 2, "dilation": 2, "by": "avg"}, "E0312", "dilation", "only `by=max`"),
    ("pool", {"kernel": 2, "count_pad": True}, "E0312", "count_pad", "`by=avg`"),
    ("pool", {"kernel": 2, "pad": "same", "ceil": True}, "E0312", "ceil", "no room"),
    (
        "conv_transpose",
        {"channels": 3, "kernel": 3, "pad": "same", "output_pad": 1},
        "E0312",
        "output_pad",
        "no room",
    ),
    ("upsample", {"factor": 2, "to": REF}, "E0312", "to", "contradict"),
    ("upsample", {"factor": 2, "align_corners": True}, "E0312", "align_corners", "nearest"),
    ("pad", {"amounts": 2, "to": REF}, "E0312", "to", "contradict"),
    ("pad", {"amounts": 2, "by": "reflect", "value": 1}, "E0312", "value", "by=reflect"),
    ("pad", {"to": REF, "over": "channels"}, "E0312", "to", "over"),
    ("pad", {"amounts": 2, "by": "reflect", "over": "channels"}, "E0312", "by", "reflect"),
    ("pad", {"amounts": (1, 2, 3), "over": "channels"}, "E0304", "amounts", "[before, after]"),
    ("crop", {"amounts": 2, "at": 1}, "E0312", "at", "needs `to`"),
    ("conv", {"channels": 3, "kernel": 3, "bias": False, "bias_init": 0}, "E0312", "bias_init", ""),
    ("conv", {"channels": 3, "kernel": 3, "weight": 1, "init": "ones"}, "E0312", "init", "both"),
    ("conv", {"channels": 3, "kernel": 3, "bias": 1, "bias_init": 1}, "E0312", "bias_init", "both"),
    ("batchnorm", {"affine": False, "init": "ones"}, "E0312", "init", "affine=false"),
    ("instancenorm", {"frozen": True}, "E0312", "frozen", "affine=false"),
]

# operator, arguments, inputs, code, parameter, part of the message, notes or help
INPUTS: list[tuple[str, dict[str, Any], list[tuple[int, ...]], str, str | None, str]] = [
    ("fuse", {}, [(64, 32, 32), (32, 32, 32)], "E0401", None, "[64, 32, 32] and [32, 32, 32]"),
    ("fuse", {}, [(64, 32, 32), (64, 16, 16)], "E0401", None, "crop(to=v)"),
    ("fuse", {"by": "concat"}, [(64, 32, 32), (64, 16, 32)], "E0401", None, "but the channels"),
    ("fuse", {"by": "product"}, [(64, 32, 32), (64, 1, 16)], "E0401", None, "or axes of size 1"),
    ("fuse", {}, [(64, 1, 1), (64, 16, 16)], "E0401", None, "`fuse(by=sum)` needs equal shapes"),
    ("fuse", {}, [(64, 32, 32), (64,)], "E0402", None, "one rank"),
    ("fuse", {}, [], "E0505", None, "something to join"),
    ("conv", {"channels": 8, "kernel": 3}, [(120,)], "E0402", None, "not [120]"),
    ("conv", {"channels": 8, "kernel": 3}, [(1, 2, 3, 4, 5)], "E0402", None, "[C, D, H, W]"),
    ("conv", {"channels": 8, "kernel": (3, 3, 3)}, [IMAGE], "E0402", "kernel", "3 entries"),
    ("conv", {"channels": 8, "kernel": 3, "pad": (1,)}, [IMAGE], "E0402", "pad", "1 entry"),
    ("conv", {"channels": 8, "kernel": 3, "pad": ((1, 1),)}, [IMAGE], "E0402", "pad", "1 entry"),
    ("linear", {"features": 8}, [IMAGE], "E0402", None, "`flatten`"),
    ("softmax", {"over": "places"}, [(10,)], "E0402", "over", "spatial axes"),
    ("dropout", {"by": "channel"}, [(10,)], "E0402", "by", "spatial axes"),
    ("pixel_shuffle", {"factor": 2}, [(8, 4)], "E0402", None, "takes [C, H, W], not [8, 4]"),
    ("upsample", {"factor": 2, "by": "bilinear"}, [(8, 4)], "E0402", "by", "use `by=linear`"),
    ("upsample", {"factor": 2, "by": "bicubic"}, [(8, 4, 4, 4)], "E0402", "by", "trilinear"),
    ("upsample", {"to": REF}, [IMAGE, (3, 4)], "E0402", "to", "axes of [3, 4]"),
    ("crop", {"to": (4,)}, [IMAGE], "E0402", "to", "1 entry"),
    ("pool", {"to": (4,)}, [IMAGE], "E0402", "to", "2 spatial axes"),
    ("conv", {"channels": 8, "kernel": 5}, [(3, 4, 9)], "E0403", "kernel", "height: 4 + 2·0 = 4"),
    (
        "conv",
        {"channels": 8, "kernel": 3, "dilation": 3},
        [(3, 6)],
        "E0403",
        "kernel",
        "3·(3 - 1) + 1 = 7",
    ),
    ("pool", {"kernel": 2}, [(3, 1, 1)], "E0403", "kernel", "less than 2"),
    ("conv", {"channels": 8, "kernel": 3, "groups": 2}, [IMAGE], "E0404", "groups", "3 / 2 leaves"),
    ("conv", {"channels": 8, "kernel": 3, "groups": 3}, [IMAGE], "E0404", "groups", "8 resulting"),
    ("conv_transpose", {"channels": 8, "kernel": 3, "groups": 3}, [IMAGE], "E0404", "groups", "8"),
    ("groupnorm", {"groups": 2}, [IMAGE], "E0404", "groups", "3 / 2 leaves 1"),
    ("channel_shuffle", {"groups": 2}, [IMAGE], "E0404", "groups", "3 channels"),
    ("split", {"parts": 2}, [IMAGE], "E0404", "parts", "3 / 2 leaves 1"),
    ("split", {"parts": (1, 1)}, [IMAGE], "E0404", "parts", "1 + 1 = 2"),
    ("maxout", {}, [IMAGE], "E0404", "pieces", "groups of 2"),
    ("pixel_shuffle", {"factor": 2}, [IMAGE], "E0404", "factor", "3 / 2² leaves 3"),
    ("unpool", {"from": REF}, [(3, 4, 4), (3, 4, 4)], "E0407", "from", "positions of a max pool"),
    (
        "unpool",
        {"from": REF, "size": (8, 8)},
        [(3, 4, 4), (5, 4, 4)],
        "E0408",
        "from",
        "[5, 4, 4], not [3, 4, 4]",
    ),
    (
        "unpool",
        {"from": REF, "size": (12, 8)},
        [(3, 4, 4)] * 2,
        "E0408",
        "kernel",
        "cannot give 12",
    ),
    ("crop", {"amounts": 16}, [IMAGE], "E0408", "amounts", "32 - 16 - 16 = 0"),
    ("crop", {"to": REF}, [IMAGE, (3, 40, 32)], "E0408", "to", "larger [3, 40, 32]"),
    ("crop", {"to": REF, "at": 5}, [IMAGE, (3, 30, 30)], "E0408", "at", "5 + 30 = 35"),
    ("pad", {"to": (30, 40)}, [IMAGE], "E0408", "to", "smaller [3, 30, 40]"),
    ("pad", {"amounts": 32, "by": "reflect"}, [IMAGE], "E0408", "by", "at most 31"),
    ("pad", {"amounts": 33, "by": "circular"}, [IMAGE], "E0408", "by", "at most 32"),
    (
        "conv",
        {"channels": 8, "kernel": 9, "pad": 4, "pad_mode": "reflect"},
        [(3, 4)],
        "E0408",
        "pad_mode",
        "at most 3",
    ),
    ("pool", {"kernel": 2, "pad": 2}, [IMAGE], "E0408", "pad", "half of the window"),
    ("conv_transpose", {"channels": 8, "kernel": 2, "pad": 3}, [(3, 4)], "E0408", "pad", "= -1"),
    (
        "conv_transpose",
        {"channels": 8, "kernel": 3, "stride": 2, "output_pad": 2},
        [IMAGE],
        "E0408",
        "output_pad",
        "at most 1",
    ),
    ("instancenorm", {}, [(3, 1, 1)], "E0408", None, "no variance"),
    ("upsample", {"factor": 0.25}, [(3, 3)], "E0408", "factor", "leaves nothing"),
    ("conv", {"channels": 8, "kernel": 1, "weight": (1, 2)}, [(3, 4)], "E0408", "weight", "[2]"),
    ("linear", {"features": 2, "bias": (1, 2, 3)}, [(4,)], "E0408", "bias", "[3], but the bias"),
    ("batchnorm", {"init": "orthogonal"}, [IMAGE], "E0312", "init", "needs 2 axes"),
    ("scale", {"init": "xavier_normal"}, [IMAGE], "E0312", "init", "needs 2 axes"),
    ("linear", {"features": 2, "init": "dirac"}, [(4,)], "E0312", "init", "needs 3 axes"),
    ("pool", {"kernel": 2, "pad": ((0, 1),), "ceil": True}, [(3, 7)], "E0312", "ceil", "sides"),
    (
        "pool",
        {"kernel": 2, "pad": ((0, 1),), "by": "avg", "count_pad": False},
        [(3, 7)],
        "E0312",
        "count_pad",
        "must count",
    ),
]


def _all(error: OpError) -> str:
    return " ".join([error.message, *error.notes, error.help or ""])


@pytest.mark.parametrize("name, args, code, parameter, text", ARGUMENTS)
def test_arguments(
    name: str, args: dict[str, Any], code: str, parameter: str | None, text: str
) -> None:
    with pytest.raises(OpError) as caught:
        operator(name).make(args)
    error = caught.value
    assert (error.code, error.parameter) == (code, parameter)
    assert text in _all(error)
    assert not error.also
    for banned in ("pydantic", "Input should", "validation", "{}", "Traceback", "NoneType"):
        assert banned not in _all(error)


@pytest.mark.parametrize("name, args, shapes, code, parameter, text", INPUTS)
def test_inputs(
    name: str,
    args: dict[str, Any],
    shapes: list[tuple[int, ...]],
    code: str,
    parameter: str | None,
    text: str,
) -> None:
    op = operator(name).make(args)
    with pytest.raises(OpError) as caught:
        op.check(*shapes)
    error = caught.value
    assert (error.code, error.parameter) == (code, parameter)
    assert text in _all(error)


def test_several_mistakes_are_all_told() -> None:
    with pytest.raises(OpError) as caught:
        operator("conv").make({"channels": 0, "kernel": 2.5, "strid": 2})
    first, *rest = (caught.value, *caught.value.also)
    assert [first.code, *(e.code for e in rest)] == ["E0305", "E0307", "E0301"]


def test_a_misspelt_parameter_is_one_mistake() -> None:
    with pytest.raises(OpError) as caught:
        operator("conv").make({"channels": 8, "kernal": 3})
    assert caught.value.code == "E0301" and not caught.value.also


@pytest.mark.parametrize("name", names())
def test_every_parameter_refuses_nonsense(name: str) -> None:
    cls = operator(name)
    for parameter in cls.parameters():
        with pytest.raises(OpError) as caught:
            cls.make({parameter: object()})
        found = [caught.value, *caught.value.also]
        assert any(e.parameter == parameter and e.code == "E0304" for e in found)


def test_huge_numbers_are_counted_exactly() -> None:
    op = operator("conv").make({"channels": 2**40, "kernel": 2**33 + 1, "pad": "half"})
    x = (2**41, 7, 7)
    op.check(x)
    assert op.shape(x) == (2**40, 7, 7)
    assert op.count_weights(x) == 2**81 * (2**33 + 1) ** 2 + 2**40
    assert op.macs(x) == 49 * 2**81 * (2**33 + 1) ** 2


@pytest.mark.parametrize(
    "name, args, kwargs, code",
    [
        ("kaiming", (), {}, "E0305"),
        ("normal", (1, 2, 3), {}, "E0303"),
        ("normal", (), {"stdd": 1}, "E0301"),
        ("normal", (1,), {"std": 1}, "E0306"),
        ("constant", (), {}, "E0302"),
        ("normal", ("x",), {}, "E0304"),
        ("normal", (True,), {}, "E0304"),
        ("normal", (-1,), {}, "E0305"),
        ("normal", (float("nan"),), {}, "E0305"),
        ("uniform", (1, 0), {}, "E0305"),
        ("trunc_normal", (1, 0, 3), {}, "E0305"),
        ("kaiming_normal", (), {"mode": "fan_inn"}, "E0305"),
        ("kaiming_normal", (), {"mode": 3}, "E0305"),
        ("dirac", (0,), {}, "E0305"),
        ("dirac", (1.5,), {}, "E0305"),
    ],
)
def test_initialisers_refuse(
    name: str, args: tuple[Any, ...], kwargs: dict[str, Any], code: str
) -> None:
    with pytest.raises(OpError) as caught:
        make(name, args, kwargs)
    assert caught.value.code == code


def test_initialisers_as_written() -> None:
    made = make("kaiming_normal", (), {"mode": "fan_out", "nonlinearity": "relu"})
    assert str(made) == "kaiming_normal(mode=fan_out, nonlinearity=relu)"
    assert made.settings == {"mode": "fan_out", "nonlinearity": "relu"}
    assert str(make("trunc_normal", (0.02,))) == "trunc_normal(0.02)"
    assert Init().parse(0.5) == Initializer(name="constant", args=(0.5,))
    assert set(Init().words) == set(KNOWN)


def test_given_is_as_written() -> None:
    cls = operator("conv")
    op = cls.make({"channels": 8, "kernel": 3, "bias": 1, "weight": 0.5})
    assert op.given() == {"channels": 8, "kernel": 3, "bias": 1.0, "weight": 0.5}
    assert op != cls.make({"channels": 8, "kernel": 3, "weight": 0.5})
    assert operator("unpool").make({"from": REF}).given() == {"from": REF}

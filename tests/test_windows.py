"""Window arithmetic: sizes by counting, intervals by their laws, and free sizes by substitution."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archc.dims import Size, form_of, symbol
from archc.ops import REF, OpError, operator
from archc.ops.windows import (
    BROADCAST,
    EMPTY,
    GATE,
    POINT,
    WHOLE,
    Adaptive,
    Geometry,
    Place,
    SameWindow,
    Sample,
    Scatter,
    Shift,
    Window,
    interpolation,
    interpolation_to,
    nearest_to,
    repeat,
    same_padding,
)

_small = st.integers(1, 6)
_pads = st.integers(0, 6)
_factor = st.integers(1, 5)
windows = st.builds(Window, _small, _small, _small, _pads, _pads)
geometries: st.SearchStrategy[Geometry] = st.one_of(
    windows,
    st.builds(SameWindow, _small, _small, _small, _pads, _pads),
    st.builds(Scatter, _small, _small, _small, _pads, _pads, _pads),
    st.builds(Shift, st.integers(-5, 5), st.integers(-5, 5)),
    st.builds(Place, st.integers(-5, 5), _small),
    st.builds(Adaptive, st.integers(1, 20), st.integers(1, 20)),
    st.builds(repeat, _factor, _factor),
    st.builds(nearest_to, st.integers(1, 20), st.integers(1, 20)),
    st.builds(interpolation, _factor, _factor, st.sampled_from([2, 4])),
    st.builds(
        interpolation_to,
        st.integers(1, 20),
        st.integers(1, 20),
        st.sampled_from([2, 4]),
        st.booleans(),
    ),
    st.sampled_from([POINT, WHOLE, GATE, BROADCAST]),
)
_check = settings(max_examples=300, deadline=None, derandomize=True)


# ---------------------------------------------------------------------------- intervals


@_check
@given(g=geometries, lo=st.integers(-30, 30), length=st.integers(1, 40))
def test_a_run_reads_what_its_units_read(g: Geometry, lo: int, length: int) -> None:
    """The interval of a run is the hull of its units', with those that read nothing left out."""
    units = [g.reads(u, u) for u in range(lo, lo + length)]
    seeing = [r for r in units if r[0] <= r[1]]
    run = g.reads(lo, lo + length - 1)
    if seeing:
        assert run == (min(a for a, _ in seeing), max(b for _, b in seeing))
    else:
        assert run[0] > run[1]


@_check
@given(g=geometries, u=st.integers(-40, 40), times=st.integers(-3, 3))
def test_intervals_repeat(g: Geometry, u: int, times: int) -> None:
    p, q = g.period
    low, high = g.reads(u, u)
    again = g.reads(u + times * p, u + times * p)
    if low > high:
        assert again[0] > again[1]
    else:
        assert again == (low + times * q, high + times * q)


@_check
@given(g=geometries, u=st.integers(-40, 40))
def test_ends_never_decrease(g: Geometry, u: int) -> None:
    before, after = g.reads(u, u), g.reads(u + 1, u + 1)
    if before[0] <= before[1] and after[0] <= after[1]:
        assert before[0] <= after[0] and before[1] <= after[1]


@_check
@given(g=geometries)
def test_nothing_reads_nothing(g: Geometry) -> None:
    for empty in (EMPTY, (5, 4), (-3, -9)):
        low, high = g.reads(*empty)
        assert low > high


@_check
@given(
    kernel=_small, stride=_small, dilation=_small, pads=st.tuples(_pads, _pads), u=st.integers(0, 9)
)
def test_scatter_is_the_converse_of_window(
    kernel: int, stride: int, dilation: int, pads: tuple[int, int], u: int
) -> None:
    """A transposed convolution's unit reads those inputs whose window covers it."""
    window = Window(kernel, stride, dilation, *pads)
    scatter = Scatter(kernel, stride, dilation, *pads)
    reach = range(-60, 61)
    covering = [
        i for i in reach if (u - window.reads(i, i)[0]) in range(0, dilation * kernel, dilation)
    ]
    low, high = scatter.reads(u, u)
    if covering:
        assert low <= covering[0] and covering[-1] <= high
        if dilation == 1:
            assert (low, high) == (covering[0], covering[-1])
    elif dilation == 1:
        assert low > high


# ---------------------------------------------------------------------------- sizes


@_check
@given(w=windows, n=st.integers(1, 60))
def test_size_counts_places(w: Window, n: int) -> None:
    places = 0
    while places * w.stride + w.extent <= n + w.lo + w.hi:
        places += 1
    if places:
        assert w.size(n) == places
    else:
        assert w.size(n) <= 0


@_check
@given(w=windows, n=st.integers(1, 60))
def test_ceil_counts_places_that_start_inside(w: Window, n: int) -> None:
    if n + w.lo + w.hi < w.extent:
        return
    places = w.size(n)
    if (n + w.lo + w.hi - w.extent) % w.stride and places * w.stride < n + w.lo:
        places += 1
    if (places - 1) * w.stride >= n + w.lo:
        places -= 1
    ceil = Window(w.kernel, w.stride, w.dilation, w.lo, w.hi, ceil=True)
    if w.hi <= w.extent // 2:  # as pooling has it
        assert ceil.size(n) == places


@_check
@given(n=st.integers(1, 200), kernel=_small, stride=_small, dilation=_small)
def test_same_is_ceil(n: int, kernel: int, stride: int, dilation: int) -> None:
    lo, hi = same_padding(n, kernel, stride, dilation)
    assert hi - lo in (0, 1)
    same = SameWindow(kernel, stride, dilation, lo, hi)
    plain = Window(kernel, stride, dilation, lo, hi)
    assert same.size(n) == plain.size(n) == -(-n // stride)


@_check
@given(n=st.integers(1, 60), window=windows)
def test_transposed_convolution_undoes_a_size(n: int, window: Window) -> None:
    if window.size(n) < 1:
        return
    rest = (n + window.lo + window.hi - window.extent) % window.stride
    parameters = (window.kernel, window.stride, window.dilation, window.lo, window.hi)
    assert Scatter(*parameters, extra=rest).size(window.size(n)) == n


def test_holes() -> None:
    assert not Window(3, 3).holes and Window(3, 4).holes and Window(3, 1, 2).holes
    assert not Window(1, 1, 2).holes
    assert not Scatter(2, 3).holes and Scatter(2, 1, 2).holes
    assert not repeat(2).holes and repeat(1, 2).holes
    assert not interpolation(2, 1, 2).holes and interpolation(1, 4, 2).holes
    assert not interpolation(2, 1, 4).holes and interpolation(3, 1, 4).holes


def test_formulas() -> None:
    assert Window(11, 4).formula(227) == "(227 + 2·0 - 11) / 4 + 1 = 55"
    assert Window(3, 2, 1, 1, 1).formula(224) == "⌊(224 + 2·1 - 3) / 2⌋ + 1 = 112"
    assert Window(3, 1, 2, 2, 2).formula(32) == "(32 + 2·2 - 2·(3 - 1) - 1) / 1 + 1 = 32"
    assert Window(3, 2, 1, 0, 1).formula(32) == "(32 + 0 + 1 - 3) / 2 + 1 = 16"
    assert Window(3, 2, ceil=True).formula(112) == "⌈(112 + 2·0 - 3) / 2⌉ + 1 = 56"
    late = "⌈(5 + 2·1 - 2) / 3⌉ + 1 - 1 (the last window would start beyond the end) = 2"
    assert Window(2, 3, 1, 1, 1, ceil=True).formula(5) == late
    assert SameWindow(3, 2, 1, 0, 1).formula(225) == "⌈225 / 2⌉ = 113"
    assert Scatter(2, 2).formula(16) == "(16 - 1)·2 - 2·0 + 2 = 32"
    assert Scatter(3, 2, 1, 1, 1, 1).formula(16) == "(16 - 1)·2 - 2·1 + 3 + 1 = 32"
    assert Scatter(3, 2, 2, 1, 0).formula(4) == "(4 - 1)·2 - 1 - 0 + 2·(3 - 1) + 1 = 10"
    assert repeat(2).formula(7) == "7 · 2 = 14"
    assert repeat(3, 2).formula(7) == "⌊(7 · 3) / 2⌋ = 10"
    assert Shift(2, 1).formula(7) == "7 + 2 + 1 = 10"
    assert Shift(-2, -1).formula(7) == "7 - 2 - 1 = 4"
    assert POINT.formula(7) is None and Sample(1, 2, out=9).formula(4) is None


@pytest.mark.parametrize(
    "name, args, x, lines",
    [
        ("conv", {"channels": 8, "kernel": 11, "stride": 4}, (3, 227, 227), 1),
        ("conv", {"channels": 8, "kernel": (3, 5)}, (3, 32, 32), 2),
        ("conv", {"channels": 8, "kernel": 3}, (3, 32, 16), 2),
        ("conv", {"channels": 8, "kernel": 3}, (3, 32, 16, 8), 3),
        ("flatten", {}, (16, 5, 5), 1),
        ("flatten", {}, (16,), 0),
        ("relu", {}, (16, 5, 5), 0),
        ("pool", {"to": (2, 2)}, (16, 5, 5), 0),
        ("upsample", {"to": REF}, (16, 5, 5), 0),
    ],
)
def test_arithmetic(name: str, args: dict[str, Any], x: tuple[int, ...], lines: int) -> None:
    found = operator(name).make(args).arithmetic(x)
    assert len(found) == lines
    if lines > 1:
        assert [t.partition(":")[0] for t in found] == ["depth", "height", "width"][-lines:]


# ---------------------------------------------------------------------------- free sizes

FREE: list[tuple[str, dict[str, Any]]] = [
    ("conv", {"channels": 4, "kernel": 3}),
    ("conv", {"channels": 4, "kernel": 3, "stride": 2, "pad": 1}),
    ("conv", {"channels": 4, "kernel": 5, "stride": 3, "dilation": 2, "pad": "half"}),
    ("conv", {"channels": 4, "kernel": 3, "stride": 2, "pad": "same"}),
    ("conv", {"channels": 4, "kernel": 1, "stride": 4, "pad": "same"}),
    ("conv_transpose", {"channels": 4, "kernel": 4, "stride": 2, "pad": 1}),
    ("conv_transpose", {"channels": 4, "kernel": 3, "stride": 2, "pad": "same"}),
    ("pool", {"kernel": 3, "stride": 2}),
    ("pool", {"kernel": 3, "stride": 2, "ceil": True}),
    ("pool", {"kernel": 2, "stride": 3, "ceil": True, "pad": 1}),
    ("pool", {"kernel": 2, "ceil": True}),
    ("pool", {"kernel": "global"}),
    ("pool", {"to": (7, 7)}),
    ("upsample", {"factor": 2}),
    ("upsample", {"factor": 1.5, "by": "bilinear"}),
    ("upsample", {"factor": 3, "by": "bilinear", "align_corners": True}),
    ("pixel_shuffle", {"factor": 2}),
    ("pad", {"amounts": ((1, 2), (3, 4))}),
    ("crop", {"amounts": 3}),
    ("crop", {"to": (5, 5)}),
    ("relu", {}),
    ("batchnorm", {}),
]


@pytest.mark.parametrize("name, args", FREE, ids=str)
def test_free_sizes_hold_everywhere(name: str, args: dict[str, Any]) -> None:
    """A form derived at one size gives what the operator gives at any other that it takes."""
    op = operator(name).make(args)
    out = op.shape((4, symbol("H", 24), symbol("W", 31)))
    for h, w in ((24, 31), (23, 30), (9, 8), (40, 7), (57, 64)):
        try:
            op.check((4, h, w))
        except OpError:
            continue
        expected = op.shape((4, h, w))
        assert tuple(form_of(n).at({"H": h, "W": w}) for n in out) == expected


def test_to_takes_over_the_form() -> None:
    h, w = symbol("H", 24), symbol("W", 32)
    like = (1, h, w)
    for name in ("upsample", "pad"):
        out = operator(name).make({"to": REF}).shape((4, h // 2, w // 2), like)
        assert [str(form_of(n)) for n in out[1:]] == ["H", "W"]
    out = operator("crop").make({"to": REF, "at": 2}).shape((4, h + 8, w + 8), like)
    assert all(isinstance(n, Size) for n in out[1:])
    assert [str(form_of(n)) for n in out[1:]] == ["H", "W"]
    fused = operator("fuse").make({"by": "concat"}).shape((4, h, w), (2, h, w))
    assert fused[0] == 6 and str(form_of(fused[1])) == "H"
    assert str(form_of(operator("flatten").make({}).shape((4, h, 7))[0])) == "28*H"

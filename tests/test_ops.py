"""Every operator against PyTorch: shape, state_dict, multiply-accumulates, what a unit reads."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic_core import to_json

from archc.ops import FAMILIES, Op, OpError, operator
from archc.ops.kinds import PADDING_WORDS
from archc.ops.windows import Geometry
from tests.support.op_cases import CASES, Case
from tests.support.torch_ops import Running, inputs, macs, positive, seen

torch.set_num_threads(1)


@pytest.fixture(autouse=True, scope="module")
def _double() -> Iterator[None]:
    """Double precision: places between units come out exact."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(before)


ALL = [name for members in FAMILIES.values() for name in members]


def _id(case: Case) -> str:
    op, args, shapes = case
    text = ",".join(f"{k}={v}" for k, v in args.items())
    return f"{op}({text})@{'x'.join(map(str, shapes[0]))}"[:90]


def _make(case: Case) -> tuple[Op, list[tuple[int, ...]]]:
    name, args, shapes = case
    hidden = {k: v for k, v in args.items() if k in operator(name).hidden}
    op = operator(name).make({k: v for k, v in args.items() if k not in hidden})
    if hidden:
        op = operator(name).model_validate({**op.given(), **hidden})
    op.check(*shapes)
    return op, shapes


def _agrees(op: Op, shapes: list[tuple[int, ...]]) -> None:
    """All that can be compared for one operator on inputs of these shapes."""
    running = Running(op.torch(*shapes))
    _state(op, shapes, running)
    xs = inputs(op, shapes, batch=2)
    if running.module is not None:
        running.module.eval()
    with torch.no_grad():
        ys = running(*xs)
        listed = list(ys) if isinstance(ys, (tuple, list)) else [ys]
        assert [tuple(y.shape[1:]) for y in listed] == [tuple(s) for s in op.outputs(*shapes)]
        if running.module is not None and running.form.function is not None:
            other = running.by_module(*xs)
            torch.testing.assert_close(other, ys)
    assert macs(running, *(x[:1] for x in xs)) == op.macs(*shapes)
    _reads(op, shapes, running)


def _state(op: Op, shapes: list[tuple[int, ...]], running: Running) -> None:
    expected = {**op.weights(shapes[0]), **op.buffers(shapes[0])}
    state = running.module.state_dict() if running.module is not None else {}
    assert {k: tuple(v.shape) for k, v in state.items()} == expected
    assert list(state) == list(expected)
    assert sum(v.numel() for k, v in state.items() if k in op.weights(shapes[0])) == (
        op.count_weights(shapes[0])
    )
    if running.module is not None:
        trained = {p.requires_grad for p in running.module.parameters()}
        assert trained <= {not op.is_frozen}


def _reads(op: Op, shapes: list[tuple[int, ...]], running: Running) -> None:
    """What units change when one row of an input changes: within what is stated, and all of it."""
    if op.op == "roi_align":
        return  # boxes decide; test_roi_align compares with the definition
    positive(running.module)
    out = op.outputs(*shapes)[0]
    reads = op.reads(*shapes)
    assert len(reads) == len(shapes)
    for which, (axes, x) in enumerate(zip(reads[:3], shapes, strict=False)):
        if axes is None or (op.op == "unpool" and which == 1):
            continue
        for axis, geometry in enumerate(axes):
            n = shapes[which][axis + 1]
            depends = seen(op, running, shapes, which, axis)
            if geometry.whole or len(out) == 1:
                assert geometry.whole and depends.all()
                continue
            if not depends.any():
                assert any(_blind(g, m, k) for g, m, k in zip(axes, out[1:], x[1:], strict=True))
                continue
            for unit in range(out[axis + 1]):
                changed = depends[:, unit].nonzero().flatten().tolist()
                low, high = geometry.reads(unit, unit)
                inside = list(range(max(low, 0), min(high, n - 1) + 1))
                if geometry.gate:
                    assert set(inside) <= set(changed)
                elif _wraps(op) and (low < 0 or high >= n):  # the border repeats the input
                    assert geometry.holes or set(inside) <= set(changed)
                elif geometry.holes:
                    assert set(changed) <= set(inside)
                else:
                    assert changed == inside, (geometry, unit)


def _blind(geometry: Geometry, units: int, n: int) -> bool:
    """Can all units of an axis of n read beyond its ends, or past its units? Then nothing matters
    for the other axes either."""
    spans = [geometry.reads(u, u) for u in range(units)]
    return geometry.holes or all(high < 0 or low >= n or low > high for low, high in spans)


def _wraps(op: Op) -> bool:
    return getattr(op, "pad_mode", "zeros") != "zeros" or (
        op.op == "pad" and getattr(op, "by", "") != "zeros"
    )


@pytest.mark.parametrize("case", CASES, ids=_id)
def test_agrees_with_pytorch(case: Case) -> None:
    torch.manual_seed(0)
    _agrees(*_make(case))


@pytest.mark.parametrize("name", ALL)
def test_every_parameter_and_rank_has_a_case(name: str) -> None:
    cls = operator(name)
    mine = [(args, shapes) for op, args, shapes in CASES if op == name]
    ranks = {len(shapes[0]) - 1 for _, shapes in mine}
    assert ranks == set(cls.ranks)
    assert {k for args, _ in mine for k in args} >= set(cls.parameters())


@pytest.mark.parametrize("case", CASES, ids=_id)
def test_given_makes_it_again(case: Case) -> None:
    op, _ = _make(case)
    assert type(op).model_validate(op.given()) == op
    dumped = type(op).model_validate_json(to_json(op.given()))
    assert dumped == op and hash(dumped) == hash(op)
    assert set(op.given()) <= {*type(op).parameters(), *type(op).hidden}


# ---------------------------------------------------------------------------- random ones

_few = settings(
    max_examples=60, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck)
)
_shape = st.sampled_from([(4, 19), (4, 9, 12), (4, 16, 7), (2, 6, 5, 7)])


def _try(name: str, args: dict[str, Any], shape: tuple[int, ...]) -> None:
    """Compare with PyTorch: what is refused is refused by PyTorch too, what is taken agrees."""
    try:
        op = operator(name).make(args)
    except OpError as error:
        assert error.code == "E0312"
        return
    try:
        op.check(shape)
    except OpError as error:
        assert error.code in {"E0312", "E0402", "E0403", "E0404", "E0408"}
        if error.code == "E0312" or name == "pad":  # PyTorch crops where padding is negative
            return
        if name == "pool" and args.get("dilation", 1) != 1:  # its border is put before the pool
            return
        try:
            result = Running(op.torch(shape))(torch.rand(2, *shape))
        except (ArithmeticError, IndexError, RuntimeError, ValueError):
            return
        assert not result.numel()
        return
    _agrees(op, [shape])


@_few
@given(
    shape=_shape,
    kernel=st.integers(1, 5),
    stride=st.integers(1, 4),
    dilation=st.integers(1, 3),
    pad=st.one_of(st.integers(0, 4), st.sampled_from(PADDING_WORDS)),
    groups=st.sampled_from([1, 2]),
)
def test_random_conv(shape: Any, **args: Any) -> None:
    _try("conv", {"channels": 2, **args}, shape)


@_few
@given(
    shape=_shape,
    kernel=st.integers(1, 5),
    stride=st.integers(1, 4),
    dilation=st.integers(1, 3),
    pad=st.one_of(st.integers(0, 3), st.sampled_from(PADDING_WORDS)),
    output_pad=st.integers(0, 2),
)
def test_random_conv_transpose(shape: Any, **args: Any) -> None:
    _try("conv_transpose", {"channels": 2, **args}, shape)


@_few
@given(
    shape=_shape,
    kernel=st.integers(1, 5),
    stride=st.one_of(st.none(), st.integers(1, 4)),
    dilation=st.integers(1, 2),
    pad=st.one_of(st.integers(0, 3), st.sampled_from(PADDING_WORDS)),
    ceil=st.booleans(),
    by=st.sampled_from(["max", "avg", "sum"]),
)
def test_random_pool(shape: Any, **args: Any) -> None:
    _try("pool", {k: v for k, v in args.items() if v is not None}, shape)


@_few
@given(shape=_shape, data=st.data())
def test_random_resize(shape: Any, data: Any) -> None:
    rank = len(shape) - 1
    to = data.draw(st.tuples(*[st.integers(1, 14)] * rank))
    kind = data.draw(st.sampled_from(["pool", "pad", "crop", "upsample"]))
    args: dict[str, Any] = {"to": to}
    if kind == "pool":
        args["by"] = data.draw(st.sampled_from(["max", "avg"]))
    elif kind == "upsample":
        args["by"] = data.draw(
            st.sampled_from(["nearest", {1: "linear", 2: "bilinear", 3: "trilinear"}[rank]])
        )
        args["align_corners"] = args["by"] != "nearest" and data.draw(st.booleans())
    _try(kind, args, shape)


# ---------------------------------------------------------------------------- positions of maxima


@pytest.mark.parametrize(
    "args, remembers",
    [
        ({"kernel": 2}, True),
        ({"kernel": 3, "stride": 2, "pad": 1}, True),
        ({"kernel": 3, "stride": 2, "ceil": True}, True),
        ({"kernel": 3, "stride": 2, "dilation": 2}, True),
        ({"kernel": 3, "stride": 1, "pad": "same"}, True),
        ({"kernel": 3, "stride": 2, "pad": "same"}, False),
        ({"kernel": 2, "pad": ((0, 1), (0, 1))}, False),
        ({"kernel": 2, "by": "avg"}, False),
        ({"kernel": "global"}, False),
        ({"to": (2, 2)}, False),
    ],
    ids=str,
)
def test_positions_lead_back(args: dict[str, Any], remembers: bool) -> None:
    """Unpooling puts each maximum where it was."""
    x = (3, 9, 11)
    pool = operator("pool").make(args)
    assert pool.remembers(x) == remembers
    if not remembers:
        return
    source = torch.rand(2, *x)
    maxima, positions = Running(pool.torch_positions(x))(source)
    assert torch.equal(maxima, Running(pool.torch(x))(source))
    size = {"from": "<value>", "size": x[1:]}
    window = {k: v for k, v in args.items() if k in ("kernel", "stride")}
    window["pad"] = pool.axes(x)[0].lo
    unpool = operator("unpool").make({**window, **size})
    shape = pool.shape(x)
    try:
        unpool.check(shape, shape)
    except OpError as error:
        assert error.code == "E0408"  # dilated windows span more than PyTorch's unpooling takes
        return
    back = Running(unpool.torch(shape, shape))(maxima, positions)
    assert tuple(back.shape[1:]) == x
    assert torch.equal(back[back != 0], source[back != 0])
    assert set(maxima.flatten().tolist()) == set(back[back != 0].tolist())


# ---------------------------------------------------------------------------- RoIAlign


def _bilinear(plane: torch.Tensor, y: float, x: float) -> float:
    """A plane between its units; 0 further than one unit outside."""
    height, width = plane.shape
    if not (-1 <= y <= height and -1 <= x <= width):
        return 0.0
    y, x = min(max(y, 0), height - 1), min(max(x, 0), width - 1)
    top, left = int(y), int(x)
    low, right = min(top + 1, height - 1), min(left + 1, width - 1)
    down, along = y - top, x - left
    upper = (1 - along) * plane[top, left] + along * plane[top, right]
    lower = (1 - along) * plane[low, left] + along * plane[low, right]
    return float((1 - down) * upper + down * lower)


def test_roi_align() -> None:
    torch.manual_seed(0)
    op = operator("roi_align").make({"boxes": "<value>", "to": (3, 2), "stride": 4})
    x = torch.rand(2, 3, 9, 7)
    boxes = torch.tensor(
        [
            [[2.0, 3.0, 20.0, 30.0], [0, 0, 28, 36]],
            [[-9.0, -7.0, 12.0, 8.0], [20, 21, 60, 70]],  # over the border: beyond it there is 0
        ]
    )
    found = Running(op.torch((3, 9, 7), (2, 4)))(x, boxes)
    assert found.shape == (4, 3, 3, 2)
    for n in range(4):
        x1, y1, x2, y2 = (boxes.flatten(0, 1)[n] / 4 - 0.5).tolist()
        high, wide = (y2 - y1) / 3, (x2 - x1) / 2
        for c, i, j in itertools.product(range(3), range(3), range(2)):
            samples = [
                _bilinear(x[n // 2, c], y1 + (i + a) * high, x1 + (j + b) * wide)
                for a in (0.25, 0.75)
                for b in (0.25, 0.75)
            ]
            assert abs(sum(samples) / 4 - float(found[n, c, i, j])) < 1e-9

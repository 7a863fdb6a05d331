"""`archc ops`: complete, narrow enough, and true to what the operators state."""

from __future__ import annotations

import pytest

from archc.ops import REF, names, operator
from archc.ops.describe import document, example, listing, spell, written
from tests.support.op_cases import CASES


def test_listing_has_every_operator_once() -> None:
    lines = listing().splitlines()
    listed = [line.split()[0] for line in lines if line.startswith("  ")]
    assert sorted(listed) == sorted(names())
    assert all(len(line) <= 100 and not line.endswith("…") for line in lines)


@pytest.mark.parametrize("name", names())
def test_page(name: str) -> None:
    page = document(name)
    lines = page.splitlines()
    assert all(len(line) <= 100 for line in lines)
    assert all(line == line.rstrip() for line in lines)
    cls = operator(name)
    section = page.partition("Parameters\n")[2].partition("\n\n")[0].splitlines()
    for parameter in cls.parameters():
        rows = [line for line in section if line.startswith(f"  {parameter} ")]
        assert len(rows) == 1
    for field in cls.model_fields.values():
        assert field.description
    op, shapes = example(cls)
    op.check(*shapes)
    assert f"  .arch     {written(op)}" in lines
    assert ("Parameters" in lines) == bool(cls.parameters())
    assert "Formulas" in lines and "  PyTorch" in page


@pytest.mark.parametrize("name", names())
def test_formulas_are_stated_where_something_changes(name: str) -> None:
    cls = operator(name)
    needed = set()
    for op, args, shapes in CASES:
        if op != name:
            continue
        made, x = cls.make(args), shapes[0]
        out = made.outputs(*shapes)[0]
        needed |= {"params"} if made.weights(x) else set()
        needed |= {"buffers"} if made.buffers(x) else set()
        needed |= {"MACs"} if made.macs(*shapes) else set()
        needed |= {"channels"} if out[0] != x[0] else set()
        needed |= {"size"} if out[1:] != x[1:] and name != "fuse" else set()
    assert needed == set(cls.formulas)


def test_values_as_written() -> None:
    assert spell((1, (2, 0.5))) == "[1, [2, 0.5]]"
    assert [spell(v) for v in (True, 1e-5, 2.0, REF, "max")] == ["true", "1e-5", "2", "v", "max"]
    conv = operator("conv")
    made = conv.make({"channels": 8, "kernel": (3, 5), "stride": 2, "bias": False, "init": 0.5})
    assert written(made) == "x -> conv(8, [3, 5], stride=2, bias=false, init=0.5)"
    made = conv.make({"channels": 8, "kernel": 1, "bias": 1, "weight": (((1,),),)})
    assert written(made) == "x -> conv(8, 1, bias=1, weight=[[[1]]])"

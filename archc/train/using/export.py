"""Export: a module as ONNX, as an exported torch program, or as weights; each checked by running.

What was written is read back by what will read it (onnxruntime, `torch.export.load`, safetensors),
run on images that the export has not seen, and held against the module. Only then does the file
take its place.
"""

from __future__ import annotations

import contextlib
import io
import logging
import tempfile
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from math import hypot, inf
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ..errors import TrainError
from ..folder import checkpoint
from ..folder.rundir import unwritable, write_atomic
from ..tasks.objective import tensors

KINDS = ("onnx", "torch-export", "safetensors")
TOLERANCE = {"onnx": 1e-3, "torch-export": 1e-4, "safetensors": 0.0}
"""Largest relative error that passes: other kernels sum in another order; weights alone change
nothing."""
SEEN, UNSEEN = 2, 3
"""Batch sizes: what the export runs through the module, and what the check runs."""
MOST_BYTES = (1 << 31) - (1 << 20)
"""A protocol buffer holds less than 2 GiB."""

Inputs = Mapping[str, Sequence[int]]


def export(
    make: Callable[[], nn.Module],
    kind: str,
    result: Path,
    *,
    inputs: Inputs,
    outputs: Sequence[str],
    facts: Mapping[str, str],
) -> str:
    """Write a module to `result` in one of `KINDS`; gives a line on what was checked.

    `make`: gives the module, with its weights; called again for the check. `inputs`: name to shape,
    without the batch, which stays free. `outputs`: names of those that exist in inference. `facts`
    go into a safetensors header. Raises TrainError E0809 (an extra is absent), E0902 (it cannot be
    exported), E0903 (what was written computes something else), E0708 (cannot write).
    """
    if kind == "onnx":
        require_onnx()
    module = make().eval()
    data, run = _WRITERS[kind](module, inputs, outputs, make, facts)
    error = _difference(module, run, inputs)
    if not error <= TOLERANCE[kind]:  # a NaN is not
        raise TrainError(
            "E0903",
            f"the exported {kind} differs from the module: relative error {error:.2g}",
            notes=(f"up to {TOLERANCE[kind]:g} passes; nothing was written",),
        )
    try:
        result.parent.mkdir(parents=True, exist_ok=True)
    except OSError as failure:
        raise unwritable(result, failure) from None
    write_atomic(result, data)
    reader = {"onnx": "onnxruntime", "torch-export": "torch.export", "safetensors": "safetensors"}
    how = "exactly" if error == 0 else f"to a relative error of {error:.1g}"
    return (
        f"{result}: {kind}, {len(data):,} bytes; read back by {reader[kind]} and run on {UNSEEN} "
        f"inputs, it agrees {how}"
    )


def require_onnx() -> None:
    """Raise TrainError E0809 where the `onnx` extra is not installed."""
    missing = [n for n in ("onnx", "onnxscript", "onnxruntime") if find_spec(n) is None]
    if missing:
        raise TrainError(
            "E0809",
            f"ONNX needs {', '.join(missing)}, which is not installed",
            help='pip install "archc[torch,onnx]"',
        )


# --------------------------------------------------------------------------- the formats

Run = Callable[[list[Tensor]], list[Tensor]]
Written = tuple[bytes, Run]
"""The file, and what it computes, as its readers see it."""


def _onnx(
    module: nn.Module,
    inputs: Inputs,
    outputs: Sequence[str],
    make: Callable[[], nn.Module],
    facts: Mapping[str, str],
) -> Written:
    import onnxruntime

    size = sum(t.nbytes for t in module.state_dict().values())
    if size > MOST_BYTES:
        raise TrainError(
            "E0902",
            f"{size / 1e9:.1f} GB of weights are more than an ONNX file holds (2 GiB)",
            help="use `--to torch-export`",
        )
    results = _run(module, _sample(inputs, SEEN))
    names = list(outputs) if len(outputs) == len(results) else None
    with _quiet(), _failures("ONNX"):
        program = torch.onnx.export(
            module,
            tuple(_sample(inputs, SEEN)),
            input_names=list(inputs),
            output_names=names,
            dynamic_shapes=tuple({0: "batch"} for _ in inputs),
            dynamo=True,
            verbose=False,
        )
        assert program is not None
        data = program.model_proto.SerializeToString()
        session = onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"])

    def run(values: list[Tensor]) -> list[Tensor]:
        # the exporter may rename an input, so they are given by position
        given = [i.name for i in session.get_inputs()]
        made = session.run(None, {n: v.numpy() for n, v in zip(given, values, strict=True)})
        return [torch.from_numpy(array) for array in made]

    return data, run


def _program(
    module: nn.Module,
    inputs: Inputs,
    outputs: Sequence[str],
    make: Callable[[], nn.Module],
    facts: Mapping[str, str],
) -> Written:
    with _quiet(), _failures("torch.export"), tempfile.TemporaryDirectory() as folder:
        exported = torch.export.export(
            module,
            tuple(_sample(inputs, SEEN)),
            dynamic_shapes=tuple({0: torch.export.Dim("batch")} for _ in inputs),
        )
        path = Path(folder) / "program.pt2"
        torch.export.save(exported, path)
        data = path.read_bytes()
        loaded = torch.export.load(path).module()
    return data, lambda values: _run(loaded, values)


def _weights(
    module: nn.Module,
    inputs: Inputs,
    outputs: Sequence[str],
    make: Callable[[], nn.Module],
    facts: Mapping[str, str],
) -> Written:
    data = checkpoint.packed(module, dict(facts))
    from safetensors.torch import load

    fresh = make().eval()
    for tensor in fresh.state_dict().values():
        tensor.zero_()  # so that only the file can bring them back
    fresh.load_state_dict(load(data))
    return data, lambda values: _run(fresh, values)


_WRITERS: dict[str, Callable[..., Written]] = {
    "onnx": _onnx,
    "torch-export": _program,
    "safetensors": _weights,
}


# --------------------------------------------------------------------------- the check


def _difference(module: nn.Module, run: Run, inputs: Inputs) -> float:
    """Relative error ||have - want|| / ||want|| over a batch that the export has not seen.

    In the Euclidean norm over all outputs, not at the worst place: where a max unpooling meets two
    almost equal neighbours, another order of summation may move a value by a whole place. NaN where
    an output holds one, infinite where shapes differ.
    """
    values = _sample(inputs, UNSEEN)
    want, have = _run(module, values), run(values)
    if [t.shape for t in want] != [t.shape for t in have]:
        return inf
    gap, size = (
        hypot(*(float(torch.linalg.vector_norm(t.double())) for t in part))
        for part in ([a - b for a, b in zip(have, want, strict=True)], want)
    )
    return gap / size if size else gap


def _sample(inputs: Inputs, batch: int) -> list[Tensor]:
    """Random inputs, the same every time."""
    generator = torch.Generator().manual_seed(batch)
    return [torch.rand(batch, *shape, generator=generator) for shape in inputs.values()]


def _run(module: Callable[..., Any], values: list[Tensor]) -> list[Tensor]:
    with torch.no_grad():
        return tensors(module(*values))


@contextmanager
def _quiet() -> Iterator[None]:
    """The exporters tell of their own insides; what matters comes as an exception."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with (
            warnings.catch_warnings(),
            contextlib.redirect_stdout(io.StringIO()),
            contextlib.redirect_stderr(io.StringIO()),
        ):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)


@contextmanager
def _failures(what: str) -> Iterator[None]:
    """Whatever an exporter raises (they raise almost anything) becomes ours."""
    try:
        yield
    except (MemoryError, TrainError):
        raise
    except Exception as error:
        lines = str(error).strip().splitlines() or [type(error).__name__]
        raise TrainError(
            "E0902", f"{what} cannot take this network", notes=(lines[0][:300],)
        ) from error

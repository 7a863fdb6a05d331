"""Weights out of files of any origin: what is taken, what is refused, and in which words."""

from __future__ import annotations

import os
import threading
import zipfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from archc.recipe import Called, RecipeSpec, Setting
from archc.source import Source, Span
from archc.train import TrainError
from archc.train.data.picture import open_image
from archc.train.folder.weights import load_all, read_weights
from archc.train.settings.recipe import Recipe
from archc.train.transfer import start

torch.set_num_threads(1)

SPAN = Span(Source("made", ""), 0, 0)
Weights = dict[str, Tensor]


def network() -> nn.Sequential:
    torch.manual_seed(3)
    return nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(16, 3))


def other() -> Weights:
    """Of the same network, with other values."""
    return {name: t + 1 for name, t in network().state_dict().items()}


def taken_whole(path: Path) -> None:
    module = network()
    load_all(path, module)
    assert torch.equal(module.state_dict()["3.weight"], other()["3.weight"])
    assert torch.equal(read_weights(path).popitem()[1], read_weights(path).popitem()[1])


def init(path: Path) -> Recipe:
    values = {"data": Called("digits", (), {}), "init": str(path)}
    spec = tuple(Setting((name,), value, SPAN, SPAN) for name, value in values.items())
    return Recipe.read(RecipeSpec("r", "N", spec[:1], "", SPAN), {"init": str(path)})


def refused(path: Path, words: str) -> TrainError:
    """By both ways in; the module stays as it was."""
    module = network()
    errors = []
    ways: list[Callable[[], object]] = [
        partial(load_all, path, module),
        partial(start, module, init(path), path.parent),
    ]
    for use in ways:
        with pytest.raises(TrainError) as caught:
            use()
        assert caught.value.code == "E0808"
        assert words in caught.value.message
        errors.append(caught.value)
    assert all(torch.equal(a, b) for a, b in zip(
        module.state_dict().values(), network().state_dict().values(), strict=True))  # fmt: skip
    return errors[0]


# --------------------------------------------------------------------------- taken


PREFIXES = ("module.", "module._orig_mod.", "state.model.net.")


@pytest.mark.parametrize("prefix", PREFIXES)
def test_a_prefix_of_all_names_is_taken_off(prefix: str, tmp_path: Path) -> None:
    """By `eval`, `export` and `predict` too, not by `init` alone."""
    save_file({prefix + name: t for name, t in other().items()}, tmp_path / "w.safetensors")
    taken_whole(tmp_path / "w.safetensors")
    old = {prefix + name: t for name, t in other().items() if "num_batches" not in name}
    torch.save(old, tmp_path / "w.pt")
    taken_whole(tmp_path / "w.pt")
    torch.save({**old, "else": torch.zeros(1)}, tmp_path / "more.pt")
    with pytest.raises(TrainError, match="is of another network"):
        load_all(tmp_path / "more.pt", network())


@pytest.mark.parametrize("holder", [
    lambda w: {"state_dict": w, "mean": torch.zeros(3)},
    lambda w: {"model": {"state_dict": w, "mean": torch.zeros(3)}, "step": torch.tensor(3)},
    lambda w: w,
])  # fmt: skip
def test_other_tensors_beside_a_state_dict_do_not_hide_it(
    holder: Callable[[Weights], Any], tmp_path: Path
) -> None:
    torch.save(holder(other()), tmp_path / "w.pt")
    taken_whole(tmp_path / "w.pt")


@pytest.mark.parametrize("kind", [torch.float16, torch.bfloat16, torch.float64])
def test_other_precisions_are_taken(kind: torch.dtype, tmp_path: Path) -> None:
    halves = {n: t.to(kind) if t.is_floating_point() else t for n, t in other().items()}
    save_file(halves, tmp_path / "w.safetensors")
    module = network()
    load_all(tmp_path / "w.safetensors", module)
    found = module.state_dict()["3.weight"]
    assert found.dtype == torch.float32
    assert torch.equal(found, halves["3.weight"].float())


# --------------------------------------------------------------------------- refused


def nan(weights: Weights) -> Weights:
    weights["3.bias"][1] = float("nan")
    return weights


def whole(weights: Weights) -> Weights:
    return {name: t.to(torch.int32) for name, t in weights.items()}


@pytest.mark.parametrize(("spoil", "words"), [
    (nan, "`3.bias` of `"),
    (nan, "holds numbers that are not finite"),
    (whole, "is of int32, which are no weights"),
])  # fmt: skip
@pytest.mark.parametrize("file", ["w.safetensors", "w.pt"])
def test_values_that_are_no_weights(
    spoil: Callable[[Weights], Weights], words: str, file: str, tmp_path: Path
) -> None:
    made = spoil(other())
    if file.endswith("pt"):
        torch.save(made, tmp_path / file)
    else:
        save_file(made, tmp_path / file)
    refused(tmp_path / file, words)


def test_what_is_no_weight_of_this_network_may_be_anything(tmp_path: Path) -> None:
    """A mask of minus infinity, say, in a part that is not taken."""
    made = other() | {"head.mask": torch.full((2,), float("-inf")), "head.n": torch.zeros(2).int()}
    save_file(made, tmp_path / "w.safetensors")
    started = start(network(), init(tmp_path / "w.safetensors"), tmp_path)
    assert started is not None
    assert started.unexpected == ["head.mask", "head.n"]


def test_files_that_are_something_else(tmp_path: Path) -> None:
    path = tmp_path / "w.pt"
    save_file({}, path)
    refused(path, "holds no tensors")
    path.write_bytes(b"some text that is no checkpoint")
    refused(path, "it is no safetensors file, or damaged (")
    torch.save(other(), path)
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])
    refused(path, "its zip archive is damaged")
    middle = data.index(b"PK\x03\x04") + 90
    path.write_bytes(data[:middle] + bytes(40) + data[middle + 40 :])
    refused(path, "")
    with zipfile.ZipFile(path, "w") as archive:  # what tells a program from weights
        for name in ("constants.pkl", "data.pkl", "version"):
            archive.writestr(f"w/{name}", b"3")
    assert "state_dict()" in str(refused(path, "is a TorchScript program").help)


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "w.pt")
    os.mkfifo(tmp_path / "i.png")

    def look() -> None:
        refused(tmp_path / "w.pt", "it is not a regular file")
        with pytest.raises(TrainError, match="it is not a regular file"):
            open_image(tmp_path / "i.png")
        done.append(True)

    done: list[bool] = []
    thread = threading.Thread(target=look, daemon=True)
    thread.start()
    thread.join(20)
    assert done == [True]


def test_a_file_that_is_not_there_is_looked_for_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(TrainError, match="cannot be found") as caught:
        start(network(), init(Path("none.pt")), tmp_path)
    assert len(caught.value.notes) == 1

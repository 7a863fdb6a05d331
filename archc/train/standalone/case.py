"""From a recipe and its data to what a script has to say."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import nn

from ..build import instantiate
from ..data.fitting import Prepared, prepare
from ..data.samples import IGNORED
from ..data.sources import Data, load
from ..device import SMALL_STEP, Setup, choose, numerics
from ..freezing import Frozen
from ..loop import batches
from ..settings.choices import Crop, Cutmix, Mixup, Rotate, Scale, Shift
from ..settings.recipe import Recipe
from ..tasks.objective import Head, make_heads, tensors
from ..training import check_parts, check_settings, input_shape, placed, probe
from ..transfer import check_rates, start


@dataclass(frozen=True)
class Case:
    """What a script is about, and what is known of its data."""

    network: str
    """Its name in the spec."""
    made: str
    """The class of it that the module beside the script defines."""
    called: str
    """That class in the script."""
    module: str
    """The name of that module."""
    spec: str
    """The name of the spec's file."""
    recipe: Recipe
    heads: Sequence[Head]
    """Main outputs first."""
    outputs: tuple[tuple[int, ...], ...]
    """Shape of each head's output, without the batch."""
    measured: int
    """Which main output the metric is of."""
    trained: tuple[str, ...]
    """Where each head's output is in what the network gives in training: `outputs[0]`, say."""
    evaluated: tuple[str, ...]
    """Where the main outputs are in evaluation."""
    random: bool
    """Do its layers draw random numbers in training?"""
    shape: tuple[int, ...]
    """Of the network's input, without the batch."""
    data: Data
    ready: Prepared
    init: bytes | None
    """Weights to start from, as `torch.save` writes a state_dict."""
    small: bool
    """Is a step so little work that more than one CPU thread would only wait?"""

    @property
    def kind(self) -> str:
        """Of the targets; see `samples.Split`."""
        return self.ready.train.kind

    @property
    def image(self) -> bool:
        return len(self.shape) == 3

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of the input images."""
        return (self.shape[1], self.shape[2]) if self.image else (1, 1)

    @property
    def channels(self) -> tuple[int, ...]:
        """Of each head's output; a single number has one."""
        return tuple(shape[0] if shape else 1 for shape in self.outputs)

    @property
    def classes(self) -> int:
        """How many classes there are for the metric; a single output tells two by its sign."""
        return max(self.channels[self.measured], 2)

    @property
    def moved(self) -> str:
        """What moves with the images: their `masks`, `keypoints`, `pictures`; "" where nothing."""
        y = self.ready.train.y
        here = y.shape[-2:] == self.ready.train.x.shape[-2:]
        if self.kind == "masks":
            return "masks" if y.ndim == 3 and here else ""
        if self.kind == "values":
            return "pictures" if y.ndim == 4 and here else ""
        return "keypoints" if self.kind == "keypoints" else ""

    @cached_property
    def ignoring(self) -> bool:
        """Are there places that do not count, in the data or by what augmentation lets in?"""
        splits = (self.ready.train, self.ready.validation, self.ready.test)
        if self.kind in ("values", "keypoints") or not self.ready.ignoring:
            return False
        borders = isinstance_of(self.recipe.augment, Shift, Scale, Rotate, Crop)
        return (borders and self.moved == "masks") or any(
            bool((split.y == IGNORED).any()) for split in splits if split is not None
        )

    @property
    def soft(self) -> bool:
        """Are there samples of two classes at once?"""
        return self.kind == "classes" and isinstance_of(self.recipe.augment, Mixup, Cutmix)

    @property
    def steps(self) -> int:
        """Steps of an epoch."""
        return batches(len(self.ready.train), self.recipe)[1]


def isinstance_of(choices: Sequence[Any], *kinds: type) -> bool:
    """Is one of the choices of one of these kinds?"""
    return any(isinstance(choice, kinds) for choice in choices)


def make_case(
    recipe: Recipe,
    *,
    network: str,
    module: str,
    spec: str,
    code: str,
    inputs: Mapping[str, tuple[int, ...]],
    outputs: Sequence[tuple[str | None, bool]],
    spec_dir: Path,
) -> Case:
    """Load the data of a recipe and run samples through its network, to see what they are.

    `module`: name of the file with the network's `code`. Raises TrainError as training does.
    """
    heads = make_heads(recipe, outputs)
    shape = input_shape(inputs)
    check_settings(recipe)
    with placed(recipe, "data"):
        data = load(recipe.data, spec_dir, trusted=recipe.from_command_line("data"))
        ready = prepare(data, recipe, shape)
    setup = choose(recipe, "cpu", len(shape), 0)
    with numerics(setup), placed(recipe, "data"):
        torch.manual_seed(recipe.seed)
        made = instantiate(code, network)
        init = None
        if start(made, recipe, spec_dir) is not None:
            file = io.BytesIO()
            torch.save(made.state_dict(), file)
            init = file.getvalue()
        frozen = Frozen(made, recipe)
        check_rates(made, recipe)
        macs, objective = probe(made, heads, ready, setup)
        check_parts(made, frozen, ready, setup, recipe)
        ran = _run(made, shape, setup)
    return Case(
        network=network,
        made=type(made).__name__,
        called=type(made).__name__,
        module=module,
        spec=spec,
        recipe=recipe,
        heads=heads,
        outputs=ran.outputs,
        measured=objective.measured,
        trained=ran.trained,
        evaluated=ran.evaluated,
        random=ran.random,
        shape=shape,
        data=data,
        ready=ready,
        init=init,
        small=macs * batches(len(ready.train), recipe)[0] < SMALL_STEP,
    )


@dataclass(frozen=True)
class _Ran:
    """What a network did with two samples; as in `Case`."""

    outputs: tuple[tuple[int, ...], ...]
    trained: tuple[str, ...]
    evaluated: tuple[str, ...]
    random: bool


def _run(module: nn.Module, shape: tuple[int, ...], setup: Setup) -> _Ran:
    module.train()
    before = torch.get_rng_state()
    with torch.no_grad(), setup.autocast():
        result = module(torch.zeros(2, *shape))
        random = not torch.equal(before, torch.get_rng_state())
        measured = module.eval()(torch.zeros(2, *shape))
    return _Ran(
        outputs=tuple(tuple(out.shape[1:]) for out in tensors(result)),
        trained=tuple(_paths(result, "outputs")),
        evaluated=tuple(_paths(measured, "outputs")),
        random=random,
    )


def _paths(result: Any, at: str) -> list[str]:
    """Expressions for the tensors of a result, of which `at` is one for the whole."""
    if isinstance(result, torch.Tensor):
        return [at]
    return [path for i, part in enumerate(result) for path in _paths(part, f"{at}[{i}]")]

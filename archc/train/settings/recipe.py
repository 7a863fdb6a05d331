"""A recipe, typed and checked: every setting with its place. Nothing here needs torch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, PrivateAttr

from ...recipe import RecipeSpec
from ...source import Span
from .choices import (
    RATES,
    AdamW,
    Augmentation,
    ByTask,
    Checkpoint,
    Constant,
    Every,
    Fit,
    Fraction,
    FromData,
    LayerRate,
    Loss,
    NonNegative,
    Normalization,
    Optimizer,
    Precision,
    Schedule,
    Source,
    Switch,
)


class Weighted(BaseModel):
    """The loss of one output and how much it counts in the sum."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")

    weight: NonNegative
    loss: Loss


class Recipe(BaseModel):
    """How a network is trained. Every field but the first two is a setting, overridable by name."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid", defer_build=True)

    name: str
    network: str | None

    data: Source
    """Where training and test data come from."""
    epochs: Annotated[int, Field(ge=1)] = 10
    """Passes over the training data."""
    batch: Annotated[int, Field(ge=1)] = 128
    """Samples per step. The rest after the last full one waits for another epoch's shuffle."""
    accumulate: Annotated[int, Field(ge=1)] = 1
    """Parts that a batch is computed in, one after the other: less memory, the same update."""
    optimizer: Optimizer = AdamW()
    """How weights follow their gradients."""
    schedule: Schedule = Constant()
    """The learning rate over the run, as a share of the optimizer's `lr`."""
    no_decay: bool = False
    """No weight decay for parameters of one axis: biases, and the scales of normalisations."""
    clip: NonNegative = 0.0
    """Gradients longer than this, all taken as one vector, are scaled down to it; 0: none are."""
    ema: Fraction = 0.0
    """Decay per step of a running average of the weights, which is then measured and kept."""
    loss: Loss = ByTask()
    """Of every output that has none of its own."""
    losses: dict[str, Weighted] = {}
    """`loss.NAME = [weight, loss]`, by output."""
    augment: list[Augmentation] = []
    """Drawn per sample and epoch, applied to training batches in this order."""
    classes: list[Annotated[int, Field(ge=0)]] = []
    """Only samples of these classes, numbered anew from 0 in this order; all, if none is given."""
    samples: Annotated[int, Field(ge=2)] | None = None
    """At most so many training samples, drawn by `seed`, before any are held out."""
    ignore: Annotated[int, Field(ge=0)] | None = None
    """A class number of the data that counts in no loss and no metric: a border, say."""
    permute: bool = False
    """The pixels of all images in one other order, drawn by `seed`."""
    fit: Fit = "auto"
    """How images reach the input: `pad` with zeros, `resize`, `crop`; `auto`: little padding."""
    normalize: Normalization = FromData()
    """How the numbers of images are brought to a common range."""
    validation: Fraction = 0.1
    """Share of the training data held out to choose the best epoch by; 0 trains on all of them."""
    patience: Annotated[int, Field(ge=0)] = 0
    """Epochs without a better one on `validation` after which the run ends early; 0: never."""
    init: Annotated[str, Field(min_length=1)] | None = None
    """A file of weights to start from, or a run's folder; as `--init FILE`."""
    fresh: list[str] = []
    """Parameters that `init` leaves as they are: patterns, as for `freeze`. A head, say."""
    freeze: list[str] = []
    """Parameters that stay as they are: patterns (`features.*`) over names, or module names."""
    layer_lr: Annotated[list[LayerRate], Field(json_schema_extra={"takes": RATES})] = []
    """`[["features", 0.1]]`: factors of the learning rate, of the first pattern that fits."""
    seed: Annotated[int, Field(ge=0, lt=1 << 63)] = 0
    """Of weights, order, augmentation, dropout and the validation split."""
    precision: Precision = "auto"
    """`auto`: bf16 autocast on a GPU that has it, else fp32. `fp32` also rules out TF32."""
    channels_last: Switch = "auto"
    """Memory layout of images and weights, on CPUs mostly faster too; `auto`: on both."""
    compile: Switch = "auto"
    """`torch.compile`; `auto`: on a GPU, for runs long enough to pay for it."""
    deterministic: bool = False
    """Only what gives the same bits every time: slower on a GPU; on a CPU it is always so."""
    sync_batchnorm: bool = True
    """Several processes: batch normalisations see the whole batch, not each its process's share."""
    checkpoint: Checkpoint = Every(seconds=300)
    """When the state to resume from is written, besides the end of each epoch."""
    pictures: bool = True
    """At the end, kernels of the first layer, the confusion matrix and predictions as pictures."""
    tensorboard: bool = False
    """Curves and pictures for TensorBoard too, in the folder `tensorboard` of the run."""

    _places: dict[str, Span] = PrivateAttr(default_factory=dict)
    _overridden: frozenset[str] = PrivateAttr(default=frozenset())

    @classmethod
    def read(cls, spec: RecipeSpec, overrides: Mapping[str, Any]) -> Recipe:
        """Check the settings of a recipe, `overrides` ("epochs" or "optimizer.lr") on top.

        Raises TrainError E0801 (unknown setting) or E0802 (wrong value); several mistakes come
        together, see `TrainError.each`.
        """
        from .reading import Reader

        reader = Reader(spec)
        for setting in spec.settings:
            reader.put(setting.path, setting.value, setting.span, setting.value_span)
        for key, value in overrides.items():
            reader.override(tuple(key.split(".")), value)
        made = reader.finish()
        made._places.update(reader.places)
        made._overridden = frozenset(overrides)
        return made

    def with_seed(self, seed: int) -> Recipe:
        """The same recipe with another seed."""
        made = self.model_copy(update={"seed": seed})
        made._places, made._overridden = self._places, self._overridden
        return made

    def of_network(self, name: str) -> Recipe:
        """The same recipe for another network."""
        made = self.model_copy(update={"network": name})
        made._places, made._overridden = self._places, self._overridden
        return made

    def place(self, setting: str) -> Span | None:
        """Where the value of a setting stands; None for a default or an override."""
        return self._places.get(setting)

    def from_command_line(self, setting: str) -> bool:
        """It was given by the user's own hand, not by the spec."""
        return any(key.partition(".")[0] == setting for key in self._overridden)


SETTINGS: tuple[str, ...] = tuple(
    name for name in Recipe.model_fields if name not in ("name", "network", "losses")
)


def plain(recipe: Recipe) -> dict[str, Any]:
    """The recipe as JSON; choices carry their names."""

    def named(value: Any) -> Any:
        name = getattr(value, "name", None)
        if isinstance(value, list):
            return [named(v) for v in value]
        if isinstance(value, dict):
            return {k: named(v) for k, v in value.items()}
        if not hasattr(type(value), "model_fields"):
            return value
        fields = {k: named(getattr(value, k)) for k in type(value).model_fields}
        return {"name": name, **fields} if "name" not in fields and name else fields

    return {k: named(getattr(recipe, k)) for k in Recipe.model_fields}

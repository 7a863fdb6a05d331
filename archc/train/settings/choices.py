"""What the settings of a recipe may be: one frozen, strict pydantic class per choice.

The order of the fields is the order of positional arguments: `idx("fashion-mnist")`. These classes
only state and check; what they mean in torch stands in `optim`, `objective`, `augment`, `sources`.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from .choice import (
    Choice,
    Count,
    Finite,
    Fraction,
    NonNegative,
    OpenShare,
    Positive,
    Probability,
    Seed,
    Side,
)
from .data_choices import (
    Colour,
    Crop,
    Cutmix,
    Cutout,
    Digits,
    Filtered,
    Flip,
    FromData,
    Given,
    Idx,
    Images,
    Keypoints,
    Masks,
    Mixup,
    Npz,
    Pair,
    Rotate,
    Scale,
    Scenes,
    Shift,
    Unnormalized,
)

__all__ = [
    "CHOICES",
    "RATES",
    "Adadelta",
    "Adagrad",
    "Adam",
    "AdamW",
    "Augmentation",
    "Bce",
    "ByTask",
    "Checkpoint",
    "Choice",
    "Colour",
    "Constant",
    "Cosine",
    "Count",
    "Crop",
    "CrossEntropy",
    "Cutmix",
    "Cutout",
    "Dice",
    "Digits",
    "EpochEnd",
    "Every",
    "Filtered",
    "Finite",
    "Fit",
    "Flip",
    "Fraction",
    "FromData",
    "Given",
    "Heatmaps",
    "Huber",
    "Idx",
    "Images",
    "Keypoints",
    "LayerRate",
    "Loss",
    "Masks",
    "Mixup",
    "Mse",
    "NAdam",
    "NonNegative",
    "Normalization",
    "Npz",
    "OneCycle",
    "OpenShare",
    "Optimizer",
    "Pair",
    "Positive",
    "Precision",
    "Probability",
    "RAdam",
    "RmsProp",
    "Rotate",
    "Scale",
    "Scenes",
    "Schedule",
    "Seed",
    "Sgd",
    "Shift",
    "Side",
    "Source",
    "Step",
    "Switch",
    "Unnormalized",
]

# --------------------------------------------------------------------------- optimizers


class Sgd(Choice):
    """Stochastic gradient descent, with momentum on request."""

    name = "sgd"
    lr: Positive
    momentum: Fraction = 0.0
    nesterov: bool = False
    weight_decay: NonNegative = 0.0

    @model_validator(mode="after")
    def _nesterov_needs_momentum(self) -> Sgd:
        if self.nesterov and self.momentum == 0:
            raise ValueError("`nesterov=true` needs a momentum above 0")
        return self


class Adam(Choice):
    """Adam. Kingma and Ba 2014. Weight decay is added to the gradient."""

    name = "adam"
    lr: Positive = 1e-3
    betas: Annotated[list[Fraction], Field(min_length=2, max_length=2)] = [0.9, 0.999]
    eps: Positive = 1e-8
    weight_decay: NonNegative = 0.0


class AdamW(Choice):
    """Adam with decoupled weight decay. Loshchilov and Hutter 2017."""

    name = "adamw"
    lr: Positive = 1e-3
    betas: Annotated[list[Fraction], Field(min_length=2, max_length=2)] = [0.9, 0.999]
    eps: Positive = 1e-8
    weight_decay: NonNegative = 0.01


class RmsProp(Choice):
    """Steps divided by a running root mean square of the gradient. Tieleman and Hinton 2012."""

    name = "rmsprop"
    lr: Positive = 1e-2
    alpha: Fraction = 0.99
    eps: Positive = 1e-8
    momentum: Fraction = 0.0
    weight_decay: NonNegative = 0.0


class Adagrad(Choice):
    """Steps divided by the root of all squared gradients so far. Duchi et al. 2011."""

    name = "adagrad"
    lr: Positive = 1e-2
    eps: Positive = 1e-10
    weight_decay: NonNegative = 0.0


class Adadelta(Choice):
    """Running means of squared gradients and squared steps set the step. Zeiler 2012."""

    name = "adadelta"
    lr: Positive = 1.0
    rho: Fraction = 0.9
    eps: Positive = 1e-6
    weight_decay: NonNegative = 0.0


class NAdam(Choice):
    """Adam with Nesterov's momentum. Dozat 2016."""

    name = "nadam"
    lr: Positive = 2e-3
    betas: Annotated[list[Fraction], Field(min_length=2, max_length=2)] = [0.9, 0.999]
    eps: Positive = 1e-8
    weight_decay: NonNegative = 0.0


class RAdam(Choice):
    """Adam whose first steps are made smaller as its averages are rough. Liu et al. 2019."""

    name = "radam"
    lr: Positive = 1e-3
    betas: Annotated[list[Fraction], Field(min_length=2, max_length=2)] = [0.9, 0.999]
    eps: Positive = 1e-8
    weight_decay: NonNegative = 0.0


RATES = 'pairs of a pattern and a factor above 0, as in `[["features", 0.1]]`'
"""What `layer_lr` takes."""


class LayerRate(BaseModel):
    """How fast some parameters learn, as a factor of the others' rate."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")

    pattern: Annotated[str, Field(min_length=1)]
    factor: Positive


# --------------------------------------------------------------------------- schedules


class Constant(Choice):
    """The optimizer's lr throughout, after a linear warmup over a share of the run."""

    name = "constant"
    warmup: Fraction = 0.0


class OneCycle(Choice):
    """Up to the optimizer's lr over `warmup` of the run, then down, both along a cosine.

    Smith and Topin 2017. `start` and `end` are shares of that lr.
    """

    name = "one_cycle"
    warmup: Fraction = 0.3
    start: Probability = 0.04
    end: Probability = 4e-6


class Cosine(Choice):
    """Down a half cosine to `end` (a share of lr), after a linear warmup.

    Loshchilov and Hutter 2016.
    """

    name = "cosine"
    warmup: Fraction = 0.0
    end: Probability = 0.0


class Step(Choice):
    """Times `factor` every so many epochs, or at the given ones, after a linear warmup."""

    name = "step"
    every: Annotated[int, Field(ge=1)] | None = None
    at: Annotated[list[Annotated[int, Field(ge=1)]], Field(min_length=1)] | None = None
    factor: Annotated[float, Field(gt=0, le=1)] = 0.1
    warmup: Fraction = 0.0

    @model_validator(mode="after")
    def _one_of_two(self) -> Step:
        if (self.every is None) == (self.at is None):
            raise ValueError("`step` takes either `every` (epochs) or `at` (a list of epochs)")
        return self


# --------------------------------------------------------------------------- checkpoints


class Every(Choice):
    """Also within an epoch: after so many steps, or so many seconds."""

    name = "every"
    steps: Annotated[int, Field(ge=1)] | None = None
    seconds: Positive | None = None

    @model_validator(mode="after")
    def _steps_or_seconds(self) -> Every:
        if self.steps is None and self.seconds is None:
            raise ValueError("`every` takes `steps`, `seconds` or both")
        return self


class EpochEnd(Choice):
    """At the end of each epoch only."""

    name = "epoch"


# --------------------------------------------------------------------------- losses


class ByTask(Choice):
    """Cross entropy for classes and masks, `mse` for values, `heatmaps` for keypoints."""

    name = "auto"


class CrossEntropy(Choice):
    """Softmax cross entropy of logits [classes, ...] against class numbers [...].

    `weights`: how much each class counts; the mean is then weighted.
    """

    name = "cross_entropy"
    label_smoothing: Fraction = 0.0
    weights: Annotated[list[Positive], Field(min_length=2)] | None = None


class Dice(Choice):
    """Soft Dice loss, mean over classes; `cross_entropy`: plus so many times that one.

    Milletari et al. 2016.
    """

    name = "dice"
    smooth: Positive = 1.0
    cross_entropy: NonNegative = 0.0


class Bce(Choice):
    """Binary cross entropy of logits; class numbers become one-hot rows."""

    name = "bce"


class Mse(Choice):
    """Mean squared error; class numbers become one-hot rows."""

    name = "mse"


class Huber(Choice):
    """Squared below `delta`, linear above: outliers pull less. Huber 1964."""

    name = "huber"
    delta: Positive = 1.0


class Heatmaps(Choice):
    """Mean squared error against Gaussian hills at the keypoints; `sigma` in cells of the map.

    Tompson et al. 2014.
    """

    name = "heatmaps"
    sigma: Positive = 1.0


Source = Idx | Npz | Images | Masks | Pair | Digits | Scenes | Keypoints | Filtered
Optimizer = Sgd | Adam | AdamW | RmsProp | Adagrad | Adadelta | NAdam | RAdam
Schedule = Constant | OneCycle | Cosine | Step
Loss = ByTask | CrossEntropy | Dice | Bce | Mse | Huber | Heatmaps
Augmentation = Shift | Flip | Scale | Rotate | Crop | Colour | Cutout | Mixup | Cutmix
Normalization = FromData | Unnormalized | Given
Checkpoint = Every | EpochEnd
Fit = Literal["auto", "pad", "resize", "crop"]
Precision = Literal["auto", "fp32", "bf16"]
Switch = Literal["auto"] | bool
"""`auto` leaves it to the device."""

CHOICES: dict[str, tuple[type[Choice], ...]] = {
    "data": (Idx, Npz, Images, Masks, Pair, Digits, Scenes, Keypoints, Filtered),
    "optimizer": (Sgd, Adam, AdamW, RmsProp, Adagrad, Adadelta, NAdam, RAdam),
    "schedule": (Constant, OneCycle, Cosine, Step),
    "loss": (ByTask, CrossEntropy, Dice, Bce, Mse, Huber, Heatmaps),
    "augment": (Shift, Flip, Scale, Rotate, Crop, Colour, Cutout, Mixup, Cutmix),
    "normalize": (FromData, Unnormalized, Given),
    "checkpoint": (Every, EpochEnd),
}
"""Setting -> what it can be. A new optimizer or loss is a class above and an entry here."""

"""What the settings of a recipe may be: one frozen, strict pydantic class per choice.

The order of the fields is the order of positional arguments: `idx("fashion-mnist")`. These classes
only state and check; what they mean in torch stands in `optim`, `objective`, `augment`, `sources`.
"""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
NonNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Fraction = Annotated[float, Field(ge=0, lt=1)]
"""A share of a whole: 0 or more, less than 1."""
Probability = Annotated[float, Field(ge=0, le=1)]
Finite = Annotated[float, Field(allow_inf_nan=False)]


OpenShare = Annotated[float, Field(gt=0, lt=1)]
Side = Annotated[int, Field(ge=8, le=2048)]
"""Pixels along an edge of a square image."""
Count = Annotated[int, Field(ge=1, le=10_000_000)]
Seed = Annotated[int, Field(ge=0, lt=1 << 63)]


class Choice(BaseModel):
    """Base of all choices. `name` is how it is spelled in a recipe."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid", defer_build=True)

    name: ClassVar[str]


# --------------------------------------------------------------------------- data


class Idx(Choice):
    """Files as MNIST and Fashion-MNIST ship: four IDX files, gzipped or not, in one folder."""

    name = "idx"
    path: Annotated[str, Field(min_length=1)]


class Npz(Choice):
    """One .npz file with the arrays x_train, y_train, x_test and y_test.

    `keypoints`: y is [samples, keypoints, 2 or 3], x and y in pixels and whether it is to be seen.
    """

    name = "npz"
    path: Annotated[str, Field(min_length=1)]
    keypoints: bool = False


class Images(Choice):
    """Image files in one folder per class, in the folders `train` and `test` of `path` or in it.

    `size`: they are resized to (the shorter side) and cropped at their middle; needed where they
    differ. `channels`: 1 (grey) or 3. `test`: the share held out where there is no folder `test`.
    """

    name = "images"
    path: Annotated[str, Field(min_length=1)]
    size: Side | None = None
    channels: Literal[1, 3] = 3
    test: OpenShare = 0.2
    seed: Seed = 0


class Masks(Choice):
    """Images and masks of the same names, in folders `images` and `masks`; else as `images`.

    A mask's pixels are class numbers (grey or palette, 8 or 16 bits).
    """

    name = "masks"
    path: Annotated[str, Field(min_length=1)]
    size: Side | None = None
    channels: Literal[1, 3] = 3
    test: OpenShare = 0.2
    seed: Seed = 0


class Pair(Choice):
    """One image and what it should become: two files, trained on and tested on."""

    name = "pair"
    image: Annotated[str, Field(min_length=1)]
    target: Annotated[str, Field(min_length=1)]
    channels: Literal[1, 3] = 1


class Digits(Choice):
    """Handwritten digits of 8x8 pixels, which ship with archc: 1,437 to train on, 360 to test."""

    name = "digits"


class Scenes(Choice):
    """Made scenes of five shapes with exact masks; form tells the class of a pixel, not colour."""

    name = "scenes"
    count: Count = 2000
    size: Side = 64
    seed: Seed = 0
    test: Count = 500


class Keypoints(Choice):
    """Made stick figures with the places of 11 joints, some hidden."""

    name = "keypoints"
    count: Count = 2000
    size: Side = 64
    seed: Seed = 0
    test: Count = 500


class Filtered(Choice):
    """Made grey pictures and what `contrast` times a kernel, plus `brightness`, makes of them."""

    name = "filtered"
    kernel: Literal["identity", "sobel_x", "sobel_y", "laplace", "gauss", "box"] = "identity"
    contrast: Finite = 1.0
    brightness: Finite = 0.0
    count: Count = 64
    size: Side = 32
    seed: Seed = 0
    test: Count = 16


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


# --------------------------------------------------------------------------- images


class Shift(Choice):
    """Each image moved by up to `pixels` along each axis; what comes in is 0 (black)."""

    name = "shift"
    pixels: Annotated[int, Field(ge=1)]


class Flip(Choice):
    """Each image mirrored left to right with probability `p`."""

    name = "flip"
    p: Probability = 0.5


class Scale(Choice):
    """Each image enlarged by `low` to `high`, about its middle."""

    name = "scale"
    low: Positive = 0.8
    high: Positive = 1.25

    @model_validator(mode="after")
    def _in_order(self) -> Scale:
        if self.low > self.high:
            raise ValueError("`scale` takes `low` first, then `high`")
        return self


class Rotate(Choice):
    """Each image turned about its middle by up to `degrees`, either way."""

    name = "rotate"
    degrees: Annotated[float, Field(ge=0, le=180)] = 15.0


class Crop(Choice):
    """A window of each image, resized to all of it.

    `area`: its least share of the image's. `ratio`: at most so many times wider or higher.
    """

    name = "crop"
    area: Annotated[float, Field(gt=0, le=1)] = 0.25
    ratio: Annotated[float, Field(ge=1, allow_inf_nan=False)] = 4 / 3


class Colour(Choice):
    """Brightness, contrast and saturation of each image, times 1 minus to 1 plus so much."""

    name = "colour"
    brightness: Probability = 0.2
    contrast: Probability = 0.2
    saturation: Probability = 0.0


class Cutout(Choice):
    """A square of each image becomes 0 (black). DeVries and Taylor 2017."""

    name = "cutout"
    pixels: Annotated[int, Field(ge=1)]


class Mixup(Choice):
    """Each image and its target blended with another's; shares by Beta(alpha, alpha).

    Zhang et al. 2017.
    """

    name = "mixup"
    alpha: Positive = 0.2


class Cutmix(Choice):
    """A box of another image in each one, its area by Beta(alpha, alpha). Yun et al. 2019."""

    name = "cutmix"
    alpha: Positive = 1.0


class FromData(Choice):
    """Subtract the mean and divide by the deviation of the training images, per channel."""

    name = "data"


class Unnormalized(Choice):
    """Bytes become 0..1; other numbers stay as they are."""

    name = "none"


class Given(Choice):
    """Subtract `mean`, divide by `std`, per channel, of images in 0..1."""

    name = "given"
    mean: Annotated[list[Finite], Field(min_length=1)]
    std: Annotated[list[Positive], Field(min_length=1)]

    @model_validator(mode="after")
    def _same_length(self) -> Given:
        if len(self.mean) != len(self.std):
            raise ValueError("`mean` and `std` need one number per channel each")
        return self


Source = Idx | Npz | Images | Masks | Pair | Digits | Scenes | Keypoints | Filtered
Optimizer = Sgd | Adam | AdamW | RmsProp
Schedule = Constant | OneCycle | Cosine | Step
Loss = ByTask | CrossEntropy | Dice | Bce | Mse | Huber | Heatmaps
Augmentation = Shift | Flip | Scale | Rotate | Crop | Colour | Cutout | Mixup | Cutmix
Normalization = FromData | Unnormalized | Given
Checkpoint = Every | EpochEnd
Precision = Literal["auto", "fp32", "bf16"]
Switch = Literal["auto"] | bool
"""`auto` leaves it to the device."""

CHOICES: dict[str, tuple[type[Choice], ...]] = {
    "data": (Idx, Npz, Images, Masks, Pair, Digits, Scenes, Keypoints, Filtered),
    "optimizer": (Sgd, Adam, AdamW, RmsProp),
    "schedule": (Constant, OneCycle, Cosine, Step),
    "loss": (ByTask, CrossEntropy, Dice, Bce, Mse, Huber, Heatmaps),
    "augment": (Shift, Flip, Scale, Rotate, Crop, Colour, Cutout, Mixup, Cutmix),
    "normalize": (FromData, Unnormalized, Given),
    "checkpoint": (Every, EpochEnd),
}
"""Setting -> what it can be. A new optimizer or loss is a class above and an entry here."""

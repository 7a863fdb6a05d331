"""What a recipe may say of data: where they come from, how they are changed, their range."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from .choice import Choice, Count, Finite, OpenShare, Positive, Probability, Seed, Side

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

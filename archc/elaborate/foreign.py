"""What other frameworks call things, for suggestions: no name here means anything in .arch."""

from __future__ import annotations

import re

from ..ops import known


def counterpart(name: str) -> str | None:
    """How .arch writes what another framework calls by this name; None where it is no such name."""
    plain = re.sub(r"_?[123]d$", "", name.lower())
    if plain != name.lower() and known(plain):
        return f"`{plain}`, whatever the number of axes"
    return OPERATORS.get(plain)


# Lower case, without the rank at the end (Conv2d, MaxPool3d).
OPERATORS = {
    "add": "`fuse(a, b, by=sum)`, or `skip { ... }`",
    "adaptiveavgpool": "`pool(to=[h, w], by=avg)`, or `pool(global, by=avg)`",
    "adaptivemaxpool": "`pool(to=[h, w])`",
    "averagepooling": "`pool(2, by=avg)`",
    "avgpool": "`pool(2, by=avg)`",
    "bn": "`batchnorm`",
    "batch_norm": "`batchnorm`",
    "batchnormalization": "`batchnorm`",
    "cat": "`fuse(a, b, by=concat)`",
    "concat": "`fuse(a, b, by=concat)`",
    "concatenate": "`fuse(a, b, by=concat)`",
    "convtranspose": "`conv_transpose`",
    "convolution": "`conv`",
    "deconv": "`conv_transpose`",
    "dense": "`linear`",
    "fc": "`linear`",
    "gap": "`pool(global, by=avg)`",
    "globalaveragepooling": "`pool(global, by=avg)`",
    "globalavgpool": "`pool(global, by=avg)`",
    "globalmaxpool": "`pool(global)`",
    "interpolate": "`upsample(2, by=bilinear)`",
    "leakyrelu": "`leaky_relu`",
    "maxpool": "`pool(2)`",
    "maxpooling": "`pool(2)`",
    "maxunpool": "`unpool`",
    "multiply": "`fuse(a, b, by=product)`, or `skip(by=product) { ... }`",
    "normalization": "`batchnorm`",
    "pixelshuffle": "`pixel_shuffle`",
    "reshape": "`flatten`: other reshaping is not in the language",
    "resize": "`upsample(to=v)`",
    "subsample": "`pool(2, by=avg)`",
    "swish": "`silu`",
    "upsampling": "`upsample(2)`",
    "view": "`flatten`: other reshaping is not in the language",
    "zeropad": "`pad(1)`",
}

_ARRIVES = "leave it out: it follows from what arrives"
PARAMETERS = {
    "activation": "an activation is a stage of its own: `-> relu`",
    "batch_size": "the batch belongs to recipes, never to architectures",
    "ceil_mode": "here it is `ceil`",
    "dim": "here it is `over`",
    "filters": "here it is `channels`",
    "in_channels": _ARRIVES,
    "in_features": _ARRIVES,
    "input_shape": _ARRIVES,
    "kernel_size": "here it is `kernel`",
    "mode": "here it is `by`",
    "negative_slope": "here it is `slope`",
    "num_channels": _ARRIVES,
    "num_features": _ARRIVES,
    "num_groups": "here it is `groups`",
    "out_channels": "here it is `channels`",
    "out_features": "here it is `features`",
    "output_size": "here it is `to`",
    "padding": "here it is `pad`",
    "rate": "here it is `p`",
    "scale_factor": "here it is `factor`",
    "size": "here it is `to`",
    "strides": "here it is `stride`",
    "units": "here it is `features`",
    "use_bias": "here it is `bias`",
}


def parameter(name: str, params: tuple[str, ...]) -> str | None:
    """Advice on another framework's parameter, where it fits the parameters that there are."""
    advice = PARAMETERS.get(name)
    meant = None if advice is None else renamed(advice)
    return advice if meant is None or meant in params else None


def renamed(advice: str) -> str | None:
    """The parameter that advice leads to; None where it says something else."""
    return advice.split("`")[1] if advice.startswith("here it is") else None

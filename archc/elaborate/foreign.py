"""What other frameworks call the operators, for suggestions: no name here means anything in .arch."""

from __future__ import annotations

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

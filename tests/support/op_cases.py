"""Every operator with varied arguments and inputs: (operator, arguments, input shapes)."""

from __future__ import annotations

from typing import Any

from archc.ops import REF

Shapes = list[tuple[int, ...]]
Case = tuple[str, dict[str, Any], Shapes]

S1, S2, S3 = (6, 17), (6, 13, 11), (4, 6, 7, 5)
F = (24,)


def _per_rank(op: str, args: dict[str, Any], ranks: tuple[int, ...] = (1, 2, 3)) -> list[Case]:
    return [(op, args, [{0: F, 1: S1, 2: S2, 3: S3}[rank]]) for rank in ranks]


CONV: list[Case] = [
    *_per_rank("conv", {"channels": 8, "kernel": 3}),
    *_per_rank("conv", {"channels": 8, "kernel": 3, "stride": 2, "pad": 1, "bias": False}),
    *_per_rank("conv", {"channels": 4, "kernel": 3, "stride": 2, "pad": "same"}),
    *_per_rank("conv", {"channels": 4, "kernel": 2, "pad": "same", "groups": 2}),
    *_per_rank("conv", {"channels": 4, "kernel": 4, "pad": "half"}),
    *_per_rank("conv", {"channels": 4, "kernel": 3, "pad": "full", "dilation": 2}),
    *_per_rank("conv", {"channels": 2, "kernel": 2, "pad": 1, "pad_mode": "circular"}),
    *_per_rank("conv", {"channels": 2, "kernel": 2, "pad": 1, "pad_mode": "reflect"}),
    ("conv", {"channels": 2, "kernel": (3, 5), "stride": (1, 3), "pad": (0, 2)}, [S2]),
    ("conv", {"channels": 2, "kernel": 3, "pad": ((1, 2), (0, 1)), "frozen": True}, [S2]),
    ("conv", {"channels": 2, "kernel": 3, "pad": ((1, 2),), "pad_mode": "replicate"}, [S1]),
    ("conv", {"channels": 2, "kernel": 1, "stride": 3, "pad": "same"}, [S2]),
    ("conv", {"channels": 2, "kernel": 3, "pad": "valid", "weight": 0.5, "bias": 0}, [S2]),
    ("conv", {"channels": 1, "kernel": 1, "weight": (((1,), (2,)),), "bias": (3,)}, [(2, 5)]),
    ("conv", {"channels": 2, "kernel": 3, "init": "kaiming_normal", "bias_init": 0.1}, [S2]),
    ("conv", {"channels": 6, "kernel": 3, "stride": 2, "pad": "same", "dilation": 2}, [S2]),
    (
        "conv",
        {"channels": 6, "kernel": 3, "pad": "same", "stride": 2, "pad_mode": "circular"},
        [S2],
    ),
    ("conv", {"channels": 2, "kernel": 3, "pad": "same", "stride": 2, "pad_mode": "reflect"}, [S2]),
    *_per_rank("conv_transpose", {"channels": 4, "kernel": 2, "stride": 2}),
    *_per_rank(
        "conv_transpose", {"channels": 4, "kernel": 3, "stride": 2, "pad": 1, "output_pad": 1}
    ),
    *_per_rank("conv_transpose", {"channels": 4, "kernel": 3, "stride": 2, "pad": "same"}),
    *_per_rank("conv_transpose", {"channels": 4, "kernel": 2, "stride": 3, "groups": 2}),
    ("conv_transpose", {"channels": 4, "kernel": 2, "stride": 3, "pad": "same"}, [S2]),
    ("conv_transpose", {"channels": 4, "kernel": 3, "dilation": 2, "stride": 3}, [S2]),
    ("conv_transpose", {"channels": 4, "kernel": 3, "dilation": 3, "pad": "half"}, [S1]),
    ("conv_transpose", {"channels": 4, "kernel": 4, "pad": ((2, 1), (0, 1)), "bias": False}, [S2]),
    ("conv_transpose", {"channels": 6, "kernel": 4, "stride": 2, "init": "bilinear"}, [S2]),
    ("conv_transpose", {"channels": 2, "kernel": 2, "weight": 1, "frozen": True}, [S2]),
    ("conv_transpose", {"channels": 2, "kernel": 2, "bias_init": "ones"}, [S2]),
    *_per_rank("locally_connected", {"channels": 3, "kernel": 3, "stride": 2, "pad": 1}),
    ("locally_connected", {"channels": 2, "kernel": (2, 3), "pad": "same", "bias": False}, [S2]),
    ("locally_connected", {"channels": 2, "kernel": 3, "frozen": True, "init": "ones"}, [S1]),
    ("locally_connected", {"channels": 2, "kernel": 3, "weight": 2, "bias_init": "zeros"}, [S1]),
]

POOL: list[Case] = [
    case
    for by in ("max", "avg", "sum")
    for case in (
        *_per_rank("pool", {"kernel": 2, "by": by}),
        *_per_rank("pool", {"kernel": 3, "stride": 2, "pad": 1, "by": by}),
        *_per_rank("pool", {"kernel": 3, "stride": 2, "ceil": True, "by": by}),
        *_per_rank("pool", {"kernel": 2, "stride": 3, "ceil": True, "pad": 1, "by": by}),
        *_per_rank("pool", {"kernel": 3, "stride": 2, "pad": "same", "by": by}),
        *_per_rank("pool", {"kernel": 2, "stride": 1, "pad": "same", "by": by}),
        *_per_rank("pool", {"kernel": 3, "stride": 1, "pad": "same", "by": by}),
        *_per_rank("pool", {"kernel": "global", "by": by}),
        ("pool", {"kernel": (3, 2), "stride": (2, 1), "pad": ((0, 1), (1, 0)), "by": by}, [S2]),
        ("pool", {"kernel": 3, "stride": 2, "pad": ((0, 1),), "by": by}, [S1]),
    )
] + [
    *_per_rank("pool", {"kernel": 3, "stride": 2, "dilation": 2, "pad": 1}),
    *_per_rank("pool", {"kernel": 3, "stride": 2, "dilation": 2, "pad": "same"}),
    *_per_rank("pool", {"kernel": 3, "stride": 1, "dilation": 2, "pad": "half"}),
    *_per_rank("pool", {"kernel": 3, "stride": 1, "dilation": 2, "pad": "same"}),
    ("pool", {"kernel": 3, "stride": 2, "pad": 1, "by": "avg", "count_pad": False}, [S2]),
    ("pool", {"kernel": 3, "stride": 2, "pad": "same", "by": "avg", "count_pad": True}, [S2]),
    ("pool", {"to": (4, 5)}, [S2]),
    ("pool", {"to": (6, 6), "by": "avg"}, [S2]),
    ("pool", {"to": (5,)}, [S1]),
    ("pool", {"to": (2, 2, 3), "by": "avg"}, [S3]),
    ("unpool", {"from": REF, "size": (12, 10)}, [(6, 6, 5), (6, 6, 5)]),
    *[
        ("unpool", {"kernel": 2, "from": REF, "size": size}, [pooled, pooled])
        for size, pooled in (((17,), (6, 8)), ((13, 11), (6, 6, 5)), ((6, 7, 5), (4, 3, 3, 2)))
    ],
    (
        "unpool",
        {"kernel": 3, "stride": 2, "pad": 1, "from": REF, "size": (13, 11)},
        [(6, 7, 6)] * 2,
    ),
]

ROI: list[Case] = [
    ("roi_align", {"boxes": REF, "to": (3, 2), "stride": 2}, [S2, (5, 4)]),
    ("roi_align", {"boxes": REF, "to": (2, 2), "stride": 1, "samples": 3}, [(1, 1, 4), (1, 4)]),
]

RESIZE: list[Case] = [
    *_per_rank("upsample", {"factor": 2}),
    *_per_rank("upsample", {"factor": 3}),
    *_per_rank("upsample", {"factor": 1.5}),
    *_per_rank("upsample", {"factor": 0.5}),
    *[
        (
            "upsample",
            {**way, "by": by, "align_corners": align},
            [shape] if way.get("to") != REF else [shape, (3, *(n + 6 for n in shape[1:]))],
        )
        for by, shape in (
            ("linear", S1),
            ("bilinear", S2),
            ("bicubic", S2),
            ("trilinear", S3),
        )
        for align in (False, True)
        for way in (
            {"factor": 2},
            {"factor": 3},
            {"factor": 1.5},
            {"factor": 0.25},
            {"to": REF},
            {"to": tuple(n - 2 for n in shape[1:])},
        )
    ],
    ("upsample", {"factor": (2, 3)}, [S2]),
    ("upsample", {"to": (20, 22)}, [S2]),
    ("upsample", {"to": REF}, [S2, (1, 29, 10)]),
    ("upsample", {"to": (1, 1), "by": "bilinear", "align_corners": True}, [S2]),
    ("pixel_shuffle", {"factor": 2}, [(12, 5, 6)]),
    ("pixel_shuffle", {"factor": 3}, [(18, 5, 6)]),
    *[
        case
        for by in ("zeros", "reflect", "replicate", "circular")
        for case in _per_rank("pad", {"amounts": 2, "by": by})
    ],
    ("pad", {"amounts": (2, 0)}, [S2]),
    ("pad", {"amounts": ((1, 2), (0, 3)), "value": 2}, [S2]),
    ("pad", {"to": (16, 16)}, [S2]),
    ("pad", {"to": REF}, [S2, (1, 16, 12)]),
    ("pad", {"to": REF, "by": "reflect"}, [S1, (1, 20)]),
    ("pad", {"to": (20,), "value": -1.5}, [S1]),
    ("pad", {"to": REF}, [S3, (1, 8, 8, 8)]),
    *_per_rank("pad", {"amounts": (1, 2), "over": "channels"}),
    ("pad", {"amounts": 3, "over": "channels", "value": 1}, [S2]),
    *_per_rank("crop", {"amounts": 1}),
    ("crop", {"amounts": ((1, 2), (0, 3))}, [S2]),
    ("crop", {"amounts": (2, 0)}, [S2]),
    ("crop", {"to": (6, 6)}, [S2]),
    ("crop", {"to": REF}, [S2, (1, 8, 8)]),
    ("crop", {"to": REF, "at": 3}, [S2, (1, 8, 8)]),
    ("crop", {"to": REF, "at": (0, 2)}, [S2, (1, 8, 8)]),
    ("crop", {"to": (8,), "at": 3}, [S1]),
    ("crop", {"to": REF}, [S3, (1, 2, 2, 3)]),
]

MERGE: list[Case] = [
    case
    for by in ("sum", "concat", "product", "difference", "max", "mean")
    for shape in (F, S1, S2, S3)
    for case in (("fuse", {"by": by}, [shape] * 2), ("fuse", {"by": by}, [shape] * 3))
] + [
    ("fuse", {"by": "concat"}, [S2, (3, 13, 11)]),
    ("fuse", {"by": "product"}, [S2, (6, 1, 1)]),
    ("fuse", {"by": "product"}, [(1, 13, 1), S2, (6, 1, 11)]),
    *[("fuse", {"by": by}, [S1] * 70) for by in ("sum", "product", "difference", "max", "mean")],
    ("fuse", {"by": "product"}, [S1, *[(6, 1)] * 69]),
    ("fuse", {}, [S2]),
    *_per_rank("split", {"parts": 2}, (0, 1, 2, 3)),
    ("split", {"parts": (1, 2, 3)}, [S2]),
    ("channel_shuffle", {"groups": 2}, [S1]),
    ("channel_shuffle", {"groups": 3}, [S2]),
    ("channel_shuffle", {"groups": 2}, [S3]),
]

DENSE: list[Case] = [
    ("linear", {"features": 10}, [F]),
    ("linear", {"features": 10, "bias": False, "init": "orthogonal"}, [F]),
    ("linear", {"features": 2, "weight": ((1, 2, 3), (4, 5, 6)), "bias": (1, 2)}, [(3,)]),
    ("linear", {"features": 2, "frozen": True, "bias_init": "normal"}, [F]),
    *_per_rank("linear", {"features": 5, "over": "channels"}),
    *_per_rank("flatten", {}, (0, 1, 2, 3)),
    ("rbf", {"features": 10}, [F]),
    ("rbf", {"features": 2, "weight": ((1, -1, 1), (-1, -1, 1)), "frozen": True}, [(3,)]),
    ("rbf", {"features": 4, "init": "normal"}, [F]),
    ("unflatten", {"shape": (4, 6)}, [F]),
    ("unflatten", {"shape": (2, 4, 3)}, [F]),
    ("unflatten", {"shape": (2, 3, 2, 2)}, [F]),
]

NORM: list[Case] = [
    *_per_rank("batchnorm", {}, (0, 1, 2, 3)),
    ("batchnorm", {"eps": 1e-3, "momentum": 0.01, "affine": False}, [S2]),
    ("batchnorm", {"track_stats": False, "init": "zeros", "bias_init": 0.5}, [S2]),
    ("batchnorm", {"momentum": "cumulative", "frozen": True}, [S1]),
    *_per_rank("instancenorm", {}),
    ("instancenorm", {"eps": 1e-3, "affine": True, "track_stats": True, "momentum": 0.2}, [S2]),
    ("instancenorm", {"affine": True, "init": "zeros", "bias_init": 1, "frozen": True}, [S2]),
    *_per_rank("layernorm", {}, (0, 1, 2, 3)),
    *_per_rank("layernorm", {"over": "channels", "eps": 1e-6}, (0, 1, 2, 3)),
    ("layernorm", {"affine": False}, [S2]),
    ("layernorm", {"over": "channels", "init": 0, "bias_init": 1, "frozen": True}, [S2]),
    *_per_rank("groupnorm", {"groups": 2}, (0, 1, 2, 3)),
    ("groupnorm", {"groups": 3, "eps": 1e-3, "affine": False}, [S2]),
    ("groupnorm", {"groups": 3, "init": "zeros", "bias_init": "ones", "frozen": True}, [S2]),
    *_per_rank("lrn", {"size": 3}),
    ("lrn", {"size": 5, "alpha": 1e-2, "beta": 0.5, "k": 2}, [S2]),
]

REGULARIZE: list[Case] = [
    *_per_rank("dropout", {}, (0, 1, 2, 3)),
    *_per_rank("dropout", {"p": 0.2, "by": "channel"}),
    *_per_rank("drop_path", {"p": 0.2}, (0, 1, 2, 3)),
    *_per_rank("scale", {}, (0, 1, 2, 3)),
    ("scale", {"init": 1e-6, "frozen": True}, [S2]),
    ("scale", {"init": "zeros"}, [S2]),
]

_PLAIN = "relu relu6 leaky_relu prelu elu gelu silu hardswish hardsigmoid sigmoid tanh scaled_tanh"
ACTIVATION: list[Case] = [
    case
    for name in (*_PLAIN.split(), "softmax", "softplus", "exp", "maxout", "identity")
    for case in _per_rank(name, {}, (0, 1, 2, 3))
] + [
    ("leaky_relu", {"slope": 0.2}, [S2]),
    ("prelu", {"per": "channel", "init": 0.1, "frozen": True}, [S2]),
    ("prelu", {"per": "channel"}, [F]),
    ("elu", {"alpha": 0.5}, [S2]),
    ("scaled_tanh", {"amplitude": 2, "slope": 0.5}, [S2]),
    ("gelu", {"approximate": "tanh"}, [S2]),
    *_per_rank("softmax", {"over": "places"}),
    ("softplus", {"beta": 2, "threshold": 10}, [S2]),
    ("maxout", {"pieces": 3}, [S2]),
]

CASES: list[Case] = [*CONV, *POOL, *ROI, *RESIZE, *MERGE, *DENSE, *NORM, *REGULARIZE, *ACTIVATION]

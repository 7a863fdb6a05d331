"""Published networks as hand-made graphs; blocks are bodies of their own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from archc.graph import Graph
from tests.support.graphs import BodyBuilder, GraphBuilder


def _conv_bn(
    b: BodyBuilder,
    x: int,
    name: str,
    channels: int,
    kernel: Any = 1,
    relu: bool = True,
    **args: Any,
) -> int:
    args = {"pad": "half", "bias": False, **args}
    x = b.add(f"{name}.conv", "conv", x, channels=channels, kernel=kernel, **args)
    x = b.add(f"{name}.bn", "batchnorm", x)
    return b.add(f"{name}.relu", "relu", x) if relu else x


class _Maker:
    """Bodies of blocks by (block, arguments, input shapes), as the elaborator keeps them."""

    def __init__(self) -> None:
        self.g = GraphBuilder()
        self.known: dict[object, int] = {}

    def shape(self, body: int) -> tuple[int, ...]:
        made = self.g.bodies[body]
        value = made.outputs[0].value
        assert isinstance(value, int)
        return made.values[value].shape


def _classify(m: BodyBuilder, x: int, classes: int, name: str = "fc") -> None:
    x = m.add("pool_", "pool", x, kernel="global", by="avg")
    x = m.add("flatten_", "flatten", x)
    m.output(m.add(name, "linear", x, features=classes), "logits")


# ---------------------------------------------------------------------- plain ones


def lenet5() -> Graph:
    g = GraphBuilder()
    m = g.body("LeNet5", "network")
    x = m.input("image", 1, 32, 32)
    x = m.add("tanh1", "tanh", m.add("C1", "conv", x, channels=6, kernel=5))
    x = m.add("S2", "pool", x, kernel=2, by="avg")
    x = m.add("tanh2", "tanh", m.add("C3", "conv", x, channels=16, kernel=5))
    x = m.add("S4", "pool", x, kernel=2, by="avg")
    x = m.add("tanh3", "tanh", m.add("C5", "conv", x, channels=120, kernel=5))
    x = m.add("flatten1", "flatten", x)
    x = m.add("tanh4", "tanh", m.add("F6", "linear", x, features=84))
    m.output(m.add("out", "linear", x, features=10), "digits")
    m.done()
    return g.graph()


def alexnet() -> Graph:
    """torchvision's."""
    g = GraphBuilder()
    m = g.body("AlexNet", "network")
    x = m.input("image", 3, 224, 224)
    stages: list[tuple[int, int, int, int] | None] = [
        (64, 11, 4, 2), None, (192, 5, 1, 2), None, (384, 3, 1, 1), (256, 3, 1, 1),
        (256, 3, 1, 1), None,
    ]  # fmt: skip
    for stage in stages:
        n = len(m.made.nodes)
        if stage is None:
            x = m.add(f"features.{n}", "pool", x, kernel=3, stride=2)
        else:
            c, k, s, p = stage
            x = m.add(f"features.{n}", "conv", x, channels=c, kernel=k, stride=s, pad=p)
            x = m.add(f"features.{n + 1}", "relu", x)
    m.group("features", 0, x)
    x = m.add("flatten1", "flatten", x)
    for i, width in enumerate((4096, 4096, 1000)):
        x = m.add(f"fc{i}", "linear", x, features=width)
    m.output(x, "logits")
    m.done()
    return g.graph()


# ---------------------------------------------------------------------- residual ones


def _bottleneck(
    maker: _Maker, shape: tuple[int, ...], width: int, stride: int, first: bool, gate: bool
) -> int:
    """`first`: the stride is in the first 1x1; `gate`: squeeze and excitation before the sum."""
    key = (shape, width, stride)
    if key in maker.known:
        return maker.known[key]
    b = maker.g.body("Bottleneck", width=width, stride=stride)
    x = b.input("x", *shape)
    y = _conv_bn(b, x, "a", width, 1, stride=stride if first else 1)
    y = _conv_bn(b, y, "b", width, 3, stride=1 if first else stride)
    y = _conv_bn(b, y, "c", 4 * width, 1, relu=False)
    if gate:
        z = b.add("se.pool", "pool", y, kernel="global", by="avg")
        z = b.add("se.relu", "relu", b.add("se.down", "conv", z, channels=width // 4, kernel=1))
        z = b.add("se.gate", "sigmoid", b.add("se.up", "conv", z, channels=4 * width, kernel=1))
        y = b.add("se.scale", "fuse", y, z, by="product")
    short = x
    if stride != 1 or shape[0] != 4 * width:
        n = len(b.made.nodes)
        short = b.add(
            "downsample.0", "conv", x, channels=4 * width, kernel=1, stride=stride, bias=False
        )
        short = b.add("downsample.1", "batchnorm", short)
        b.group("downsample", n, short)
    b.output(b.add("relu", "relu", b.add("sum", "fuse", short, y)))
    maker.known[key] = b.done()
    return maker.known[key]


def _resnet_units(
    maker: _Maker, size: Sequence[int], first: bool, gate: bool
) -> list[tuple[str, int]]:
    shape: tuple[int, ...] = (64, *(n // 4 for n in size))
    units = []
    for i, n in enumerate((3, 4, 6, 3)):
        for j in range(n):
            stride = 2 if i and not j else 1
            body = _bottleneck(maker, shape, 64 * 2**i, stride, first, gate)
            shape = maker.shape(body)
            units.append((f"layer{i + 1}.{j}", body))
    return units


def _resnet_trunk(m: BodyBuilder, x: int, units: list[tuple[str, int]]) -> int:
    x = m.add("conv1", "conv", x, channels=64, kernel=7, stride=2, pad="half", bias=False)
    x = m.add("relu1", "relu", m.add("bn1", "batchnorm", x))
    x = m.add("pool1", "pool", x, kernel=3, stride=2, pad=1)
    for i in range(4):
        n = len(m.made.nodes)
        for name, body in units:
            if name.startswith(f"layer{i + 1}."):
                x = m.call(name, body, x)[0]
        m.group(f"layer{i + 1}", n, x, "repeat")
        m.made.scopes[-1].count = len(m.made.nodes) - n
    return x


def _resnet(first: bool = False, gate: bool = False) -> Graph:
    maker = _Maker()
    units = _resnet_units(maker, (224, 224), first, gate)
    m = maker.g.body("ResNet50", "network")
    _classify(m, _resnet_trunk(m, m.input("image", 3, 224, 224), units), 1000)
    m.done()
    return maker.g.graph()


def resnet50() -> Graph:
    return _resnet()


def resnet50_v1() -> Graph:
    """The stride in the first 1x1 convolution, as in the paper."""
    return _resnet(first=True)


def seresnet() -> Graph:
    return _resnet(gate=True)


def simplebaseline() -> Graph:
    maker = _Maker()
    units = _resnet_units(maker, (256, 192), False, False)
    m = maker.g.body("SimpleBaseline", "network")
    x = _resnet_trunk(m, m.input("image", 3, 256, 192), units)
    for i in range(3):
        x = m.add(
            f"up.{i}.conv", "conv_transpose", x,
            channels=256, kernel=4, stride=2, pad=1, bias=False,
        )  # fmt: skip
        x = m.add(f"up.{i}.relu", "relu", m.add(f"up.{i}.bn", "batchnorm", x))
    m.output(m.add("final", "conv", x, channels=17, kernel=1), "heatmaps")
    m.done()
    return maker.g.graph()


# ---------------------------------------------------------------------- concatenating ones


def densenet121() -> Graph:
    g = GraphBuilder()
    m = g.body("DenseNet121", "network")
    x = m.input("image", 3, 224, 224)
    x = m.add("conv0", "conv", x, channels=64, kernel=7, stride=2, pad="half", bias=False)
    x = m.add("relu0", "relu", m.add("norm0", "batchnorm", x))
    x = m.add("pool0", "pool", x, kernel=3, stride=2, pad=1)
    for i, layers in enumerate((6, 12, 24, 16)):
        for j in range(layers):
            name = f"block{i}.{j}"
            y = m.add(f"{name}.relu1", "relu", m.add(f"{name}.norm1", "batchnorm", x))
            y = m.add(f"{name}.conv1", "conv", y, channels=128, kernel=1, bias=False)
            y = m.add(f"{name}.relu2", "relu", m.add(f"{name}.norm2", "batchnorm", y))
            y = m.add(f"{name}.conv2", "conv", y, channels=32, kernel=3, pad="half", bias=False)
            x = m.add(f"{name}.join", "fuse", x, y, by="concat")
        if i < 3:
            half = m.made.values[x].shape[0] // 2
            y = m.add(f"transition{i}.relu", "relu", m.add(f"transition{i}.norm", "batchnorm", x))
            y = m.add(f"transition{i}.conv", "conv", y, channels=half, kernel=1, bias=False)
            x = m.add(f"transition{i}.pool", "pool", y, kernel=2, by="avg")
    x = m.add("norm5", "batchnorm", x)
    m.group("features", 0, x)
    _classify(m, m.add("relu5", "relu", x), 1000)
    m.done()
    return g.graph()


_ARMS = (
    ("inception3a", 64, (96, 128), (16, 32), 32),
    ("inception3b", 128, (128, 192), (32, 96), 64),
    ("inception4a", 192, (96, 208), (16, 48), 64),
    ("inception4b", 160, (112, 224), (24, 64), 64),
    ("inception4c", 128, (128, 256), (24, 64), 64),
    ("inception4d", 112, (144, 288), (32, 64), 64),
    ("inception4e", 256, (160, 320), (32, 128), 128),
    ("inception5a", 256, (160, 320), (32, 128), 128),
    ("inception5b", 384, (192, 384), (48, 128), 128),
)


def googlenet() -> Graph:
    """torchvision's, with auxiliary heads in training."""
    g = GraphBuilder()
    arms: dict[str, int] = {}
    heads: dict[str, int] = {}
    shape: tuple[int, ...] = (192, 28, 28)
    for name, b1, b2, b3, b4 in _ARMS:
        if name in ("inception4a", "inception5a"):
            shape = (shape[0], shape[1] // 2, shape[2] // 2)
        b = g.body("Inception", b1=b1, b2=b2, b3=b3, b4=b4)
        x = b.input("x", *shape)
        parts = [_conv_bn(b, x, "branch1", b1)]
        for i, (low, high) in enumerate((b2, b3)):
            y = _conv_bn(b, x, f"branch{i + 2}.0", low)
            parts.append(_conv_bn(b, y, f"branch{i + 2}.1", high, 3))
        y = b.add("branch4.0", "pool", x, kernel=3, stride=1, pad=1, ceil=True)
        parts.append(_conv_bn(b, y, "branch4.1", b4))
        joined = b.add("join", "fuse", *parts, by="concat")
        b.output(joined)
        shape = b.made.values[joined].shape
        arms[name] = b.done()
        if name in ("inception4a", "inception4d"):
            heads[name] = _auxiliary(g, shape)
    m = g.body("GoogLeNet", "network")
    x = m.input("image", 3, 224, 224)
    x = _conv_bn(m, x, "conv1", 64, 7, stride=2)
    x = m.add("pool1", "pool", x, kernel=3, stride=2, ceil=True)
    x = _conv_bn(m, _conv_bn(m, x, "conv2", 64), "conv3", 192, 3)
    x = m.add("pool2", "pool", x, kernel=3, stride=2, ceil=True)
    taps = []
    for name, body in arms.items():
        x = m.call(name, body, x)[0]
        if name in heads:
            aux = m.call(f"aux{len(taps) + 1}", heads[name], x)[0]
            taps.append(aux)
        if name == "inception3b":
            x = m.add("pool3", "pool", x, kernel=3, stride=2, ceil=True)
        if name == "inception4e":
            x = m.add("pool4", "pool", x, kernel=2, stride=2, ceil=True)
    _classify(m, x, 1000)
    for i, aux in enumerate(taps):
        m.output(aux, f"aux{i + 1}", training=True)
    m.done()
    return g.graph()


def _auxiliary(g: GraphBuilder, shape: tuple[int, ...]) -> int:
    b = g.body("Auxiliary", classes=1000)
    x = b.add("pool", "pool", b.input("x", *shape), to=(4, 4), by="avg")
    x = b.add("flatten", "flatten", _conv_bn(b, x, "conv", 128))
    x = b.add("relu", "relu", b.add("fc1", "linear", x, features=1024))
    b.output(b.add("fc2", "linear", b.add("drop", "dropout", x), features=1000))
    return b.done()


# ---------------------------------------------------------------------- decoders


def _double(b: BodyBuilder, x: int, name: str, channels: int, **args: Any) -> int:
    return _conv_bn(
        b, _conv_bn(b, x, f"{name}.0", channels, 3, **args), f"{name}.1", channels, 3, **args
    )


def unet(inline: bool = False) -> Graph:
    """Padded, with transposed convolution; levels are blocks within blocks, or all in line."""
    g = GraphBuilder()
    size = 256
    body = -1
    if not inline:
        for level in range(4, -1, -1):
            channels, n = 64 * 2**level, size // 2**level
            b = g.body("Level", channels=channels, levels=4 - level)
            x = b.input("x", 3 if level == 0 else channels // 2, n, n)
            here = _double(b, x, "down", channels)
            if level < 4:
                below = b.call("inner", body, b.add("pool", "pool", here, kernel=2))[0]
                below = b.add("up", "conv_transpose", below, channels=channels, kernel=2, stride=2)
                here = _double(b, b.add("join", "fuse", here, below, by="concat"), "out", channels)
            b.output(here)
            body = b.done()
    m = g.body("UNet", "network")
    x = m.input("image", 3, size, size)
    y = _levels(m, x, 64, 4, "level") if inline else m.call("level", body, x)[0]
    m.output(m.add("head", "conv", y, channels=2, kernel=1), "mask")
    m.done()
    return g.graph()


def _levels(b: BodyBuilder, x: int, channels: int, levels: int, name: str) -> int:
    here = _double(b, x, f"{name}.down", channels)
    if not levels:
        return here
    y = b.add(f"{name}.pool", "pool", here, kernel=2)
    y = _levels(b, y, 2 * channels, levels - 1, f"{name}.inner")
    y = b.add(f"{name}.up", "conv_transpose", y, channels=channels, kernel=2, stride=2)
    return _double(b, b.add(f"{name}.join", "fuse", here, y, by="concat"), f"{name}.out", channels)


def unet_valid() -> Graph:
    """The original: no padding, crops at the skips, 572 in and 388 out."""
    g = GraphBuilder()
    m = g.body("UNet", "network")
    x = m.input("image", 1, 572, 572)
    sides = []
    for level in range(4):
        x = _double(m, x, f"down{level}", 64 * 2**level, pad=0)
        sides.append(x)
        x = m.add(f"pool{level}", "pool", x, kernel=2)
    x = _double(m, x, "bottom", 1024, pad=0)
    for level in range(3, -1, -1):
        c = 64 * 2**level
        x = m.add(f"up{level}", "conv_transpose", x, channels=c, kernel=2, stride=2)
        side = m.add(f"crop{level}", "crop", sides[level], x, to="<value>")
        x = _double(m, m.add(f"join{level}", "fuse", side, x, by="concat"), f"out{level}", c, pad=0)
    m.output(m.add("head", "conv", x, channels=2, kernel=1), "mask")
    m.done()
    return g.graph()


def segnet() -> Graph:
    """Pooling remembered and undone; convolutions as in VGG-16, channels reduced."""
    g = GraphBuilder()
    m = g.body("SegNet", "network")
    x = m.input("image", 3, 64, 64)
    pools = []
    for i, count in enumerate((2, 2, 3, 3, 3)):
        for j in range(count):
            x = _conv_bn(m, x, f"down{i}.{j}", 8, 3)
        before, (x, *_) = x, m.add_all(f"pool{i}", "pool", x, kernel=2)
        pools.append(before)
    for i, count in reversed(list(enumerate((2, 2, 3, 3, 3)))):
        x = m.add(f"up{i}", "upsample", x, factor=2)
        for j in range(count):
            x = _conv_bn(m, x, f"up{i}.{j}", 8, 3)
    m.output(x, "mask")
    m.done()
    return g.graph()


def hourglass(stacks: int = 2) -> Graph:
    """Two stacks of one unit each, as in bearpaw's."""
    maker = _Maker()
    stem = _unit(maker, (64, 128, 128), 64)
    layer2, layer3 = _unit(maker, (128, 64, 64), 128), _unit(maker, (256, 64, 64), 128)
    tower = _tower(maker, 64)
    m = maker.g.body("Hourglass", "network")
    x = m.input("image", 3, 256, 256)
    x = m.add("conv1", "conv", x, channels=64, kernel=7, stride=2, pad="half")
    x = m.call("layer1", stem, m.add("relu", "relu", m.add("bn1", "batchnorm", x)))[0]
    x = m.call("layer2", layer2, m.add("pool", "pool", x, kernel=2))[0]
    x = m.call("layer3", layer3, x)[0]
    heat: list[int] = []
    for i in range(stacks):
        y = m.call(f"res.{i}", layer3, m.call(f"hg.{i}", tower, x)[0])[0]
        y = m.add(f"fc.{i}.conv", "conv", y, channels=256, kernel=1)
        y = m.add(f"fc.{i}.relu", "relu", m.add(f"fc.{i}.bn", "batchnorm", y))
        heat.append(m.add(f"score.{i}", "conv", y, channels=16, kernel=1))
        if i < stacks - 1:
            a = m.add(f"fc_.{i}", "conv", y, channels=256, kernel=1)
            b = m.add(f"score_.{i}", "conv", heat[-1], channels=256, kernel=1)
            x = m.add(f"sum.{i}", "fuse", x, a, b)
    m.output(heat[-1], "last")
    m.output(heat[:-1], "before")
    m.done()
    return maker.g.graph()


def _unit(maker: _Maker, shape: tuple[int, ...], width: int) -> int:
    key = (shape, width)
    if key not in maker.known:
        b = maker.g.body("Unit", width=width)
        y = x = b.input("x", *shape)
        for i, (channels, kernel) in enumerate(((width, 1), (width, 3), (2 * width, 1))):
            y = b.add(f"relu{i}", "relu", b.add(f"bn{i}", "batchnorm", y))
            y = b.add(f"conv{i}", "conv", y, channels=channels, kernel=kernel, pad="half")
        if shape[0] != 2 * width:
            x = b.add("downsample", "conv", x, channels=2 * width, kernel=1)
        b.output(b.add("sum", "fuse", x, y))
        maker.known[key] = b.done()
    return maker.known[key]


def _tower(maker: _Maker, size: int) -> int:
    units = {n: _unit(maker, (256, n, n), 128) for n in (size >> i for i in range(5))}
    b = maker.g.body("Hourglass")
    y = b.input("x", 256, size, size)
    sides = []
    for n in range(4):
        sides.append(b.call(f"side.{n}", units[size >> n], y)[0])
        y = b.add(f"pool.{n}", "pool", y, kernel=2)
        y = b.call(f"down.{n}", units[size >> n + 1], y)[0]
    y = b.call("bottom", units[size >> 4], y)[0]
    for n in range(3, -1, -1):
        y = b.call(f"up.{n}", units[size >> n + 1], y)[0]
        y = b.add(f"sum.{n}", "fuse", sides[n], b.add(f"upsample.{n}", "upsample", y, factor=2))
    b.output(y)
    return b.done()

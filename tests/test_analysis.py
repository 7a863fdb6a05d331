"""Counts, depth, receptive fields and memory, against published figures and brute force."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest

from archc.analysis import Report, UnknownTarget, analyze
from archc.analysis.axis import Axis
from archc.analysis.outline import outline
from archc.graph import Graph, Node, leaves
from tests.support import nets
from tests.support.graphs import BodyBuilder, GraphBuilder


def field(report: Report, label: str | None = None) -> tuple[int, int, int, str]:
    """(size, smallest, padding, stride) of the first axis; all axes must agree."""
    walker = report.walker
    if label is None:
        seen = report.receptive_field
    else:
        body = report.graph.main
        value = body.labels[label]
        assert isinstance(value, int)
        seen = walker.figures(walker.main_place(), value)
    assert seen is not None and len(set(seen.axes)) == 1
    axis = seen.axes[0]
    assert axis is not None
    above, below = axis.stride
    return axis.size, axis.smallest, axis.padding, f"{above}" if below == 1 else f"{above}/{below}"


# ---------------------------------------------------------------------- published figures


# name, what is looked at, params, MACs (None: not of the whole published model), receptive field
PUBLISHED = [
    ("lenet5", "S4", 61_706, 416_520, (16, 16, 0, "4")),
    ("alexnet", "features", 61_100_840, 714_188_480, (195, 195, 66, "32")),
    ("resnet50", "layer4", 25_557_032, 4_089_184_256, (427, 427, 213, "32")),
    ("resnet50_v1", "layer4", 25_557_032, 3_857_973_248, (483, 483, 241, "32")),
    ("seresnet", "layer4", None, None, (427, 427, 213, "32")),
    ("densenet121", "features", 7_978_856, 2_834_161_664, (2071, 2071, 1021, "32")),
    ("googlenet", "inception5b", 6_624_904, 1_498_376_192, (379, 379, 167, "32")),
    ("unet", None, 31_037_698, None, (204, 188, 94, "1")),
    ("hourglass", None, 6_730_912, 8_988_917_760, (1353, 1289, 645, "4")),
    ("simplebaseline", None, 33_999_697, 5_426_380_800, (491, 459, 245, "4")),
    ("segnet", None, None, None, (404, 372, 186, "1")),
]


@pytest.mark.parametrize(("name", "at", "params", "macs", "seen"), PUBLISHED)
def test_published_figures(
    name: str,
    at: str | None,
    params: int | None,
    macs: int | None,
    seen: tuple[int, int, int, str],
) -> None:
    report = analyze(getattr(nets, name)())
    if params is not None:
        assert report.params == params
    if macs is not None:
        assert report.macs == macs
        assert report.flops == 2 * macs
    assert field(report, at) == seen


def test_depth_counts_the_longest_path() -> None:
    assert analyze(nets.resnet50()).depth == 50
    assert analyze(nets.googlenet()).depth == 22
    assert analyze(nets.densenet121()).depth == 121
    assert analyze(nets.alexnet()).depth == 8


def test_training_outputs_are_counted_apart() -> None:
    report = analyze(nets.googlenet())
    assert report.auxiliary_params == 6_379_984
    assert report.auxiliary_macs == 1_506_748_416 - 1_498_376_192
    assert report.training_outputs == {"aux1", "aux2"}
    assert report.measure("params", "aux1") + report.measure("params", "aux2") == 6_379_984
    trained = {row.path.split(".")[0] for row in report.layers() if row.training}
    assert trained == {"aux1", "aux2"}


def test_a_training_output_within_a_called_block_is_counted_apart() -> None:
    g = GraphBuilder()
    inner = g.body("Backbone")
    x = inner.input("x", 3, 8, 8)
    y = inner.add("conv1", "conv", x, channels=4, kernel=1, bias=False)
    inner.output(y, "y")
    inner.output(inner.add("head", "conv", y, channels=10, kernel=1, bias=False), "h", True)
    number = inner.done()
    main = g.body("Net", "network")
    image = main.input("image", 3, 8, 8)
    y, h = main.call("body", number, image)
    main.output(y, "y")
    main.output(h, "h", training=True)
    main.done()
    report = analyze(g.graph())
    assert (report.params, report.auxiliary_params) == (12, 40)
    assert report.macs == 12 * 64


def test_neurons_of_alexnet_with_227() -> None:
    """Krizhevsky et al. print 253,440 for the first layer; 55 x 55 x 96 is 290,400."""
    g = GraphBuilder()
    main = g.body("First", "network")
    image = main.input("image", 3, 227, 227)
    main.output(main.add("conv1", "conv", image, channels=96, kernel=11, stride=4), "y")
    main.done()
    assert analyze(g.graph()).neurons == 290_400


def test_frozen_weights_and_buffers_are_not_parameters() -> None:
    g = GraphBuilder()
    main = g.body("Net", "network")
    x = main.input("image", 3, 8, 8)
    x = main.add("conv1", "conv", x, channels=4, kernel=3, frozen=True)
    x = main.add("bn1", "batchnorm", x)
    main.output(x, "y")
    main.done()
    report = analyze(g.graph())
    assert (report.params, report.frozen) == (8, 3 * 9 * 4 + 4)
    assert report.buffers == 4 + 4 + 1  # mean, variance, batches seen


# ---------------------------------------------------------------------- shared modules


def shared_head() -> Graph:
    """Two levels of a pyramid under one head: a convolution and a called block."""
    g = GraphBuilder()
    block = g.body("Head")
    x = block.input("x", 8, 16, 16)
    block.output(block.add("conv1", "conv", x, channels=8, kernel=3, pad="half", bias=False), "y")
    large = block.done()
    block = g.body("Head")
    x = block.input("x", 8, 8, 8)
    block.output(block.add("conv1", "conv", x, channels=8, kernel=3, pad="half", bias=False), "y")
    small = block.done()
    main = g.body("Net", "network")
    x = main.input("image", 8, 16, 16)
    y = main.add("pool1", "pool", x, kernel=2)
    for level, value, head in (("p2", x, large), ("p3", y, small)):
        owner = level == "p2"
        value = main.call(
            "head" if owner else "head_", head, value, module=None if owner else "head"
        )[0]
        module = None if owner else "score"
        value = main.add(
            "score" if owner else "score_", "conv", value, channels=2, kernel=1, module=module
        )
        main.output(value, level)
    main.done()
    return g.graph()


def test_a_shared_module_counts_once_and_works_at_each_use() -> None:
    report = analyze(shared_head())
    assert report.params == 8 * 8 * 9 + (8 * 2 + 2)
    assert report.macs == (8 * 8 * 9 + 16) * (16 * 16 + 8 * 8)
    assert sum(row.params for row in report.layers()) == report.params
    assert sum(row.macs for row in report.layers()) == report.macs
    assert sum(line.params for line in outline(report)) == report.params
    assert report.measure("params", "score") == 18
    second = [row for row in report.layers() if row.path == "score_"]
    assert [row.module for row in second] == ["score"]


def test_a_shared_group_counts_at_its_first_use() -> None:
    g = GraphBuilder()
    main = g.body("Net", "network")
    x = main.input("image", 4, 8, 8)
    for module in (None, "head"):
        n = len(main.made.nodes)
        shared = None if module is None else "head.0"
        x = main.add("head.0", "conv", x, channels=4, kernel=3, pad=1, module=shared)
        x = main.add("head.1", "relu", x, module=None if module is None else "head.1")
        main.group("head", n, x)
    main.output(x, "y")
    main.done()
    report = analyze(g.graph())
    assert report.params == report.measure("params", "head") == 4 * 4 * 9 + 4
    assert [scope.params for scope in report.scopes()] == [report.params, 0]
    assert [line.params for line in outline(report) if line.level == 0] == [report.params, 0]


# ---------------------------------------------------------------------- rows, scopes, measures


ALL_NETS: list[Callable[[], Graph]] = [
    nets.lenet5,
    nets.resnet50,
    nets.densenet121,
    nets.googlenet,
    nets.unet,
    nets.hourglass,
    nets.seresnet,
    shared_head,
]


@pytest.mark.parametrize("make", ALL_NETS)
def test_rows_sum_to_the_totals(make: Callable[[], Graph]) -> None:
    report = analyze(make())
    rows = list(report.layers())
    usual = [row for row in rows if not row.training]
    assert sum(row.params for row in usual) == report.params
    assert sum(row.macs for row in usual) == report.macs
    assert sum(row.buffers for row in usual) == report.buffers
    assert sum(row.params for row in rows if row.training) == report.auxiliary_params
    folded = [line for line in outline(report) if line.level == 0]
    assert sum(line.params for line in folded) == report.params + report.auxiliary_params
    assert sum(line.macs for line in folded) == report.macs + report.auxiliary_macs


@pytest.mark.parametrize("make", ALL_NETS)
def test_what_feeds_a_layer_comes_before_it(make: Callable[[], Graph]) -> None:
    report = analyze(make())
    known = {name for name, _ in report.inputs}
    for row in report.layers():
        assert row.inputs and known.issuperset(row.inputs)
        known.add(row.path)


def test_scopes_are_blocks_and_labelled_groups() -> None:
    report = analyze(nets.resnet50())
    scopes = {scope.path: scope for scope in report.scopes()}
    assert len(scopes) == 4 + 16 + 4  # layers, units, projections
    unit = scopes["layer2.0"]
    assert (unit.block, unit.args, unit.shape) == (
        "Bottleneck",
        {"width": 128, "stride": 2},
        (512, 28, 28),
    )
    assert unit.params == sum(
        row.params for row in report.layers() if row.path.startswith("layer2.0.")
    )
    assert scopes["layer3"].params == 7_098_368
    assert scopes["layer2.0.downsample"].params == 256 * 512 + 1024


def test_measures_of_labels() -> None:
    report = analyze(nets.resnet50())
    assert report.measure("shape", "layer2.0.a.conv") == [128, 56, 56]
    assert report.measure("shape", "layer4") == [2048, 7, 7]
    assert report.measure("receptive_field", "layer1") == 35
    assert report.measure("stride", "layer1") == 4
    assert report.measure("depth", "layer1") == 9
    assert report.measure("params", "layer2.0.downsample") == 132_096
    assert report.measure("macs", "conv1") == 118_013_952
    assert report.measure("flops", "conv1") == 2 * 118_013_952
    assert report.measure("neurons", "conv1") == 64 * 112 * 112
    with pytest.raises(UnknownTarget):
        report.measure("params", "layer9")
    with pytest.raises(UnknownTarget):
        report.measure("params", "layer2.0.conv9")


def test_measures_of_the_network() -> None:
    report = analyze(nets.resnet50())
    assert report.measure("shape") == [1000]
    assert report.measure("receptive_field") is None
    assert report.measure("depth") == 50
    assert report.measure("memory") == report.memory
    with pytest.raises(ValueError):
        report.measure("colour")


def test_measures_of_a_value_are_of_all_that_it_depends_on() -> None:
    report = analyze(nets.googlenet())
    value = report.graph.main.labels["inception3a"]
    assert isinstance(value, int)
    before = ("conv1", "conv2", "conv3", "inception3a")
    expected = sum(row.params for row in report.layers() if row.path.startswith(before))
    assert report.measure("params", value) == expected
    assert report.measure("depth", value) == 5
    assert report.measure("shape", value) == [256, 28, 28]


def test_a_value_depends_on_one_of_several_outputs_alone() -> None:
    g = GraphBuilder()
    pair = g.body("Pair")
    x = pair.input("x", 2, 4, 4)
    pair.output(pair.add("left", "conv", x, channels=3, kernel=1, bias=False), "a")
    pair.output(pair.add("right", "conv", x, channels=5, kernel=1, bias=False), "b")
    number = pair.done()
    main = g.body("Net", "network")
    a, b = main.call("pair", number, main.input("image", 2, 4, 4))
    main.output([a, b])
    main.done()
    report = analyze(g.graph())
    assert (report.measure("params", a), report.measure("params", b)) == (6, 10)
    assert report.measure("params") == 16
    assert report.measure("shape") == [[3, 4, 4], [5, 4, 4]]


# ---------------------------------------------------------------------- receptive fields


def test_squeeze_and_excitation_is_a_gate() -> None:
    report = analyze(nets.seresnet())
    seen = report.local_field
    assert seen is not None
    assert seen[1].gated and [axis.size for axis in seen[1].axes if axis] == [427, 427]


def test_valid_unet_begins_within_the_image() -> None:
    """572 in, 388 out: the first unit's field begins inside the image."""
    report = analyze(nets.unet_valid())
    assert report.measure("shape") == [2, 388, 388]
    size, smallest, padding, stride = field(report)
    assert (stride, padding) == ("1", 0)
    assert size >= smallest > 572 - 388


def test_axes_differ() -> None:
    g = GraphBuilder()
    main = g.body("Net", "network")
    x = main.input("clip", 1, 8, 32, 30)
    x = main.add("conv1", "conv", x, channels=2, kernel=(1, 3, 5), stride=(1, 2, 1))
    main.output(x, "y")
    main.done()
    report = analyze(g.graph())
    assert report.measure("receptive_field") == [1, 3, 5]
    assert report.measure("stride") == [1, 2, 1]


def test_fractional_stride_and_blind_units() -> None:
    g = GraphBuilder()
    main = g.body("Net", "network")
    x = main.input("signal", 1, 9)
    up = main.add("up", "conv_transpose", x, channels=1, kernel=1, stride=3)
    main.output(main.add("conv1", "conv", up, channels=1, kernel=3), "y")
    main.done()
    report = analyze(g.graph())
    seen = report.walker.figures(report.walker.main_place(), up)
    assert seen is not None and seen.axes[0] is not None
    assert (seen.axes[0].size, seen.axes[0].smallest, seen.axes[0].stride) == (1, 0, (1, 3))
    assert report.measure("receptive_field") == 1  # three neighbours hold one value
    assert report.measure("stride") == pytest.approx(1 / 3)


def test_features_have_no_field() -> None:
    g = GraphBuilder()
    main = g.body("Net", "network")
    main.output(main.add("fc", "linear", main.input("x", 4), features=2), "y")
    main.done()
    report = analyze(g.graph())
    assert report.receptive_field is None
    assert report.measure("receptive_field") is None


def test_stacked_dilation_leaves_holes_and_overlap_fills_them() -> None:
    def holes(*dilations: int) -> bool:
        g = GraphBuilder()
        main = g.body("Net", "network")
        x = main.input("signal", 1, 200)
        for d in dilations:
            x = main.add(f"c{len(main.made.nodes)}", "conv", x, channels=1, kernel=3, dilation=d)
        main.output(x, "y")
        main.done()
        seen = analyze(g.graph()).receptive_field
        assert seen is not None and seen.axes[0] is not None
        return seen.axes[0].holes

    assert holes(2) and holes(2, 2)
    assert not holes(1, 2, 4)


class _Truth:
    """Input units that each unit of a value really sees, by sets: slow and plain."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.known: dict[tuple[int, int], frozenset[int]] = {}

    def units(self, value: int, u: int) -> frozenset[int]:
        key = (value, u)
        if key not in self.known:
            self.known[key] = self._units(value, u)
        return self.known[key]

    def _units(self, value: int, u: int) -> frozenset[int]:
        body = self.graph.main
        made = body.values[value]
        if made.node < 0:
            return frozenset({u})
        node = body.nodes[made.node]
        op = self.graph.ops[node.op]
        seen: set[int] = set()
        for v, how in zip(
            node.inputs, op.reads(*(body.values[i].shape for i in node.inputs)), strict=True
        ):
            if how is not None:
                lo, hi = how[0].reads(u, u)
                step = getattr(how[0], "dilation", 1)
                for w in range(lo, hi + 1, step):
                    seen |= self.units(v, w)
        return frozenset(seen)


def _random_net(rng: random.Random) -> Graph:
    g = GraphBuilder()
    main = g.body("Net", "network")
    values = [main.input("signal", 1, rng.randint(20, 60))]
    for i in range(rng.randint(3, 8)):
        x = rng.choice(values[-3:])
        n = main.made.values[x].shape[1]
        same = [v for v in values if main.made.values[v].shape[1] == n and v != x]
        kind = rng.choice(["conv", "conv", "pool", "up", "transpose", "fuse", "fit"])
        name = f"n{i}"
        if kind == "fuse" and same:
            values.append(main.add(name, "fuse", x, rng.choice(same)))
        elif kind == "up" and n < 100:
            values.append(main.add(name, "upsample", x, factor=rng.choice([2, 3])))
        elif kind == "transpose" and n < 100:
            k, s = rng.randint(1, 4), rng.randint(1, 3)
            values.append(main.add(name, "conv_transpose", x, channels=1, kernel=k, stride=s))
        elif kind == "pool" and n >= 6:
            values.append(main.add(name, "pool", x, kernel=2, stride=rng.choice([1, 2])))
        elif kind == "fit":
            other = rng.choice(values)
            values.append(main.add(name, "upsample", x, other, to="<value>"))
        else:
            k, s, d = rng.randint(1, 3), rng.choice([1, 1, 2]), rng.choice([1, 1, 2])
            if n > d * (k - 1) + s:
                args = {"channels": 1, "kernel": k, "stride": s, "dilation": d}
                values.append(main.add(name, "conv", x, **args, pad=rng.choice([0, "half"])))
    main.output(values[-1], "y")
    main.done()
    return g.graph()


def test_fields_against_brute_force() -> None:
    """On random nets: each interval contains what is really seen; its ends are really seen where no
    unit is blind; and without holes all of it is seen."""
    rng = random.Random(7)
    compared = 0
    for _ in range(150):
        graph = _random_net(rng)
        report, truth = analyze(graph), _Truth(graph)
        fields = report.walker.fields.relative(0, 0)
        blind = any(f is not None and f[0] is not None and f[0].blind for f in fields)
        for value, field_ in enumerate(fields):
            if field_ is None:
                continue
            axis = field_[0]
            assert isinstance(axis, Axis)
            for u in range(graph.main.values[value].shape[1]):
                real = truth.units(value, u)
                if not axis.sees(u, u):
                    assert not real
                    continue
                claimed = range(axis.low(u), axis.high(u) + 1)
                assert real.issubset(claimed)
                if not blind and not axis.table:
                    assert (min(real), max(real)) == (claimed[0], claimed[-1])
                if axis.step == 1 and not blind:
                    assert real == set(claimed)
                compared += 1
    assert compared > 10_000


def test_a_block_gives_the_same_field_as_its_layers_in_line() -> None:
    """Fields composed through called bodies equal those of the flat graph."""
    nested, flat = nets.unet(), nets.unet(inline=True)
    a, b = analyze(nested), analyze(flat)
    assert field(a) == field(b)
    assert (a.params, a.macs, a.depth, a.neurons) == (b.params, b.macs, b.depth, b.neurons)


def _nested(graph: Graph, first: int, last: int) -> tuple[Graph, dict[int, int]]:
    """The same network with the nodes first..last of its body in a block; where its values went.

    Values that stay inside the block are not in the mapping.
    """
    flat, g = graph.main, GraphBuilder()
    g.ops, g.bodies = list(graph.ops), list(graph.bodies[:-1])
    ends = [v for out in flat.outputs for v in leaves(out.value)]
    made = {v for node in flat.nodes[first:last] for v in node.outputs}
    outside = flat.nodes[:first] + flat.nodes[last:]
    needed = list(dict.fromkeys(
        v for node in flat.nodes[first:last] for v in node.inputs if v not in made
    ))  # fmt: skip
    leaving = [v for v in sorted(made) if v in ends or any(v in n.inputs for n in outside)]

    block, main = g.body("Part"), g.body("Net", "network")
    inner = {v: block.input(f"x{v}", *flat.values[v].shape) for v in needed}

    def copy(into: BodyBuilder, known: dict[int, int], node: Node) -> None:
        shapes = [flat.values[v].shape for v in node.outputs]
        inputs = tuple(known[v] for v in node.inputs)
        outputs = into._node(node.name, node.op, node.body, inputs, shapes, None)
        known.update(zip(node.outputs, outputs, strict=True))

    for node in flat.nodes[first:last]:
        copy(block, inner, node)
    for v in leaving:
        block.output(inner[v], f"y{v}")
    number = block.done()
    outer = {0: main.input("signal", *flat.values[0].shape)}
    for i, node in enumerate(flat.nodes):
        if i == first:
            results = main.call("part", number, *(outer[v] for v in needed))
            outer.update(zip(leaving, results, strict=True))
        if not first <= i < last:
            copy(main, outer, node)
    for v in ends:
        main.output(outer[v], "y")
    main.done()
    return g.graph(), outer


def test_blocks_change_no_figure() -> None:
    """Random nets with a part of them, or a part that holds such a part, put into a block."""
    rng = random.Random(11)
    compared = 0
    for _ in range(60):
        flat = _random_net(rng)
        count = len(flat.main.nodes)
        if count < 2:
            continue
        first = rng.randrange(count - 1)
        nested, where = _nested(flat, first, rng.randint(first + 1, count))
        if len(nested.main.nodes) > 1 and rng.random() < 0.5:
            deeper, further = _nested(nested, 0, len(nested.main.nodes) - 1)
            nested = deeper
            where = {old: further[new] for old, new in where.items() if new in further}
        a, b = analyze(flat), analyze(nested)
        assert (a.params, a.macs, a.neurons, a.depth) == (b.params, b.macs, b.neurons, b.depth)
        names = {row.path.rpartition(".")[2]: row.receptive_field for row in b.layers()}
        for row in a.layers():
            seen = a.walker.fields.relative(0, 0)
            if not any(f and f[0] and f[0].table for f in seen):
                assert names[row.path] == row.receptive_field
                compared += 1
        for old, new in where.items():
            for measure in ("params", "macs", "depth", "shape"):
                assert a.measure(measure, old) == b.measure(measure, new)
    assert compared > 100


# ---------------------------------------------------------------------- memory


def test_memory_of_a_residual_unit() -> None:
    """Peak: the shortcut is alive beside what the second convolution takes and makes."""
    g = GraphBuilder()
    main = g.body("Net", "network")
    x = main.input("image", 1, 4, 4)
    a = main.add("conv1", "conv", x, channels=3, kernel=3, pad="half", bias=False)
    b = main.add("conv2", "conv", a, channels=5, kernel=3, pad="half", bias=False)
    c = main.add("conv3", "conv", b, channels=3, kernel=3, pad="half", bias=False)
    main.output(main.add("sum", "fuse", a, c), "y")
    main.done()
    weights = 9 * (1 * 3 + 3 * 5 + 5 * 3)
    peak = 16 * (1 + 3 + 5 + 3)  # image, a (wanted by the sum), b, c
    assert analyze(g.graph()).memory == 4 * (weights + peak)


def test_views_take_no_room() -> None:
    g = GraphBuilder()
    main = g.body("Net", "network")
    x = main.input("image", 2, 4, 4)
    y = main.add("relu1", "relu", x)
    y = main.add("flatten1", "flatten", y)
    main.output(main.add("drop", "dropout", y), "y")
    main.done()
    assert analyze(g.graph()).memory == 4 * (32 + 32)

"""Emitted PyTorch, construct by construct: the same numbers as the graph, node by node."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")

import torch

from tests.support.against_torch import tensors
from tests.support.emitted import compare, compute_the_same, emitted, one, ruff

CONSTRUCTS = {
    "shared": """
network N {
  input a[3, 16, 16]
  input b[3, 8, 8]
  share head = (conv(8, 3) -> batchnorm -> relu -> conv(4, 1))
  share one = conv(3, 1)
  output p = a -> one -> head
  output q = b -> one -> head
}""",
    "taps": """
network B {
  input image[3, 32, 32]
  x = image -> stem: conv(8, 3, pad=1) -> relu
  x = x -> layer1: repeat 2 { (conv(8, 3, pad=1) -> relu) } -> pool(2)
  x = x -> layer2: repeat 3 { conv(16, 3, pad=1) -> relu } -> pool(2)
  output logits = x -> pool(global, by=avg) -> flatten -> fc: linear(10)
}
network N {
  input image[3, 32, 32]
  taps = image -> body: B(outputs=[layer1, layer2])
  output fuse(taps.layer1 -> pool(2) -> lat1: conv(8, 1), taps.layer2 -> lat2: conv(8, 1))
}""",
    "split": """
block Shuffle {
  input x[C, ...]
  a, b = x -> split(2)
  output fuse(a, b -> conv(C // 2, 3, pad=1) -> batchnorm, by=concat) -> channel_shuffle(2)
}
network N {
  input image[8, 8, 8]
  output image -> repeat 3 { Shuffle } -> a: Shuffle -> pool(2) -> b: Shuffle
}""",
    "skips": """
network N {
  input image[8, 8, 8]
  output image -> res: skip { conv(8, 3, pad=1) -> relu -> conv(8, 3, pad=1) } -> relu
    -> gate: skip(by=product) { pool(global, by=avg) -> fc: conv(8, 1) -> sigmoid }
}""",
    "initialised": """
default conv(init=kaiming_normal(mode="fan_out"), bias_init=0)
block B(w: int) {
  input x
  output x -> body: (conv(w, 3, pad=1) -> batchnorm -> relu -> conv(w, 3, pad=1)) -> relu
}
network N {
  input image[3, 8, 8]
  output image -> stem: (conv(4, 3) -> relu) -> B(8) -> B(16) -> fs[0]: conv(4, 1)
    -> "a-b": conv(3, 1) -> flatten -> fc: linear(5, init=trunc_normal(0.02))
}""",
    "records": """
block Two(w: int) {
  input x
  y = x -> conv(w, 1)
  output low = y -> pool(2)
  output high = y
}
block Several(n: int) {
  input x
  output [x -> cs[i]: conv(i + 1, 1) for i in 0..n]
}
block Sum {
  input xs
  output fuse(xs, by=concat)
}
network N {
  input image[3, 8, 8]
  p = image -> Two(4)
  output a = p.high -> Several(3) -> Sum
  output b = p.low -> Several(2)
  output c = p.low -> aux: conv(7, 1) when training
}""",
    "streams": """
block Exchange(depth: int) {
  input streams
  output [s -> bs[i]: repeat depth { conv(8, 3, pad=1) -> relu } for i, s in streams]
}
network N {
  input image[8, 8, 8]
  xs = [image, image -> conv(8, 3, pad=1), image -> conv(8, 1)]
  ys = xs -> stage1: repeat 2 { Exchange(2) } -> stage2: Exchange(3)
  output ys
  output q = ys[1]
}""",
    "unpool": """
network N {
  input image[4, 12, 12]
  a = image -> c1: (conv(4, 3, pad=1) -> relu) -> p: pool(2)
  b = a -> pool(2)
  output b -> unpool(from=b) -> conv(4, 3, pad=1) -> unpool(from=a) -> conv(2, 1)
}""",
    "activations": """
block C(w: int, act: block = relu) {
  input x
  output x -> conv(w, 3, pad=1) -> batchnorm -> act
}
network N {
  input image[3, 8, 8]
  output image -> C(4) -> C(4, act=silu) -> C(8, act=leaky_relu(slope=0.2)) -> C(8, act=prelu)
}""",
    "nested": """
block Deep(n: int, m: int) {
  input x[C, ...]
  for i in 0..n {
    for j in 0..m { x = x -> a[i][j]: conv(C, 3, pad=1) -> relu }
    x = x -> b[i]: batchnorm
  }
  output x
}
network N {
  input image[4, 8, 8]
  output image -> Deep(2, 3) -> d2: Deep(3, 3) -> d3: Deep(1, 1) -> d4: Deep(3, 2)
}""",
    "loops": """
block Pyramid(depth: int) {
  input x[C, ...]
  y = x
  sides = []
  for n in reversed(0..depth) {
    sides = sides + [y -> side[n]: conv(C, 3, pad=1)]
    y = y -> pool(2) -> down[n]: conv(C, 3, pad=1) -> relu
  }
  for n in 0..depth {
    y = y -> up[n]: conv(C, 1) -> upsample(2, by=nearest)
    y = fuse(sides[depth - 1 - n], y)
  }
  output y
}
network N {
  input image[4, 16, 16]
  output image -> Pyramid(3)
}""",
    "dense": """
block Layer(growth: int) = (norm: batchnorm -> relu -> conv: conv(growth, 3, pad=1))
network N {
  input image[4, 8, 8]
  output image
    -> for i, n in [3, 6] {
      "b{i + 1}": repeat n as j { skip(by=concat) { "layer{j + 1}": Layer(2) } }
    }
}""",
    "conditions": """
block B(w: int, stride: int = 1, se: bool = false) {
  input x[C, ...]
  output x -> skip {
    conv(w, 3, stride=stride, pad=1) -> bn1: batchnorm -> relu
    -> if se then s: skip(by=product) { pool(global, by=avg) -> squeeze: conv(w, 1) -> sigmoid }
    -> conv2: conv(w, 3, pad=1)
  } via down: if stride == 1 and C == w then identity else conv(w, 1, stride=stride)
  -> relu
}
network N {
  input image[8, 16, 16]
  output image -> B(8) -> B(16, stride=2) -> B(16, se=true) -> B(16)
}""",
    "fields": """
block B(eval: bool, n: int, forward: int = 1) {
  input x[C, ...]
  if eval { output x -> n: conv(C, 1) -> upsample(n, by=nearest) }
  else { output x -> n: conv(C, 1) -> upsample(forward, by=nearest) -> relu -> pool(2) }
}
network N {
  input image[3, 8, 8]
  output image -> B(true, 2) -> B(false, 2, forward=2) -> B(true, 3) -> B(false, 4, forward=3)
}""",
    "ranks": """
block C1(w: int) = (conv(w, 3, pad=half) -> batchnorm -> relu)
network N {
  input a[2, 16]
  input b[3, 8, 8, 8]
  output x = a -> C1(4) -> C1(8) -> pool(2)
  output y = b -> C1(4) -> pool(2)
}""",
    "recursion": """
block Level(channels: int, levels: int) {
  input x
  here = x -> conv(channels, 3, pad=1) -> relu
  if levels == 0 { output here } else {
    below = here -> pool(2) -> inner: Level(2 * channels, levels - 1)
      -> up: conv_transpose(channels, 2, stride=2)
    output fuse(here, below, by=concat) -> merge: conv(channels, 1)
  }
}
network N {
  input image[3, 16, 16]
  output image -> Level(4, 3)
}""",
    "mutual recursion": """
block A(n: int) {
  input x[C, ...]
  if n == 0 { output x -> conv(C, 1) } else { output x -> b: B(n - 1) -> conv(C, 3, pad=1) }
}
block B(n: int) {
  input x[C, ...]
  output x -> relu -> a: A(n)
}
network N {
  input image[3, 8, 8]
  output image -> A(3)
}""",
    "sizes": """
network N {
  input image[3, 16, 16]
  a = image -> conv(4, 3)
  output fuse(a, image -> conv(4, 1) -> crop(to=a), by=concat)
    -> upsample(to=image, by=bilinear) -> pad(1) -> maxout(2)
    -> f: (conv(4, 3, stride=2, pad=same) -> pool(3, stride=2, pad=same) -> scale -> lrn(5))
}""",
    "ragged": """
block Scale(widths: [int], from: int, to: int) =
  if from == to then identity
  else if from > to then (conv(widths[to], 1) -> upsample(2 ** (from - to), by=nearest))
  else repeat to - from as k {
    (conv(widths[if k == to - from - 1 then to else from], 3, stride=2, pad=1)
     -> if k < to - from - 1 then relu)
  }
block Mix(widths: [int]) {
  input streams
  s = [streams[i] -> own[i]: conv(w, 3, pad=1) for i, w in widths]
  output [
    fuse([s[j] -> across[i][j]: Scale(widths, j, i) for j in 0..len(widths)], by=sum) -> relu
    for i in 0..len(widths)
  ]
}
block Gather {
  input xs
  output fuse([x -> pool(global, by=avg) for x in xs], by=concat)
}
block Most {
  input xs
  output fuse([x -> pool(global, by=avg) -> c[i]: conv(4, 1) for i, x in xs], by=max)
}
network N {
  input image[3, 16, 16]
  x = image -> conv(4, 3, pad=1)
  ys = [x, x -> conv(6, 3, stride=2, pad=1)] -> m1: Mix([4, 6])
  zs = [ys[0], ys[1], ys[1] -> conv(8, 3, stride=2, pad=1)]
  zs = zs -> m2: Mix([4, 6, 8]) -> m3: Mix([4, 6, 8])
  output fuse(ys -> Gather, zs -> Gather, by=concat)
  output q = fuse(ys -> Most, zs -> Most)
}""",
    "one length": """
block Mix(n: int) {
  input xs
  output [
    fuse([xs[j] -> f[i][j]: if i == j then identity else conv(4, 1) for j in 0..n], by=sum)
    for i in 0..n
  ]
}
network N {
  input image[4, 8, 8]
  output [image, image -> conv(4, 1)] -> Mix(2)
}""",
    "choices in loops": """
network N {
  input image[4, 8, 8]
  a = image -> conv(4, 3, pad=1)
  b = image -> conv(4, 1)
  ys = []
  for i in 0..4 { ys = ys + [fuse(if i % 3 == 0 then a else b, b) -> c[i]: conv(2, 1)] }
  output ys
}""",
    "training": """
block Stage(w: int) {
  input x
  y = x -> conv(w, 3, pad=1) -> relu
  output aux = y -> side: conv(5, 1) when training
  output y
}
block Two {
  input x
  output x -> Stage(6) -> conv(2, 1)
}
network N {
  input image[3, 8, 8]
  two = image -> Stage(4) -> Two
  output main = two
  output aux = two -> conv(2, 1) when training
}""",
    "cycle": """
block A(n: int) {
  input x[C, ...]
  if n <= 0 { output x -> conv(C, 1) } else { output x -> b: B(n - 1) -> conv(C, 3, pad=1) }
}
block B(n: int) {
  input x[C, ...]
  if n <= 0 { output x -> relu } else { output fuse(x -> a: A(n - 1), x -> a2: A(n - 2)) }
}
network N {
  input image[3, 8, 8]
  output image -> A(5) -> b: B(3)
}""",
    "nothing": """
block Same {
  input x
  output x -> if false then relu
}
network N {
  input image[3, 8, 8]
  output image -> Same -> conv(3, 1) -> g: (identity -> conv(3, 1))
}""",
}


@pytest.mark.parametrize("name", sorted(CONSTRUCTS))
def test_constructs(name: str, tmp_path: Path) -> None:
    graph = one(CONSTRUCTS[name])
    text = emitted(graph)
    compare(graph, text)
    compute_the_same(graph, text)
    (tmp_path / "model.py").write_text(text)
    ruff("format", "--isolated", "--check", "--diff", str(tmp_path))
    ruff("check", "--isolated", str(tmp_path))


@pytest.mark.parametrize("name", ["dense", "loops", "ragged", "recursion"])
def test_compile_and_export(name: str) -> None:
    graph = one(CONSTRUCTS[name])
    names: dict[str, Any] = {}
    exec(compile(emitted(graph), "model", "exec"), names)
    module = names[graph.name]().eval()
    x = torch.rand(2, *map(int, graph.main.values[0].shape))
    wanted = module(x)
    compiled = torch.compile(module, fullgraph=True, backend="eager")
    torch.testing.assert_close(tensors(compiled(x)), tensors(wanted))
    exported = torch.export.export(module, (x,))
    torch.testing.assert_close(tensors(exported.module()(x)), tensors(wanted))


def test_loops_stay_loops() -> None:
    text = emitted(one(CONSTRUCTS["dense"]))
    assert "for layer in self.children():" in text
    assert 'self.add_module(f"layer{j + 1}"' in text
    assert text.count("class ") == 3  # a layer, a block of them, the network


def test_conditions_are_those_of_the_source() -> None:
    text = emitted(one(CONSTRUCTS["conditions"]))
    assert "if stride != 1 or in_channels != w:" in text
    assert "nn.Conv2d(in_channels, w, kernel_size=1, stride=stride)" in text


def test_a_recursive_block_is_a_recursive_class() -> None:
    text = emitted(one(CONSTRUCTS["recursion"]))
    assert "self.inner = Level(channels, 2 * channels, levels=levels - 1)" in text
    assert text.count("class Level") == 1

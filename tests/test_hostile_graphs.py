"""Inputs that mean harm, or look like it: bombs, cycles, and networks that make no sense."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from .support.hostile import ROOT, Screen, accepted, alarmed, net, refused, sane, stage, write


@pytest.fixture(autouse=True)
def _alarm() -> Iterator[None]:
    with alarmed(120):
        yield


# ---------------------------------------------------------------------------- graph


def nested(form: str, inner: str, times: int) -> str:
    for i in range(times):
        inner = form.format(inner, i=i)
    return inner


@pytest.mark.parametrize(
    ("text", "code"),
    [
        (stage("b: repeat 1_000_000_000 { relu }"), "E0704"),
        (stage("b: repeat 10 ** 30 { relu }"), "E0704"),
        (stage("b: repeat 0 { relu }"), "E0305"),
        (stage("b: repeat -1 { relu }"), "E0305"),
        (stage("b: repeat 1.5 { relu }"), "E0307"),
        (stage("b: repeat true { relu }"), "E0308"),
        (stage("b: " + nested("repeat 10 {{ {} }}", "relu", 12)), "E0704"),
        (stage("b: " + nested("repeat 10 {{ if true then {} }}", "relu", 1)), None),
        (stage("b: " + nested("for i{i} in 0..10 {{ {} }}", "relu", 12)), "E0704"),
        (
            net(
                "x = image\n"
                + nested("for i{i} in 0..10 {{ {} }}", "x = x -> relu", 12)
                + "\noutput x"
            ),
            "E0704",
        ),
        (
            net(
                "x = image\n"
                + nested("for i{i} in 0..10 {{ {} }}", "y = 1", 12)
                + "\noutput x -> relu"
            ),
            "E0704",
        ),
        ("const xs = " + nested("[{} for i{i} in 0..10]", "0", 12), "E0704"),
        ("const xs = [0 for i in 0..10 ** 12]", "E0704"),
        ("const n = sum(0..10 ** 15)", "E0704"),
        ("const n = sum([i for i in 0..10 ** 9])", "E0704"),
        ("const n = max(0..10 ** 12)", "E0704"),
        ("const n = len(reversed(0..10 ** 12))", "E0704"),
        ("const n = zip(0..10 ** 9, 0..10 ** 9)", "E0704"),
        (
            "const a0 = [1]\n" + "\n".join(f"const a{i + 1} = a{i} + a{i}" for i in range(64)),
            "E0704",
        ),
        (
            net("xs = [image]\n  for i in 0..64 { xs = xs + xs }\n  output fuse(xs, by=sum)"),
            "E0704",
        ),
        (net("x = image\n  for i in 0..64 { x = fuse(x, x, by=concat) }\n  output x"), None),
        (net('s = "a"\n  for i in 0..64 { s = s + s }\n  output image -> "{s}": relu'), "E0704"),
        (net("x = 2\n  for i in 0..64 { x = x * x }\n  output image -> conv(x, 1)"), "E0310"),
        (net("output image -> B", before="block B { input x output x -> B }"), "E0705"),
        (
            net(
                "output image -> B(0)",
                before="block B(n: int) { input x output x -> relu -> B(n + 1) }",
            ),
            "E0705",
        ),
        (
            net(
                "output image -> B(40)",
                before="block B(n: int) { input x y = if n > 0 then 1 else 2\n"
                "output x -> if n > 0 then B(n - 1) else relu\n"
                "-> if n > 0 then B(n - 1) else relu }",
            ),
            "E0704",
        ),
        (net("output image -> A", before="block A = (B -> relu)\nblock B = (A -> relu)"), "E0705"),
        (net("output image -> A", before="block A = B\nblock B = A"), "E0705"),
        ("const f(n: int) = f(n)\n" + stage("conv(f(1), 3)"), "E0705"),
        ("const a = b\nconst b = a", "E0205"),
        ("network A = B\nnetwork B = A", "E0703"),
        ("network A = A", "E0703"),
        (net("output fuse(image, [1, 2] -> B, by=sum)", before="block B = (relu)"), "E0506"),
        (net("output fuse(image, 1 -> B, by=sum)", before="block B { input x output x }"), "E0506"),
        (net("output fuse(image, 1 -> relu, by=sum)"), "E0506"),
        (net('output fuse(image, "a" -> skip { relu }, by=sum)'), "E0506"),
        (net("output fuse(image, relu -> repeat 2 { relu }, by=sum)"), "E0506"),
        (net("share s = relu\n  output fuse(image, [image] -> s, by=sum)"), "E0506"),
        (net("output [image, [1, image]]"), "E0308"),
        (net("x = y -> relu\n  y = x -> relu\n  output y"), "E0205"),
        (net("x = x -> relu\n  output image -> relu"), "E0205"),
        (net("output image -> relu\n  output image -> relu"), "E0508"),
        (net("output a = image -> relu\n  output a = image -> tanh"), "E0203"),
        (net("input image[3, 32, 32]\n  output image -> relu"), "E0203"),
        (net("for i in 0..2 { input other[3] }\n  output image -> relu"), "E0508"),
        (net("if true { input other[3] }\n  output image -> relu"), "E0508"),
        (net("for i in 0..100_000 { expect params == i }\n  output image -> relu"), "E0704"),
        (net("xs = [image]\n  for i in 0..64 { xs = [xs, xs] }\n  output image -> relu"), "E0704"),
        (
            "const a0 = [1]\n" + "\n".join(f"const a{i + 1} = [a{i}, a{i}]" for i in range(64)),
            "E0704",
        ),
        (
            net(
                "x = [image]\n  for i in 0..30 { x = x -> Twice }\n  output fuse(x, by=sum)",
                before="block Twice { input x output [x, x] }",
            ),
            "E0704",
        ),
        (
            net("xs = [1]\n  for i in 0..100_000 { xs = xs + [i] }\n  output image -> relu"),
            "E0704",
        ),
        ("const a = [i for i in 0..300_000]\nconst b = [a == a for i in 0..10_000]", "E0704"),
        ("const a = [i for i in 0..900_000]\nconst b = [max(a) for i in 0..10_000]", "E0704"),
        ("const a = [i for i in 0..9_000]\nconst b = [a[0..i] for i in 0..9_000]", "E0704"),
        (stage(f"{'n' * 90_000}: repeat 10_000 {{ relu }}"), "E0704"),
        (stage(f"a{'[0]' * 50_000}: relu"), "E0206"),
        (net("x = image\n  for i in 0..100_000 { x = x -> a: relu }\n  output x"), "E0204"),
        (
            net("output image -> relu")
            + "\n".join(f"network V{i + 1} = V{i}" for i in range(1, 100))
            + "\nnetwork V1 = Whole",
            "E0705",
        ),
        (stage("b: repeat 500_000 { conv(8, 3, strides=2) }"), "E0301"),
        (
            net(
                "for i in 0..500_000 { x = image -> conv(8, 3, strides=2) }\n  output image -> relu"
            ),
            "E0301",
        ),
        ("block B(n: int, n: int) = conv(n, 3)\n" + stage("B(3, 3)"), "E0203"),
        (net("y = image -> conv(8, 3)"), "E0502"),
        ("network Net { output image }", "E0503"),
        ("network Net { }", "E0503"),
        ("network Net { input image[3, 8, 8] }", "E0502"),
        ("network Net { input image output image -> relu }", "E0402"),
        ("network Net { input image[...] output image -> relu }", "E0402"),
        ("network Net { input image[] output image -> relu }", "E0402"),
        ("network Net { input image[0, 8, 8] output image -> relu }", "E0305"),
        ("network Net { input image[-3, 8, 8] output image -> relu }", "E0305"),
        ("network Net { input image[3, 8, 8, 8, 8] output image -> conv(8, 3) }", "E0402"),
    ],
)
def test_graph(tmp_path: Path, text: str, code: str | None) -> None:
    if code is None:
        accepted(tmp_path, text)
        return
    screen = refused(tmp_path, text)
    assert set(screen.codes) == {code}, screen.err


def test_a_hundred_thousand_layers(tmp_path: Path) -> None:
    screen = Screen(["check", str(write(tmp_path, stage("b: repeat 100_000 { relu }")))])
    assert screen.code == 0, screen.err


def test_a_thousand_blocks_in_a_row(tmp_path: Path) -> None:
    block = "block B { input x output x -> relu }"
    accepted(tmp_path, net("output image -> b: repeat 3_000 { B }", before=block))


def test_settings_from_outside_are_bounded_too(tmp_path: Path) -> None:
    text = "network Net(n: int = 3) { input image[3, 8, 8] output image -> b: repeat n { relu } }"
    for value, code in {
        "10 ** 9": "E0704", "-1": "E0305", "x": "E0201", "[": "E0102", '"': "E0104", "1 2": "E0101",
        "2 ** 10 ** 9": "E0310", "image": "E0201", "true": "E0304", "1.5": "E0307",
    }.items():  # fmt: skip
        screen = refused(tmp_path, text, "--set", f"n={value}", placed=False)
        assert screen.codes == [code], (value, screen.err)


# ---------------------------------------------------------------------------- meaning


@pytest.mark.parametrize(
    ("text", "code"),
    [
        (stage("conv(8, 33)"), "E0403"),
        (stage("conv(8, 3, dilation=16)"), "E0403"),
        (stage("pool(33)"), "E0403"),
        (stage("conv(8, [3, 33])"), "E0403"),
        (stage("conv(8, 10 ** 40)"), "E0403"),
        (stage("conv(8, 3, stride=0)"), "E0305"),
        (stage("conv(8, 3, stride=-1)"), "E0305"),
        (stage("conv(8, 3, dilation=0)"), "E0305"),
        (stage("conv(8, 3, pad=-1)"), "E0305"),
        (stage("conv(8, 0)"), "E0305"),
        (stage("conv(0, 3)"), "E0305"),
        (stage("conv(-8, 3)"), "E0305"),
        (stage("conv(8, 3, groups=2)"), "E0404"),
        (stage("conv(8, 3, groups=0)"), "E0305"),
        (stage("conv(8, [])"), "E0305"),
        (stage("conv(8, [[3]])"), "E0304"),
        (stage("pool(2, pad=2)"), "E0408"),
        (stage("pool(3, pad=2)"), "E0408"),
        (stage("dropout(1.5)"), "E0305"),
        (stage("dropout(-0.1)"), "E0305"),
        (stage("linear(10)"), "E0402"),
        (stage("flatten -> conv(8, 3)"), "E0402"),
        (stage("split(2)"), "E0404"),
        (stage("split(1_000_000_000)"), "E0305"),
        (stage("upsample(0)"), "E0305"),
        (stage("upsample(1e-300)"), "E0305"),
        (stage("pixel_shuffle(2)"), "E0404"),
        (stage("batchnorm(momentum=2)"), "E0305"),
        (stage("groupnorm(2)"), "E0404"),
        (stage("maxout(2)"), "E0404"),
        (stage("crop(16)"), "E0408"),
        (stage("pad(33, by=reflect)"), "E0408"),
        (stage("conv(8, 3, weight=[1, 2, 3])"), "E0408"),
        (net("a = image -> pool(global)\n  output fuse(a, image, by=sum)"), "E0401"),
        (net("a = image -> conv(1, 1)\n  output fuse(a, image, by=sum)"), "E0401"),
        (net("output fuse(image, by=sum)"), "E0505"),
        (net("output a = image -> relu\n  output b = fuse(by=sum)"), "E0505"),
        (net("output a = image -> relu\n  output b = fuse([], by=sum)"), "E0505"),
        (
            net(
                "share s = conv(8, 1)\n  a = image -> s\n  b = image -> conv(4, 1) -> s\n"
                "  output fuse(a, b, by=sum)"
            ),
            "E0406",
        ),
        (net("output image -> relu\n  expect params == 1 / 0"), "E0310"),
        (net("output image -> relu\n  expect shape(nothing) == [1]"), "E0208"),
        (net("output image -> relu\n  expect params ~= params"), "E0308"),
    ],
)
def test_meaning(tmp_path: Path, text: str, code: str) -> None:
    screen = refused(tmp_path, text)
    assert screen.codes == [code], screen.err


@pytest.mark.parametrize(
    "text",
    [
        stage("conv(8, 3) -> batchnorm -> relu", "3, 3, 3"),  # fails in training at batch 1 only
        stage("flatten -> linear(10)"),  # a forgotten pooling is legal
        stage("pool(3, stride=2, ceil=true)", "3, 6, 6"),
        stage("pool(2, stride=2, pad=1, ceil=true)", "3, 5, 5"),
        stage("pool(3, stride=5, ceil=true)", "3, 4, 4"),
        stage("pool(32)"),
        stage("conv(8, 32)"),
        stage("dropout(1.0)"),
        stage("repeat 3 { relu }"),
        net("a = image -> pool(global)\n  output fuse(a, image, by=product)"),
        stage("conv(8, 3)", "3, 1_000_000_000, 1_000_000_000"),
    ],
)
def test_legal_edges(tmp_path: Path, text: str) -> None:
    accepted(tmp_path, text)


def test_huge_channels_are_counted_exactly(tmp_path: Path) -> None:
    text = net(
        "output image -> conv(2 ** 40, 3)\n"
        "  expect params == 2 ** 40 * (2 ** 40 * 9 + 1)\n"
        "  expect macs == 2 ** 80 * 9 * 30 * 30",
        "2 ** 40, 32, 32",
    )
    accepted(tmp_path, text)


def test_a_unet_at_odd_sizes(tmp_path: Path) -> None:
    unet = (ROOT / "specs" / "unet.arch").read_text(encoding="utf-8")
    accepted(tmp_path, unet, "--at", "H=64,W=96", "--network", "UNet")
    odd = refused(tmp_path, unet, "--at", "H=65,W=96", "--network", "UNet")
    assert odd.codes == ["E0409"]
    free = re.sub(r" where fit[^\n]*", "", unet)
    assert free != unet
    screen = refused(tmp_path, free, "--at", "H=65,W=96", "--network", "UNet")
    assert screen.codes == ["E0401"]
    for size in ("H=0", "H=-5", "H=1"):
        screen = Screen(["check", str(write(tmp_path, free)), "--network", "UNet", "--at", size])
        assert screen.code in (1, 2)
        assert set(screen.codes) <= {"E0305", "E0403"}
        sane(screen)


# ---------------------------------------------------------------------------- memory

BOMBS = {
    "repeat": stage("b: " + nested("repeat 10 {{ {} }}", "conv(8, 3, pad=half)", 12)),
    "comprehension": "const xs = " + nested("[{} for i{i} in 0..10]", "0", 12),
    "doubling": "const a0 = [1]\n" + "\n".join(f"const a{i + 1} = a{i} + a{i}" for i in range(64)),
    "braces": "{" * 100_000,
    "terms": "const x = " + " + ".join(["1"] * 100_000),
    "power": "const x = 9 ** 9 ** 9 ** 9",
}


@pytest.mark.parametrize("name", BOMBS)
def test_memory_is_bounded(tmp_path: Path, name: str) -> None:
    """As a process of its own, which may take 500 MB."""
    path = write(tmp_path, BOMBS[name])
    limited = (
        "import resource, sys; resource.setrlimit(resource.RLIMIT_AS, (500 << 20, 500 << 20));"
        "from archc.cli import main; sys.exit(main(sys.argv[1:]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", limited, "check", str(path)],
        cwd=ROOT, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == (0 if name == "terms" else 1), done.stderr
    assert "bug in archc" not in done.stderr

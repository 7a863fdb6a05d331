"""`archc diff`: layers aligned, sums complete, checkpoints as PyTorch loads them."""

from __future__ import annotations

import io
import json
import random
import re
import warnings
from collections.abc import Iterator
from itertools import pairwise, product
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

import archc
from archc.analysis.diff import Difference, compare
from archc.analysis.diff_align import common, rising
from archc.analysis.diff_state import branches
from archc.cli import main
from archc.cli.diff_lines import lines
from archc.cli.diff_text import text as written
from archc.driver import compile_spec
from archc.source import Source
from archc.train.build import instantiate
from tests.support.random_nets import random_net

torch.set_num_threads(1)

ROOT = Path(__file__).resolve().parent.parent
SPECS = ROOT / "specs"

BASE = """
block Unit(w: int) {
  input x[C, ...]
  output x
    -> skip {
         conv1: conv(w, 3, pad=half) -> bn1: batchnorm -> relu
         -> conv2: conv(w, 3, pad=half) -> bn2: batchnorm
       }
    -> relu
}
network Net {
  input image[3, 16, 16]
  a = image -> conv1: conv(8, 3, pad=half) -> relu
  b = a -> stage1: repeat 2 { Unit(8) }
  c = b -> down: conv(12, 3, stride=2, pad=1) -> stage2: repeat 3 { Unit(12) }
  d = fuse(b -> pool(2), c -> lateral: conv(8, 1))
  share head = (conv(4, 1) -> relu)
  output x = d -> head
  output y = c -> side: conv(8, 1) -> head
}
"""


def network(text: str) -> archc.Network:
    """The last network of a text."""
    spec = archc.loads(text)
    return spec[list(spec)[-1]]


def edited(*edits: tuple[str, str]) -> str:
    text = BASE
    for old, new in edits:
        assert old in text, old
        text = text.replace(old, new)
    return text


def difference(a: str, b: str) -> Difference:
    return compare(network(a).report, network(b).report)


def said(found: Difference) -> list[tuple[str, str | None, str | None, list[tuple[str, str, str]]]]:
    """Changes as plain values."""
    return [
        (
            c.kind,
            None if c.before is None else c.before.path,
            None if c.after is None else c.after.path,
            [tuple(d) for d in c.details],  # type: ignore[misc]
        )
        for c in found.changes
    ]


# ---------------------------------------------------------------------- the same network


SAME = {
    "itself": (),
    "padding": (("pad=half", "pad=1"),),
    "kernel per axis": (("conv(12, 3,", "conv(12, [3, 3],"),),
    "operands": (
        ("b -> pool(2), c -> lateral: conv(8, 1)", "c -> lateral: conv(8, 1), b -> pool(2)"),
    ),
    "values": (("  c = ", "  other = "), ("fuse(b -> pool(2), c", "fuse(b -> pool(2), other"),
               ("output y = c", "output y = other")),
    "independent layers": (
        ("  d = fuse(b -> pool(2), c -> lateral: conv(8, 1))\n", ""),
        ("  share", "  e = b -> pool(2)\n  d = fuse(e, c -> lateral: conv(8, 1))\n  share"),
    ),
    "written out": (
        ("stage1: repeat 2 { Unit(8) }", "stage1: (Unit(8) -> Unit(8))"),
    ),
    "an identity": (("  c = b -> down", "  c = b -> identity -> down"),),
    "comments": (("network Net", "# the network\nnetwork Net"),),
}  # fmt: skip


@pytest.mark.parametrize("edits", SAME.values(), ids=SAME)
def test_the_same_network_in_other_words(edits: tuple[tuple[str, str], ...]) -> None:
    found = difference(BASE, edited(*edits))
    assert found.same
    assert said(found) == []
    assert found.checkpoints.verdict == "loads"
    assert "the same network" in written(found, False, False, 100)


def test_a_block_and_its_layers_written_out_are_the_same() -> None:
    block = """
      block Unit(w: int) = (conv(w, 3, pad=half) -> batchnorm -> relu)
      network A { input x[3, 8, 8]  output x -> one: Unit(4) -> two: Unit(5) }
    """
    plain = """
      network B {
        input picture[3, 8, 8]
        y = picture -> one: (conv(4, 3, pad=1) -> batchnorm -> relu)
        output y -> two: (conv(5, 3, pad=1) -> batchnorm -> relu)
      }
    """
    found = difference(block, plain)
    assert found.same and not found.changes and found.checkpoints.verdict == "loads"


def test_renamed_labels_are_the_same_network_and_a_map_of_keys() -> None:
    found = difference(BASE, edited(("stage2:", "layer2:"), ("lateral:", "lat:")))
    assert found.same
    assert found.checkpoints.verdict == "loads after renaming"
    renames = found.checkpoints.renames
    assert renames["lateral.weight"] == "lat.weight"
    assert renames["stage2.1.bn2.running_mean"] == "layer2.1.bn2.running_mean"
    assert all(old.startswith(("stage2.", "lateral.")) for old in renames)
    shown = [line.name for line in lines(found)]
    assert shown == ["stage2 → layer2", "lateral → lat"]
    assert "(42 tensors)" in written(found, False, False, 100)


OTHER = {
    "another weight": (("down: conv(12, 3, stride=2, pad=1", "down: conv(12, 5, stride=2, pad=2"),),
    "weights no longer shared": (("-> side: conv(8, 1) -> head",
                                  "-> side: conv(8, 1) -> mine: (conv(4, 1) -> relu)"),),
    "another input": (("fuse(b -> pool", "fuse(a -> pool"),),
    "another join": (("lateral: conv(8, 1))", "lateral: conv(8, 1), by=max)"),),
    "another epsilon": (("bn1: batchnorm", "bn1: batchnorm(eps=1e-3)"),),
    "frozen": (("conv1: conv(8, 3, pad=half)", "conv1: conv(8, 3, pad=half, frozen=true)"),),
    "initialised": (
        ("conv1: conv(8, 3, pad=half)", "conv1: conv(8, 3, pad=half, init=zeros)"),
    ),
    "outputs exchanged": (("output x = d", "output z = c"), ("output y = c -> side: conv(8, 1)",
                          "output y = d"), ("output z = c", "output z = c -> side: conv(8, 1)")),
    "only in training": (("side: conv(8, 1) -> head", "side: conv(8, 1) -> head when training"),),
    "a layer nobody reads": (("  share", "  e = c -> extra: conv(3, 1)\n  output z = e\n  share"),),
}  # fmt: skip


@pytest.mark.parametrize("edits", OTHER.values(), ids=OTHER)
def test_another_network_is_another(edits: tuple[tuple[str, str], ...]) -> None:
    for a, b in ((BASE, edited(*edits)), (edited(*edits), BASE)):
        found = difference(a, b)
        assert not found.same
        assert found.changes or found.ends


@pytest.mark.parametrize("name", ["lenet5", "unet", "googlenet", "segnet", "kernels"])
def test_what_show_prints_is_the_same_network(name: str) -> None:
    spec = archc.load(SPECS / f"{name}.arch")
    for one in list(spec.values())[:2]:
        found = compare(one.report, archc.loads(one.arch())[one.name].report)
        assert found.same and not found.changes and found.checkpoints.verdict == "loads"


# ---------------------------------------------------------------------- changes


def test_arguments_old_and_new() -> None:
    found = difference(
        BASE, edited(("down: conv(12, 3, stride=2, pad=1)", "down: conv(12, 5, stride=2, pad=2)"))
    )
    (change,) = said(found)
    assert change == ("changed", "down", "down", [("kernel", "3", "5"), ("pad", "1", "2")])
    assert found.changes[0].params == 12 * 8 * (25 - 9)


def test_what_follows_is_told_from_what_changed() -> None:
    found = difference(BASE, edited(("conv1: conv(8, 3, pad=half)", "conv1: conv(10, 3, pad=half)"),
                                    ("repeat 2 { Unit(8) }", "repeat 2 { Unit(10) }"),
                                    ("lateral: conv(8", "lateral: conv(10"),
                                    ("side: conv(8", "side: conv(10")))  # fmt: skip
    kinds = {c.after.path: c.kind for c in found.changes if c.after is not None}
    assert kinds["conv1"] == kinds["lateral"] == kinds["stage1.1.conv2"] == "changed"
    assert kinds["down"] == kinds["head.0"] == kinds["stage1.0.bn1"] == "follows"
    assert "stage2.0.conv1" not in kinds  # what arrives there is as before


def test_a_layer_put_in_shifts_numbers_and_changes_nothing_else() -> None:
    a = "network A { input x[3, 8, 8]  output x -> f: (conv(4, 3) -> relu -> conv(6, 3) -> relu) }"
    b = a.replace("(conv(4, 3) -> relu", "(conv(4, 3) -> relu -> conv(4, 1) -> batchnorm")
    found = difference(a, b)
    assert said(found) == [
        ("added", None, "f.2", []),
        ("added", None, "f.3", []),
        ("renamed", "f.2", "f.4", []),
    ]
    assert found.checkpoints.renames == {"f.2.weight": "f.4.weight", "f.2.bias": "f.4.bias"}
    # `f.2` of A would be taken for the new layer, whose shape is another
    assert found.checkpoints.verdict == "does not load"
    assert found.checkpoints.renamed.unexpected == found.checkpoints.renamed.differing == []


def test_another_operator_at_the_same_place_is_a_change() -> None:
    a = "network A { input x[3, 8, 8]  output x -> conv(4, 3) -> relu -> conv(4, 3) -> relu }"
    found = difference(a, a.replace("relu", "gelu"))
    details = [("operator", "relu", "gelu")]
    assert said(found) == [
        ("changed", "relu1", "gelu1", details),
        ("changed", "relu2", "gelu2", details),
    ]
    assert found.checkpoints.verdict == "loads"


def test_other_inputs() -> None:
    found = difference(BASE, edited(("fuse(b -> pool", "fuse(a -> pool")))
    assert said(found) == [("changed", "pool1", "pool1", [("inputs", "stage1.1.relu2", "relu1")])]


def test_weights_that_are_no_longer_shared() -> None:
    apart = edited(
        ("-> side: conv(8, 1) -> head", "-> side: conv(8, 1) -> own: (conv(4, 1) -> relu)")
    )
    found = difference(BASE, apart)
    assert said(found)[0] == (
        "changed", "head.0", "own.0", [("weights", "head.0", "its own")]
    )  # fmt: skip
    assert found.changes[0].params == 4 * 8 + 4
    assert said(difference(apart, BASE))[0][3] == [("weights", "its own", "head.0")]


def test_inputs_and_outputs() -> None:
    found = difference(BASE, edited(("image[3, 16, 16]", "image[1, 24, 24]")))
    assert [tuple(end) for end in found.ends] == [
        ("input", "3 x 16 x 16", "1 x 24 x 24"),
        ("output", "x 4 x 8 x 8", "x 4 x 12 x 12"),
        ("output", "y 4 x 8 x 8", "y 4 x 12 x 12"),
    ]


def test_same_keys_of_another_layer_are_said() -> None:
    a = "network A { input x[4, 8, 8]  output x -> p: conv(4, 1) -> relu -> q: conv(4, 1) }"
    b = "network A { input x[4, 8, 8]  output x -> q: conv(4, 1) -> relu -> p: conv(4, 1) }"
    found = difference(a, b)
    assert found.same and found.checkpoints.verdict == "loads"
    assert sorted(found.checkpoints.astray) == ["p.bias", "p.weight", "q.bias", "q.weight"]
    assert not found.checkpoints.same_order
    shown = written(found, False, False, 100)
    assert "stand elsewhere" in shown and "in another order" in shown


# ---------------------------------------------------------------------- lines


def shown(a: str, b: str, unfold: bool = False) -> list[str]:
    (x, one), (y, other) = ((p.split(":")) for p in (a, b))
    found = compare(
        archc.load(SPECS / f"{x}.arch")[one].report, archc.load(SPECS / f"{y}.arch")[other].report
    )
    return [f"{line.kind} {line.name}" for line in lines(found, unfold)]


def test_blocks_and_ranges() -> None:
    assert shown("resnet:ResNet18", "resnet:ResNet34") == [
        "added layer1.2",
        "added layer2.2 … 3  ×2",
        "added layer3.2 … 5  ×4",
        "added layer4.2",
    ]
    assert shown("resnet:ResNet34", "resnet:ResNet18")[2] == "removed layer3.2 … 5  ×4"
    assert shown("densenet:DenseNet121", "densenet:DenseNet169")[:2] == [
        "added features.denseblock3.denselayer25 … denselayer32  ×8",
        "added features.denseblock3.skip25 … skip32  ×8",
    ]


def test_what_happened_to_many_alike_is_said_once() -> None:
    found = shown("resnet:ResNet50", "resnet:ResNet50v1")
    assert [line for line in found if line.startswith("changed")] == [
        "changed layer2.0.conv1 … layer4.0.conv1  ×3",
        "changed layer2.0.conv2 … layer4.0.conv2  ×3",
    ]


@pytest.mark.parametrize("unfold", [False, True])
def test_lines_add_up(unfold: bool) -> None:
    a, b = archc.load(SPECS / "densenet.arch"), archc.load(SPECS / "resnet.arch")
    for x, y in ((a["DenseNet121"], a["DenseNet169"]), (b["ResNet18"], b["ResNet50"])):
        made = lines(compare(x.report, y.report), unfold)
        assert sum(line.params for line in made) == y.report.params - x.report.params
        assert sum(line.macs for line in made) == y.report.macs - x.report.macs


# ---------------------------------------------------------------------- parts


@given(st.lists(st.integers(0, 30), unique=True, max_size=9))
def test_the_longest_rising_part(values: list[int]) -> None:
    found = rising(list(enumerate(values)))
    assert all(i < k and j < n for (i, j), (k, n) in pairwise(found))
    assert set(found) <= set(enumerate(values))
    best = [1] * len(values)
    for k in range(len(values)):
        best[k] += max([best[i] for i in range(k) if values[i] < values[k]], default=0)
    assert len(found) == max(best, default=0)


@given(st.lists(st.integers(0, 3)), st.lists(st.integers(0, 3)))
def test_common_subsequences(a: list[int], b: list[int]) -> None:
    found = common(a, b)
    assert all(a[i] == b[j] for i, j in found)
    assert all(i < k and j < n for (i, j), (k, n) in pairwise(found))


def test_branches_of_keys() -> None:
    every = ["a.0.w", "a.0.b", "a.1.w", "b.w", "c"]
    assert branches(["a.0.w", "a.0.b", "c"], every) == [("a.0", 2), ("c", 1)]
    assert branches(["a.0.w", "a.0.b", "a.1.w", "b.w"], every) == [("a", 3), ("b", 1)]


# ---------------------------------------------------------------------- random networks


def mutants(text: str, rng: random.Random) -> Iterator[str]:
    """Texts with a number or an operator changed; some check."""
    for pattern in (r"(?<![\w.])\d+", r"(?<![\w.])\d+", r"\b(?:relu|tanh|sigmoid)\b"):
        places = list(re.finditer(pattern, text))
        if places:
            at = rng.choice(places)
            new = str(int(at[0]) + rng.choice((-1, 1, 2))) if at[0].isdigit() else "gelu"
            yield text[: at.start()] + new + text[at.end() :]


def checked(text: str) -> Any:
    state = compile_spec("-", source=Source("random", text), stop_after="analysis")
    return state.networks[-1] if state.networks and not state.failed else None


def random_pairs(seeds: range) -> Iterator[tuple[Any, Any]]:
    for seed in seeds:
        text = random_net(seed).text
        first = checked(text)
        for other in (text, *mutants(text, random.Random(seed))):
            second = checked(other)
            if first is not None and second is not None:
                yield first, second


def everything(report: archc.analysis.Report) -> tuple[int, int]:
    return report.params + report.auxiliary_params, report.macs + report.auxiliary_macs


def test_random_networks_and_their_mutants() -> None:
    same = other = 0
    for a, b in random_pairs(range(8)):
        found, back = compare(a.report, b.report), compare(b.report, a.report)
        assert found.same == back.same
        assert found.same or found.changes or found.ends
        before, after = everything(a.report), everything(b.report)
        assert sum(c.params for c in found.changes) == after[0] - before[0]
        assert sum(c.macs for c in found.changes) == after[1] - before[1]
        assert written(found, False, False, 100)
        same, other = same + found.same, other + (not found.same)
    assert same > 10 and other > 5


# ---------------------------------------------------------------------- PyTorch


def module(one: archc.Network) -> nn.Module:
    with torch.device("meta"):
        return instantiate(one.source(), one.name)


def loads(state: dict[str, Tensor], into: nn.Module) -> bool:
    """Does PyTorch take it?"""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # nothing is copied on the meta device
        try:
            into.load_state_dict(state, strict=True)
        except RuntimeError:
            return False
    return True


PAIRED = {
    "alexnet": 9, "resnet": 3, "vgg": 4, "unet": 4, "lenet5": 9, "kernels": 9, "maxout": 9,
    "mobilenet": 3, "googlenet": 2, "shufflenet": 3, "segnet": 2, "hourglass": 1, "convnext": 1,
}  # fmt: skip
"""Networks of each spec that are paired with each other."""


@pytest.mark.parametrize("spec", PAIRED)
def test_checkpoints_load_as_pytorch_loads_them(spec: str) -> None:
    found = archc.load(SPECS / f"{spec}.arch")
    known = {name: module(found[name]) for name in list(found)[: PAIRED[spec]]}
    for a, b in product(known, known):
        state = known[a].state_dict()
        verdict = compare(found[a].report, found[b].report).checkpoints
        assert loads(state, known[b]) == (verdict.verdict == "loads")
        if verdict.verdict == "loads":
            assert verdict.same_order == (list(state) == list(known[b].state_dict()))
        renamed = {verdict.renames.get(key, key): value for key, value in state.items()}
        assert len(renamed) == len(state) or verdict.verdict == "does not load"
        assert loads(renamed, known[b]) == verdict.renamed.none


def test_the_order_of_keys_is_that_of_the_module() -> None:
    for spec in ("convnext", "hourglass", "deeplab", "mask_rcnn", "googlenet", "deconvnet"):
        one = next(iter(archc.load(SPECS / f"{spec}.arch").values()))
        state = compare(one.report, one.report).a.state()
        assert list(state.items()) == [
            (key, tuple(value.shape)) for key, value in module(one).state_dict().items()
        ]


def outputs(result: Any) -> list[Tensor]:
    return [result] if isinstance(result, Tensor) else [t for r in result for t in outputs(r)]


@pytest.mark.parametrize("name", [*SAME, "labels"])
def test_the_same_network_gives_the_same_outputs(name: str) -> None:
    edits = SAME.get(name, (("stage2:", "layer2:"), ("lateral:", "lat:")))
    a, b = network(BASE), network(edited(*edits))
    found = compare(a.report, b.report)
    torch.manual_seed(0)
    first, second = a.module().eval(), b.module().eval()
    renames = found.checkpoints.renames
    second.load_state_dict({renames.get(k, k): v for k, v in first.state_dict().items()})
    x = torch.rand(2, 3, 16, 16)
    for p, q in zip(outputs(first(x)), outputs(second(x)), strict=True):
        torch.testing.assert_close(p, q)


# ---------------------------------------------------------------------- command line


@pytest.fixture
def files(tmp_path: Path) -> tuple[str, str]:
    a, b = tmp_path / "a.arch", tmp_path / "b.arch"
    a.write_text(BASE)
    b.write_text(edited(("stage2: repeat 3", "stage2: repeat 5")))
    return str(a), str(b)


def test_exit_codes(files: tuple[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    a, b = files
    assert main(["diff", a, a]) == 0
    assert main(["diff", a, b]) == 1
    out, err = capsys.readouterr()
    assert "+ stage2.3 … 4  ×2" in out and not err
    assert main(["diff", a, f"{b}:Net"]) == 1
    assert main(["diff", "-", "-"]) == 2


def test_settings_of_one_side(capsys: pytest.CaptureFixture[str]) -> None:
    spec = str(SPECS / "resnet.arch")
    assert main(["diff", f"{spec}:ResNet50", f"{spec}:ResNet50", "--set-b", "classes=10"]) == 1
    assert "~ fc     features 1000 → 10" in capsys.readouterr().out
    both = ["--set", "classes=10", "--set-b", "classes=10"]
    assert main(["diff", f"{spec}:ResNet50", f"{spec}:ResNet50", *both]) == 0


def test_standard_input(
    files: tuple[str, str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    source = io.TextIOWrapper(io.BytesIO(Path(files[0]).read_bytes()))
    monkeypatch.setattr("sys.stdin", source)
    assert main(["diff", "-", files[1]]) == 1
    assert "stage2.3 … 4" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("a", "b", "code", "help"),
    [
        ("nothing.arch", "{a}", "E0701", ""),
        ("{a}:Nte", "{a}", "E0207", "did you mean `Net`?"),
        ("{resnet}:ResNet18", "{vgg}", "E0207", "names another one"),
        ("{bad}", "{a}", "E0401", "projection"),
    ],
)
def test_mistakes(
    a: str,
    b: str,
    code: str,
    help: str,
    files: tuple[str, str],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    bad = tmp_path / "bad.arch"
    bad.write_text("network B { input x[3, 8, 8]  output fuse(x, x -> conv(4, 3, pad=half)) }")
    names = {"a": files[0], "bad": bad, "resnet": SPECS / "resnet.arch", "vgg": SPECS / "vgg.arch"}
    given = [text.format(**names) for text in (a, b)]
    assert main(["diff", *given]) == 1
    out, err = capsys.readouterr()
    assert not out and code in err and help in err and "Traceback" not in err
    assert main(["diff", *given, "--format", "json"]) == 1
    document = json.loads(capsys.readouterr().out)
    assert document["same"] is None and document["networks"] == []
    assert [d["code"] for d in document["diagnostics"]] == [code]


def test_a_file_that_is_broken_on_both_sides_is_said_for_both(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("a", "b"):
        (tmp_path / f"{name}.arch").write_text("network N { input x[3, 8, 8]  output x -> cnv(3) }")
    assert main(["diff", str(tmp_path / "a.arch"), str(tmp_path / "b.arch")]) == 1
    err = capsys.readouterr().err
    assert err.count("error[E0202]") == 2 and "2 errors" in err


def test_whole_files(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    one = "network {} {{ input x[3, 8, 8]  output x -> conv({}, 3) }}\n"
    a, b = tmp_path / "a.arch", tmp_path / "b.arch"
    a.write_text(one.format("Kept", 3) + one.format("Changed", 3) + one.format("Gone", 3))
    b.write_text(one.format("Changed", 4) + one.format("Kept", 3) + one.format("New", 3))
    assert main(["diff", str(a), str(b)]) == 1
    out = capsys.readouterr().out
    assert "Kept: the same network" in out and "channels 3 → 4" in out
    assert "Gone: removed" in out and "New: added" in out
    assert main(["diff", str(a), str(b), "--network", "Kept"]) == 0
    assert main(["diff", f"{a}:Kept", f"{b}:New"]) == 0  # but for its name
    capsys.readouterr()
    assert main(["diff", str(a), str(b), "--format", "json"]) == 1
    document = json.loads(capsys.readouterr().out)
    assert document["removed"] == ["Gone"] and document["added"] == ["New"]
    assert {n["a"]: n["same"] for n in document["networks"]} == {"Kept": True, "Changed": False}


def test_json(files: tuple[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["diff", *files, "--format", "json"]) == 1
    document = json.loads(capsys.readouterr().out)
    assert document["schema"] == "archc-diff-1" and document["same"] is False
    (found,) = document["networks"]
    assert {c["kind"] for c in found["changes"]} == {"added"}
    assert all(c["a"] is None for c in found["changes"])
    before, after = found["figures"]["params"]
    assert sum(c["b"]["params"] for c in found["changes"]) == after - before
    assert found["checkpoints"]["verdict"] == "does not load"
    assert len(found["checkpoints"]["missing"]) == 2 * 14


def test_failed_claims_are_left_aside(tmp_path: Path) -> None:
    spec = tmp_path / "a.arch"
    spec.write_text("network N { input x[3, 8, 8]  output x -> conv(3, 3)  expect params == 1 }")
    assert main(["diff", str(spec), str(spec)]) == 0


def test_names_are_shown_as_text(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A file name cannot hide what the terminal would obey."""
    spec = tmp_path / "a\x1b[31m.arch"
    spec.write_text("network N { input x[3, 8, 8]  output x -> conv(3, 3, pad=5.5) }")
    assert main(["diff", str(spec), str(spec), "--color", "never"]) == 1
    assert "\x1b" not in capsys.readouterr().err


def test_unfolded_lines_and_colour(
    files: tuple[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["diff", *files, "--unfold"]) == 1
    out = capsys.readouterr().out
    assert "+ stage2.3.conv1" in out and "×" not in out
    assert main(["diff", *files, "--color", "always"]) == 1
    assert "\x1b[32m+ stage2.3" in capsys.readouterr().out


# ---------------------------------------------------------------------- documentation


def examples() -> list[tuple[str, str]]:
    page = (ROOT / "docs" / "compare.md").read_text(encoding="utf-8")
    return re.findall(r"^```console\n\$ archc (.*?)\n(.*?)\n```", page, re.M | re.S)


@pytest.mark.parametrize(("command", "output"), examples(), ids=lambda v: v[:40])
def test_the_page_shows_what_is_printed(
    command: str,
    output: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(ROOT)
    main(command.split())
    assert capsys.readouterr().out.rstrip() == output

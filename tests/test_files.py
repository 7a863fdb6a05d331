"""`use`: the library, files beside a spec, names and aliases."""

from __future__ import annotations

from pathlib import Path

import pytest

from archc.driver import Compilation, compile_spec

BLOCKS = """
default conv(pad=half)

const wide = 8

# A unit of its own.
block Unit(width: int = wide) {
  input x
  output x -> conv(width, 3) -> relu
}

block Pair(width: int) = (Unit(width) -> Unit(width))

network Trunk {
  input image[3, H=16, W=16]
  output image -> stem: Unit(4)
}
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "pyproject.toml").write_text("")
    (tmp_path / "blocks").mkdir()
    (tmp_path / "blocks" / "mine.arch").write_text(BLOCKS)
    return tmp_path


def check(project: Path, text: str, name: str = "main.arch") -> Compilation:
    path = project / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    return compile_spec(str(path))


def codes(state: Compilation) -> list[str]:
    return [d.code for d in state.diagnostics]


def body(pipeline: str) -> str:
    return f"network N {{ input image[3, 16, 16]\n output image -> {pipeline} }}"


def test_a_file_beside_with_an_alias(project: Path) -> None:
    state = check(
        project,
        'use "blocks/mine.arch" as mine\n' + body("a: mine.Unit -> b: mine.Pair(mine.wide)"),
    )
    assert codes(state) == []
    assert [r.path for r in state.networks[0].report.layers() if r.op == "conv"] == [
        "a.conv1",
        "b.0.conv1",
        "b.1.conv1",
    ]


def test_all_names_or_some(project: Path) -> None:
    assert codes(check(project, 'use "blocks/mine.arch"\n' + body("Unit -> conv(wide, 1)"))) == []
    assert codes(check(project, 'use "blocks/mine.arch": Unit\n' + body("Unit"))) == []
    assert codes(check(project, 'use "blocks/mine.arch": Unit\n' + body("Pair(3)"))) == ["E0202"]
    assert codes(check(project, 'use "blocks/mine.arch": Unti\n' + body("Unti"))) == ["E0201"]


def test_defaults_of_a_file_stay_in_it(project: Path) -> None:
    state = check(project, 'use "blocks/mine.arch": Unit\n' + body("Unit(4) -> last: conv(4, 3)"))
    assert codes(state) == []
    assert state.networks[0].report.outputs[0][1] == (4, 14, 14)


def test_variants_and_backbones_of_other_files(project: Path) -> None:
    text = 'use "blocks/mine.arch" as mine\nnetwork V = mine.Trunk { expect params == 112 }\n'
    text += body("trunk: mine.Trunk -> conv(2, 1)")
    state = check(project, text)
    assert codes(state) == []
    assert [n.report.params for n in state.networks] == [112, 122]


def test_the_library(project: Path) -> None:
    state = check(
        project, "use std.residual: Basic\n" + body("stem: conv(8, 1) -> layer: Basic(8)")
    )
    assert codes(state) == []
    assert codes(check(project, "use std.residul: Basic\n" + body("Basic(8)"))) == ["E0701"]


def test_files_below_the_root_may_go_up_to_it(project: Path) -> None:
    text = 'use "../blocks/mine.arch": Unit\n' + body("Unit")
    assert codes(check(project, text, "nets/deep.arch")) == []


def test_a_name_from_two_places_is_an_error(project: Path) -> None:
    text = 'use "blocks/mine.arch"\nblock Unit = relu\n' + body("Unit")
    assert codes(check(project, text)) == ["E0203"]


def test_mistakes_in_a_used_file_stand_there(project: Path) -> None:
    (project / "blocks" / "bad.arch").write_text("block Bad { input x\n output x -> rleu }\n")
    state = check(project, 'use "blocks/bad.arch": Bad\n' + body("Bad"))
    assert codes(state) == ["E0202"]
    label = next(iter(state.diagnostics)).labels[0]
    assert label.span.source.name.endswith("bad.arch") and label.span.line == 2

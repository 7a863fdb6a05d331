"""`archc ops recipe` and the tables of docs/training.md: made from what checks the settings."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from archc import cli
from archc.train.settings.choices import CHOICES
from archc.train.settings.describe import documented, page, said, settings_table, values_table
from archc.train.settings.recipe import SETTINGS, Recipe

PAGE = Path(__file__).parents[1] / "docs" / "training.md"


def test_every_setting_and_choice_is_documented() -> None:
    docs = documented(Recipe)
    for name in SETTINGS:
        assert docs.get(name), name
        text = page(f"recipe.{name}")
        assert text is not None
        assert docs[name].split()[0] in text
    for choices in CHOICES.values():
        for choice in choices:
            assert said(choice), choice
            assert choice.name in (page() or "")


@pytest.mark.parametrize("name", ["settings", "values"])
def test_the_tables_of_the_page_are_up_to_date(name: str, update_golden: bool) -> None:
    """`make golden` writes them anew."""
    table = settings_table() if name == "settings" else values_table()
    text = PAGE.read_text(encoding="utf-8")
    parts = re.split(f"(<!-- /?{name} -->)", text)
    assert len(parts) == 5
    if update_golden:
        parts[2] = f"\n{table}\n"
        PAGE.write_text("".join(parts), encoding="utf-8")
    assert parts[2].strip() == table


def test_the_command_prints_them(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["ops", "recipe"]) == 0
    assert "sgd(lr, momentum=0" in capsys.readouterr().out
    assert cli.main(["ops", "recipe.epochs"]) == 0
    assert "a whole number of at least 1" in capsys.readouterr().out
    assert cli.main(["ops", "recipe.optimiser"]) == 1
    assert "did you mean recipe.optimizer?" in capsys.readouterr().err

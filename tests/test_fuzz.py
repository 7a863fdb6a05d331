"""Any text gives a graph or diagnostics, never an exception.

`make test` tries some hundred texts; ARCHC_FUZZ=100000 in the environment tries that many.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from archc.diagnostics.catalogue import CODES
from archc.diagnostics.terminal import render
from archc.driver import Options, compile_spec
from archc.ops import names
from archc.source import Source

ROOT = Path(__file__).resolve().parent.parent
SPECS = [
    path.read_text(encoding="utf-8")
    for folder in ("specs", "specs/errors")
    for path in sorted((ROOT / folder).glob("*.arch"))
    if path.stat().st_size < 6_000
]
EXAMPLES = int(os.environ.get("ARCHC_FUZZ", "150"))
FUZZ = settings(
    max_examples=EXAMPLES,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    derandomize="ARCHC_FUZZ" not in os.environ,
)

TOKEN = re.compile(r'"[^"\n]*"|#[^\n]*|[A-Za-z_]\w*|\d[\w.]*|->|\*\*|//|\.\.\.?|[<>=!~]=|\s+|.', re.S)
WORDS = [
    *"network block input output expect recipe use default const share for in if then else".split(),
    *"repeat as skip via where when training and or not true false int size float".split(),
    *"( ) { } [ ] -> = == ~= < + - * / // % ** .. ... , : . \" # \n".split(" "),
    *"x image H W C n i 0 1 2 3 7 -1 1.5 1e300 61_706 4.09G 10**9 .5 0x10".split(),
    *"params macs shape receptive_field by sum concat avg global half same to from".split(),
    *names(),
    "\u202e", "\x00", "ä", "→", "’",
]  # fmt: skip
LIBRARY = re.compile(r"Traceback|pydantic|\b[Ll]ark\b|Input should|[a-z]Error\b|object at 0x")


@st.composite
def mutated(draw: st.DrawFn) -> str:
    """A spec with some of its tokens deleted, repeated, exchanged or replaced."""
    tokens = TOKEN.findall(draw(st.sampled_from(SPECS)))
    for _ in range(draw(st.integers(1, 4))):
        if not tokens:
            break
        at = draw(st.integers(0, len(tokens) - 1))
        how = draw(st.sampled_from(["delete", "repeat", "swap", "replace", "insert", "cut", "splice"]))
        if how == "delete":
            del tokens[at]
        elif how == "repeat":
            tokens[at:at] = tokens[at : at + draw(st.integers(1, 12))]
        elif how == "swap":
            other = draw(st.integers(0, len(tokens) - 1))
            tokens[at], tokens[other] = tokens[other], tokens[at]
        elif how == "replace":
            tokens[at] = draw(st.sampled_from(WORDS))
        elif how == "insert":
            tokens.insert(at, draw(st.sampled_from(WORDS)))
        elif how == "cut":
            del tokens[at : at + draw(st.integers(1, 40))]
        else:
            other_tokens = TOKEN.findall(draw(st.sampled_from(SPECS)))
            start = draw(st.integers(0, len(other_tokens) - 1))
            tokens[at:at] = other_tokens[start : start + draw(st.integers(1, 30))]
    return "".join(tokens)


SOUP = st.lists(st.sampled_from(WORDS), max_size=60).map(" ".join)
BODY = SOUP.map(lambda s: f"network Net {{ input image[3, H=32, W=32]\n output image -> {s} }}")


def settle(text: str) -> None:
    """Compile a text as a file, and look at all that a user would see."""
    source = Source("any.arch", text)
    state = compile_spec("-", Options(max_nodes=5_000), source=source)
    found = list(state.diagnostics)
    assert found or state.networks or not re.search(r"^network\b", text, re.M)
    for item in found:
        assert item.code in CODES
        assert item.message
        said = [item.message, *item.notes, item.help or "", *(label.text for label in item.labels)]
        # what stands in backquotes is the spec's
        assert not LIBRARY.search(re.sub(r"`[^`]*`", "", " ".join(said))), said
        for label in item.labels:
            if label.span.source is source:
                assert 0 <= label.span.start <= label.span.end <= len(text)
    assert len(render(found, color=False, width=100)) < 1_000_000
    keys = [(d.code, d.labels[0].span[1:] if d.labels else d.message) for d in found]
    assert len(keys) == len(set(keys)), "one mistake, one message"


@FUZZ
@given(mutated())
def test_mutated_specs(text: str) -> None:
    settle(text)


@FUZZ
@given(st.one_of(SOUP, BODY))
@example("")
@example("network")
@example("network Net { input image[3, 8, 8] output image -> ")
def test_words_in_any_order(text: str) -> None:
    settle(text)


@FUZZ
@given(st.text(max_size=200))
def test_any_text(text: str) -> None:
    settle(text)


@pytest.mark.parametrize("spec", range(len(SPECS)))
def test_every_beginning(spec: int) -> None:
    """A file that an editor has saved half."""
    text = SPECS[spec]
    for end in range(spec % 7, len(text), max(7, len(text) // 12)):
        settle(text[:end])

"""Any text gives a graph or diagnostics, never an exception.

`make test` tries some hundred texts; ARCHC_FUZZ=100000 in the environment tries that many.
"""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from archc.cli.check import sound
from archc.cli.jsonout import document
from archc.cli.jsonout import text as as_json
from archc.cli.tables import table
from archc.diagnostics.catalogue import CODES
from archc.diagnostics.sarif import to_sarif
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
EXAMPLES = int(os.environ.get("ARCHC_FUZZ", "400"))
FUZZ = settings(
    max_examples=EXAMPLES,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    derandomize="ARCHC_FUZZ" not in os.environ,
)

TOKEN = re.compile(
    r'"[^"\n]*"|#[^\n]*|[A-Za-z_]\w*|\d[\w.]*|->|\*\*|//|\.\.\.?|[<>=!~]=|\s+|.', re.DOTALL
)
_WORDS = """
network block input output expect recipe use default const share for in if then else repeat as skip
via where when training and or not true false int size float params macs shape receptive_field by
sum concat avg global half same to from x image H W C n i 0 1 2 3 7 -1 1.5 1e300 61_706 4.09G 10**9
.5 0x10
( ) { } [ ] -> = == ~= < + - * / // % ** .. ... , : . " #
"""
WORDS = [*_WORDS.split(), *names(), "\n", "\u202e", "\x00", "ä", "→", "’"]
MUTATIONS = ("delete", "repeat", "swap", "replace", "insert", "cut", "splice")
LIBRARY = re.compile(r"Traceback|pydantic|\b[Ll]ark\b|Input should|[a-z]Error\b|object at 0x")


@st.composite
def mutated(draw: st.DrawFn) -> str:
    """A spec with some of its tokens deleted, repeated, exchanged or replaced."""
    tokens = TOKEN.findall(draw(st.sampled_from(SPECS)))
    for _ in range(draw(st.integers(1, 4))):
        if not tokens:
            break
        at = draw(st.integers(0, len(tokens) - 1))
        how = draw(st.sampled_from(MUTATIONS))
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
    for network in state.networks if sound(state) else []:
        assert network.report is not None
        table(network.report, claims=network.claims)
    networks = [(n.report, n.claims) for n in state.networks if n.report] if sound(state) else []
    json.loads(as_json(document("any.arch", networks, found)))
    to_sarif(found)
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


@FUZZ
@given(st.sampled_from(SPECS), st.floats(0, 1))
def test_files_saved_half(text: str, share: float) -> None:
    settle(text[: int(len(text) * share)])

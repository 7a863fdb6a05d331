"""Hypothesis strategies: networks as text."""

from __future__ import annotations

from hypothesis import strategies as st

from tests.support.random_nets import RandomNet, random_net


@st.composite
def specs(draw: st.DrawFn) -> RandomNet:
    """A random network whose every choice Hypothesis makes, so that it can shrink what fails."""
    return random_net(0, draw(st.randoms(use_true_random=False)))

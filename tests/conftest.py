"""Options and settings of all tests."""

from __future__ import annotations

import os

import pytest

# Before torch is imported: more threads make times vary tenfold on a busy machine.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("MKL_NUM_THREADS", "1")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--update-golden",
        action="store_true",
        help="rewrite golden files and error screens instead of comparing with them",
    )


@pytest.fixture
def update_golden(request: pytest.FixtureRequest) -> bool:
    """Rewrite golden files instead of comparing."""
    return bool(request.config.getoption("--update-golden"))

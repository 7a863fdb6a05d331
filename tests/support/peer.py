"""torchvision, where it is installed: its networks are what the emitted ones are held against."""

from __future__ import annotations

from typing import Any

import pytest
import torch


def torchvision_models() -> Any:
    """`torchvision.models`; skips the test where it is not installed.

    The library is used without its compiled operators, which belong to one build of torch: two of
    them are named when it is imported, so they are declared here.
    """
    from importlib.util import find_spec

    if find_spec("torchvision") is None:
        pytest.skip("torchvision is not installed: `make peers` does it")
    for name in ("nms", "qnms"):
        if not hasattr(torch.ops.torchvision, name):
            _LIBRARY.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    import torchvision.models as models

    return models


_LIBRARY = torch.library.Library("torchvision", "FRAGMENT")
"""Declarations last as long as this object does."""


def torchmetrics() -> Any:
    """`torchmetrics`, which imports torchvision where that is installed."""
    from importlib.util import find_spec

    if find_spec("torchvision") is not None:
        torchvision_models()
    import torchmetrics as made

    return made

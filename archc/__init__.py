"""archc: a compiler and analyzer for convolutional network architectures.

import archc
net = archc.load("specs/resnet.arch")["ResNet50"]
net.report.params, net.source(), net.module(), net.diagram()
"""

from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from .api import Network, Spec, SpecError, load, loads

__all__ = ["Network", "Spec", "SpecError", "__version__", "load", "loads"]


def __getattr__(name: str) -> Any:
    """The API is loaded when first used, so that the command line starts fast."""
    if name in __all__:
        from . import api

        return getattr(api, name)
    raise AttributeError(f"module 'archc' has no attribute {name!r}")

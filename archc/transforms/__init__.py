"""Graph to graph: networks that compute the same in another way, and their weights.

`convolutionalize`: linear layers as convolutions, so that larger images give maps of outputs.
`fold-batchnorm`: batch normalisation in the weights of the layer before it, for inference.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from ..graph import Graph
from .carry import carry
from .error import TransformError
from .rebuild import Rebuilt

if TYPE_CHECKING:
    from torch import Tensor, nn

    from ..api import Network

__all__ = ["NAMES", "TransformError", "apply", "carry", "transform"]


def _convolutionalize(graph: Graph) -> Rebuilt:
    from .convolutionalize import convolutionalize

    return convolutionalize(graph)


def _fold_batchnorm(graph: Graph) -> Rebuilt:
    from .fold import fold_batchnorm

    return fold_batchnorm(graph)


NAMES: dict[str, Callable[[Graph], Rebuilt]] = {
    "convolutionalize": _convolutionalize,
    "fold-batchnorm": _fold_batchnorm,
}


def transform(graph: Graph, name: str) -> Rebuilt:
    """The graph after a transform, and where its weights come from.

    Raises TransformError where it cannot be done without changing what the network computes, and
    KeyError where there is no such transform.
    """
    return NAMES[name](graph)


def apply(
    module: nn.Module | Mapping[str, Tensor], network: Network, name: str
) -> tuple[Network, dict[str, Any]]:
    """Transform a trained network: the new network, and the state_dict of its module.

    `module` is the network's module, or a state_dict of it.
    """
    state = module if isinstance(module, Mapping) else module.state_dict()
    return network.transform(name), carry(transform(network.graph, name), state)

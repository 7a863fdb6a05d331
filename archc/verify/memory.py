"""The peak of live activations, as PyTorch's allocator would see it, without numbers."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.multiprocessing.reductions import StorageWeakRef
from torch.utils._python_dispatch import TorchDispatchMode


class Live(TorchDispatchMode):
    """Counts the scalars of all tensors that are alive, after each operation."""

    def __init__(self, module: nn.Module, xs: list[Tensor]) -> None:
        super().__init__()
        kept = [*module.parameters(), *module.buffers()]
        self._own = {t.untyped_storage()._cdata for t in kept}
        self._alive: dict[int, tuple[StorageWeakRef, int]] = {}
        self.most = 0
        for x in xs:
            self._note(x)

    def _note(self, t: Tensor) -> None:
        storage = t.untyped_storage()
        key = storage._cdata
        if key not in self._own:
            self._alive[key] = (StorageWeakRef(storage), storage.nbytes() // t.element_size())

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        self._alive = {k: v for k, v in self._alive.items() if not v[0].expired()}
        result = func(*args, **(kwargs or {}))
        parts = list(result) if isinstance(result, (tuple, list)) else [result]
        # what a norm saves for its gradient has no numbers at inference, but has a size on meta
        for t in parts[:1] if "norm" in func.__name__ else parts:
            if isinstance(t, Tensor):
                self._note(t)
        self.most = max(self.most, sum(size for _, size in self._alive.values()))
        return result


def peak(module: nn.Module, xs: list[Tensor]) -> int:
    """Most scalars alive at one time while the module runs, its inputs included."""
    with torch.no_grad(), Live(module, xs) as live:
        module(*xs)
    return live.most

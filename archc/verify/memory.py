"""The peak of live activations, as PyTorch's allocator would see it, without numbers."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.multiprocessing.reductions import StorageWeakRef
from torch.utils._python_dispatch import TorchDispatchMode


class Live(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Counts the scalars of all tensors that are alive, after each operation."""

    def __init__(self, module: nn.Module, xs: list[Tensor]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
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
            held = StorageWeakRef(storage)  # type: ignore[no-untyped-call]
            self._alive[key] = (held, storage.nbytes() // t.element_size())

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        for key in [k for k, (held, _) in self._alive.items() if held.expired()]:  # type: ignore[no-untyped-call]
            del self._alive[key]
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
    live = Live(module, xs)
    with torch.no_grad(), live:
        module(*xs)
    return live.most

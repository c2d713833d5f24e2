"""The host's threads: Gram matrices are measured one thread a layer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import torch
from threadpoolctl import ThreadpoolController

T = TypeVar("T")
R = TypeVar("R")


class LayerThreads:
    """Runs a function over layers, one thread a layer, as many at once as torch has threads.

    A matrix of some hundred rows keeps one core busy and two cores waiting for each other. While layers run side by
    side, the BLAS below numpy and scipy is held to one thread: its own would fight with torch's.
    """

    def __init__(self) -> None:
        self._at_once = torch.get_num_threads()
        self._pool: ThreadPoolExecutor | None = None
        self._blas = ThreadpoolController().select(internal_api="openblas")

    def map(self, function: Callable[[T], R], items: Sequence[T]) -> list[R]:
        """The function of every item, in order; it must release the interpreter while it works, as numpy does."""
        with self._blas.limit(limits=1):
            if self._at_once == 1 or len(items) == 1:
                return [function(item) for item in items]
            if self._pool is None:
                self._pool = ThreadPoolExecutor(self._at_once, thread_name_prefix="layer")
            return list(self._pool.map(function, items))

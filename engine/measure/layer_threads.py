"""The host's threads: small problems are solved side by side, one thread a problem."""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator, Hashable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

import torch
from threadpoolctl import ThreadpoolController
from torch import Tensor

from engine.device.scheduling import takes_one_thread

T = TypeVar("T")
R = TypeVar("R")


# Bytes of matrices that one thread of the host works on at once: as many as its cache holds.
_AT_ONCE = 1 << 20


def batches(kinds: Sequence[Hashable], sizes: Sequence[int], device: torch.device) -> list[list[int]]:
    """Items to be worked on together, by their indices: of one kind, and on the host of few bytes in all.

    Args:
        kinds: Of the items; those of one kind have the same shapes.
        sizes: Their bytes.
        device: Where they live.

    Returns:
        Batches of indices.
    """
    found: list[list[int]] = []
    by_kind: dict[Hashable, list[int]] = {}
    for index, kind in enumerate(kinds):
        last = by_kind.get(kind)
        if last is None or (device.type == "cpu" and sizes[index] * (len(last) + 1) > _AT_ONCE):
            by_kind[kind] = last = []
            found.append(last)
        last.append(index)
    return found


def stacked(tensors: Sequence[Tensor], members: Sequence[int]) -> Tensor:
    """Some of the tensors as one, (members, …): a view where it is only one."""
    return tensors[members[0]][None] if len(members) == 1 else torch.stack([tensors[index] for index in members])


class LayerThreads:
    """Runs a function over items, one thread an item, as many at once as torch has threads.

    A matrix of some hundred rows keeps one core busy and two cores waiting for each other. So every item is worked on
    by one thread, in torch and in the BLAS below numpy and scipy, and the bits of a result do not depend on how many
    items run side by side.
    """

    def __init__(self) -> None:
        self._at_once = torch.get_num_threads()
        self._pool: ThreadPoolExecutor | None = None
        self._blas = ThreadpoolController().select(internal_api="openblas")

    def map(self, function: Callable[[T], R], items: Sequence[T]) -> list[R]:
        """The function of every item, in order; it must release the interpreter while it works, as numpy does."""
        if not items:
            return []
        with self._blas.limit(limits=1):
            if self._at_once == 1 or takes_one_thread():
                with _one_thread():
                    return [function(item) for item in items]
            if self._pool is None:
                self._pool = _pool(self._at_once)
            return list(self._pool.map(function, items))

    def each(self, function: Callable[[T], R], batches: Sequence[T], device: torch.device) -> list[R]:
        """The function of every batch of tensors on a device: on the host a thread each, elsewhere one by one."""
        return self.map(function, batches) if device.type == "cpu" else [function(batch) for batch in batches]


def _pool(count: int) -> ThreadPoolExecutor:
    """Threads on each of which torch works alone."""
    own = torch.get_num_threads()
    pool = ThreadPoolExecutor(count, thread_name_prefix="layer", initializer=_work_alone)
    # Torch counts threads for each thread, but a count that is set becomes that of threads to come: once all have
    # started, this thread's count is set again.
    started = threading.Barrier(count + 1)
    for _ in range(count):
        pool.submit(started.wait)
    started.wait()
    torch.set_num_threads(own)
    return pool


def _work_alone() -> None:
    torch.get_num_threads()  # a thread that has not asked yet would take the common count at its first operation
    torch.set_num_threads(1)


@contextmanager
def _one_thread() -> Generator[None, None, None]:
    own = torch.get_num_threads()
    if own == 1:
        yield
        return
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(own)

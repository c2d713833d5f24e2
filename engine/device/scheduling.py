"""How work on the host is scheduled: by threads and the libraries below numpy, or by torch's operations alone.

The mathematics is the same. A row that is recorded, to be replayed, has to be made of torch's operations on one thread:
nothing else is seen by what records them.
"""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

from torch import Tensor

_recording = 0


def on_host(tensor: Tensor) -> bool:
    """Whether threads, numpy and scipy may work on a tensor: it lives on the host, and no row is being recorded."""
    return tensor.device.type == "cpu" and not _recording


def takes_one_thread() -> bool:
    """Whether all work on the host is to stay in the thread that asks for it: a row is being recorded."""
    return bool(_recording)


@contextmanager
def torch_alone() -> Generator[None, None, None]:
    """Torch's operations alone, on one thread, within."""
    global _recording  # every thread is to see it
    _recording += 1
    try:
        yield
    finally:
        _recording -= 1

"""Numbers on their way from the device to the host: all that a row reads comes by one copy, waited for once.

Work on a GPU is queued. Whoever wants a number that is being computed there adds its tensor to the row's transfer while
queueing; the first one that is read brings all of them. Where tensors live on the host nothing is copied.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

Host = NDArray[np.floating]


class Transfer:
    """The tensors that a row reads."""

    def __init__(self) -> None:
        self._waiting: list[Tensor] = []
        self._arrived: list[Host] = []

    def add(self, tensor: Tensor) -> Arrival:
        """Ask for a float32 or float64 tensor, which must not be changed before it is read; returns at once."""
        self._waiting.append(tensor.detach())
        return Arrival(self, len(self._arrived) + len(self._waiting) - 1)

    def close(self) -> None:
        """Release all tensors: nothing will be read any more."""
        self._waiting, self._arrived = [], []

    def arrived(self, number: int) -> Host:
        """The array asked for in this place of the order; it brings all that have been asked for."""
        if number >= len(self._arrived):
            self._arrived += to_host(self._waiting)
            self._waiting = []
        return self._arrived[number]


class Arrival:
    """One tensor of a transfer, by its place in the order."""

    def __init__(self, transfer: Transfer, number: int) -> None:
        self._transfer = transfer
        self._number = number

    def array(self) -> Host:
        """The tensor as an array, a view where it lives on the host; the first that is read waits for the device."""
        return self._transfer.arrived(self._number)

    def number(self) -> float:
        """The value of a scalar."""
        return float(self.array())


def runs_ahead(device: torch.device) -> bool:
    """Whether work is queued before anything of it is read: not on the host, which would hold all Gram matrices."""
    return device.type != "cpu"


def to_host(tensors: Sequence[Tensor]) -> list[Host]:
    """Tensors of one device as arrays: views where they live on the host, copies by one transfer elsewhere."""
    if all(tensor.device.type == "cpu" for tensor in tensors):
        return [tensor.detach().numpy() for tensor in tensors]
    return fetch(tensors)


def fetch(tensors: Sequence[Tensor]) -> list[Host]:
    """Copies of float32 and float64 tensors of one device as arrays, by one transfer."""
    # The longer numbers first, so that all lie where the processor wants them.
    order = sorted(range(len(tensors)), key=lambda index: -tensors[index].element_size())
    flat = [tensors[index].detach().contiguous().view(-1).view(torch.uint8) for index in order]
    raw = _copied(torch.cat(flat)).numpy()
    arrays: list[Host] = [raw] * len(tensors)
    offset = 0
    for index, piece in zip(order, flat, strict=True):
        dtype: type[np.floating] = np.float64 if tensors[index].dtype == torch.float64 else np.float32
        arrays[index] = raw[offset : offset + len(piece)].view(dtype).reshape(tensors[index].shape)
        offset += len(piece)
    return arrays


def to_device(values: NDArray[Any], like: Tensor) -> Tensor:
    """Numbers of the host in the type and on the device of a tensor, without waiting for it."""
    host = torch.from_numpy(values).to(like.dtype)
    if like.device.type == "cuda":
        host = host.pin_memory()
    return host.to(like.device, non_blocking=True)


def _copied(raw: Tensor) -> Tensor:
    """A tensor on the host. From a GPU into page-locked memory, several times as fast as into any other."""
    if raw.device.type != "cuda":
        return raw.cpu()
    host = torch.empty(raw.shape, dtype=raw.dtype, pin_memory=True)
    host.copy_(raw, non_blocking=True)
    torch.cuda.current_stream(raw.device).synchronize()
    return host

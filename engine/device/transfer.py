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


class Wait:
    """The one wait of a row: for all that was queued on the device before."""

    def __init__(self, device: torch.device) -> None:
        self._stream = torch.cuda.current_stream(device) if device.type == "cuda" else None

    def until_done(self) -> None:
        """Wait, once."""
        if self._stream is not None:
            self._stream.synchronize()
            self._stream = None


class Transfer:
    """The tensors that a row reads of a program, or every row that replays it."""

    def __init__(self) -> None:
        self._tensors: list[Tensor] = []
        self._arrived: list[Host] = []
        self._closed = False
        # Of a program that is replayed: its tensors in one piece, and how many of them there are.
        self._gathered: Tensor | None = None
        self._count = 0
        self._pinned: Tensor | None = None
        self._sent: tuple[Tensor, int, Wait] | None = None  # bytes on their way to the host, of so many tensors

    def add(self, tensor: Tensor) -> Arrival:
        """Ask for a float32 or float64 tensor, which must not be changed before it is read; returns at once."""
        self._tensors.append(tensor.detach())
        return Arrival(self, len(self._tensors) - 1)

    def gather(self) -> None:
        """End a program that will be replayed: what has been added until now comes in one piece at every row."""
        self._count = len(self._tensors)
        self._gathered = _in_one_piece(self._tensors) if self._tensors else None

    def send(self, wait: Wait) -> None:
        """Queue the copies of what has been added; whoever reads it first waits for them."""
        if not self._tensors or (self._gathered is None and self._tensors[0].device.type != "cuda"):
            return
        raw = _in_one_piece(self._tensors) if self._gathered is None else self._gathered
        if raw.device.type == "cuda" and self._pinned is None:
            self._pinned = torch.empty_like(raw, device="cpu", pin_memory=True)
        host = raw if self._pinned is None else self._pinned.copy_(raw, non_blocking=True)
        self._sent = host, len(self._tensors), wait

    def reopen(self) -> None:
        """The program is replayed: its tensors hold another row."""
        self._tensors, self._arrived, self._closed, self._sent = self._tensors[: self._count], [], False, None

    def close(self) -> None:
        """The row is over: nothing of it will be read any more."""
        self._closed, self._arrived, self._sent = True, [], None
        if self._gathered is None:
            self._tensors = []

    def arrived(self, number: int) -> Host:
        """The array asked for in this place of the order; it brings all that have been asked for."""
        if number < len(self._arrived):
            return self._arrived[number]
        if self._closed:
            raise RuntimeError("A number of a row is read after the row, or by a row of another program.")
        if self._sent is not None:
            (host, count, wait), self._sent = self._sent, None
            wait.until_done()
            # The next row comes into the same memory.
            self._arrived = _taken_apart(host.numpy().copy(), self._tensors[:count])
        if number >= len(self._arrived):
            self._arrived += to_host(self._tensors[len(self._arrived) :])
        return self._arrived[number]


class Arrival:
    """One tensor of a transfer, by its place in the order; the same at every row of a program."""

    def __init__(self, transfer: Transfer, number: int) -> None:
        self._transfer = transfer
        self._number = number

    def array(self) -> Host:
        """The tensor as an array, a view where it lives on the host; the first that is read waits for the device."""
        return self._transfer.arrived(self._number)

    def number(self) -> float:
        """The value of a scalar."""
        return float(self.array())


def to_host(tensors: Sequence[Tensor]) -> list[Host]:
    """Tensors of one device as arrays: views where they live on the host, copies by one transfer elsewhere."""
    if all(tensor.device.type == "cpu" for tensor in tensors):
        return [tensor.detach().numpy() for tensor in tensors]
    return fetch(tensors)


def fetch(tensors: Sequence[Tensor]) -> list[Host]:
    """Copies of float32 and float64 tensors of one device as arrays, by one transfer."""
    return _taken_apart(_copied(_in_one_piece(tensors)).numpy(), tensors)


def to_device(values: NDArray[Any], like: Tensor) -> Tensor:
    """Numbers of the host in the type and on the device of a tensor, without waiting for it."""
    host = torch.from_numpy(values).to(like.dtype)
    if like.device.type == "cuda":
        host = host.pin_memory()
    return host.to(like.device, non_blocking=True)


def _order(tensors: Sequence[Tensor]) -> list[int]:
    """The longer numbers first, so that all lie where the processor wants them."""
    return sorted(range(len(tensors)), key=lambda index: -tensors[index].element_size())


def _in_one_piece(tensors: Sequence[Tensor]) -> Tensor:
    """The bytes of tensors of one device, (bytes,)."""
    pieces = [tensors[index].detach().contiguous().view(-1).view(torch.uint8) for index in _order(tensors)]
    return torch.cat(pieces)


def _taken_apart(raw: NDArray[np.uint8], tensors: Sequence[Tensor]) -> list[Host]:
    """Views of these bytes in the types and shapes of the tensors."""
    arrays, offset = dict[int, Host](), 0
    for index in _order(tensors):
        tensor = tensors[index]
        dtype: type[np.floating] = np.float64 if tensor.dtype == torch.float64 else np.float32
        size = tensor.numel() * tensor.element_size()
        arrays[index] = raw[offset : offset + size].view(dtype).reshape(tensor.shape)
        offset += size
    return [arrays[index] for index in range(len(tensors))]


def _copied(raw: Tensor) -> Tensor:
    """A tensor on the host. From a GPU into page-locked memory, several times as fast as into any other."""
    if raw.device.type != "cuda":
        return raw.cpu()
    host = torch.empty(raw.shape, dtype=raw.dtype, pin_memory=True)
    host.copy_(raw, non_blocking=True)
    torch.cuda.current_stream(raw.device).synchronize()
    return host

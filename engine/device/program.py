"""Programs: static sequences of tensor operations that make a row, recorded once and replayed where a device can.

A program is called the first time it comes up, which also warms up its libraries. From the second time on it is one
CUDA graph: a single launch, whatever the number of its operations, on fixed addresses, with no Python in between. So
what changes from row to row lies in tensors that are filled before the replay.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

import torch

from engine.device.memory import is_out_of_memory
from engine.device.stopwatch import Stopwatch
from engine.device.transfer import Transfer

T = TypeVar("T")

_OF_THIS_THREAD = "thread_local"  # others may call CUDA while a graph is captured
_KEPT = 8  # each holds its tensors
_REMEMBERED = 1024


class Recorder(Protocol):
    """Records sequences of operations."""

    def record(self, sequence: Callable[[], None]) -> Callable[[], None]:
        """Record a sequence of operations by calling it once, with no effect on any tensor from before.

        Args:
            sequence: It has been called before on the same shapes.

        Returns:
            The replay: the operations on the same tensors. RuntimeError where something cannot be recorded.
        """
        ...


class GraphRecorder:
    """Records CUDA graphs, which share one pool of memory: they are replayed one after the other."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._pool = torch.cuda.graph_pool_handle()

    def record(self, sequence: Callable[[], None]) -> Callable[[], None]:
        """Capture a sequence; what waits for the device refuses, and so do eigh and cholesky_solve."""
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.device(self._device), torch.cuda.graph(graph, self._pool, capture_error_mode=_OF_THIS_THREAD):
            sequence()
        return graph.replay


@dataclass(frozen=True, slots=True)
class Made(Generic[T]):
    """A program that has been carried out, or queued.

    Attributes:
        result: What its function returned when it was called: the same object at every replay.
        transfer: By what its numbers come.
        replayed: Whether it was replayed.
        recording_seconds: What recording took, if it was recorded now.
    """

    result: T
    transfer: Transfer
    replayed: bool = False
    recording_seconds: float = 0.0


@dataclass(slots=True)
class _Recorded(Generic[T]):
    result: T
    transfer: Transfer
    replay: Callable[[], None]


class Programs(Generic[T]):
    """The programs of a run, by key.

    Args:
        recorder: What records them; None calls them at every row.

    Attributes:
        problem: Why a program could not be recorded, in the words of what refused; such a one is called at every row.
    """

    def __init__(self, recorder: Recorder | None) -> None:
        self._recorder = recorder
        self._recorded: OrderedDict[Hashable, _Recorded[T]] = OrderedDict()
        self._known: OrderedDict[Hashable, bool] = OrderedDict()  # whether they refused, latest last
        self.problem = ""

    def run(self, key: Hashable, make: Callable[[Transfer], T], *, recordable: bool = True) -> Made[T]:
        """Carry out the program of a key.

        Args:
            key: Programs of the same key are the same operations on the same tensors.
            make: Calls them, adding to a transfer what the host will read.
            recordable: Whether it may be recorded.

        Returns:
            What came of it.
        """
        began, replayed = time.perf_counter(), True
        recorded = self._recorded.get(key)
        if recorded is None and self._recorder is not None and self._known.get(key) is False:
            recorded, replayed = self._record(key, make), False
        if recorded is None:
            self._remember(key, refused=self._known.get(key, not recordable))
            transfer = Transfer()
            return Made(make(transfer), transfer)
        self._recorded.move_to_end(key)
        seconds = 0.0 if replayed else time.perf_counter() - began
        recorded.transfer.reopen()
        recorded.replay()
        return Made(recorded.result, recorded.transfer, True, seconds)

    def is_recorded(self, key: Hashable) -> bool:
        """Whether carrying out this program is a replay."""
        return key in self._recorded

    def forget(self) -> None:
        """Begin anew: tensors that the programs read may be others now."""
        self._recorded.clear()
        self._known.clear()

    def _record(self, key: Hashable, make: Callable[[Transfer], T]) -> _Recorded[T] | None:
        assert self._recorder is not None
        transfer, results = Transfer(), list[T]()

        def sequence() -> None:
            results.append(make(transfer))
            transfer.gather()

        try:
            replay = self._recorder.record(sequence)
        except RuntimeError as error:
            self.problem = self.problem or (str(error).strip().splitlines() or [type(error).__name__])[0]
            self._remember(key, refused=True)
            if is_out_of_memory(error):
                self._recorded.clear()
            return None
        self._recorded[key] = recorded = _Recorded(results[0], transfer, replay)
        if len(self._recorded) > _KEPT:
            self._recorded.popitem(last=False)
        return recorded

    def _remember(self, key: Hashable, *, refused: bool) -> None:
        if self._recorder is None:
            return
        self._known[key] = refused
        self._known.move_to_end(key)
        if len(self._known) > _REMEMBERED:
            self._known.popitem(last=False)


def recorder_of(device: torch.device) -> tuple[Recorder | None, str]:
    """What records rows on a device, and a sentence's end that says why a GPU's rows cannot be recorded."""
    if device.type != "cuda":
        return None, ""
    try:
        _try_out(device)
    except (RuntimeError, TypeError) as error:
        return None, (str(error).strip().splitlines() or [type(error).__name__])[0]
    return GraphRecorder(device), ""


def _try_out(device: torch.device) -> None:
    """Record, replay and time one operation, by events that the graph itself records: not every torch has them."""
    with torch.cuda.device(device):
        number, watch, graph = torch.zeros(1, device=device), Stopwatch(device), torch.cuda.CUDAGraph()
        number.add_(1.0)
        with torch.cuda.graph(graph, capture_error_mode=_OF_THIS_THREAD), watch:
            number.add_(1.0)
        graph.replay()
        torch.cuda.synchronize(device)
        if int(number) != 2 or not watch.seconds() >= 0.0:
            raise RuntimeError("a CUDA graph that adds 1 to 1 does not give 2")

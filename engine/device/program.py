"""Programs: static sequences of tensor operations, recorded once and replayed where a device can.

A row is made by a few programs, one after the other: the step, and each measurement that is due. A program is called
the first time it comes up, which also warms up its libraries. From the second time on it is one CUDA graph: a single
launch, whatever the number of its operations, on fixed addresses, with no Python in between. So what changes from row
to row lies in tensors that are filled before the replay. That each measurement is a program of its own keeps their
number small: it is the sum of the measurements' variants and not the product.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

import torch

from engine.device.memory import is_out_of_memory
from engine.device.stopwatch import Stopwatch
from engine.device.transfer import Transfer

T = TypeVar("T")

_OF_THIS_THREAD = "thread_local"  # others may call CUDA while a graph is captured
_KEPT = 32  # each holds its tensors
_REMEMBERED = 1024


class Recorder(Protocol):
    """Records sequences of operations."""

    def record(self, sequence: Callable[[], None], pool: str) -> Callable[[], None]:
        """Record a sequence of operations by calling it once, with no effect on any tensor from before.

        Args:
            sequence: The same operations have been called before on the same shapes.
            pool: Sequences of one pool may share memory: of those only one is replayed in a row.

        Returns:
            The replay: the operations on the same tensors. RuntimeError where something cannot be recorded.
        """
        ...


class GraphRecorder:
    """Records CUDA graphs."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._pools: dict[str, Any] = {}

    def record(self, sequence: Callable[[], None], pool: str) -> Callable[[], None]:
        """Capture a sequence; what waits for the device refuses, and so do eigh and cholesky_solve."""
        graph = torch.cuda.CUDAGraph()
        if pool not in self._pools:
            self._pools[pool] = torch.cuda.graph_pool_handle()
        with (
            torch.cuda.device(self._device),
            torch.cuda.graph(graph, self._pools[pool], capture_error_mode=_OF_THIS_THREAD),
        ):
            sequence()
        return graph.replay


@dataclass(frozen=True, slots=True)
class Made(Generic[T]):
    """A program that has been carried out, or queued.

    Attributes:
        result: What its function returned when it was called: the same object at every replay.
        transfer: By what its numbers come.
        replayed: The program that was replayed, None where it was called.
        recording_seconds: What recording took, if it was recorded now.
    """

    result: T
    transfer: Transfer
    replayed: int | None = None
    recording_seconds: float = 0.0


@dataclass(slots=True)
class _Recorded:
    number: int
    result: Any
    transfer: Transfer
    replay: Callable[[], None]


class Programs:
    """The programs of a run.

    Args:
        recorder: What records them; None calls them at every row.

    Attributes:
        problem: Why a program could not be recorded, in the words of what refused; such a one is called at every row.
    """

    def __init__(self, recorder: Recorder | None) -> None:
        self._recorder = recorder
        self._recorded: OrderedDict[Hashable, _Recorded] = OrderedDict()
        self._called: OrderedDict[Hashable, bool] = OrderedDict()  # whether they refused, latest last
        self._count = 0
        self.problem = ""

    def run(
        self,
        name: str,
        variant: Hashable,
        make: Callable[[Transfer], T],
        *,
        reads: Hashable = None,
        recordable: bool = True,
        lasting: bool = True,
    ) -> Made[T]:
        """Carry out a program.

        Args:
            name: What it makes; only one program of a name is carried out in a row.
            variant: Programs of a name and a variant are the same operations.
            make: Calls them, adding to a transfer what the host will read.
            reads: What tells apart the tensors that they read.
            recordable: Whether it may be replayed.
            lasting: Whether tensors will lie there at other rows too, so that recording is worth while.

        Returns:
            What came of it.
        """
        if self._recorder is None or not recordable or self._called.get((name, variant), True):
            transfer = Transfer()
            made = Made(make(transfer), transfer)
            self._remember((name, variant), refused=self._called.get((name, variant), False))
            return made
        began, key = time.perf_counter(), (name, variant, reads)
        seconds, recorded = 0.0, self._recorded.get(key)
        if recorded is None and lasting:
            recorded = self._record(self._recorder, key, make)
            seconds = time.perf_counter() - began
        if recorded is None:
            transfer = Transfer()
            return Made(make(transfer), transfer, None, seconds)
        self._recorded.move_to_end(key)
        recorded.transfer.reopen()
        recorded.replay()
        return Made(recorded.result, recorded.transfer, recorded.number, seconds)

    def is_recorded(self, name: str, variant: Hashable) -> bool:
        """Whether carrying out this program, which reads nothing of others, is a replay."""
        return (name, variant, None) in self._recorded

    def forget(self) -> None:
        """Begin anew: tensors that the programs read may be others now."""
        self._recorded.clear()
        self._called.clear()

    def _record(
        self, recorder: Recorder, key: tuple[str, Hashable, Hashable], make: Callable[[Transfer], Any]
    ) -> _Recorded | None:
        transfer, results = Transfer(), list[Any]()

        def sequence() -> None:
            results.append(make(transfer))
            transfer.gather()

        try:
            replay = recorder.record(sequence, key[0])
        except RuntimeError as error:
            self.problem = self.problem or (str(error).strip().splitlines() or [type(error).__name__])[0]
            self._remember(key[:2], refused=True)
            if is_out_of_memory(error):
                self._recorded.clear()
            return None
        self._count += 1
        self._recorded[key] = recorded = _Recorded(self._count, results[0], transfer, replay)
        if len(self._recorded) > _KEPT:
            self._recorded.popitem(last=False)
        return recorded

    def _remember(self, called: Hashable, *, refused: bool) -> None:
        if self._recorder is None:
            return
        self._called[called] = refused
        self._called.move_to_end(called)
        if len(self._called) > _REMEMBERED:
            self._called.popitem(last=False)


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

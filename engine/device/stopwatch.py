"""The time of work on a device."""

from __future__ import annotations

import time
from typing import Self

import torch


class Stopwatch:
    """A context manager. On a GPU, where work is queued, events in the queue mark both ends, so that nothing waits.

    In a graph that is captured the events are part of it: every replay records them anew.
    """

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._began = self._ended = 0.0
        self._marks: list[torch.cuda.Event] = []

    def __enter__(self) -> Self:
        self._mark()
        self._began = time.perf_counter()
        return self

    def __exit__(self, *_error: object) -> None:
        self._ended = time.perf_counter()
        self._mark()

    def seconds(self) -> float:
        """Seconds of the work; on a GPU the device must have been waited for since the work was queued."""
        if self._marks:
            first, last = self._marks
            return float(first.elapsed_time(last)) / 1e3
        return self._ended - self._began

    def _mark(self) -> None:
        if self._device.type == "cuda":
            mark = _event()
            mark.record(torch.cuda.current_stream(self._device))
            self._marks.append(mark)


def _event() -> torch.cuda.Event:
    capturing = torch.cuda.is_current_stream_capturing()
    return torch.cuda.Event(enable_timing=True, **({"external": True} if capturing else {}))  # type: ignore[no-untyped-call]  # torch has not typed it

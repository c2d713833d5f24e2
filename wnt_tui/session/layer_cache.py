"""The layers' table for panels: cached, bounded, and read on the source's thread.

A panel asks while it draws. Most answers are in the cache; else the source's thread reads while the panel waits a few
milliseconds. If the disk takes longer the panel draws what was there before, and again when the answer is in: a slow
disk makes a panel late and never the keyboard.

Reading each step of a window of some hundred steps takes longer than a key may. It is shown in whole blocks of 64 steps
at first, whose extremes the session has, and refined as soon as nothing else is asked for.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable, Mapping
from typing import NamedTuple

import numpy as np

from engine.session.layer_table import RAW_STEPS
from engine.session.reader import SessionReader
from engine.session.recent import Recent
from engine.session.rows import LayerBlocks
from engine.session.schema import BLOCK_STEPS
from wnt_tui.session.snapshot import Array

PATIENCE_SECONDS = 0.04
STEPS_KEPT = 256
BANDS_KEPT = 32
ROUGH_FROM = 128
"""Windows of fewer steps are read step by step at once; up to there it is about as quick."""
QUESTIONS_KEPT = 32
"""Of more questions the oldest are dropped: what they asked for is not on the screen any more."""

Bands = Mapping[str, LayerBlocks]


class _Window(NamedTuple):
    """Layer metrics over steps, in at most about so many blocks; of one layer if it is given."""

    names: tuple[str, ...]
    first: int
    last: int
    blocks: int
    layer: int | None
    rough: bool = False

    @property
    def place(self) -> tuple[tuple[str, ...], int | None]:
        """What is shown in one place of the screen, over whatever steps."""
        return self.names, self.layer

    def goes_on_from(self, shown: _Window) -> bool:
        """Whether the window begins where the one that is shown does, and goes on after it."""
        return shown.first == self.first and shown.last < self.last

    def is_near(self, shown: _Window) -> bool:
        """Whether what is shown is most of the window, and not of one much wider."""
        span = self.last - self.first
        overlap = min(shown.last, self.last) - max(shown.first, self.first)
        return shown.last - shown.first <= 2 * span and overlap >= span / 2


class LayerCache:
    """A LayerView; its questions are answered by :meth:`serve` on another thread.

    Args:
        layers: Number of rows a step has, depth + 1.
        wake: Wakes that thread.
    """

    def __init__(self, layers: int, wake: Callable[[], None]) -> None:
        self._layers = layers
        self._wake = wake
        self._answered = threading.Condition()
        self._questions: OrderedDict[int | _Window, bool] = OrderedDict()
        self._steps: Recent[Mapping[str, Array]] = Recent(STEPS_KEPT)
        self._bands: Recent[Bands] = Recent(BANDS_KEPT)
        self._newest: dict[Hashable, tuple[_Window, Bands]] = {}
        self._to_refine: OrderedDict[Hashable, _Window] = OrderedDict()
        self._last_step = -1
        self._late = False
        self._closed = False

    def extend(self, last_step: int) -> None:
        """Say up to where rows exist; a band that reaches beyond is read again when more do."""
        with self._answered:
            self._last_step = last_step

    def at(self, step: int) -> Mapping[str, Array]:
        """All layer metrics at a step; {} while they are unknown."""
        with self._answered:
            if not 0 <= step <= self._last_step:
                return {}
            if (known := self._steps.get(step)) is None:
                self._ask(step)
                known = self._steps.get(step)
            return known or {}

    def bands(self, names: tuple[str, ...], first: int, last: int, blocks: int, layer: int | None = None) -> Bands:
        """Layer metrics over steps; while they are unknown their previous bands, or empty ones."""
        with self._answered:
            last = min(last, self._last_step)
            if last < first:
                return self._empty_bands(names)
            window = _Window(names, first, last, blocks, layer)
            # What was to be refined in this place before is not on the screen any more.
            self._to_refine.pop(window.place, None)
            shown, newest = self._newest.get(window.place, (None, None))
            if (known := self._bands.get(window)) is None:
                span = last - first
                # All steps are whole blocks anyway, and the newest block, which is not stored yet.
                all_whole = span >= RAW_STEPS and first % BLOCK_STEPS == 0 and last == self._last_step
                wide = span >= ROUGH_FROM and not all_whole
                # A run that is followed grows by some rows at a time: they are waited for, to draw once and not twice.
                if wide and not (shown and window.goes_on_from(shown)) and not self._closed:
                    self._to_refine[window.place] = window
                    self._wake()
                    if shown and newest and window.is_near(shown):
                        return newest
                    window = window._replace(rough=True)
                    known = self._bands.get(window)
                if known is None:
                    self._ask(window)
                    known = self._bands.get(window)
            return known or newest or self._empty_bands(names)

    @property
    def is_rough(self) -> bool:
        """Whether something is shown that :meth:`refine` would show better."""
        return bool(self._to_refine)

    def serve(self, reader: SessionReader) -> bool:
        """Answer all questions, on the thread that may read; return whether an asker went on without its answer."""
        while True:
            with self._answered:
                if not self._questions:
                    late, self._late = self._late, False
                    return late
                # Steps before bands, which take longer, and what was asked last first: it is what is looked at.
                waiting = reversed(self._questions)
                question = next((each for each in waiting if isinstance(each, int)), next(reversed(self._questions)))
            if isinstance(question, int):
                self.preload(reader, question)
            else:
                self._read_bands(reader, question)

    def refine(self, reader: SessionReader) -> bool:
        """Read one of the bands that are shown roughly, when nothing is asked; return whether it was the last one."""
        with self._answered:
            if not self._to_refine:
                return False
            place, window = next(reversed(self._to_refine.items()))
            known = self._bands.get(window)
        if known is None:
            self._read_bands(reader, window)
        with self._answered:
            if self._to_refine.get(place) == window:
                del self._to_refine[place]
            return not self._to_refine

    def _read_bands(self, reader: SessionReader, window: _Window) -> None:
        names, first, last, blocks, layer, rough = window
        bands = reader.layer_bands(names, first, last, blocks, layer, rough=rough)
        with self._answered:
            self._bands.put(window, bands)
            self._newest[window.place] = window, bands
            self._settle(window)

    def preload(self, reader: SessionReader, step: int) -> None:
        """Read a step's layers, asked for or about to be."""
        found = reader.layers_at(step)
        with self._answered:
            # An empty answer is kept as well: rows never change once they are recorded.
            self._steps.put(step, found)
            self._settle(step)

    def close(self) -> None:
        """End all waiting."""
        with self._answered:
            self._closed = True
            self._questions.clear()
            self._to_refine.clear()
            self._answered.notify_all()

    def _empty_bands(self, names: tuple[str, ...]) -> Bands:
        steps = np.empty(0, np.int64)
        values = np.empty((0, self._layers))
        return dict.fromkeys(names, LayerBlocks(steps, steps, values, values))

    def _ask(self, question: int | _Window) -> None:
        if self._closed:
            return
        # Once an answer is late, no other is waited for: a picture costs the patience once, not once a panel.
        patience = 0.0 if any(self._questions.values()) else PATIENCE_SECONDS
        self._questions.setdefault(question, False)
        self._questions.move_to_end(question)
        while len(self._questions) > QUESTIONS_KEPT:
            self._questions.popitem(last=False)
        self._wake()
        if not self._answered.wait_for(lambda: question not in self._questions, patience):
            self._questions[question] = True

    def _settle(self, question: int | _Window) -> None:
        self._late |= self._questions.pop(question, False)
        self._answered.notify_all()

"""The layers' table for panels: cached, bounded, and read on the source's thread.

A panel asks while it draws. Most answers are in the cache; else the source's thread reads while the panel
waits a few milliseconds, and if the disk takes longer the panel draws what was there before and is drawn
again when the answer is in. So a slow disk makes a panel late and never the keyboard.

A window of some hundred steps and more, of which each is to be looked at, takes longer than a key may, and so do the
steps at the edges of a wider one. It is shown in whole blocks of 64 steps at first, whose extremes the session has, and
sharpened as soon as nothing else is asked for.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping

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
BandKey = tuple[tuple[str, ...], int, int, int, int | None, bool]
"""Metrics, first and last step, blocks, layer, and whether they may be rough."""
_Place = tuple[tuple[str, ...], int | None]
"""Metrics and layer: what is shown in one place, of whatever window."""


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
        self._questions: OrderedDict[int | BandKey, bool] = OrderedDict()
        self._steps: Recent[Mapping[str, Array]] = Recent(STEPS_KEPT)
        self._bands: Recent[Bands] = Recent(BANDS_KEPT)
        self._newest: dict[_Place, tuple[BandKey, Bands]] = {}
        self._wishes: OrderedDict[_Place, BandKey] = OrderedDict()
        self._last_step = -1
        self._late = False
        self._closed = False

    def extend(self, last_step: int) -> None:
        """Say up to where rows exist; a band that reaches beyond is read again when more do."""
        with self._answered:
            self._last_step = last_step

    def at(self, step: int) -> Mapping[str, Array]:
        """Return all layer metrics at a step; {} while they are unknown."""
        with self._answered:
            if not 0 <= step <= self._last_step:
                return {}
            if (known := self._steps.get(step)) is None:
                self._ask(step)
                known = self._steps.get(step)
            return known or {}

    def bands(self, names: tuple[str, ...], first: int, last: int, blocks: int, layer: int | None = None) -> Bands:
        """Return layer metrics over steps; while they are unknown their previous bands, or empty ones."""
        with self._answered:
            last = min(last, self._last_step)
            if last < first:
                return self._empty_bands(names)
            key: BandKey = (names, first, last, blocks, layer, False)
            # What was wished for in this place before is not looked at any more.
            self._wishes.pop((names, layer), None)
            shown, newest = self._newest.get((names, layer), (None, None))
            if (known := self._bands.get(key)) is None:
                span = last - first
                # All steps are whole blocks anyway, and the newest block, which is not stored yet.
                all_whole = span >= RAW_STEPS and first % BLOCK_STEPS == 0 and last == self._last_step
                wide = span >= ROUGH_FROM and not all_whole
                # A run that is followed grows by some rows at a time: they are waited for, to draw once and not twice.
                if wide and not (shown and _grown(shown, key)) and not self._closed:
                    self._wishes[names, layer] = key
                    self._wake()
                    if shown and newest and _moved_little(shown, key):
                        return newest
                    key = (names, first, last, blocks, layer, True)
                    known = self._bands.get(key)
                if known is None:
                    self._ask(key)
                    known = self._bands.get(key)
            return known or newest or self._empty_bands(names)

    @property
    def blurred(self) -> bool:
        """Whether something is shown that :meth:`sharpen` would show better."""
        return bool(self._wishes)

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
                continue
            self._read_bands(reader, question)

    def sharpen(self, reader: SessionReader) -> bool:
        """Read one of the bands that are shown roughly, when nobody asks; return whether it was the last one."""
        with self._answered:
            if not self._wishes:
                return False
            place, wish = next(reversed(self._wishes.items()))
            known = self._bands.get(wish)
        if known is None:
            self._read_bands(reader, wish)
        with self._answered:
            if self._wishes.get(place) == wish:
                del self._wishes[place]
            return not self._wishes

    def _read_bands(self, reader: SessionReader, question: BandKey) -> None:
        names, first, last, blocks, layer, rough = question
        bands = reader.layer_bands(names, first, last, blocks, layer, rough=rough)
        with self._answered:
            self._bands.put(question, bands)
            self._newest[names, layer] = question, bands
            self._settle(question)

    def preload(self, reader: SessionReader, step: int) -> None:
        """Read a step's layers before somebody asks, or because somebody did."""
        found = reader.layers_at(step)
        with self._answered:
            # An empty answer is kept as well: rows never change once they are recorded.
            self._steps.put(step, found)
            self._settle(step)

    def close(self) -> None:
        """Let nobody wait any more."""
        with self._answered:
            self._closed = True
            self._questions.clear()
            self._wishes.clear()
            self._answered.notify_all()

    def _empty_bands(self, names: tuple[str, ...]) -> Bands:
        steps = np.empty(0, np.int64)
        values = np.empty((0, self._layers))
        return dict.fromkeys(names, LayerBlocks(steps, steps, values, values))

    def _ask(self, question: int | BandKey) -> None:
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

    def _settle(self, question: int | BandKey) -> None:
        self._late |= self._questions.pop(question, False)
        self._answered.notify_all()


def _grown(shown: BandKey, wanted: BandKey) -> bool:
    """Return whether a window begins where the one that is shown does, and goes on after it."""
    return shown[1] == wanted[1] and shown[2] < wanted[2]


def _moved_little(shown: BandKey, wanted: BandKey) -> bool:
    """Return whether what is shown is most of a window, and not of one much wider."""
    (_, begin, end, *_), (_, first, last, *_) = shown, wanted
    overlap = min(end, last) - max(begin, first)
    return end - begin <= 2 * (last - first) and overlap >= (last - first) / 2

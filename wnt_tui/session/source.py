"""From a session file to snapshots: a thread that reads what is new and hands out immutable views.

The same code watches a live run and opens a recorded one; there is nothing here that asks which it is.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from engine.errors import SessionError, WntError
from engine.record import Event
from engine.session.liveness import viewer_mark
from engine.session.reader import MOST_EVENTS, SessionReader
from wnt_tui.session.engine_state import engine_view
from wnt_tui.session.growing_rows import GrowingRows
from wnt_tui.session.layer_cache import LayerCache
from wnt_tui.session.snapshot import EngineView, Snapshot

POLL_SECONDS = 0.03
"""How often a living session is asked whether it has changed; that costs some microseconds."""

LIVENESS_SECONDS = 0.25
"""How often the engine's lock is tried: its death changes nothing in the file."""

REST_SECONDS = 0.5
"""Least time between two snapshots while rows pour in; the first after a rest comes at once."""

REFINE_SECONDS = 0.06
"""How long nothing must have been asked for before rough layers are read more finely: longer than a key repeats."""

ROWS_A_READ = 10_000
"""About a tenth of a second's reading: a long session appears at once and fills up while one looks at it."""


@dataclass(frozen=True, slots=True)
class Deliveries:
    """Callbacks that take a source's findings, on the source's thread.

    Attributes:
        snapshot: A new view of the session.
        trouble: The session cannot be read; the source has ended.
    """

    snapshot: Callable[[Snapshot], None]
    trouble: Callable[[WntError], None]


class SessionSource:
    """Watches one session file.

    Args:
        path: The session.
        deliveries: Where its findings go.
        awaited: Whether the file may still be to come, because its engine has just been started.
    """

    def __init__(self, path: Path, deliveries: Deliveries, *, awaited: bool = False) -> None:
        self.path = path
        self._deliveries = deliveries
        self._awaited = awaited
        self._wake = threading.Event()
        self._stopped = threading.Event()
        self._layers: LayerCache | None = None
        # A daemon: a read that hangs on a dead network disk must not keep the program from ending.
        self._thread = threading.Thread(target=self._run, name="source", daemon=True)

    def start(self) -> None:
        """Begin to watch."""
        self._thread.start()

    def close(self) -> None:
        """Stop watching, soon; does not wait."""
        self._stopped.set()
        self._wake.set()

    @property
    def is_rough(self) -> bool:
        """Whether layers are shown roughly that will be refined."""
        return self._layers is not None and self._layers.is_rough

    def join(self, timeout: float) -> None:
        """Wait, so many seconds at most, until the file is closed."""
        self._thread.join(timeout)

    def _run(self) -> None:
        try:
            reader = self._opened()
            if reader is None:
                return
            with reader, viewer_mark(self.path) as seen:
                self._watch(reader, seen=seen)
        except WntError as error:
            if not self._stopped.is_set():
                self._deliveries.trouble(error)

    def _opened(self) -> SessionReader | None:
        """The reader as soon as there is a session; None if the source was closed first."""
        while not self._stopped.is_set():
            # Asked first: a session appears whole, so what is there and cannot be opened will not get better.
            there = Path(self.path).exists()
            try:
                return SessionReader(self.path)
            except SessionError:
                if there or not self._awaited:
                    raise
                self._stopped.wait(POLL_SECONDS)
        return None

    def _watch(self, reader: SessionReader, *, seen: bool) -> None:
        layers = self._layers = LayerCache(reader.config().depth + 1, self._wake.set)
        try:
            self._follow(reader, _Accumulated(reader, layers, seen=seen), layers)
        finally:
            layers.close()

    def _follow(self, reader: SessionReader, view: _Accumulated, layers: LayerCache) -> None:
        seen_version, seen_liveness, rested = -1, 0.0, 0.0
        while not self._stopped.is_set():
            self._wake.clear()
            if layers.serve(reader):
                # A panel has drawn without them; a snapshot of another version makes it draw again.
                self._deliveries.snapshot(view.snapshot(redraw=True))
            now = time.monotonic()
            if now >= rested:
                version = reader.data_version()
                changed = version != seen_version or view.behind
                if changed or now >= seen_liveness + LIVENESS_SECONDS:
                    if view.refresh(everything=changed):
                        self._deliveries.snapshot(view.snapshot())
                        rested = 0.0 if view.behind else time.monotonic() + REST_SECONDS
                    # Asked before the reads, so that what is written meanwhile is read next time.
                    seen_version, seen_liveness = version, now
            if view.behind:
                continue
            if not layers.is_rough:
                self._wake.wait(POLL_SECONDS if view.alive else LIVENESS_SECONDS)
            elif not self._wake.wait(REFINE_SECONDS):
                while layers.is_rough and not self._wake.is_set():
                    if layers.refine(reader):
                        self._deliveries.snapshot(view.snapshot(redraw=True))


class _Accumulated:
    """What has been read of a session so far; ``behind`` while there are more rows than one read takes."""

    def __init__(self, reader: SessionReader, layers: LayerCache, *, seen: bool) -> None:
        self._seen = seen
        self._reader = reader
        self._layers = layers
        self._config = reader.config()
        self._meta = reader.meta()
        self._rows = GrowingRows()
        self._events: list[Event] = []
        self._last_event = 0
        self._engine: EngineView | None = None
        self._version = 0
        self._last: Snapshot | None = None
        self.behind = False

    @property
    def alive(self) -> bool:
        """Whether the engine lived when it was looked at last."""
        return self._engine is not None and self._engine.alive

    def refresh(self, *, everything: bool) -> bool:
        """Read what is new, of the engine alone unless the file has changed; return whether anything has."""
        before = (self._rows.last, self._last_event, self._engine)
        self._engine = engine_view(self._reader.engine(), seen=self._seen)
        if everything:
            last = self._rows.last
            step, columns = self._reader.steps(last, ROWS_A_READ)
            self.behind = step.size == ROWS_A_READ
            self._rows.append(step, columns)
            if self._rows.last > last:
                self._layers.extend(self._rows.last)
                # The row that a following cursor is about to show.
                self._layers.preload(self._reader, self._rows.last)
            found = self._reader.events(self._last_event)
            self.behind |= len(found) == MOST_EVENTS
            for row in found:
                # Greater than the last in any sound file; a damaged one must not be read for ever.
                self._last_event = max(row.id, self._last_event + 1)
                self._events.append(row.event)
        changed = before != (self._rows.last, self._last_event, self._engine)
        self._version += changed
        return changed

    def snapshot(self, *, redraw: bool = False) -> Snapshot:
        """The session as it was read last; to redraw, it counts as changed because layers are known."""
        self._version += redraw
        if redraw and self._last is not None:
            # The same arrays, so that what panels derived from them stays valid.
            return replace(self._last, version=self._version)
        step, columns = self._rows.view()
        assert self._engine is not None, "refresh comes first"
        self._last = Snapshot(
            name=self._reader.name,
            config=self._config,
            meta=self._meta,
            data_name=self._meta.get("data_name") or self._meta.get("data") or self._config.data,
            engine=self._engine,
            step=step,
            columns=columns,
            layers=self._layers,
            events=tuple(sorted(self._events, key=lambda event: event.step)),
            version=self._version,
        )
        return self._last

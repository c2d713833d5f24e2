"""An engine without mathematics: real session files and real answers, synthetic numbers, no torch.

As a module it writes sessions; as a program (``python synthetic_engine.py PATH …``) it is a live engine: it
holds the lock, carries out commands and dies when killed.
"""

from __future__ import annotations

import argparse
import json
import signal
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from engine.catalogue import LAYER_COLUMNS, LAYER_METRICS, STEP_METRICS
from engine.config import RunConfig
from engine.errors import UsageError
from engine.record import Event, StepRecord
from engine.runner.annotations import Annotations, hits_of
from engine.session.liveness import EngineLock
from engine.session.rows import Command
from engine.session.writer import SessionWriter

META = {"data_name": "digits", "device": "cpu"}


def record(step: int, config: RunConfig, events: Sequence[Event] = ()) -> StepRecord:
    """A row with a plausible value for every metric of the catalogue."""
    decay = np.exp(-step / 25)
    special = {
        "loss": 0.05 + 0.4 * decay,
        "test_loss": 0.12 + 0.35 * decay,
        "accuracy": 1 - 0.9 * decay,
        "test_accuracy": 0.8 - 0.7 * decay,
        "lr": config.lr if step <= 12 else 0.02,
        "predicted_lemma1": 0.049 + 0.4 * decay,
        "predicted_descent": 0.052 + 0.4 * decay,
        "predicted_lemma10": 0.054 + 0.4 * decay,
        "lemma13_bound": 0.06 + 0.41 * decay,
        "ratio_lemma1": 1.2 - 0.3 * decay,
        "ratio_descent": 1.05 - 0.1 * decay,
        "ratio_lemma10": 0.9,
        "ratio_null": 0.96,
        "generalization_bound": 40.0 + 10 * decay,
        "generalization_floor": 3.0,
        "step_seconds": 0.004,
        "measure_seconds": 0.02,
    }
    values = {
        entry.name: float(special.get(entry.name, (1 + 0.1 * np.sin(step / 5)) * (index + 1)))
        for index, entry in enumerate(STEP_METRICS)
    }
    depth = np.arange(config.depth + 1)
    layers = {}
    for index, name in enumerate(LAYER_COLUMNS):
        values_of_layer = 10.0 ** (-3 + 0.2 * depth + 0.002 * step) * (index + 1)
        if name == "log10_cond":
            values_of_layer = 5 - 0.35 * depth + 0.6 * np.sin(step / 12 + depth / 3)
        layers[name] = (
            values_of_layer if step == 0 or LAYER_METRICS[index].scope == "layer" else values_of_layer * np.nan
        )
    return StepRecord(step, values, layers, tuple(events))


def events_at(step: int) -> tuple[Event, ...]:
    """A learning rate change at step 12 and a violation at step 30."""
    if step == 12:
        return (Event(12, "lr", "learning rate .01 → .02", data={"lr": 0.02}),)
    if step == 30:
        return (Event(30, "violation", "λ_min fell below its bound Eq. 13 in layer 3", layer=3),)
    return ()


def write_session(path: Path, config: RunConfig, rows: int, *, state: str = "finished", message: str = "") -> Path:
    """A session as an engine leaves it: ``state`` is its last word, or ``died``."""
    with EngineLock(path):
        writer = SessionWriter.create(path, config, META)
        writer.set_engine(state="running", device="cpu")
        for step in range(rows):
            writer.put(record(step, config, events_at(step)))
        if state == "died":
            writer.set_engine(state="running", step=rows - 1)
            writer.flush(30)
        else:
            writer.set_engine(state=state, step=rows - 1, message=message)
        writer.close(30)
    if state == "died":
        _remove_end(path)
    return path


def _remove_end(path: Path) -> None:
    import sqlite3

    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE engine SET state = 'running', ended = NULL")
    connection.close()


class SyntheticEngine:
    """Carries out commands as the real one does."""

    def __init__(self, writer: SessionWriter, config: RunConfig, interval: float) -> None:
        self.writer = writer
        self.config = config
        self.interval = interval
        self.step = -1
        self.lr = config.lr
        self.stop = False
        self.annotations = Annotations(config, writer)
        self.spectra_wanted = False

    def add_row(self) -> bool:
        """Whether the row hits a breakpoint."""
        self.step += 1
        row = self.annotations.row(record(self.step, self.config, events_at(self.step)))
        if self.spectra_wanted:
            row = replace(row, spectra={("G", 0): np.geomspace(1e-3, 10.0, 50), ("K", None): np.arange(-1.0, 99.0)})
            self.spectra_wanted = False
        self.writer.put(row)
        return bool(hits_of(row))

    def run(self, state: str, until: int) -> None:
        """Train up to a step while running; carry out commands until stopped."""
        self._say(state)
        while not self.stop:
            for command in self.writer.pending_commands():
                try:
                    state, until, reply = self._carry_out(command, state, until)
                except UsageError as refusal:
                    self.writer.answer(command.id, "refused", max(self.step, 0), str(refusal))
                    continue
                self.writer.answer(command.id, "done", max(self.step, 0), reply)
                self._say(state)
            if state == "running":
                if self.add_row():
                    state = "paused"
                elif self.step >= until:
                    state = "finished" if until == self.config.steps else "paused"
                self._say(state)
            time.sleep(self.interval if state == "running" else 0.01)
        self.writer.set_engine(state="stopped", step=self.step)

    def _say(self, state: str) -> None:
        self.writer.set_engine(state=state, step=self.step)

    def _carry_out(self, command: Command, state: str, until: int) -> tuple[str, int, str]:
        name, given = command.name, command.arguments
        if name in {"break", "clear", "mark"}:
            return state, until, self.annotations.handle(command, self.step)
        at = f"at step {max(self.step, 0)}"
        if name == "spectra":
            self.spectra_wanted = True
            return state, until, f"whole spectra are recorded at step {self.step + 1}"
        if name == "pause":
            return "paused", until, f"paused {at}"
        if name == "resume":
            return (
                "running",
                max(self.config.steps, self.step + 10**6 * (self.step >= self.config.steps)),
                f"resumed {at}",
            )
        if name == "step":
            return "running", self.step + int(given["n"]), f"stepping {at}"
        if name == "lr":
            self.lr = float(given["lr"])
            self.writer.put_event(Event(max(self.step, 0), "lr", f"learning rate → {self.lr:g}"))
            return state, until, f"learning rate {self.lr:g} {at}"
        self.stop = True
        return "stopped", until, f"stopped {at}"


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("path", type=Path)
    parser.add_argument("--rows", type=int, default=38)
    parser.add_argument("--state", default="paused")
    parser.add_argument("--interval", type=float, default=0.02)
    parser.add_argument("--config", default="{}")
    given = parser.parse_args()
    config = RunConfig.from_mapping(json.loads(given.config))
    with EngineLock(given.path), SessionWriter.create(given.path, config, META) as writer:
        engine = SyntheticEngine(writer, config, given.interval)
        signal.signal(signal.SIGTERM, lambda *_: setattr(engine, "stop", True))
        writer.set_engine(state="starting", device="cpu")
        for _ in range(given.rows):
            engine.add_row()
        writer.set_engine(state=given.state, step=engine.step)
        writer.flush(30)
        print("ready", flush=True)
        engine.run(given.state, config.steps)


if __name__ == "__main__":
    sys.exit(main())

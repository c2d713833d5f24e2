"""What a session of 100,000 steps and 30 layers costs: to record, to open, to seek in, and in the viewer's memory.

Run it with ``python benchmarks/scale.py``; it takes some minutes and about 600 MB in ``--folder``, removed afterwards.
The session is written by the real writer, as an engine writes it, with a number for every metric. It is opened by the
real app in a process of its own, 160×48, without a terminal. The design asks for: open in under 1 s, any
step in under 50 ms, under 250 MB in the viewer, and a step that costs as much to record at the end as at the start.
Sizes can be changed: ``--steps 5000 --depth 9``.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from engine.catalogue import LAYER_METRICS, STEP_COLUMNS
from engine.config import RunConfig
from engine.record import Event, StepRecord
from engine.session.liveness import EngineLock
from engine.session.reader import SessionReader
from engine.session.writer import SessionWriter
from wnt_tui.app import WntApp
from wnt_tui.panels.widget import PanelWidget
from wnt_tui.screens.dashboard import Dashboard
from wnt_tui.terminal.garbage import take_over

PARTS = 20
"""The recording is timed in so many equal parts."""

SEEKS = 60
MOST_ZOOM = 8
"""Windows from all steps down to a few hundred."""
PATIENCE = 120.0
EVENTS_EVERY = 1000
LIMITS = {"open_seconds": 1.0, "memory_mb": 250.0}
SEEK_FIGURES = ("median", "worst", "processor", "painted", "painted_worst", "sharp")
SEEK_LIMIT_MS = 50.0
"""Of any seek, at any magnification: the worst is held to it and not the median."""


def record(step: int, config: RunConfig, rng: np.random.Generator) -> StepRecord:
    """A row with a number for every metric, like an engine's."""
    noise = rng.standard_normal(len(STEP_COLUMNS))
    decay = float(np.exp(-step / (config.steps / 4)))
    values = {name: 1.0 + decay + 0.01 * float(noise[place]) for place, name in enumerate(STEP_COLUMNS)}
    depth = np.arange(config.depth + 1)
    layers = {}
    for metric in LAYER_METRICS:
        if metric.scope == "layer" or step == 0:
            layers[metric.name] = 10.0 ** (1 - 0.05 * depth) * (1 + decay) + 0.01 * rng.standard_normal(depth.size)
    events = (Event(step, "notice", f"step {step}"),) if step % EVENTS_EVERY == 0 else ()
    return StepRecord(step, values, layers, events)


def write(path: Path, config: RunConfig) -> dict[str, float]:
    """Record a session; seconds of writing a step in its first and last parts, and of the whole."""
    rng = np.random.default_rng(0)
    rows = config.steps + 1
    # Made beforehand and used again: the time of the generator is nobody's business.
    stock = [record(step, config, rng) for step in range(1, min(rows, 257))]
    seconds, processor = [], []
    began = time.perf_counter()
    with EngineLock(path), SessionWriter.create(path, config, {"data_name": "made up", "device": "cpu"}) as writer:
        writer.set_engine(state="running", step=0)
        writer.put(record(0, config, rng))
        for part in range(PARTS):
            start, start_processor = time.perf_counter(), time.process_time()
            first, last = part * config.steps // PARTS + 1, (part + 1) * config.steps // PARTS
            for step in range(first, last + 1):
                like = stock[step % len(stock)]
                events = (Event(step, "notice", f"step {step}"),) if step % EVENTS_EVERY == 0 else ()
                writer.put(StepRecord(step, like.values, like.layers, events))
                writer.set_engine(step=step)
            writer.flush()
            seconds.append((time.perf_counter() - start) / max(last - first + 1, 1))
            processor.append((time.process_time() - start_processor) / max(last - first + 1, 1))
        writer.set_engine(state="finished", message=f"Finished {config.steps} steps.")
    return {
        "first_ms_a_step": 1e3 * statistics.median(seconds[1 : PARTS // 4]),
        "last_ms_a_step": 1e3 * statistics.median(seconds[-PARTS // 4 :]),
        "first_processor_ms": 1e3 * statistics.median(processor[1 : PARTS // 4]),
        "last_processor_ms": 1e3 * statistics.median(processor[-PARTS // 4 :]),
        "minutes": (time.perf_counter() - began) / 60,
        "megabytes": path.stat().st_size / 2**20,
    }


async def view(path: Path, started: float) -> dict[str, float]:
    """Open a session in the real app and seek in it; the clock began with the process."""
    take_over()
    app = WntApp([path])
    async with app.run_test(size=(160, 48)) as pilot:

        async def until(condition: Callable[[], object]) -> None:
            deadline = time.monotonic() + PATIENCE
            while not condition():
                assert time.monotonic() < deadline, "it never opened"
                await asyncio.sleep(0.001)

        def drawn() -> bool:
            return app.dashboard is not None and all(panel.drawn for panel in app.dashboard.grid.panels)

        await until(drawn)
        first_picture, first_processor = time.time() - started, time.process_time()
        dashboard = app.dashboard
        assert dashboard is not None
        with SessionReader(path) as reader:
            last = reader.last_step()
        await until(lambda: dashboard.snapshot is not None and dashboard.snapshot.last_step == last)
        await pilot.pause()
        whole = time.time() - started
        found = {"open_seconds": first_picture, "open_processor_seconds": first_processor, "all_rows_seconds": whole}
        rng = np.random.default_rng(1)
        for zoom in range(MOST_ZOOM + 1):
            found |= await _seeks(dashboard, rng.integers(0, last + 1, SEEKS).tolist(), zoom)
            dashboard.move_to(dashboard.cursor.zoomed(1))
    return found | {"memory_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}


async def _seeks(dashboard: Dashboard, steps: list[int], zoom: int) -> dict[str, float]:
    """Milliseconds of seeks at one magnification."""
    shown, sharp, painted = [], [], []
    # Processor time too: on a machine that others use, the clock on the wall measures them.
    processor = 0.0
    for step in steps:
        began, began_processor = time.perf_counter(), time.process_time()
        await _seek(dashboard, step)
        shown.append(time.perf_counter() - began)
        processor += time.process_time() - began_processor
        while _unpainted(dashboard):
            await asyncio.sleep(0.0005)
        painted.append(time.perf_counter() - began)
        # Until it is sharp and drawn so: what is still being drawn must not count as the next seek's.
        while (
            dashboard.source.is_rough or _unpainted(dashboard) or not all(_is_drawn(p) for p in dashboard.grid.panels)
        ):
            await asyncio.sleep(0.001)
        sharp.append(time.perf_counter() - began)
        await asyncio.sleep(0.02)
    figures = (
        statistics.median(shown), max(shown), processor / len(steps),
        statistics.median(painted), max(painted), statistics.median(sharp),
    )  # fmt: skip
    return {f"seek_{name}_ms_{zoom}": 1e3 * value for name, value in zip(SEEK_FIGURES, figures, strict=True)}


def _unpainted(dashboard: Dashboard) -> bool:
    """Whether something that was drawn has not gone to the terminal."""
    return bool(dashboard._dirty_widgets) or dashboard._repaint_required or dashboard._layout_required


def _is_drawn(panel: PanelWidget) -> bool:
    return panel._key == panel._present_key()


async def _seek(dashboard: Dashboard, step: int) -> None:
    """From a key to all nine panels showing a step."""
    panels = dashboard.grid.panels
    began = time.perf_counter()
    dashboard.move_to(dashboard.cursor.to(step))

    def shown() -> bool:
        views = [panel.view for panel in panels]
        return all(view is not None and view.cursor == step and view.snapshot.layers.at(step) for view in views)

    # Asked seldom enough for the asking not to take the interpreter from those who draw and read.
    while not (all(_is_drawn(panel) for panel in panels) and shown()):
        assert time.perf_counter() - began < PATIENCE, f"step {step} never appeared"
        await asyncio.sleep(0.0005)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=100_000)
    parser.add_argument("--depth", type=int, default=30)
    parser.add_argument("--folder", type=Path, help="where there is room; default: the temporary folder")
    parser.add_argument("--keep", type=Path, help="keep the session there, or use the one that is there")
    parser.add_argument("--view", nargs=2, metavar=("FILE", "STARTED"), help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.view:
        print(json.dumps(asyncio.run(view(Path(given.view[0]), float(given.view[1])))))
        return
    with tempfile.TemporaryDirectory(dir=given.folder, prefix="wnt-scale-") as folder:
        path = given.keep or Path(folder) / "scale.wnt"
        if not path.exists():
            made = write(path, RunConfig(steps=given.steps, depth=given.depth))
            ratio = made["last_ms_a_step"] / made["first_ms_a_step"]
            print(
                f"record: {made['first_ms_a_step']:.3f} ms a step at the start, {made['last_ms_a_step']:.3f} ms at the "
                f"end (×{ratio:.2f}), of processor time {made['first_processor_ms']:.3f} and "
                f"{made['last_processor_ms']:.3f} ms, {made['minutes']:.1f} min, {made['megabytes']:.0f} MB"
            )
        command = [sys.executable, __file__, "--view", str(path), str(time.time())]
        found = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
        print(
            f"open: first picture {found['open_seconds']:.2f} s after the process "
            f"({found['open_processor_seconds']:.2f} s of processor time), all rows {found['all_rows_seconds']:.2f} s\n"
            f"memory: {found['memory_mb']:.0f} MB"
        )
        for zoom in range(MOST_ZOOM + 1):
            part = {name: found[f"seek_{name}_ms_{zoom}"] for name in SEEK_FIGURES}
            print(
                "seek, zoom {zoom}: median {median:.1f} ms ({processor:.1f} ms of processor time), "
                "worst {worst:.1f} ms; on the terminal after {painted:.1f}, at most {painted_worst:.1f} ms; "
                "sharp after {sharp:.1f} ms".format(zoom=zoom, **part)
            )
        for name, value in found.items():
            limit = SEEK_LIMIT_MS if name.startswith("seek_worst") else LIMITS.get(name, float("inf"))
            if value > limit:
                print(f"{name} is {value:.3g}, more than {limit:g}")


if __name__ == "__main__":
    main()

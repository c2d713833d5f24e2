"""Rows on a GPU: whether graph, calls and CPU agree, and what a row costs beside what it should.

``python -m benchmarks.cuda`` on a machine with a CUDA device, or ``--quick`` for a first answer in two minutes. First
the same runs are made by replayed graphs, by calls of the same operations, and on the CPU: parameters of the first two
must agree to the bit, values of all three to a tolerance, and every interval must hold the value of the other. Then
rows are timed: replayed, for every measurement set, beside the goals. ``--device cpu`` tries the script out, with
graphs that the tests emulate.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import math
import platform
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from collections import Counter
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import torch

from engine import RunConfig, Trainer
from engine.catalogue import CATALOGUE
from engine.device.program import Recorder, recorder_of
from engine.device.scheduling import torch_alone
from engine.record import StepRecord
from tests.training.replay import ReplayRecorder

# Relative, between devices in float64. Norms that bounds are made of may be a hundredth loose, of differences a
# twentieth; what follows from products of nine of them is looser in proportion.
ITERATED = {"ntk_lambda_min": 1e-3, "ntk_lambda_max": 1e-3, "ntk_log10_cond": 1e-3, "smoothness_ggn": 5e-3}
ITERATED |= {"smoothness_hessian": 0.05, "unstable_directions": 2.0, "ntk_trace_share": 1e-4}
LOOSE = {"weight_norm": 0.02, "weight_distance": 0.1, "lipschitz_bound": 0.2, "eq13_weights": 1.0, "eq13_op": 0.05}
LOOSE |= {"eq13_features_op": 0.2, "weight_norm_high": 0.05, "weight_distance_high": 0.2}
FOLLOWING = (
    "predicted_lemma",
    "ratio_lemma",
    "radius_bound",
    "generalization_bound_c",
    "smoothness_seg",
    "smoothness_b",
)
DEFAULT = 1e-4
CASES: tuple[dict[str, Any], ...] = (
    {"activation": "relu", "loss": "mse", "lr": 0.01},
    {"activation": "tanh", "loss": "cross_entropy", "lr": 0.01, "renormalize": True, "bias": True},
    {"activation": "relu", "loss": "mse_logits", "lr": 0.001},
)
GOALS = {  # milliseconds a row on an H100 or H200, 500 wide, 9 layers
    "none": {100: 0.7, 250: 0.7, 500: 0.7, 1000: 0.7},
    "core": {100: 2.0, 250: 3.0, 500: 5.0},
    "all": {100: 6.0, 250: 10.0, 500: 20.0, 1000: 55.0},
}
PARTS = ("step_seconds", "measure_seconds", "layers_seconds", "curvature_seconds", "kernel_seconds")
_COLD_ROWS = 8


class Counted:
    """A recorder that counts.

    Args:
        of: What records.
    """

    def __init__(self, of: Recorder) -> None:
        self.of, self.recorded, self.replays = of, 0, 0

    def record(self, sequence: Callable[[], None], pool: str) -> Callable[[], None]:
        """Record, and count replays from now on."""
        replay = self.of.record(sequence, pool)
        self.recorded += 1

        def counted() -> None:
            self.replays += 1
            replay()

        return counted


def trainer(device: str, recorder: Recorder | None, **options: Any) -> Trainer:
    return Trainer(RunConfig(device=device, **options), recorder=recorder)


def graphs(device: str) -> Counted | None:
    """The device's graphs; None, with the reason printed, where it has none."""
    if device == "cpu":
        return Counted(ReplayRecorder())
    found, problem = recorder_of(torch.device(device))
    if found is None:
        print(f"no graphs: {problem}")
    return None if found is None else Counted(found)


def operations(device: str) -> dict[str, str]:
    """The operations that rows are made of, and for each whether a graph holds it or why not."""
    a = torch.eye(96, dtype=torch.float64, device=device).repeat(4, 1, 1).mul_(2.0)
    out, info, single = torch.empty_like(a).mT, torch.empty(4, dtype=torch.int32, device=device), a[0].float()
    labels = torch.arange(96, device=device)
    tried: dict[str, Callable[[], object]] = {
        "product": lambda: (a @ a, single @ single),
        "cholesky_ex, single and batched": lambda: (torch.linalg.cholesky_ex(a), torch.linalg.cholesky_ex(a[0])),
        "cholesky_ex in place": lambda: torch.linalg.cholesky_ex(out.copy_(a), out=(out, info)),
        "solve_triangular": lambda: torch.linalg.solve_triangular(a, a[:, :, :4], upper=False),
        "triangular product": lambda: torch.linalg.solve_triangular(a.mT, a[:, :, :4], upper=True),
        "cross_entropy": lambda: torch.nn.functional.cross_entropy(a[0], labels, reduction="none"),
        "copies of lists": lambda: torch._foreach_copy_([out], [a]),
        "baddbmm": lambda: torch.baddbmm(a, a, a, beta=0.0),
    }
    found = {}
    for name, operation in tried.items():

        def sequence(of: Callable[[], object] = operation) -> None:
            of()

        sequence()
        recorder, found[name] = recorder_of(torch.device(device))
        try:
            if recorder is not None:
                recorder.record(sequence, "operations")
                found[name] = "ok"
        except RuntimeError as error:
            found[name] = str(error).strip().splitlines()[0]
    return found


def value_of(record: StepRecord, name: str) -> Any:
    return np.asarray(record.values[name] if name in record.values else record.layers.get(name, math.nan))


def differences(here: StepRecord, there: StepRecord, tolerances: dict[str, float], default: float) -> list[str]:
    """Metrics that differ by more than a tolerance, and intervals that miss the other's value."""
    found = []
    for name in sorted(here.values.keys() | here.layers.keys()):
        if CATALOGUE[name].unit == "seconds" or "residual" in name or "resolution" in name:
            continue
        value, other = value_of(here, name), value_of(there, name)
        if name.endswith(("_low", "_high")):
            middle = value_of(there, name.removesuffix("_low").removesuffix("_high"))
            sign = 1.0 if name.endswith("_low") else -1.0
            missed = sign * (value - middle) > 1e-6 * np.abs(middle) + 1e-12
            if name not in tolerances and np.any(missed):
                found.append(f"step {here.step}: {name} is {value}, the other's value {middle}")
        elif not name.startswith(FOLLOWING):
            slack = 1e-9 * (1.0 + np.nanmax(np.abs(value), initial=0.0))
            if not np.allclose(value, other, rtol=tolerances.get(name, default), atol=slack, equal_nan=True):
                found.append(f"step {here.step}: {name} is {value} and {other}")
    return found


def run(one: Trainer, steps: int) -> tuple[list[StepRecord], list[torch.Tensor]]:
    records = []
    for _ in range(steps):
        records.append(one.observe())
        if one.step == steps // 2:
            one.set_lr(one.lr * 1.5)
        one.advance()
    return records, [parameter.detach().cpu() for parameter in one.model.parameters.values()]


def agreement(device: str, examples: int, steps: int, data: str, width: int) -> list[str]:
    """What disagrees between graph, calls and the CPU."""
    found = []
    for case in CASES:
        for dtype in ("float32", "float64"):
            options = case | {"examples": examples, "data": data, "dtype": dtype, "steps": 2 * steps, "width": width}
            recorder, what = graphs(device), f"{case['activation']} {case['loss']} {dtype} n={examples}"
            (replayed, theta), (called, other) = (run(trainer(device, of, **options), steps) for of in (recorder, None))
            if not all(torch.equal(a, b) for a, b in zip(theta, other, strict=True)):
                found.append(f"{what}: graph and calls do not give the same parameters")
            notices = {event.message for record in replayed for event in record.events if event.kind == "notice"}
            found += [f"{what}: {notice}" for notice in notices]
            for a, b in zip(replayed, called, strict=True):
                found += [f"{what}, graph and calls: {line}" for line in differences(a, b, {}, 1e-12)]
            if dtype == "float64":
                for a, b in zip(replayed, run(trainer("cpu", None, **options), steps)[0], strict=True):
                    for lines in (
                        differences(a, b, ITERATED | LOOSE, DEFAULT),
                        differences(b, a, ITERATED | LOOSE, DEFAULT),
                    ):
                        found += [f"{what}, {device} and cpu: {line}" for line in lines]
            count = recorder.replays if recorder is not None else 0
            print(f"{what}: {count} replays in {steps} rows, {len(found)} disagreements so far", flush=True)
    return found


@contextlib.contextmanager
def waits_for_device() -> Generator[list[str]]:
    """Note where the host waits for the device: what torch sees, and waiting for all of it, which torch does not."""
    places: list[str] = []
    root = Path(__file__).parents[1]

    def note(filename: str, line: int) -> None:
        path = Path(filename)
        places.append(f"{path.relative_to(root) if path.is_relative_to(root) else '/'.join(path.parts[-3:])}:{line}")

    def noting(original: Callable[..., Any]) -> Callable[..., Any]:
        def waiting(*args: Any, **kwargs: Any) -> Any:
            caller = sys._getframe(1)
            note(caller.f_code.co_filename, caller.f_lineno)
            return original(*args, **kwargs)

        return waiting

    torch.cuda.set_sync_debug_mode("warn")
    try:
        with (
            warnings.catch_warnings(record=True) as caught,
            mock.patch.object(torch.cuda, "synchronize", noting(torch.cuda.synchronize)),
        ):
            warnings.simplefilter("always")
            yield places
    finally:
        torch.cuda.set_sync_debug_mode("default")
    for each in caught:
        if "synchronizing CUDA operation" in str(each.message):
            note(each.filename, each.lineno)


def cost(device: str, measure: str, examples: int, rows: int, data: str, width: int) -> dict[str, Any]:
    """Milliseconds of warm rows, their parts, and where the host waits."""
    recorder = graphs(device)
    running = trainer(device, recorder, measure=measure, examples=examples, steps=10**6, data=data, width=width)
    began = time.perf_counter()
    records, seconds = [running.observe()], []
    first = time.perf_counter() - began
    for row in range(_COLD_ROWS + rows):
        began = time.perf_counter()
        running.advance()
        record = running.observe()
        if row >= _COLD_ROWS:
            seconds.append(time.perf_counter() - began)
            records.append(record)
    parts = {
        part: 1e3 * statistics.median(record.values[part] for record in records[1:])
        for part in PARTS
        if all(part in record.values for record in records)
    }
    found: dict[str, Any] = {"ms": 1e3 * statistics.median(seconds), "slowest_ms": 1e3 * max(seconds), **parts}
    found |= {"first_row_ms": 1e3 * first}
    if recorder is not None:
        found |= {"programs": recorder.recorded, "replays": recorder.replays, "rows": _COLD_ROWS + rows + 1}
        with waits_for_device() if device != "cpu" else contextlib.nullcontext([]) as places:
            running.advance()
            running.observe()
        found |= {"waits": len(places), "where": dict(Counter(places).most_common())}
    return found


def initialisation(device: str, data: str, width: int, depth: int) -> dict[str, float]:
    """Seconds to draw and to measure a network at initialisation, the second time."""
    found = {}
    for _ in range(2):
        began = time.perf_counter()
        one = trainer(device, None, measure="core", width=width, depth=depth, examples=1000, data=data)
        drawn = time.perf_counter()
        one.observe()
        found = {"drawn_seconds": drawn - began, "measured_seconds": time.perf_counter() - drawn}
    return found


def first_row_seconds(device: str, data: str) -> float:
    """Seconds of a whole ``wnt-tui run`` of no step, 500 wide, 9 layers, measuring everything."""
    with tempfile.TemporaryDirectory() as folder:
        command = [
            sys.executable,
            "-c",
            "from wnt_tui.cli import main; main()",
            "run",
            "--device",
            device,
            "--data",
            data,
        ]
        command += ["--steps", "0", "--session", f"{folder}/first.wnt"]
        began = time.perf_counter()
        subprocess.run(command, check=True, capture_output=True)
        return time.perf_counter() - began


def main() -> None:
    """Compare, time, print, and write down."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--examples", type=int, nargs="+", default=[100, 250, 500, 1000])
    parser.add_argument("--width", type=int, default=500)
    parser.add_argument("--data", default="auto", help="as for wnt-tui")
    parser.add_argument("--steps", type=int, default=12, help="rows that are compared")
    parser.add_argument("--timed", type=int, default=40, help="rows that are timed")
    parser.add_argument("--quick", action="store_true", help="few rows, up to 250 examples")
    parser.add_argument("--json", type=Path, help="where to write the numbers")
    arguments = parser.parse_args()
    if arguments.device != "cpu" and not torch.cuda.is_available():
        raise SystemExit("There is no CUDA device that torch can use here: nothing was measured.")
    if arguments.quick:
        arguments.examples, arguments.steps, arguments.timed = [n for n in arguments.examples if n <= 250], 8, 15
    device, data, width = arguments.device, arguments.data, arguments.width
    name = torch.cuda.get_device_name() if device != "cpu" else platform.processor()
    print(f"{name}, torch {torch.__version__}, {width} wide, 9 layers", flush=True)
    results: dict[str, Any] = {"device": name, "torch": torch.__version__, "python": platform.python_version()}
    if device != "cpu":
        print("\n".join(f"  {name}: {words}" for name, words in operations(device).items()), flush=True)
    with torch_alone() if device == "cpu" else contextlib.nullcontext():
        found = agreement(device, min(arguments.examples), arguments.steps, data, width)
    results["disagreements"] = found
    print("everything agrees" if not found else f"{len(found)} disagreements:\n" + "\n".join(found[:40]), flush=True)
    for n in arguments.examples:
        results[str(n)] = {}
        for measure in ("none", "core", "all"):
            results[str(n)][measure] = of = cost(device, measure, n, arguments.timed, data, width)
            goal = GOALS[measure].get(n)
            parts = ", ".join(f"{part.removesuffix('_seconds')} {of[part]:.2f}" for part in PARTS if part in of)
            print(f"n = {n:4} {measure:4}: {of['ms']:7.2f} ms a row, goal {goal if goal else '–'}; {parts}; slowest"
                  f" {of['slowest_ms']:.1f}, first {of['first_row_ms']:.0f}; {of.get('programs', 0)} programs,"
                  f" {of.get('replays', 0)} replays in {of.get('rows', 0)} rows; {of.get('waits', 0)} waits"
                  f" {of.get('where', '')}", flush=True)  # fmt: skip
    if not arguments.quick and device != "cpu":
        results["initialisation"] = of = initialisation(device, data, 5000, 30)
        print(f"30 layers, 5000 wide, n = 1000: drawn in {of['drawn_seconds']:.1f} s, measured in"
              f" {of['measured_seconds']:.2f} s, goal 1", flush=True)  # fmt: skip
    results["first_row_seconds"] = seconds = first_row_seconds(device, data)
    print(f"wnt-tui run --steps 0, the whole command: {seconds:.1f} s, goal 5 to the first row")
    if arguments.json:
        arguments.json.write_text(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()

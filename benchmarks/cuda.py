"""Whether a GPU gives the numbers that the CPU gives, what measuring costs there, and how often the host waits for it.

``python -m benchmarks.cuda`` on a machine with a CUDA device: trains the same run on both, compares every metric of
every row with a tolerance that float32 training explains, and prints for every measurement set what a step and its
measurements cost, and in how many places of a row the host waits for the device.
"""

from __future__ import annotations

import argparse
import json
import math
import platform
import statistics
import warnings
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import torch

from engine import RunConfig, Trainer
from engine.record import StepRecord

# Relative, in float32 after a few steps; followed extremes have tolerances of their own.
TOLERANCE = {"ntk_lambda_min": 0.5, "ntk_log10_cond": 0.2, "smoothness_hessian": 0.1, "smoothness_ggn": 0.1}
DEFAULT = 1e-2
PARTS = ("step_seconds", "measure_seconds", "layers_seconds", "curvature_seconds", "kernel_seconds")
_COLD_ROWS = 5


def trainer(device: str, measure: str, examples: int, steps: int, data: str) -> Trainer:
    config = RunConfig(device=device, measure=measure, examples=examples, steps=steps, data=data)  # type: ignore[arg-type]
    return Trainer(config)


def differences(here: StepRecord, there: StepRecord) -> list[str]:
    """Metrics that differ by more than float32 explains."""
    found = []
    for name, value in here.values.items():
        if name.endswith("seconds") or "residual" in name or "resolution" in name:
            continue
        other = there.values.get(name, math.nan)
        if not math.isclose(value, other, rel_tol=TOLERANCE.get(name, DEFAULT), abs_tol=1e-6):
            found.append(f"step {here.step}: {name} is {value:.6g} on the CPU and {other:.6g} on the GPU")
    for name in ("lambda_min", "lambda_max", "gersh_row_sum", "weight_norm"):
        if not np.allclose(here.layers[name], there.layers[name], rtol=5e-2, equal_nan=True):
            found.append(f"step {here.step}: {name} differs by layer: {here.layers[name]} {there.layers[name]}")
    return found


def waits(running: Trainer) -> Counter[str]:
    """Where the host waited for the device in one warm row and its update, as torch sees it."""
    torch.cuda.set_sync_debug_mode("warn")
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            running.observe()
            running.advance()
    finally:
        torch.cuda.set_sync_debug_mode("default")
    root = Path(__file__).parents[1]
    return Counter(
        f"{Path(each.filename).relative_to(root) if Path(each.filename).is_relative_to(root) else each.filename}"
        f":{each.lineno}"
        for each in caught
        if "synchroniz" in str(each.message)
    )


def cost(measure: str, examples: int, steps: int, data: str) -> dict[str, Any]:
    """Medians over the warm rows of a run on the GPU."""
    running, records = trainer("cuda", measure, examples, steps + _COLD_ROWS, data), []
    for _ in range(steps + _COLD_ROWS):
        records.append(running.observe())
        running.advance()
    places = waits(running)
    found: dict[str, Any] = {
        part: statistics.median(record.values[part] for record in records[_COLD_ROWS:])
        for part in PARTS
        if all(part in record.values for record in records)
    }
    return found | {"waits": sum(places.values()), "where": dict(places.most_common())}


def main() -> None:
    """Compare, time, print, and write down."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--examples", type=int, nargs="+", default=[100, 250, 500])
    parser.add_argument("--data", default="auto", help="as for wnt-tui")
    parser.add_argument("--steps", type=int, default=10, help="compared on both devices")
    parser.add_argument("--timed", type=int, default=30, help="timed on the GPU")
    parser.add_argument("--json", type=Path, help="where to write the numbers")
    arguments = parser.parse_args()
    if not torch.cuda.is_available():
        raise SystemExit("There is no CUDA device that torch can use here: nothing was measured.")
    device = torch.cuda.get_device_name()
    print(device)
    results: dict[str, Any] = {"device": device, "torch": torch.__version__, "python": platform.python_version()}
    for n in arguments.examples:
        pairs = zip(
            trainer("cpu", "all", n, arguments.steps, arguments.data).run(),
            trainer("cuda", "all", n, arguments.steps, arguments.data).run(),
            strict=True,
        )
        found = [line for here, there in pairs for line in differences(here, there)]
        print(f"n = {n}: {'agree' if not found else f'{len(found)} numbers differ'}")
        print("\n".join(found[:20]))
        costs = {measure: cost(measure, n, arguments.timed, arguments.data) for measure in ("none", "core", "all")}
        plain = costs["none"]["step_seconds"]
        for measure, of in costs.items():
            parts = ", ".join(f"{part} {1e3 * of[part]:.2f} ms" for part in PARTS if part in of)
            times = of.get("measure_seconds", 0.0) / plain
            print(
                f"n = {n}: {measure}: {parts}; measuring {times:.1f}× a step; the host waits {of['waits']} times a row"
            )
            print("    " + ", ".join(f"{place} ×{count}" for place, count in of["where"].items()))
        results[str(n)] = {"differences": found, **costs}
    if arguments.json:
        arguments.json.write_text(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()

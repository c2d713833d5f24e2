"""Whether a GPU gives the numbers that the CPU gives, what measuring costs there, and how often the host waits for it.

``python -m benchmarks.cuda`` on a machine with a CUDA device: trains the same run on both in float64, compares every
metric of every row, and prints for every measurement set what a step and its measurements cost in float32, and in how
many places of a row the host waits for the device.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import math
import platform
import statistics
import sys
import warnings
from collections import Counter
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import torch

from engine import RunConfig, Trainer
from engine.record import StepRecord

# Relative. What is iterated stops where it can afford to, and elsewhere on a GPU. Norms may be a hundredth loose, of
# differences of weights a twentieth; what follows from products of nine of them, or from what they leave of something
# else, is looser in proportion.
ITERATED = {"ntk_lambda_min": 0.5, "ntk_lambda_max": 0.1, "ntk_log10_cond": 0.2, "smoothness_hessian": 0.2}
ITERATED["smoothness_ggn"] = 0.1
LOOSE = {"weight_norm": 0.02, "weight_distance": 0.1, "lipschitz_bound": 0.2, "eq13_weights": 1.0, "eq13_op": 0.05}
LOOSE["eq13_features_op"] = 0.2
FOLLOWING = ("predicted_lemma1", "ratio_lemma1", "radius_bound", "generalization_bound_c", "smoothness_seg")
DEFAULT = 1e-5
PARTS = ("step_seconds", "measure_seconds", "layers_seconds", "curvature_seconds", "kernel_seconds")
_COLD_ROWS = 5


def trainer(device: str, measure: str, examples: int, steps: int, data: str, dtype: str = "float32") -> Trainer:
    options = {"device": device, "measure": measure, "examples": examples, "steps": steps, "data": data, "dtype": dtype}
    return Trainer(RunConfig(**options))  # type: ignore[arg-type]  # RunConfig checks what it is given


def differences(here: StepRecord, there: StepRecord) -> list[str]:
    """Metrics that differ by more than a tolerance."""
    found = []
    for name, value in [*here.values.items(), *here.layers.items()]:
        if name.endswith("seconds") or "residual" in name or "resolution" in name or name.startswith(FOLLOWING):
            continue
        other = there.values.get(name, math.nan) if name in here.values else there.layers[name]
        tolerance = (ITERATED | LOOSE).get(name, DEFAULT)
        if not np.allclose(value, other, rtol=tolerance, atol=1e-9 * (1 + np.nanmax(np.abs(value))), equal_nan=True):
            found.append(f"step {here.step}: {name} is {value} on the CPU and {other} on the GPU")
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


def cost(measure: str, examples: int, steps: int, data: str) -> dict[str, Any]:
    """Medians over the warm rows of a run on the GPU."""
    running, records = trainer("cuda", measure, examples, steps + _COLD_ROWS, data), []
    for _ in range(steps + _COLD_ROWS):
        records.append(running.observe())
        running.advance()
    with waits_for_device() as places:
        running.observe()
        running.advance()
    found: dict[str, Any] = {
        part: statistics.median(record.values[part] for record in records[_COLD_ROWS:])
        for part in PARTS
        if all(part in record.values for record in records)
    }
    return found | {"waits": len(places), "where": dict(Counter(places).most_common())}


def main() -> None:
    """Compare, time, print, and write down."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--examples", type=int, nargs="+", default=[100, 250, 500])
    parser.add_argument("--data", default="auto", help="as for wnt-tui")
    parser.add_argument("--steps", type=int, default=5, help="compared on both devices")
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
            trainer("cpu", "all", n, arguments.steps, arguments.data, "float64").run(),
            trainer("cuda", "all", n, arguments.steps, arguments.data, "float64").run(),
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

"""Whether a GPU gives the numbers that the CPU gives, and what measuring costs there.

``python -m benchmarks.cuda`` on a machine with a CUDA device: trains the same run on both, compares every metric of
every row with a tolerance that float32 training explains, and prints what a step and its measurements cost, with and
without each set. Nothing here has been run on a GPU by those who wrote it: this is the command that would tell.
"""

from __future__ import annotations

import argparse
import math
import statistics

import numpy as np
import torch

from engine import RunConfig, Trainer
from engine.record import StepRecord

# Relative, in float32 after a few steps; followed extremes have tolerances of their own.
TOLERANCE = {"ntk_lambda_min": 0.5, "ntk_log10_cond": 0.2, "smoothness_hessian": 0.1, "smoothness_ggn": 0.1}
DEFAULT = 1e-2


def rows(device: str, measure: str, examples: int, steps: int, data: str) -> list[StepRecord]:
    config = RunConfig(device=device, measure=measure, examples=examples, steps=steps, data=data)  # type: ignore[arg-type]
    return list(Trainer(config).run())


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
            found.append(f"step {here.step}: {name} differs by layer")
    return found


def main() -> None:
    """Compare, time, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--examples", type=int, nargs="+", default=[100, 250, 500])
    parser.add_argument("--data", default="auto", help="as for wnt-tui")
    parser.add_argument("--steps", type=int, default=10)
    arguments = parser.parse_args()
    if not torch.cuda.is_available():
        raise SystemExit("There is no CUDA device that torch can use here: nothing was measured.")
    print(torch.cuda.get_device_name())
    for n in arguments.examples:
        pairs = zip(
            rows("cpu", "all", n, arguments.steps, arguments.data),
            rows("cuda", "all", n, arguments.steps, arguments.data),
            strict=True,
        )
        found = [line for here, there in pairs for line in differences(here, there)]
        print(f"n = {n}: {'agree' if not found else f'{len(found)} numbers differ'}")
        print("\n".join(found[:20]))
        plain = statistics.median(r["step_seconds"] for r in rows("cuda", "none", n, 30, arguments.data)[5:])
        for measure in ("core", "all"):
            taken = statistics.median(r["measure_seconds"] for r in rows("cuda", measure, n, 30, arguments.data)[5:])
            print(
                f"n = {n}: {measure} {1e3 * taken:.2f} ms beside a step of {1e3 * plain:.2f} ms, {taken / plain:.1f}×"
            )


if __name__ == "__main__":
    main()

"""How long the screen takes to draw: nine charts of 51×13 cells with four series of 5,000 points each.

Run it with ``python benchmarks/redraw.py``. The design asks for at most 30 ms, and for a screen that costs a live
run only a few percent of a core.
"""

from __future__ import annotations

import statistics
import time

import numpy as np

from wnt_tui.charts.lines import LineChart, Series, draw_lines
from wnt_tui.charts.raster import DASHES
from wnt_tui.theme.themes import make_palette

CHARTS, SERIES, POINTS, REPEATS = 9, 4, 5_000, 30


def chart() -> LineChart:
    rng = np.random.default_rng(0)
    x = np.arange(POINTS, dtype=np.float64)
    walks = np.exp(0.05 * rng.standard_normal((SERIES, POINTS)).cumsum(axis=1))
    series = tuple(
        Series(f"series {i}", x, walk, i, dash) for i, (walk, dash) in enumerate(zip(walks, DASHES, strict=False))
    )
    return LineChart(series, 0, POINTS - 1, log=True, cursor=POINTS // 3)


def main() -> None:
    palette, drawn = make_palette(), chart()
    draw_lines(drawn, 51, 13, palette)
    # Processor time: on a machine that others use too, the clock on the wall measures them.
    times = []
    for _ in range(REPEATS):
        start = time.process_time()
        for _ in range(CHARTS):
            draw_lines(drawn, 51, 13, palette)
        times.append(1e3 * (time.process_time() - start))
    median = statistics.median(times)
    print(f"{CHARTS} charts, {SERIES} × {POINTS} points: median {median:.1f} ms, best {min(times):.1f} ms")


if __name__ == "__main__":
    main()

"""Printed plots of a session, by plotext: for logs and mail, where no app can run."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TextIO

import numpy as np
import plotext

from engine.catalogue.certainty import informative
from engine.session.reader import SessionReader

_SIZE = (100, 18)


def print_plots(session: Path, stream: TextIO) -> None:
    """Print the loss over steps and the log-conditioning by layer, at the first and the last measured step."""
    with SessionReader(session) as reader:
        steps, columns = reader.steps()
        drawn = [(name, columns[name]) for name in ("loss", "test_loss", "predicted_descent")]
        _start("loss (log₁₀)")
        for name, values in drawn:
            positive = np.isfinite(values) & (values > 0)
            if positive.any():
                plotext.plot(steps[positive].tolist(), np.log10(values[positive]).tolist(), label=name)
        _finish(stream)
        measured = steps[np.isfinite(columns["pl"])]
        _start("log₁₀κ(G) by layer")
        for step in sorted({int(s) for s in measured[[0, -1]]} if len(measured) else ()):
            layers = reader.layers_at(step)
            certain = informative("log10_cond", layers, reader.config().examples)
            points = [(m, float(v)) for m, v in enumerate(layers.get("log10_cond", ())) if math.isfinite(v)]
            least = ", ".join(str(m) for m, _ in points if not certain[m])
            if points:  # layers whose conditioning is only known to be at least what is drawn are named
                label = f"step {step}" + (f" (at least, at {least})" if least else "")
                plotext.plot(*map(list, zip(*points, strict=True)), label=label, marker="braille")
        _finish(stream)


def _start(title: str) -> None:
    plotext.clear_figure()
    plotext.plotsize(*_SIZE)
    plotext.theme("clear")
    plotext.title(title)


def _finish(stream: TextIO) -> None:
    stream.write(plotext.build() + "\n")

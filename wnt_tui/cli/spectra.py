"""``spectra``: have a running engine record whole spectra, and print those that a session has."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

from engine.catalogue.numerals import MISSING, significant
from engine.errors import SessionError
from engine.paths import shell_path
from wnt_tui.cli.control import WAIT_SECONDS
from wnt_tui.cli.group import SectionedCommand
from wnt_tui.cli.imports import import_numpy
from wnt_tui.cli.parameters import json_option, session_argument

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from engine.session.reader import SessionReader
    from engine.session.rows import StepSpectra

    Eigenvalues = NDArray[np.float64]

QUANTILES = (0.05, 0.5, 0.95)
HEADER = ("matrix", "layer", "order", "min", "5 %", "median", "95 %", "max")

_POLL_SECONDS = 0.05
_PLOT_SIZE = (100, 14)
_PLOT_BINS = 48


@click.command(cls=SectionedCommand)
@session_argument
@click.option(
    "--step", type=click.IntRange(min=0), metavar="K",
    help="Print the newest that are not later than step K; no engine is asked.",
)  # fmt: skip
@click.option("--plot", is_flag=True, help="Print a histogram of log₁₀ of the eigenvalues of each matrix too.")
@json_option
def spectra(session: Path, step: int | None, plot: bool, as_json: bool) -> int:
    """Have a running engine record the whole spectra of G and K at its next row, and print the newest.

    Those of step 0 and of the last row are recorded by themselves, others with --spectra-every K. Without an engine,
    those that are stored are printed.
    """
    import_numpy()
    from engine.session.liveness import engine_alive
    from engine.session.reader import SessionReader

    answer: dict[str, Any] | None = None
    with SessionReader(session) as reader:
        if step is None and engine_alive(session):
            answer = _recorded_anew(session, reader)
            if answer["state"] != "done":
                click.echo(json.dumps({"answer": answer}) if as_json else answer["reply"])
                return 1
        found = reader.spectra() if step is None else reader.spectra(step)
        if found is None and answer is None:
            _refuse(reader, step)
    if as_json:
        click.echo(json.dumps({"answer": answer, **_as_dict(found)}, ensure_ascii=False))
        return 0
    if answer is not None:
        click.echo(answer["reply"])
    if found is not None:
        click.echo(_as_text(found))
        click.echo(_plots(found) if plot else "", nl=False)
    return 0


def _recorded_anew(session: Path, reader: SessionReader) -> dict[str, Any]:
    """The engine's answer; a running engine has then recorded the row, unless that takes too long."""
    from wnt_tui.process.command_sender import ask

    before = reader.spectra_steps()
    outcome = ask(session, "spectra", sender="command line", timeout=WAIT_SECONDS)
    deadline = time.monotonic() + WAIT_SECONDS
    while outcome.done and time.monotonic() < deadline:
        # The state is read first: a row that an engine has recorded before it paused or ended is then seen.
        going_on = (engine := reader.engine()).alive and engine.state == "running"
        if reader.spectra_steps() != before or not going_on:
            break
        time.sleep(_POLL_SECONDS)
    return {"state": outcome.state, "step": outcome.step, "reply": outcome.sentence}


def _refuse(reader: SessionReader, step: int | None) -> NoReturn:
    """Say that there is nothing to print, and what there could be."""
    at = shell_path(reader.path)
    way_out = f"`wnt-tui resume {at} --steps N` goes on and records them at the last row."
    if reader.config().measure == "none":
        way_out = f"`wnt-tui branch {at} --step K --measure core` measures from a step on."
    elif steps := reader.spectra_steps():
        way_out = f"It has them at step {', '.join(map(str, steps[:10]))}."
    when = "" if step is None else f" at or before step {step}"
    raise SessionError(f"{reader.name} has no whole spectra{when}.", way_out)


def _summary(eigenvalues: Eigenvalues) -> dict[str, float | int]:
    """Order, extremes and quantiles of a spectrum; NaN where a quantile is none."""
    import numpy as np

    quantiles = np.quantile(eigenvalues, QUANTILES) if np.isfinite(eigenvalues).all() else [math.nan] * len(QUANTILES)
    return {
        "order": len(eigenvalues),
        "min": float(eigenvalues[0]),
        **{f"q{100 * share:.0f}": float(value) for share, value in zip(QUANTILES, quantiles, strict=True)},
        "max": float(eigenvalues[-1]),
    }


def _as_dict(found: StepSpectra | None) -> dict[str, Any]:
    if found is None:
        return {"step": None, "spectra": []}
    matrices = [
        {"name": name, "layer": layer, **_finite(_summary(eigenvalues)), "eigenvalues": _plain(eigenvalues.tolist())}
        for (name, layer), eigenvalues in found.spectra.items()
    ]
    return {"step": found.step, "spectra": matrices}


def _finite(summary: Mapping[str, float | int]) -> dict[str, float | int | None]:
    return {name: value if math.isfinite(value) else None for name, value in summary.items()}


def _plain(values: Sequence[float]) -> list[float | None]:
    return [value if math.isfinite(value) else None for value in values]


def _as_text(found: StepSpectra) -> str:
    rows: list[tuple[str, ...]] = [HEADER]
    for (name, layer), eigenvalues in found.spectra.items():
        order, *numbers = _summary(eigenvalues).values()
        cells = [MISSING if math.isnan(number) else significant(number, 4) for number in numbers]
        rows.append((name, "" if layer is None else str(layer), str(order), *cells))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ["  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)) for row in rows]
    return "\n".join([f"Eigenvalues at step {found.step}:", *lines])


def _plots(found: StepSpectra) -> str:
    import numpy as np
    import plotext

    plots = []
    for (name, layer), eigenvalues in found.spectra.items():
        positive = eigenvalues[(eigenvalues > 0.0) & np.isfinite(eigenvalues)]
        rest = len(eigenvalues) - len(positive)
        plotext.clear_figure()
        plotext.plotsize(*_PLOT_SIZE)
        plotext.theme("clear")
        beside = f", {rest} not positive" if rest else ""
        of = name if layer is None else f"{name} of layer {layer}"
        plotext.title(f"{of}: log₁₀ of {len(positive)} eigenvalues{beside}")
        if len(positive):
            counts, edges = np.histogram(np.log10(positive), _PLOT_BINS)
            plotext.bar(((edges[1:] + edges[:-1]) / 2).round(2).tolist(), counts.tolist())
        plots.append(plotext.build() + "\n")
    return "".join(plots)


COMMANDS: tuple[click.Command, ...] = (spectra,)

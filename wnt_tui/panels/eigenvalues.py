"""Panel 5: λ_min of the selected layer over training, above the five rungs of Eq. 13."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from textual.strip import Strip

from wnt_tui.charts.lines import LineChart, Series, draw_lines
from wnt_tui.charts.number_format import marked, written
from wnt_tui.charts.raster import Dash
from wnt_tui.panels.base import Panel, bound_of, kind_of, moment, why_empty
from wnt_tui.panels.overlay import MainLine
from wnt_tui.panels.words import rank_deficient, rank_words, unresolved_layers
from wnt_tui.session.snapshot import LayerBand, PanelView
from wnt_tui.theme.themes import Palette

# Metric, name in the legend, colour, dash; weakest first, so that the strongest is drawn on top.
_RUNGS: tuple[tuple[str, str, int, Dash], ...] = (
    ("eq13_weights", "ΔW", 5, "sparse"),
    ("eq13_features", "ΔF", 3, "dashdot"),
    ("eq13_features_op", "ΔF₂", 2, "dotted"),
    ("eq13_fro", "fro", 4, "long"),
    ("eq13_op", "op", 1, "dashed"),
)


class EigenvaluePanel(Panel):
    """λ_min(G) of one layer and its lower bounds against the step."""

    number = 5
    key = "5"
    title = "λmin and its bounds (Eq. 13)"
    metrics = ("lambda_min", "eq13_op", "eq13_fro", "eq13_features_op", "eq13_features", "eq13_weights")
    log_default = True
    about = (
        "Smallest eigenvalue of the selected layer's Gram matrix during training, and five lower bounds on "
        "it from how far the Gram matrix, the features or the weights have moved since step 0. op ≥ fro and"
        " ΔF₂ (spectral) ≥ ΔF (Frobenius) ≥ ΔW always; the two families cross. A bound at or below 0 says "
        "nothing: it is vacuous, and the panel says from which step. With more examples than neurons λmin is 0 "
        "whatever the weights, because the rank is at most the width: then there is nothing to bound."
    )

    def draw(self, view: PanelView, palette: Palette) -> list[Strip]:
        """Return the panel's strips."""
        bands = _bands(view)
        now = moment(view)

        def here(name: str) -> float | None:
            return now.value(name, view.layer) if now.step == view.cursor else None

        series, vacuous = [], []
        for name, label, color, dash in _RUNGS:
            line = band_series(bands[name], view.layer, label, color, dash, here(name))
            series.append(line)
            since = vacuous_since(line)
            if since is not None:
                vacuous.append((since, label))
        series.append(band_series(bands["lambda_min"], view.layer, "λmin", 0, here=here("lambda_min")))
        rank = rank_words(rank_deficient(view, now), view.layer)
        below = "" if rank or not unresolved_layers(now, view.layer + 1)[-1] else "λmin ≤ ρ: not resolved"
        notes = tuple((words, "warn") for words in (rank, below, vacuous_words(vacuous)) if words)
        message = why_empty(view, ("lambda_min",))
        if rank and view.log:
            message = "nothing above 0 for a logarithmic axis; l: linear"
        chart = LineChart(
            series=tuple(series),
            first=view.first,
            last=view.last,
            log=view.log,
            cursor=view.cursor,
            notes=notes,
            message=message,
        )
        return draw_lines(chart, view.width, view.height, palette)

    def compared(self, view: PanelView) -> list[MainLine]:
        """Return λ_min of the selected layer."""
        now = moment(view)
        here = now.value("lambda_min", view.layer) if now.step == view.cursor else float("nan")
        line = band_series(_bands(view)["lambda_min"], view.layer, f"λmin layer {view.layer}", 0, here=here)
        bound = bound_of(view, "lambda_min", now.at(view.layer)) if now.step == view.cursor else None
        return [MainLine(line, kind_of(view, "lambda_min"), bound=bound)]

    def subtitle_parts(self, view: PanelView) -> list[str]:
        """Return the values at the cursor."""
        now, layer = moment(view), view.layer
        if not now.values:
            return []
        rank = rank_words(rank_deficient(view, now), layer)
        examples = view.snapshot.config.examples
        # Without the mark of an estimate: its resolution says how good it is.
        shown = written("lambda_min", "λmin", now.at(layer), "exact", examples=examples, digits=4)
        parts = [f"layer {layer}: {'λmin 0' if rank else shown}", rank]
        for name, label, _, _ in reversed(_RUNGS):
            value = now.value(name, layer)
            parts.append(f"{label} vacuous" if value <= 0 else marked(label, value, kind_of(view, name), 3))
        return parts


def _bands(view: PanelView) -> Mapping[str, LayerBand]:
    """Return all lines' values at the selected layer."""
    names = ("lambda_min", *(name for name, *_ in _RUNGS))
    return view.snapshot.layers.bands(names, view.first, view.last, max(2 * view.width, 2), view.layer)


def band_series(
    band: LayerBand, layer: int, label: str, color: int, dash: Dash = "solid", here: float | None = None
) -> Series:
    """One layer of a reduced metric as a series that touches both extremes of every block.

    Args:
        band: Blocks of steps.
        layer: The layer.
        label: Name in the legend.
        color: Its number in the palette.
        dash: Its dash.
        here: The exact value at the cursor, if it is known.

    Returns:
        The series; blocks without a finite value are left out, as ``--every`` leaves them.
    """
    if not 0 <= layer < band.low.shape[1]:
        return Series(label, np.empty(0), np.empty(0), color, dash)
    known = np.isfinite(band.low[:, layer]) & np.isfinite(band.high[:, layer])
    low, high = band.low[known, layer], band.high[known, layer]
    # Both extremes of a block at its first step: the rasteriser draws the stretch between them. A falling line
    # meets the higher one first, so that a bound that sinks below 0 inside a block is drawn down to there.
    falls = np.diff(high, prepend=high[:1]) < 0
    x = np.repeat(band.first[known].astype(np.float64), 2)
    y = np.column_stack([np.where(falls, high, low), np.where(falls, low, high)]).ravel()
    return Series(label, x, y, color, dash, here=here)


def vacuous_since(line: Series) -> float | None:
    """The step from which a lower bound on a positive number has been vacuous, up to the end of the window.

    Args:
        line: The bound.

    Returns:
        The step, −∞ if it is vacuous in the whole window, or None if it still says something at the end.
    """
    useful = np.flatnonzero(line.y > 0)
    if not line.x.size or (useful.size and useful[-1] == line.x.size - 1):
        return None
    return float(line.x[useful[-1] + 1]) if useful.size else -np.inf


def vacuous_words(vacuous: list[tuple[float, str]]) -> str:
    """Which bounds are vacuous from which step on: ``vacuous: ΔW; from: fro 1, op 3``.

    Args:
        vacuous: Step and name of each, as :func:`vacuous_since` tells it.

    Returns:
        The words; empty if there are none.
    """
    groups: dict[float, list[str]] = {}
    for since, label in sorted(vacuous, key=lambda pair: pair[0]):
        groups.setdefault(since, []).append(label)
    if len(vacuous) == len(_RUNGS) and len(groups) == 1:
        since = vacuous[0][0]
        return "all vacuous here" if since == -np.inf else f"all vacuous from step {since:g}"
    throughout = "/".join(groups.pop(-np.inf, []))
    later = ", ".join(f"{'/'.join(names)} {since:g}" for since, names in groups.items())
    if throughout and later:
        return f"vacuous: {throughout}; from: {later}"
    return f"vacuous: {throughout}" if throughout else f"vacuous from: {later}" if later else ""

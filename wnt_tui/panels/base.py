"""What a panel is, and what all share: picking series out of a snapshot and saying why there are none."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from rich.text import Text
from textual.strip import Strip

from engine.catalogue import LAYER_METRICS, Kind, kind_in_run, metric
from engine.catalogue.certainty import UNCERTAINTIES, Sign, certain, resolved, sign_of
from engine.config import RunConfig
from wnt_tui.charts.lines import Reference, Series
from wnt_tui.charts.number_format import written
from wnt_tui.charts.raster import Dash
from wnt_tui.panels.overlay import Axis, MainLine, compared_parts, draw_compared
from wnt_tui.panels.reduction import STRETCHES_A_CELL, derived, reduced, window
from wnt_tui.session.snapshot import PanelView, Snapshot
from wnt_tui.theme.glyphs import UNICODE, Glyphs
from wnt_tui.theme.themes import Palette

Array = NDArray[np.float64]

_SETS = ("none", "core", "all")


class Panel(ABC):
    """One panel of the dashboard: a pure object, no state.

    Attributes:
        number: 1 … 9, its place on the dashboard.
        key: The key that jumps to it.
        title: What stands in its border.
        metrics: Catalogue names of what it shows.
        inequalities: Names of the ledger's inequalities that it shows.
        log_default: Whether its axis starts out logarithmic.
        paired: Whether it shows predictions, which depend on the chosen estimator of L.
        about: How to read it, the opening of its help.
        axis: What its horizontal axis counts where sessions are compared.
        references: Horizontal lines that are drawn then too.
    """

    number: ClassVar[int]
    key: ClassVar[str]
    title: ClassVar[str]
    metrics: ClassVar[tuple[str, ...]]
    inequalities: ClassVar[tuple[str, ...]] = ()
    log_default: ClassVar[bool] = False
    paired: ClassVar[bool] = False
    about: ClassVar[str] = ""
    axis: ClassVar[Axis] = "step"
    references: ClassVar[tuple[Reference, ...]] = ()

    @abstractmethod
    def draw(self, view: PanelView, palette: Palette) -> list[Strip]:
        """Draw the inside of the panel.

        Args:
            view: What to draw and how large.
            palette: Styles and glyphs.

        Returns:
            ``view.height`` strips, each ``view.width`` cells wide.
        """

    def compared(self, view: PanelView) -> Sequence[MainLine]:
        """The lines of one session that matter most, to be drawn beside those of others.

        Args:
            view: One session's view.

        Returns:
            The lines, the most important first; at most two are drawn.
        """
        return ()

    def draw_compared(self, view: PanelView, palette: Palette) -> list[Strip]:
        """Draw the inside of the panel for several sessions.

        Args:
            view: What to draw and how large.
            palette: Styles and glyphs.

        Returns:
            ``view.height`` strips, each ``view.width`` cells wide.
        """
        message = why_empty(view, self.metrics[:1])
        return draw_compared(self.compared, view, palette, axis=self.axis, references=self.references, message=message)

    def picture(self, view: PanelView, palette: Palette) -> list[Strip]:
        """Return the inside of the panel, for one session or several; the arguments are those of :meth:`draw`."""
        return self.draw_compared(view, palette) if view.others else self.draw(view, palette)

    def compared_parts(self, view: PanelView) -> list[str]:
        """Exact values of all sessions at the cursor; the argument is that of :meth:`subtitle_parts`."""
        return compared_parts(self.compared, view, axis=self.axis)

    @abstractmethod
    def subtitle_parts(self, view: PanelView) -> list[str]:
        """Exact values at the cursor with marks of their kind, the most important first.

        Args:
            view: What is shown.

        Returns:
            Short texts; as many as fit are shown.
        """

    def subtitle(self, view: PanelView, glyphs: Glyphs = UNICODE) -> str:
        """The line in the lower border.

        Args:
            view: What is shown.
            glyphs: The characters there are.

        Returns:
            Values at the cursor, no wider than the panel allows; empty before the first row.
        """
        if view.snapshot.rows == 0:
            return ""
        room = max(view.width - 4, 0)
        text = ""
        for part in self.compared_parts(view) if view.others else self.subtitle_parts(view):
            longer = glyphs.text(part if not text else f"{text} · {part}")
            if part and len(longer) <= room:
                text = longer
        return text

    def help(self, config: RunConfig | None = None) -> Text:
        """The panel's help in the theory's words.

        Args:
            config: The run, which decides which statements are theorems; None for the general case.

        Returns:
            Text made from ``about``, the catalogue and the ledger.
        """
        from wnt_tui.panels.help_text import panel_help

        return panel_help(f"{self.number} {self.title}", self.about, self.metrics + self.inequalities, config)


@dataclass(frozen=True, slots=True)
class Moment:
    """The layers' values that a panel shows for the cursor.

    Attributes:
        step: Their step, the newest measured one at or before the cursor; −1 if there is none.
        values: Layer metrics by name; empty if there is none.
        remark: Says so if ``step`` is not the cursor's step; may be empty.
    """

    step: int
    values: Mapping[str, Array]
    remark: str

    def layer_values(self, name: str, depth: int) -> Array:
        """A metric of the layers 0 … depth − 1.

        Args:
            name: Catalogue name.
            depth: Number of Gram matrices.

        Returns:
            Shape (depth,), NaN where not computed.
        """
        out = np.full(depth, np.nan)
        values = self.values.get(name)
        if values is not None:
            part = np.asarray(values, dtype=np.float64)[:depth]
            out[: part.size] = part
        return out

    def value(self, name: str, layer: int) -> float:
        """A metric at one layer.

        Args:
            name: Catalogue name.
            layer: The layer.

        Returns:
            The value, NaN if it was not computed.
        """
        values = self.values.get(name)
        if values is None or not 0 <= layer < len(values):
            return float("nan")
        return float(values[layer])

    def at(self, layer: int) -> dict[str, float]:
        """All metrics at one layer.

        Args:
            layer: The layer.

        Returns:
            The values by name.
        """
        return {name: self.value(name, layer) for name in self.values}


def moment(view: PanelView) -> Moment:
    """The layers at the cursor, or at the newest measured step before it, which is then said.

    Args:
        view: What is shown.

    Returns:
        The values and their step.
    """
    # A snapshot is all that is known; layers that come later come with another one.
    return derived(view.snapshot, ("moment", view.cursor), lambda: _moment(view))


def _moment(view: PanelView) -> Moment:
    snapshot = view.snapshot
    index = snapshot.index_of(view.cursor)
    if index < 0:
        return Moment(-1, {}, "")
    step = int(snapshot.step[index])
    every = snapshot.config.every
    # A branch measures its first row, whatever its step.
    candidates = dict.fromkeys(
        (step, _measured_before(snapshot, index), max(step - step % every, int(snapshot.step[0])))
    )
    for candidate in candidates:
        values = snapshot.layers.at(candidate)
        if any(np.isfinite(array).any() for name, array in values.items() if name not in _FIXED):
            remark = "" if candidate == view.cursor else f"at step {candidate}"
            return Moment(candidate, values, remark)
    return Moment(step, {}, "")


def _measured_before(snapshot: Snapshot, index: int) -> int:
    """The newest step up to a row whose layers were measured, under a budget too."""
    if "layers_seconds" not in snapshot.columns:
        return int(snapshot.step[index])
    seconds = snapshot.column("layers_seconds")
    made = derived(seconds, "made", lambda: np.flatnonzero(np.isfinite(seconds)))
    before = int(np.searchsorted(made, index, side="right"))
    return int(snapshot.step[made[before - 1] if before else index])


def first_moment(view: PanelView) -> Moment:
    """The layers at the run's first row, which also holds what is fixed over a run.

    Args:
        view: What is shown.

    Returns:
        The values and their step: 0, or where a branch begins.
    """
    step = int(view.snapshot.step[0]) if view.snapshot.rows else 0
    return Moment(step, view.snapshot.layers.at(step), "")


_FIXED = frozenset(entry.name for entry in LAYER_METRICS if entry.scope == "initial")


def step_series(
    view: PanelView, name: str, label: str, color: int, dash: Dash = "solid", *, optional: bool = False
) -> Series:
    """A step metric as a series, without the rows that ``--every`` leaves out.

    A row that should have been measured and has no value stays in and is a gap; one that was never to be
    measured must not break the line.

    Args:
        view: What is shown.
        name: Catalogue name.
        label: Name in the legend.
        color: Its number in the palette.
        dash: Its dash.
        optional: Whether the axis need not reach it.

    Returns:
        The series, with the rows of the window and a neighbour on either side; of many rows whole stretches.
    """
    snapshot, rows = view.snapshot, rows_in_view(view)
    column = _drawn(snapshot, name)
    points_x, points_y = _points(snapshot, slice(0, snapshot.rows), column)
    x, y = np.empty(0), np.empty(0)
    if rows.start < rows.stop:
        low, high = (float(snapshot.step[row]) for row in (rows.start, rows.stop - 1))
        x, y = window(column, points_x, points_y, low, high, STRETCHES_A_CELL * max(view.width, 1))
    index = snapshot.index_of(view.cursor)
    known = index >= 0 and int(snapshot.step[index]) == view.cursor
    here = _here(rows, x, float(column[index]) if known else float("nan"))
    return Series(label, x, y, color, dash, optional=optional, here=here)


def _drawn(snapshot: Snapshot, name: str) -> Array:
    """A step metric, NaN where not even its sign is certain: a line of rounding errors would look like a finding."""
    column = snapshot.column(name)
    if name not in UNCERTAINTIES or sign_of(name) != "±":
        return column

    def known() -> Array:
        return np.where(resolved(name, snapshot.columns, snapshot.config.examples), column, np.nan)

    return derived(column, ("resolved", name), known)


def rows_in_view(view: PanelView) -> slice:
    """Rows of the window and one measured neighbour beyond either edge, which lets a line run to it.

    Args:
        view: What is shown.

    Returns:
        A slice of the snapshot's rows, both ends given.
    """
    snapshot = view.snapshot
    every = snapshot.config.every
    low = max(int(np.searchsorted(snapshot.step, view.first)) - every, 0)
    high = int(np.searchsorted(snapshot.step, view.last, side="right")) + every
    return slice(low, min(high, snapshot.rows))


def row_series(
    view: PanelView,
    rows: slice,
    values: Array,
    label: str,
    color: int,
    dash: Dash = "solid",
    *,
    optional: bool = False,
) -> Series:
    """Values of rows as a series, without the rows that ``--every`` leaves out; see :func:`step_series`.

    Args:
        view: What is shown.
        rows: The snapshot's rows that they belong to.
        values: One a row.
        label: Name in the legend.
        color: Its number in the palette.
        dash: Its dash.
        optional: Whether the axis need not reach it.

    Returns:
        The series.
    """
    x, y = reduced(*_points(view.snapshot, rows, values), STRETCHES_A_CELL * max(view.width, 1))
    index = view.snapshot.index_of(view.cursor) - rows.start
    known = 0 <= index < values.size and int(view.snapshot.step[rows][index]) == view.cursor
    here = _here(rows, x, float(values[index]) if known else float("nan"))
    return Series(label, x, y, color, dash, optional=optional, here=here)


def _points(snapshot: Snapshot, rows: slice, values: Array) -> tuple[Array, Array]:
    """Return the points of a series: rows that were to be measured."""
    steps, every = snapshot.step, snapshot.config.every
    # All series of a session share these.
    x = derived(steps, "abscissas", lambda: steps.astype(np.float64))[rows]
    if every > 1:
        finite = np.isfinite(values)
        # What is not there was to be there at a measured row, or, if it is about a transition, right after it.
        keep = finite | ((steps[rows] % every == 0) & ~np.append(finite[1:], False))
        return x[keep], values[keep]
    return x, values


def _here(rows: slice, x: Array, value: float) -> float | None:
    """Return the value at the cursor where the series was reduced and may not hold it any more."""
    return value if x.size < rows.stop - rows.start else None


def kind_of(view: PanelView, name: str) -> Kind:
    """How a metric is to be read in this run.

    Args:
        view: What is shown.
        name: Catalogue name.

    Returns:
        Its kind.
    """
    config = view.snapshot.config
    return kind_in_run(metric(name), activation=config.activation, loss=config.loss)


def at_cursor(view: PanelView, name: str, symbol: str, digits: int = 4) -> str:
    """A step metric at the cursor with the mark of its kind, ``L 12.6 est``, or of what is certain, ``L ≥ 12.6``.

    Args:
        view: What is shown.
        name: Catalogue name.
        symbol: What stands before the number.
        digits: Significant digits.

    Returns:
        The text; empty for a metric that this run does not measure.
    """
    if _SETS.index(view.snapshot.config.measure) < _SETS.index(metric(name).measured_in):
        return ""
    snapshot = view.snapshot
    values, kind = snapshot.values_at(view.cursor), kind_of(view, name)
    return written(name, symbol, values, kind, examples=snapshot.config.examples, digits=digits)


def bound_of(view: PanelView, name: str, values: Mapping[str, float]) -> tuple[Sign, float] | None:
    """What is certain of a metric that is not resolved, for :class:`MainLine`.

    Args:
        view: What is shown.
        name: Catalogue name.
        values: Metrics of the same row, and layer if it has one.

    Returns:
        A sign and the number behind it; None where the value is resolved or not known.
    """
    examples = view.snapshot.config.examples
    if sign_of(name) == "±" or np.isnan(values.get(name, np.nan)) or resolved(name, values, examples):
        return None
    return sign_of(name), float(certain(name, values, examples))


def why_empty(view: PanelView, metrics: tuple[str, ...]) -> str:
    """Why a panel has nothing to draw, and what would change that.

    Args:
        view: What is shown.
        metrics: Catalogue names the panel wanted.

    Returns:
        A sentence.
    """
    snapshot = view.snapshot
    needed = min((metric(name).measured_in for name in metrics), key=_SETS.index)
    if _SETS.index(snapshot.config.measure) < _SETS.index(needed):
        return f"not measured: --measure {needed}"
    if snapshot.rows == 0:
        return _why_no_rows(view)
    if view.last < int(snapshot.step[0]) or view.first > snapshot.last_step:
        return f"no rows in steps {view.first}–{view.last}; the newest is {snapshot.last_step}"
    if view.cursor < int(snapshot.step[0]):
        return f"the first row is step {int(snapshot.step[0])}"
    every = snapshot.config.every
    if every > 1:
        return f"no finite values here (measured at every {every}th step)"
    return "no finite values here"


def _why_no_rows(view: PanelView) -> str:
    engine = view.snapshot.engine
    if engine.state == "starting":
        return "no data yet — the engine is starting"
    if engine.state == "running":
        return "no data yet — step 0 is being measured"
    if engine.state == "paused":
        return "no data yet — the engine is paused before step 0"
    reason = f": {engine.message}" if engine.message else ""
    return f"no data — the engine {_ENDS.get(engine.state, engine.state)} before step 0{reason}"


_ENDS = {
    "failed": "failed",
    "died": "died",
    "stopped": "was stopped",
    "finished": "ended",
    "diverged": "diverged",
}


def resolution_limit(examples: int) -> float:
    """The largest log₁₀κ that float64 can tell: at λ_min ≤ ρ = max(n, 16)·eps·λ_max it is only a lower bound.

    Args:
        examples: n.

    Returns:
        log₁₀(λ_max/ρ), less a rounding error.
    """
    return float(-np.log10(max(examples, 16) * np.finfo(np.float64).eps)) - 1e-6


def diverged_note(view: PanelView) -> tuple[tuple[str, str], ...]:
    """A note for a run that diverged inside the window.

    Args:
        view: What is shown.

    Returns:
        No note, or one.
    """
    for event in view.snapshot.events:
        if event.kind == "diverged" and view.first <= event.step <= view.last:
            return ((f"diverged at step {event.step}", "bad"),)
    return ()

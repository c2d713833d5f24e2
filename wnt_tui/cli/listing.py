"""Summaries of sessions as ``status`` and ``ls`` print them."""

from __future__ import annotations

import math
import time
from pathlib import Path

import click

from engine.paths import shown_path
from wnt_tui.session.summary import Summary, as_typed
from wnt_tui.theme.wording import duration, rate

LONGEST_ALIGNED = 60
"""Characters up to which a column of a listing is as wide as its longest cell."""

STATE_COLOURS = {
    "running": "green", "paused": "yellow", "starting": "yellow", "finished": "cyan",
    "diverged": "red", "failed": "red", "died": "red", "unreadable": "red",
}  # fmt: skip


def as_text(summary: Summary) -> str:
    """A session's state over two or three lines."""
    parts = [summary.words, summary.progress]
    if math.isfinite(summary.loss):
        parts.append(f"loss {summary.loss:.4g}")
    if summary.alive and summary.state == "running" and math.isfinite(summary.speed):
        left = (summary.planned - summary.step) / summary.speed
        parts += [rate(summary.speed), *([f"{duration(left)} left"] if left > 0 else [])]
    lines = [f"{click.style(shown_path(summary.path.stem), bold=True)}  {_run(summary)}", "  " + " · ".join(parts)]
    return "\n".join([*lines, *([f"  {summary.message}"] if summary.message else [])])


def as_table(summaries: list[Summary]) -> str:
    """A line a session, in aligned columns: name, state, progress, loss, run, when it was written last."""
    rows = [
        (
            as_typed(summary.path),
            summary.words,
            "" if summary.state == "unreadable" else summary.progress,
            f"{summary.loss:.4g}" if math.isfinite(summary.loss) else "",
            summary.message if summary.state == "unreadable" else _run(summary),
        )
        for summary in summaries
    ]
    # One very long name moves its own line only.
    widths = [min(max(len(row[column]) for row in rows), LONGEST_ALIGNED) for column in range(4)]
    lines = []
    for summary, row in zip(summaries, rows, strict=True):
        cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=False)]
        cells[0] = click.style(cells[0], bold=True)
        cells[1] = click.style(cells[1], fg=_colour(summary))
        lines.append("  ".join([*cells, row[4], _written(summary.path)]).rstrip())
    return "\n".join(lines)


def _colour(summary: Summary) -> str | None:
    return "red" if summary.state == "running" and summary.hindrance else STATE_COLOURS.get(summary.state)


def _run(summary: Summary) -> str:
    return f"{summary.run}, {summary.branch}" if summary.branch else summary.run


def _written(path: Path) -> str:
    try:
        return time.strftime("%Y-%m-%d %H:%M", time.localtime(path.stat().st_mtime))
    except OSError:
        return ""

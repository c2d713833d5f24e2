"""Panel 9: which inequalities hold at the cursor, what measuring costs, and what happened."""

from __future__ import annotations

import math

from rich.style import Style
from textual.strip import Strip

from engine.breakpoints import breakpoints_set
from engine.catalogue.numerals import significant
from engine.record import Event
from engine.theory.ledger import LEDGER
from wnt_tui.charts.canvas import Canvas
from wnt_tui.charts.number_format import seconds
from wnt_tui.panels.checks import FAILING, Check, Verdict, checked_step, checks
from wnt_tui.panels.ledger_compared import differences, draw_ledger
from wnt_tui.panels.overlay import sessions_of
from wnt_tui.panels.panel import Panel
from wnt_tui.panels.words import why_empty
from wnt_tui.session.snapshot import PanelView
from wnt_tui.theme.themes import Palette

_MARKS: dict[Verdict, tuple[str, str, str]] = {
    "holds": ("✓", "+", "good"),
    "vacuous": ("○", "o", "warn"),
    "exceeded": ("!", "!", "warn"),
    "missed": ("≈", "~", "warn"),
    "violated": ("✗", "X", "bad"),
}
_EVENT_ROLES = {
    "violation": "bad", "diverged": "bad", "failed": "bad", "blocked": "warn", "lr": "warn", "notice": "warn",
    "stopped": "warn", "break": "bad", "mark": "cursor_label",
}  # fmt: skip
_NAME_WIDTH = 11


class LedgerPanel(Panel):
    """Inequalities, cost and events."""

    key = "9"
    title = "ledger · cost · events"
    metrics = (
        "smoothness_segment", "lipschitz_bound", "sample_grad_norm_max", "grad_norm", "distance_init", "radius_bound",
        "ntk_lambda_min", "ntk_lambda_max", "pntk_lambda_min", "pntk_lambda_max", "step_seconds", "measure_seconds",
    )  # fmt: skip
    inequalities = tuple(LEDGER)
    about = (
        "Every inequality of the ledger whose terms exist at the cursor, a line a group, with its numbers: ✓ holds, ○ "
        "holds but says nothing, ✗ a theorem is violated (a bug of this program), ! an assumption fails (a finding "
        "about the network), ≈ an estimate missed: it is off towards the side that breaks a theorem. The layer is the "
        "selected one, or the worst that fails. Each side is widened by what residuals and rounding leave uncertain; "
        "≈ between two numbers says that they differ by no more than that. Below: the cost of measuring beside the "
        "step's own, the breakpoints "
        "that are set (B) with the step at which they were hit last, and what happened up to the cursor, newest first."
    )

    def draw(self, view: PanelView, palette: Palette) -> list[Strip]:
        """The inequalities, the cost and the events of one session; of several what is different about them."""
        if view.others:
            return draw_ledger(view, palette)
        canvas = Canvas(view.width, view.height, palette)
        snapshot = view.snapshot
        found = checks(view)
        earlier = [event for event in snapshot.events if event.step <= view.cursor]
        if snapshot.rows == 0 and not earlier:
            canvas.message(why_empty(view, "loss"), palette.dim)
            return canvas.to_strips()
        remarks = {"cost": cost_words(view), "breakpoints": breakpoint_words(view)}
        remarks = {name: words for name, words in remarks.items() if words}
        # What is left by remarks and the newest events; violations come first and are never cut.
        room = max(view.height - len(remarks) - min(len(earlier) + 1, 4), 1)
        row = 0
        if not found and snapshot.rows:
            canvas.put(0, row, palette.glyphs.cut(_why_no_checks(view), view.width), palette.dim)
            row += 1
        cut = len(found) > room > 1
        for check in found[: room - cut]:
            _draw_check(canvas, row, check)
            row += 1
        if cut:
            canvas.put(2, row, palette.glyphs.cut(_rest(found[room - 1 :]), max(view.width - 2, 0)), palette.dim)
            row += 1
        for name, words in remarks.items():
            if row < view.height:
                canvas.put(2, row, name, palette.dim)
                column = max(2 + _NAME_WIDTH, 3 + len(name))
                canvas.put(column, row, palette.glyphs.cut(words, view.width - column), palette.text)
                row += 1
        _draw_events(canvas, row, earlier, len(snapshot.events) - len(earlier))
        return canvas.to_strips()

    def values_compared(self, view: PanelView) -> list[str]:
        """The number of options in which the sessions differ."""
        count = len(differences([one.snapshot for one in sessions_of(view)]))
        return [f"{count} option{'s' * (count != 1)} differ{'s' * (count == 1)}" if count else "same options"]

    def values(self, view: PanelView) -> list[str]:
        """How many checks fail, hold and are vacuous."""
        found = checks(view)
        violated = sum(check.verdict == "violated" for check in found)
        recorded = sum(event.kind == "violation" for event in view.snapshot.events)
        vacuous = sum(check.verdict == "vacuous" for check in found)
        exceeded = sum(check.verdict == "exceeded" for check in found)
        missed = sum(check.verdict == "missed" for check in found)
        parts = [f"{violated} violated" if violated else ""]
        parts.append(f"{exceeded} assumption{'s' * (exceeded > 1)} fail{'s' * (exceeded == 1)}" if exceeded else "")
        parts.append(f"{missed} estimate{'s' * (missed > 1)} missed" if missed else "")
        holding = sum(check.verdict == "holds" for check in found)
        parts.append(f"{holding} check{'s' * (holding != 1)} hold{'s' * (holding == 1)}" if holding else "")
        step = checked_step(view)
        parts.append(f"of step {step}" if found and step != view.cursor else "")
        parts.append(f"{vacuous} say{'s' * (vacuous == 1)} nothing" if vacuous else "")
        parts.append(f"{recorded} violation{'s' * (recorded > 1)} recorded" if recorded else "")
        return parts


_TASKS = {"layers_seconds": "layers", "curvature_seconds": "Hessian", "kernel_seconds": "NTK"}


def cost_words(view: PanelView) -> str:
    """What the step at the cursor and its measurements cost.

    As in ``×2.6 · measuring 31 ms · step 12.1 ms (layers 9.4 ms, Hessian 12 ms, NTK 8.1 ms)``; what a budget
    left out at this row is not named.

    Args:
        view: What is shown.

    Returns:
        The words; empty if neither was recorded.
    """
    step = view.snapshot.value("step_seconds", view.cursor)
    measuring = view.snapshot.value("measure_seconds", view.cursor)
    parts = []
    if step > 0 and math.isfinite(measuring):
        parts.append(f"×{significant(measuring / step, 2)}")
    if math.isfinite(measuring):
        parts.append(f"measuring {seconds(measuring)}")
    if math.isfinite(step):
        parts.append(f"step {seconds(step)}")
    tasks = [(word, view.snapshot.value(name, view.cursor)) for name, word in _TASKS.items()]
    detail = ", ".join(f"{word} {seconds(value)}" for word, value in tasks if math.isfinite(value))
    return " · ".join(parts) + (f" ({detail})" if detail else "")


def breakpoint_words(view: PanelView) -> str:
    """Which breakpoints are set up to the cursor and where they were hit last: ``pl < 1 (step 12), diverging``.

    Args:
        view: What is shown.

    Returns:
        The words; empty if none is set.
    """
    earlier = [event for event in view.snapshot.events if event.step <= view.cursor]
    found = breakpoints_set(view.snapshot.config.breakpoints, earlier)
    return ", ".join(f"{point.text} (step {point.hits[-1]})" if point.hits else point.text for point in found)


def _draw_check(canvas: Canvas, row: int, check: Check) -> None:
    palette, glyphs = canvas.palette, canvas.palette.glyphs
    mark, plain, role = _MARKS[check.verdict]
    style: Style = getattr(palette, role)
    canvas.put(0, row, mark if glyphs.unicode else plain, style)
    loud = check.verdict in FAILING
    canvas.put(2, row, glyphs.cut(check.name, _NAME_WIDTH - 1), style if loud else palette.label)
    text = glyphs.cut(check.text, max(canvas.width - 2 - _NAME_WIDTH, 0))
    canvas.put(2 + _NAME_WIDTH, row, text, style if loud else palette.text)


def _draw_events(canvas: Canvas, row: int, earlier: list[Event], later: int) -> None:
    palette, glyphs = canvas.palette, canvas.palette.glyphs
    if row >= canvas.height:
        return
    canvas.put(0, row, glyphs.axis_h * canvas.width, palette.axis)
    canvas.put(2, row, f" events{f' · {later} later' if later else ''} ", palette.dim)
    if not earlier and row + 1 < canvas.height:
        canvas.put(2, row + 1, "none so far", palette.dim)
    # Newest first; among events of one step the later one first.
    for event in reversed(earlier):
        row += 1
        if row >= canvas.height:
            return
        role = _EVENT_ROLES.get(event.kind, "label")
        style: Style = getattr(palette, role)
        canvas.put_right(6, row, str(event.step), palette.label)
        canvas.put(7, row, event.kind, style)
        column = 7 + max(len(event.kind), 8) + 1
        where = "" if event.layer is None else f"layer {event.layer}: "
        message = glyphs.cut(where + event.message, max(canvas.width - column, 0))
        canvas.put(column, row, message, palette.text if role != "bad" else style)


def _rest(found: list[Check]) -> str:
    failing = sum(check.verdict in FAILING for check in found)
    silent = sum(check.verdict == "vacuous" for check in found)
    holding = len(found) - failing - silent
    counts = [f"{failing} fail{'s' * (failing == 1)}"] * bool(failing)
    counts += [f"{holding} hold{'s' * (holding == 1)}"] * bool(holding)
    counts += [f"{silent} say{'s' * (silent == 1)} nothing"] * bool(silent)
    return f"… {len(found)} more: {', '.join(counts)}"


def _why_no_checks(view: PanelView) -> str:
    if view.snapshot.config.measure == "none":
        return "no bounds to check: --measure core"
    return "no bounds to check at this step"

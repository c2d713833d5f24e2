"""Panel 9: which inequalities hold at the cursor, what measuring costs, and what happened."""

from __future__ import annotations

import math

from rich.style import Style
from textual.strip import Strip

from engine.breakpoints import active_breakpoints
from engine.catalogue.numerals import significant
from engine.record import Event
from engine.theory.ledger import LEDGER
from wnt_tui.charts.canvas import Canvas
from wnt_tui.charts.number_format import seconds
from wnt_tui.panels.checks import FAILING, Check, Verdict, checked_step, checks, counted
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
    "undecided": ("?", "?", "warn"),
    "violated": ("✗", "X", "bad"),
}
_EVENT_ROLES = {
    "violation": "bad", "diverged": "bad", "failed": "bad", "blocked": "warn", "lr": "warn", "notice": "warn",
    "stopped": "warn", "break": "bad", "mark": "cursor_label",
}  # fmt: skip
_TASKS = {"layers_seconds": "layers", "curvature_seconds": "Hessian", "kernel_seconds": "NTK"}
_NAME_WIDTH = 16


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
        "Every inequality of the ledger whose terms exist at the cursor, a line a group, with its numbers: ✓ holds, "
        "○ vacuous (it holds but says nothing), ✗ a theorem is violated (a bug of this program), ! an assumption "
        "fails (a finding about the network), ? undecided: the intervals in which its two sides lie overlap. The layer "
        "is the selected one, or the worst that fails. ≈ between two numbers says that they differ by no more than "
        "rounding. Below: the cost "
        "of measuring beside the step's own, the breakpoints that are set (B) with the step at which they were hit "
        "last, and what happened up to the cursor, newest first."
    )

    def draw(self, view: PanelView, palette: Palette) -> list[Strip]:
        """The inequalities, the cost and the events of one session; of several what is different about them."""
        if view.others:
            return draw_ledger(view, palette)
        canvas = Canvas(view.width, view.height, palette)
        snapshot, found = view.snapshot, checks(view)
        earlier = _events_up_to_cursor(view)
        if snapshot.rows == 0 and not earlier:
            canvas.message(why_empty(view, "loss"), palette.dim)
            return canvas.to_strips()
        remarks = [("cost", cost_words(view)), ("breakpoints", breakpoint_words(view))]
        remarks = [(name, words) for name, words in remarks if words]
        # What is left by remarks and the newest events; violations come first and are never cut.
        room = max(view.height - len(remarks) - min(len(earlier) + 1, 4), 1)
        cut = len(found) > room > 1
        row = 0
        for row, check in enumerate(found[: room - cut], start=1):
            _draw_check(canvas, row - 1, check)
        remark = f"… {len(found) - row} more: {', '.join(counted(found[row:]))}" if cut else ""
        if not found and snapshot.rows:
            measured = snapshot.config.measure != "none"
            remark = "no bounds to check at this step" if measured else "no bounds to check: --measure core"
        if remark:
            indent = 2 * bool(found)
            canvas.put(indent, row, palette.glyphs.cut(remark, max(view.width - indent, 0)), palette.dim)
            row += 1
        column = 4 + max((len(name) for name, _ in remarks), default=0)
        for place, (name, words) in enumerate(remarks, start=row):
            canvas.put(2, place, name, palette.dim)
            canvas.put(column, place, palette.glyphs.cut(words, view.width - column), palette.text)
        _draw_events(canvas, row + len(remarks), earlier, len(snapshot.events) - len(earlier))
        return canvas.to_strips()

    def values(self, view: PanelView) -> list[str]:
        """Counts of checks that fail, are undecided, hold and are vacuous."""
        found, step = checks(view), checked_step(view)
        elsewhere = sum(check.undecided > 0 for check in found)
        recorded = sum(event.kind == "violation" for event in view.snapshot.events)
        return [
            *counted(found),
            f"{elsewhere} undecided at other layers" if elsewhere else "",
            f"of step {step}" if found and step != view.cursor else "",
            f"{recorded} violation{'s' * (recorded > 1)} recorded" if recorded else "",
        ]

    def values_compared(self, view: PanelView) -> list[str]:
        """The number of options in which the sessions differ."""
        count = len(differences([one.snapshot for one in sessions_of(view)]))
        return [f"{count} option{'s' * (count != 1)} differ{'s' * (count == 1)}" if count else "same options"]


def cost_words(view: PanelView) -> str:
    """The cost at the cursor: ``×2.6 · measuring 31 ms · step 12.1 ms (layers 9.4 ms, Hessian 12 ms, NTK 8.1 ms)``."""
    value = view.snapshot.value
    step, measuring = value("step_seconds", view.cursor), value("measure_seconds", view.cursor)
    parts = [
        f"×{significant(measuring / step, 2)}" if step > 0 and math.isfinite(measuring) else "",
        f"measuring {seconds(measuring)}" if math.isfinite(measuring) else "",
        f"step {seconds(step)}" if math.isfinite(step) else "",
    ]
    tasks = [(word, value(name, view.cursor)) for name, word in _TASKS.items()]
    detail = ", ".join(f"{word} {seconds(spent)}" for word, spent in tasks if math.isfinite(spent))
    return " · ".join(filter(None, parts)) + (f" ({detail})" if detail else "")


def breakpoint_words(view: PanelView) -> str:
    """The breakpoints set up to the cursor and where they were hit last: ``pl < 1 (step 12), diverging``."""
    found = active_breakpoints(view.snapshot.config.breakpoints, _events_up_to_cursor(view))
    return ", ".join(f"{point.text} (step {point.hits[-1]})" if point.hits else point.text for point in found)


def _events_up_to_cursor(view: PanelView) -> list[Event]:
    return [event for event in view.snapshot.events if event.step <= view.cursor]


def _draw_check(canvas: Canvas, row: int, check: Check) -> None:
    palette, glyphs = canvas.palette, canvas.palette.glyphs
    mark, plain, role = _MARKS[check.verdict]
    style: Style = getattr(palette, role)
    loud = check.verdict in FAILING
    canvas.put(0, row, mark if glyphs.unicode else plain, style)
    canvas.put(2, row, glyphs.cut(check.name, _NAME_WIDTH - 1), style if loud else palette.label)
    text = glyphs.cut(check.text, max(canvas.width - 2 - _NAME_WIDTH, 0))
    canvas.put(2 + _NAME_WIDTH, row, text, style if loud else palette.text)


def _draw_events(canvas: Canvas, row: int, earlier: list[Event], later: int) -> None:
    palette, glyphs = canvas.palette, canvas.palette.glyphs
    canvas.put(0, row, glyphs.axis_h * canvas.width, palette.axis)
    canvas.put(2, row, f" events{f' · {later} later' if later else ''} ", palette.dim)
    if not earlier:
        canvas.put(2, row + 1, "none so far", palette.dim)
    # Newest first; among events of one step the later one first.
    for place, event in enumerate(reversed(earlier[-canvas.height :]), start=row + 1):
        role = _EVENT_ROLES.get(event.kind, "label")
        style: Style = getattr(palette, role)
        canvas.put_right(6, place, str(event.step), palette.label)
        canvas.put(7, place, event.kind, style)
        column = 7 + max(len(event.kind), 8) + 1
        where = "" if event.layer is None else f"layer {event.layer}: "
        message = glyphs.cut(where + event.message, max(canvas.width - column, 0))
        canvas.put(column, place, message, palette.text if role != "bad" else style)

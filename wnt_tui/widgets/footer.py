"""The footer: keys, and for a few seconds a notice, such as the engine's answer."""

from __future__ import annotations

from typing import Literal

from rich.style import Style
from rich.text import Text
from textual.reactive import reactive
from textual.timer import Timer

from wnt_tui.widgets.line import ROOMY, Line

NOTICE_SECONDS = 6.0

Severity = Literal["information", "warning", "error"]

_SIGNS: dict[Severity, tuple[str, str]] = {
    "information": ("›", "strong"),
    "warning": ("▲", "warn"),
    "error": ("✖", "bad"),
}


class Footer(Line):
    """One line of keys; a notice takes its place until it has been read or a key is pressed."""

    keys: reactive[tuple[tuple[str, str], ...]] = reactive(())
    """Key and label, the most important first."""
    notice: reactive[str] = reactive("")
    severity: reactive[Severity] = reactive[Severity]("information")
    _timer: Timer | None = None

    def say(self, sentence: str, severity: Severity = "information", *, lasting: bool = False) -> None:
        """Show a notice in place of the keys.

        Args:
            sentence: The notice; empty brings the keys back.
            severity: Its sign and colour.
            lasting: Whether it stays until the next one.
        """
        if self._timer is not None:
            self._timer.stop()
            self._timer = None
        self.severity = severity
        self.notice = sentence
        if sentence and not lasting and self.is_attached:
            self._timer = self.set_timer(NOTICE_SECONDS, lambda: self.say(""))

    def render(self) -> Text:
        """The notice, or as many keys as fit."""
        if self.notice:
            sign, role = _SIGNS[self.severity]
            return self.fitted(self.styled(f"{sign} {self.notice}", role))
        width = self.content_size.width
        gap = "   " if width >= ROOMY else "  "
        parts: list[tuple[str, Style]] = []
        for shown, label in self.keys:
            more = [*parts, self.styled(shown, "cursor_label"), self.styled(f" {label}{gap}", "label")]
            if sum(len(text) for text, _ in more) - len(gap) <= width:
                parts = more
        return self.fitted(*parts)

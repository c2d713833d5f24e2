"""The footer: keys, and for a few seconds what the engine has answered."""

from __future__ import annotations

from rich.text import Text
from textual.reactive import reactive
from textual.timer import Timer

from wnt_tui.keys import footer_keys
from wnt_tui.widgets.line import Line

NOTICE_SECONDS = 6.0
ROOMY = 120

SEVERITIES: dict[str, tuple[str, str, str]] = {
    "information": ("›", ">", "strong"),
    "warning": ("▲", "!", "warn"),
    "error": ("✖", "X", "bad"),
}


class Footer(Line):
    """One line of keys; a notice takes its place until it has been read or a key is pressed."""

    has_engine: reactive[bool] = reactive(False)
    paused: reactive[bool] = reactive(False)
    notice: reactive[str] = reactive("")
    severity: reactive[str] = reactive("information")
    _timer: Timer | None = None

    def say(self, sentence: str, *, severity: str = "information", lasting: bool = False) -> None:
        """Show a sentence in place of the keys.

        Args:
            sentence: What to say; empty brings the keys back.
            severity: ``information``, ``warning`` or ``error``.
            lasting: Whether it stays until the next one.
        """
        if self._timer is not None:
            self._timer.stop()
            self._timer = None
        self.severity = severity
        self.notice = sentence
        if sentence and not lasting:
            self._timer = self.set_timer(NOTICE_SECONDS, lambda: self.say(""))

    def render(self) -> Text:
        """Return the notice, or as many keys as fit, in the order of their ranks."""
        if self.notice:
            sign, stand_in, role = SEVERITIES[self.severity]
            return self.fitted(self.styled(f"{self.sign(sign, stand_in)} {self.notice}", role))
        width = self.content_size.width
        gap = "   " if width >= ROOMY else "  "
        parts = []
        used = 0
        for entry in footer_keys(has_engine=self.has_engine):
            label = "resume" if entry.action == "toggle_running" and self.paused else entry.label
            key = self.styled(entry.shown, "cursor_label")
            text = self.styled(f" {label}{gap}", "label")
            cost = len(key[0]) + len(text[0])
            if used + cost - len(gap) <= width:
                used += cost
                parts += [key, text]
        return self.fitted(*parts)

"""Type-ahead: keys that arrive faster than they are answered, over a slow link a dozen in one packet."""

from __future__ import annotations

import time
from collections import deque
from typing import Any, TypeVar

from textual import events
from textual.app import App

Result = TypeVar("Result")

LONGEST_WAIT = 1.0
"""Seconds: what holds a widget up for longer must not keep the keyboard."""


class TypeAhead(App[Result]):
    """An app in which every key is for what the keys before it have opened or closed.

    Textual hands all keys of a packet to the widget that has the focus when they arrive: five times enter would answer
    a dialog five times, and digits after the key that asks for a number would not reach its field. Here a key waits
    until the widget that got the one before it has handled that, and until a screen that it has opened is there.
    Bindings with priority are carried out at once.
    """

    def __init__(self, **given: Any) -> None:
        super().__init__(**given)
        self._typed: deque[events.Key | events.Paste] = deque()
        self._held_since: float | None = None
        self._left = False

    def exit(self, *given: Any, **named: Any) -> None:
        """End the app, as Textual's ``exit`` does; what is typed after that is for nothing in it."""
        self._left = True
        self._typed.clear()
        super().exit(*given, **named)

    async def on_event(self, event: events.Event) -> None:
        """Take keys in their order; everything else as it comes."""
        if self._left and isinstance(event, events.InputEvent):
            return
        if isinstance(event, events.Key | events.Paste) and not event.is_forwarded:
            self._typed.append(event)
            if self._held_since is None or time.monotonic() - self._held_since > LONGEST_WAIT:
                await self._next_key()
        else:
            await super().on_event(event)

    async def _next_key(self) -> None:
        self._held_since = None
        if not self._typed or not self.screen_stack:
            return
        event, before = self._typed.popleft(), self.screen
        receiver = self.focused or before
        await super().on_event(event)
        self._held_since = time.monotonic()
        opened = self.screen_stack[-1] if self.screen_stack else before
        busy = opened if opened is not before else receiver if event.is_forwarded else self
        # The callback's place is behind the key, or behind the opening of the screen; none where that is closing.
        if not busy.call_later(self.call_later, self._next_key):
            self.call_later(self._next_key)

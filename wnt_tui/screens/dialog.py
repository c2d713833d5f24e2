"""Dialogs: screens over the dashboard until they are answered."""

from __future__ import annotations

from typing import ClassVar, TypeVar

from textual.await_complete import AwaitComplete
from textual.binding import Binding, BindingType
from textual.command import CommandPalette
from textual.screen import ModalScreen, Screen
from textual.widgets import OptionList

Answer = TypeVar("Answer")


def dialog_key(keys: str, action: str) -> Binding:
    """Bind keys of a dialog, with priority: the next key already finds what this one has done."""
    return Binding(keys, action, show=False, priority=True)


def dismiss_once(screen: Screen[Answer], result: Answer | None) -> AwaitComplete:
    """Dismiss a screen, however often enter is pressed: the screen beneath would go with it."""
    return Screen.dismiss(screen, result) if screen.is_current else AwaitComplete()


class Dialog(ModalScreen[Answer]):
    """A screen over the dashboard."""

    BINDINGS: ClassVar[list[BindingType]] = [dialog_key("escape,ctrl+c", "dismiss")]

    def dismiss(self, result: Answer | None = None) -> AwaitComplete:
        """Answer and go; nothing if that has happened."""
        return dismiss_once(self, result)


class Commands(CommandPalette):
    """The command palette."""

    def dismiss(self, result: None = None) -> AwaitComplete:
        """Go; nothing if that has happened."""
        return dismiss_once(self, result)


class ListDialog(Dialog[Answer]):
    """A dialog with one list, which has the keyboard."""

    BINDINGS: ClassVar[list[BindingType]] = [
        dialog_key("up", "list('cursor_up')"),
        dialog_key("down", "list('cursor_down')"),
        dialog_key("home", "list('first')"),
        dialog_key("end", "list('last')"),
        dialog_key("pageup", "list('page_up')"),
        dialog_key("pagedown", "list('page_down')"),
        dialog_key("enter", "choose"),
    ]

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Whether an action may happen: the list's only while it has the keyboard."""
        return action not in {"list", "choose"} or any(found.has_focus for found in self.query(OptionList))

    def action_list(self, name: str) -> None:
        """Move in the list."""
        getattr(self.query_one(OptionList), f"action_{name}")()

    def action_choose(self) -> None:
        """Answer with the highlighted entry."""
        place = self.query_one(OptionList).highlighted
        if place is not None:
            self.chosen(place)

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        """Answer with the entry that was clicked."""
        self.chosen(event.option_index)

    def chosen(self, place: int) -> None:
        """Answer with an entry of the list."""
        raise NotImplementedError

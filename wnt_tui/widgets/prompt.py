"""The prompt: one question in the footer's place, confirmed with enter, cancelled with escape."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, Generic, TypeVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.message import Message
from textual.widgets import Input, Label

from wnt_tui.widgets.footer import Footer

HINT = "enter: confirm · esc: cancel"
MAX_STEPS = 10**9

Answer = TypeVar("Answer")


@dataclass(frozen=True, slots=True)
class Question(Generic[Answer]):
    """A question and what becomes of its answer."""

    text: str
    parse: Callable[[str], Answer]  # turns the text into the answer; raises ValueError with a sentence
    answered: Callable[[Answer], object]  # called with the answer
    hint: str = HINT  # shown beside the field at first
    width: int = 16  # columns of the field; 0 is all the room there is


class Prompt(Horizontal):
    """An inline prompt in the place of the footer; hidden while nothing is asked."""

    class Closed(Message):
        """The question was answered or cancelled."""

    DEFAULT_CSS = """
    Prompt { height: 1; padding: 0 1; background: $panel; display: none; }
    Prompt Label { width: auto; text-style: bold; }
    Prompt #remark { color: $text-muted; margin-left: 2; }
    Prompt #remark.-wrong { color: $error; text-style: bold; }
    Prompt Input { width: 16; background: $surface; padding: 0; border: none; height: 1; }
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "answer", show=False, priority=True),
        Binding("escape", "close", show=False, priority=True),
    ]

    def __init__(self, footer: Footer) -> None:
        super().__init__(id="prompt")
        self._footer = footer
        self._question: Question[Any] | None = None

    def compose(self) -> ComposeResult:
        """Yield question, field, and what is wrong with the answer."""
        yield Label(id="question")
        # `compact` alone keeps a highlight border in some themes; the style sheet above removes it.
        yield Input(id="answer", compact=True, select_on_focus=False)
        yield Label(HINT, id="remark", markup=False)

    @property
    def active(self) -> bool:
        """Whether a question is being asked."""
        return self._question is not None

    def ask(self, question: Question[Any]) -> None:
        """Show a question and take the keyboard."""
        self._question = question
        self._footer.say("")
        self._footer.display, self.display = False, True
        self.query_one("#question", Label).update(f"{question.text}: ")
        self._remark(question.hint)
        field = self.query_one(Input)
        field.value = ""
        field.styles.width = question.width or "1fr"
        self.take_keyboard()

    def take_keyboard(self) -> None:
        """Give the field the keyboard, at once: the next key is for it already."""
        self.screen.set_focus(self.query_one(Input))

    def _remark(self, text: str, *, wrong: bool = False) -> None:
        remark = self.query_one("#remark", Label)
        remark.update(text)
        remark.set_class(wrong, "-wrong")

    def action_close(self) -> None:
        """Hide and give the keyboard back."""
        self._question = None
        self._footer.display, self.display = True, False
        self.screen.set_focus(None)
        self.post_message(self.Closed())

    def action_answer(self) -> None:
        """Take the answer, or say what is wrong with it and go on asking."""
        question = self._question
        if question is None:
            return
        try:
            answer = question.parse(self.query_one(Input).value.strip())
        except ValueError as error:
            self._remark(str(error), wrong=True)
            return
        self.action_close()
        question.answered(answer)


def whole_number(text: str) -> int:
    """A whole number; raises ValueError with a sentence where there is none."""
    try:
        return int(text.replace("_", ""))
    except ValueError:
        raise ValueError(f"{text!r} is no whole number." if text else "Type a whole number.") from None


def count_of_steps(text: str) -> int:
    """A number of steps to train; raises ValueError with a sentence where there is none."""
    count = whole_number(text)
    if not 1 <= count <= MAX_STEPS:
        raise ValueError(f"At least 1 and at most {MAX_STEPS:,} steps.")
    return count


def learning_rate(text: str) -> float:
    """A learning rate, positive and finite; raises ValueError with a sentence where there is none."""
    try:
        rate = float(text)
    except ValueError:
        raise ValueError(f"{text!r} is no number." if text else "Type a number.") from None
    if not 0.0 < rate < float("inf"):
        raise ValueError("It must be positive and finite.")
    return rate

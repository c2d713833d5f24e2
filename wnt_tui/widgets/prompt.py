"""The prompt: one question in the footer's place, answered with enter, dropped with escape."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from textual.app import ComposeResult
from textual.containers import Horizontal
from textual.widgets import Input, Label

HINT = "enter: do it · esc: drop it"
MAX_STEPS = 10**9


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked.

    Attributes:
        name: For the asker to tell answers apart.
        text: The question.
        parse: Turns the text into the answer; raises ValueError with a sentence.
        hint: What is said beside the field at first.
        width: Columns of the field; 0 is all the room there is.
    """

    name: str
    text: str
    parse: Callable[[str], Any]
    hint: str = HINT
    width: int = 16


class Prompt(Horizontal):
    """An inline prompt; hidden while nothing is asked."""

    DEFAULT_CSS = """
    Prompt { height: 1; padding: 0 1; background: $panel; display: none; }
    Prompt Label { width: auto; text-style: bold; }
    Prompt #remark { color: $text-muted; margin-left: 2; }
    Prompt #remark.-wrong { color: $error; text-style: bold; }
    Prompt Input { width: 16; background: $surface; padding: 0; border: none; height: 1; }
    """

    question: Question | None = None

    def compose(self) -> ComposeResult:
        """Yield question, field, and what is wrong with the answer."""
        yield Label(id="question")
        # `compact` alone keeps a highlight border in some themes; the style sheet above removes it.
        yield Input(id="answer", compact=True, select_on_focus=False)
        yield Label(HINT, id="remark", markup=False)

    @property
    def active(self) -> bool:
        """Whether a question is being asked."""
        return self.question is not None

    def ask(self, question: Question, initial: str = "") -> None:
        """Show a question and take the keyboard.

        Args:
            question: The question.
            initial: What the field says at first.
        """
        self.question = question
        self.query_one("#question", Label).update(f"{question.text}: ")
        self._remark(question.hint)
        field = self.query_one(Input)
        field.value = initial
        field.styles.width = question.width or "1fr"
        self.display = True
        self.take_keyboard()

    def take_keyboard(self) -> None:
        """Give the field the keyboard, at once: the next key is for it already."""
        self.screen.set_focus(self.query_one(Input))

    def _remark(self, text: str, *, wrong: bool = False) -> None:
        remark = self.query_one("#remark", Label)
        remark.update(text)
        remark.set_class(wrong, "-wrong")

    def close(self) -> None:
        """Hide and give the keyboard back."""
        self.question = None
        self.display = False
        self.screen.set_focus(None)

    def take(self) -> tuple[Question, Any] | None:
        """Take what was typed.

        Returns:
            The question and its answer, and the prompt has gone; None if the answer is wrong, which is said, or nothing
            was asked.
        """
        question = self.question
        if question is None:
            return None
        try:
            answer = question.parse(self.query_one(Input).value.strip())
        except ValueError as error:
            self._remark(str(error), wrong=True)
            return None
        self.close()
        return question, answer


def whole_number(text: str) -> int:
    """A whole number of steps.

    Args:
        text: What was typed.

    Returns:
        The number.

    Raises:
        ValueError: It is none; the sentence says so.
    """
    try:
        return int(text.replace("_", ""))
    except ValueError:
        raise ValueError(f"{text!r} is no whole number." if text else "Type a whole number.") from None


def count_of_steps(text: str) -> int:
    """A number of steps to train, at least one.

    Args:
        text: What was typed.

    Returns:
        The number.

    Raises:
        ValueError: It is not such a number; the sentence says why.
    """
    count = whole_number(text)
    if not 1 <= count <= MAX_STEPS:
        raise ValueError(f"At least 1 and at most {MAX_STEPS:,} steps.")
    return count


def learning_rate(text: str) -> float:
    """A learning rate, positive and finite.

    Args:
        text: What was typed.

    Returns:
        The rate.

    Raises:
        ValueError: It is not such a number; the sentence says why.
    """
    try:
        rate = float(text)
    except ValueError:
        raise ValueError(f"{text!r} is no number." if text else "Type a number.") from None
    if not 0.0 < rate < float("inf"):
        raise ValueError("It must be positive and finite.")
    return rate

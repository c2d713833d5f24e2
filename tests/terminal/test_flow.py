"""Flow control towards a terminal, on a clock and a link of the test's own."""

import math
import re
from collections import deque

import pytest

from wnt_tui.terminal.flow import Link

MOST_UNANSWERED = 24 * 1024
"""Bytes: what a slow link of 8,000 a second takes within three seconds."""

ASKED = re.compile(r"\x1b\[(\d+);(\d+)H\x1b\[6n")


class Wire:
    """A link and a terminal behind it; time passes at the call of the test."""

    def __init__(self, rate: float, latency: float) -> None:
        self.now = 100.0
        self.rate, self.latency = rate, latency
        self.link = Link(lambda: self.now)
        self.most = 0
        self._free = 0.0
        self._answers: deque[tuple[float, int, int]] = deque()

    def write(self, count: int) -> None:
        self.link.wrote(count)
        found = ASKED.search(self.link.question())
        assert found is not None
        self._free = max(self._free, self.now) + count / self.rate
        self._answers.append((self._free + 2 * self.latency, int(found[1]), int(found[2])))
        self.most = max(self.most, self.link.unanswered)

    def stream(self, seconds: float, tick: float = 0.01) -> int:
        """Write all there is room for; how many bytes."""
        written, end = 0, self.now + seconds
        while self.now < end:
            self.now += tick
            self.answer()
            while room := self.link.room():
                written += (count := min(room, self.link.part))
                self.write(count)
        return written

    def answer(self) -> None:
        while self._answers and self._answers[0][0] <= self.now:
            self.link.answered(*self._answers.popleft()[1:])


@pytest.mark.parametrize("latency", [0.01, 0.1, 0.4])
@pytest.mark.parametrize("rate", [2_000, 8_000, 32_000, 150_000])
def test_a_slow_link_is_used_and_nothing_waits_much_longer_than_a_second_in_it(rate: float, latency: float) -> None:
    wire = Wire(rate, latency)
    wire.write(100)
    wire.stream(20)
    assert wire.most <= MOST_UNANSWERED
    written = wire.stream(20)
    assert written >= 0.3 * 20 * min(rate, MOST_UNANSWERED / (2 * latency))
    assert wire.link.unanswered / rate <= 1.0 + 2 * latency + 2048 / rate
    assert not wire.link.fast


def test_over_a_link_that_takes_a_picture_at_once_pictures_go_whole() -> None:
    wire = Wire(20e6, 0.001)
    wire.write(100)
    wire.stream(0.2)
    assert wire.link.fast
    wire.now += 0.1
    wire.answer()
    assert wire.link.takes_whole(60_000)
    wire.rate = 8_000  # a train enters a tunnel
    wire.write(60_000)
    assert not wire.link.takes_whole(60_000)
    wire.stream(30)
    assert not wire.link.fast
    assert wire.link.unanswered / wire.rate < 1.0


def test_a_wide_link_of_much_latency_takes_a_picture_at_once_but_no_second_one_before_it_is_answered() -> None:
    wire = Wire(20e6, 0.1)
    wire.write(100)
    wire.stream(2)
    assert not wire.link.fast
    while wire.link.asked:
        wire.now += 0.05
        wire.answer()
    assert wire.link.room() > 60_000


def test_what_a_slow_link_needs_is_reported_and_no_more_when_it_is_quick_again() -> None:
    wire = Wire(8_000, 0.2)
    wire.write(100)
    wire.stream(10)
    assert re.fullmatch(r"link 0\.[4-9] s", wire.link.report())
    wire.rate, wire.latency = 20e6, 0.001
    wire.stream(10)
    assert wire.link.report() == ""


def test_while_an_answer_is_waited_for_the_time_is_reported() -> None:
    wire = Wire(8_000, 0.1)
    wire.write(100)
    wire.stream(3)
    wire.now += 4
    assert float(wire.link.report().split()[1]) >= 4


def test_a_terminal_that_never_answers_gets_a_fixed_rate() -> None:
    wire = Wire(math.inf, 0.0)
    wire.answer = lambda: None  # type: ignore[method-assign]
    wire.write(100)
    assert wire.stream(0.9) <= MOST_UNANSWERED, "one window at once"
    assert 0 < wire.stream(20) == pytest.approx(wire.stream(20), rel=0.2)
    assert wire.link.report() == ""
    assert wire.link.last_answers() == 0.0
    assert wire.link.wait() is not None


def test_answers_that_come_late_make_a_silent_terminal_one_that_answers() -> None:
    wire = Wire(1_000_000, 1.5)
    wire.write(100)
    wire.stream(10)
    assert not wire.link.silent
    assert wire.link.report() == "link 3.0 s"


def test_an_answer_that_comes_twice_counts_once() -> None:
    link = Link(lambda: 0.0)
    first, second = (link.wrote(1000), link.question())[1], (link.wrote(1000), link.question())[1]
    row, column = map(int, ASKED.search(first).groups())  # type: ignore[union-attr]
    assert link.answered(row, column)
    assert not link.answered(row, column)
    assert 1000 <= link.unanswered < 2000, second


def test_a_later_answer_stands_for_those_that_were_lost() -> None:
    link = Link(lambda: 0.0)
    for _ in range(4):
        link.wrote(1000)
        asked = link.question()
    row, column = map(int, ASKED.search(asked).groups())  # type: ignore[union-attr]
    assert link.answered(row, column)
    assert link.unanswered == 0


def test_a_terminal_that_does_not_know_its_cursor_answers_in_order() -> None:
    link = Link(lambda: 0.0)
    for _ in range(3):
        link.wrote(1000)
        link.question()
    assert link.answered(1, 1)
    assert 2000 <= link.unanswered < 3000


def test_f3_with_a_modifier_is_no_answer() -> None:
    link = Link(lambda: 0.0)
    link.wrote(1000)
    link.question()
    for modifier in range(2, 17):
        assert not link.answered(1, modifier)
    assert link.unanswered > 1000


def test_answers_that_are_lost_are_given_up_and_less_and_less_is_written() -> None:
    wire = Wire(math.inf, 0.0)
    wire.write(100)
    wire.stream(1)
    wire.answer = lambda: None  # type: ignore[method-assign]
    wire.stream(1)
    first, second, third = (wire.stream(20, 0.1) for _ in range(3))
    assert first > 0, "a lost answer does not end it"
    assert third < first, "but nobody listens, it seems"
    assert second <= first


def test_what_is_urgent_has_room_where_the_window_is_full() -> None:
    wire = Wire(8_000, 0.1)
    wire.write(100)
    wire.stream(10)
    assert wire.link.room() == 0
    assert wire.link.room(urgent=True) >= 1000


def test_unasked_answers_do_no_harm() -> None:
    link = Link(lambda: 0.0)
    for place in [(1, 1), (2, 5), (48, 160), (0, 0)]:
        assert not link.answered(*place)
    assert link.room() == Link(lambda: 0.0).room()

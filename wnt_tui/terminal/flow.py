"""Flow control towards a terminal: the bytes that may be under way, judged by how soon the terminal answers.

SSH and TCP take megabytes at once, so write times show nothing. A terminal answers the question for its cursor
position (CSI 6n) when it has got that far, so a question behind every part says how much is still under way. The
window is kept so that a part is answered about ``QUEUE_SECONDS`` later than the latency alone would have it: full
enough to use the link, short enough for a key's answer to pass.
"""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

KIB = 1024
WINDOW_MAX = 20 * KIB
"""Most bytes that are unanswered at a time, and the window of a link of which nothing is known yet."""

WINDOW_MIN = 2 * KIB
PART_MIN = KIB
QUEUE_SECONDS = 0.25

WIDE_RATE = 400 * KIB
"""Bytes a second from which on a link is wide: a picture takes no time worth speaking of."""

WIDE_WINDOW = 64 * KIB
"""Most bytes that are unanswered on a wide link: a picture that fills a large screen."""

STALLED_SECONDS = 0.2
"""A link whose terminal answers so much later than its latency is wide no more."""

FAST_LATENCY = 0.05
"""A wide link of so little latency is fast: pictures go over it as they are."""

SILENT_SECONDS = 1.0
"""A terminal that answered nothing for so long after the first question never will."""

SILENT_RATE = 8 * KIB
"""Bytes a second that a silent terminal gets."""

LOST_SECONDS = 1.0
"""Answers that are so late, and as late as four of the last ones, are lost; the time doubles until one comes."""

SLOW_SECONDS = 0.3
"""A response from which on the link is called slow; until it falls below two thirds of that."""

REPORT_ROW = 2
"""The cursor's row for a question. In row 1 an answer could be F3 with a modifier: CSI 1;2R."""

REPORT_COLUMNS = 16
"""The cursor's column numbers the questions, in turn: an answer that comes twice is known by it."""

BURST_SECONDS = 0.01
"""Writes within so little time count as one."""

_MOST_REPORTS = REPORT_COLUMNS - 4
_LATENCIES = 32


@dataclass(frozen=True, slots=True)
class _Report:
    column: int
    count: int
    # Bytes that were unanswered when it was asked for, its own included; 0 where that is unknown.
    behind: int
    # Bytes that were written at once, its own included.
    burst: int
    asked: float


class Link:
    """Bytes that were written, answers that came, and what follows from them; the clock in seconds is for tests."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._column = 0
        self.restart()

    def restart(self) -> None:
        """Begin anew: nothing is under way, nothing is known."""
        self._reports: deque[_Report] = deque()
        self._unreported = self._burst = 0
        self._asked = self._last_heard = -math.inf
        self._window = float(WINDOW_MAX)
        # Seconds and bytes of answers that nothing else was before.
        self._alone: deque[tuple[float, int]] = deque(maxlen=_LATENCIES)
        self._response = 0.0
        self._heard = False
        self._first_asked: float | None = None
        self._drained = 0.0
        self._lost = 0
        # Whether bytes may be under way that are counted no more.
        self._given_up = False
        self._slow = False
        self._wide = False

    # What is written and answered

    def wrote(self, count: int) -> None:
        """Count bytes that were written."""
        self._unreported += count

    def question(self) -> str:
        """The sequence that asks for the cursor position behind what was written; the cursor stays where it is."""
        now = self._clock()
        self._column = self._column % REPORT_COLUMNS + 1
        text = f"\x1b7\x1b[{REPORT_ROW};{self._column}H\x1b[6n\x1b8"
        count = self._unreported + len(text)
        self._unreported = 0
        if not self._reports:
            self._drained = now
        if self._first_asked is None:
            self._first_asked = now
        behind = 0 if self._given_up else self.unanswered + count
        self._burst = count + (self._burst if now - self._asked < BURST_SECONDS else 0)
        self._asked = now
        self._reports.append(_Report(self._column, count, behind, self._burst, now))
        return text

    def answered(self, row: int, column: int) -> bool:
        """Take the cursor's row and column, from 1; whether it counts: not a second time, and not too late."""
        if row == 1 and 2 <= column <= REPORT_COLUMNS:
            return False  # F3 with a modifier
        self._heard = True
        self._last_heard = self._clock()
        self._lost = 0
        if not self._reports:
            return False
        if row == REPORT_ROW and column <= REPORT_COLUMNS:
            if all(report.column != column for report in self._reports):
                return False
        else:
            # A terminal that does not report its cursor: its answers come in order at least.
            column = self._reports[0].column
        while True:
            report = self._reports.popleft()
            if report.column == column:
                break
        self._learn(report)
        return True

    def _learn(self, report: _Report) -> None:
        """Fit the window to how long an answer took."""
        took = self._clock() - report.asked
        if not report.behind:
            self._given_up = False
        elif report.behind == report.count or not self._alone:
            self._alone.append((took, report.behind))
        self._response = took if not self._response else 0.7 * self._response + 0.3 * took
        aim = self.latency + QUEUE_SECONDS
        fitting = report.behind * aim / max(took, 1e-3)
        if took > aim:
            self._window = max(WINDOW_MIN, fitting, self._window / 2)
        elif report.behind > 0.6 * self._window:
            self._window = min(WINDOW_MAX, fitting, 1.5 * self._window)
        shortest, its_bytes = min(self._alone, default=(took, 0))
        queued, more = took - shortest, report.burst - its_bytes
        if queued > STALLED_SECONDS:
            self._wide = False
        elif more >= PART_MIN and more / max(queued, 0.005) >= WIDE_RATE:
            self._wide = True
        self._window = WIDE_WINDOW if self._wide else min(self._window, WINDOW_MAX)

    # What is known

    @property
    def unanswered(self) -> int:
        """Bytes that are under way."""
        return sum(report.count for report in self._reports) + self._unreported

    @property
    def asked(self) -> bool:
        """Whether an answer is waited for."""
        return bool(self._reports)

    @property
    def latency(self) -> float:
        """Seconds that the shortest of the last answers took."""
        return min(self._alone, default=(0.0, 0))[0]

    @property
    def fast(self) -> bool:
        """Whether pictures may go as they are."""
        return self._wide and self.latency <= FAST_LATENCY

    @property
    def silent(self) -> bool:
        """Whether the terminal never answers."""
        return not self._heard and self._first_asked is not None and self._clock() - self._first_asked > SILENT_SECONDS

    def room(self, *, urgent: bool = False) -> int:
        """The bytes that may be written now, 0 or at least a small part; what is urgent may fill the window twice."""
        self._forget_lost()
        if len(self._reports) >= _MOST_REPORTS:
            return 0
        room = int(min(WINDOW_MAX, 2 * self._window) if urgent else self._window) - self.unanswered
        return room if room >= min(PART_MIN, self._window / 2) else 0

    @property
    def part(self) -> int:
        """Bytes behind which a question is asked: answers then come several times a window."""
        return max(PART_MIN, int(self._window) // 4)

    def takes_whole(self, count: int) -> bool:
        """Whether a picture of so many bytes may be written as it is."""
        return self.fast and len(self._reports) < _MOST_REPORTS and self.unanswered + count <= WIDE_WINDOW

    def wait(self) -> float | None:
        """Seconds until there may be room though no answer comes, None if nothing is under way."""
        if not self._reports:
            return None
        if self._heard:
            return max(0.01, self._lost_after - self._unheard(self._clock()))
        if self.silent:
            return self._reports[0].count / SILENT_RATE
        assert self._first_asked is not None
        return max(0.01, self._first_asked + SILENT_SECONDS - self._clock())

    def _forget_lost(self) -> None:
        now = self._clock()
        if self.silent:
            self._given_up = True
            while self._reports and (now - self._drained) * SILENT_RATE >= self._reports[0].count:
                self._drained += self._reports.popleft().count / SILENT_RATE
        elif self._heard and self._reports and self._unheard(now) >= self._lost_after:
            self._reports.clear()
            self._window = max(WINDOW_MIN, self._window / 4)
            self._wide = False
            self._given_up = True
            self._lost += 1

    @property
    def _lost_after(self) -> float:
        return max(LOST_SECONDS, 4 * self._response) * 2.0**self._lost

    def _unheard(self, now: float) -> float:
        """Seconds since the terminal was heard of, or was asked if that is later."""
        return now - max(self._reports[0].asked, self._last_heard)

    # What is reported

    @property
    def response(self) -> float:
        """Seconds from writing to answer: of the last ones, or longer if one is waited for."""
        waited = self._clock() - self._reports[0].asked if self._reports and self._heard else 0.0
        return max(self._response, waited)

    def report(self) -> str:
        """A slow link in words for the user, "link 0.4 s", else nothing."""
        response = self.response
        self._slow = response >= (SLOW_SECONDS * 2 / 3 if self._slow else SLOW_SECONDS)
        return f"link {response:.1f} s" if self._slow else ""

    def last_answers(self) -> float:
        """Seconds within which the next answer should come: how long to wait for it when leaving."""
        if not self._reports or self.silent:
            return 0.0
        if not self._heard:
            return self.wait() or 0.0
        return min(3.0, 0.5 + 2 * self.response)

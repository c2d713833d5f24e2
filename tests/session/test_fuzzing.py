"""Mutated sessions: every one opens or is refused with a sentence, in bounded memory and time, and nothing is written.

Each batch is read by a process of its own; see ``python -m tests.session.fuzz --help``.
"""

from __future__ import annotations

import pytest

from tests.session.fuzz.__main__ import run


def test_mutated_sessions_open_or_are_refused() -> None:
    failures, found = run(0, 60)
    assert not failures, (failures, found)


@pytest.mark.slow
def test_tens_of_thousands_of_mutated_sessions_open_or_are_refused() -> None:
    failures, found = run(1_000_000, 20_000)
    print(found)
    assert not failures, (failures, found)

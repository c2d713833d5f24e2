"""The collector of reference cycles runs when the picture rests, and now and then where it never does."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterator

import pytest

from wnt_tui.terminal.garbage import LONGEST_SECONDS, OLDER_EVERY, REST_SECONDS, YOUNG_SECONDS, Collector, take_over


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


class Cycle:
    itself: Cycle


def forgotten_cycle() -> weakref.ref[Cycle]:
    cycle = Cycle()
    cycle.itself = cycle
    return weakref.ref(cycle)


@pytest.fixture
def taken_over() -> Iterator[None]:
    take_over()
    yield
    gc.enable()
    gc.unfreeze()


@pytest.mark.usefixtures("taken_over")
def test_it_collects_everything_once_the_picture_has_rested() -> None:
    clock = Clock()
    collector = Collector(clock)
    garbage = forgotten_cycle()
    clock.now += YOUNG_SECONDS / 2
    changed = clock.now
    assert collector.tick(changed) is None, "the picture has just changed"
    assert garbage() is not None
    clock.now += REST_SECONDS
    assert collector.tick(changed) == 2
    assert garbage() is None
    clock.now += LONGEST_SECONDS - 1
    assert collector.tick(changed) is None, "nothing has been drawn since"


@pytest.mark.usefixtures("taken_over")
def test_a_picture_that_never_rests_does_not_let_garbage_grow() -> None:
    clock = Clock()
    collector = Collector(clock)
    collected = []
    seconds = 3 * LONGEST_SECONDS
    for _ in range(int(seconds / 0.25)):
        garbage = forgotten_cycle()
        clock.now += 0.25
        collected.append(collector.tick(clock.now))
        assert (garbage() is None) == (collected[-1] is not None)
    assert collected.count(2) == 3
    assert collected.count(1) == (seconds / YOUNG_SECONDS - 3) // OLDER_EVERY
    assert collected.count(0) == seconds / YOUNG_SECONDS - collected.count(2) - collected.count(1)


@pytest.mark.usefixtures("taken_over")
def test_much_garbage_is_collected_though_no_picture_has_changed(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock()
    collector = Collector(clock)
    changed = clock.now
    clock.now += 10.0
    assert collector.tick(changed) is None
    monkeypatch.setattr("wnt_tui.terminal.garbage.MANY_OBJECTS", gc.get_count()[0])
    kept = [[] for _ in range(100)]
    assert collector.tick(changed) == 2
    assert len(kept) == 100


def test_left_to_itself_the_interpreter_goes_on_collecting() -> None:
    clock = Clock()
    collector = Collector(clock)
    clock.now += 10 * LONGEST_SECONDS
    assert gc.isenabled()
    assert collector.tick(clock.now) is None

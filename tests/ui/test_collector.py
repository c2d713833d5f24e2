"""The collector of reference cycles runs when the picture rests, and now and then where it never does."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterator

import pytest

from wnt_tui.terminal.garbage import Collector, take_over


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
def test_it_collects_once_the_picture_rests_and_then_not_again() -> None:
    clock = Clock()
    collector = Collector(clock)
    garbage = forgotten_cycle()
    clock.now += 0.1
    changed = clock.now
    assert collector.tick(changed) is None, "the picture has just changed"
    assert garbage() is not None
    clock.now += 10.0
    assert collector.tick(changed) == 2
    assert garbage() is None
    clock.now += 10.0
    assert collector.tick(changed) is None, "nothing has been drawn since"


@pytest.mark.usefixtures("taken_over")
def test_a_picture_that_never_rests_does_not_let_garbage_grow() -> None:
    clock = Clock()
    collector = Collector(clock)
    made = []
    for _ in range(20_000):
        made.append(forgotten_cycle())
        clock.now += 0.25
        collector.tick(clock.now)
        assert sum(garbage() is not None for garbage in made[-100:]) < 50
    assert sum(garbage() is not None for garbage in made) < 50


@pytest.mark.usefixtures("taken_over")
def test_much_garbage_is_collected_though_no_picture_has_changed() -> None:
    clock = Clock()
    collector = Collector(clock)
    changed = clock.now
    clock.now += 10.0
    assert collector.tick(changed) is None
    kept = [[] for _ in range(1_000_000)]
    assert collector.tick(changed) == 2
    assert len(kept) == 1_000_000


def test_left_to_itself_the_interpreter_goes_on_collecting() -> None:
    clock = Clock()
    collector = Collector(clock)
    clock.now += 10_000.0
    assert gc.isenabled()
    assert collector.tick(clock.now) is None

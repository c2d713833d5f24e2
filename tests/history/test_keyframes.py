"""Keyframes stay within their memory, spread over the run, and take little of its time."""

from __future__ import annotations

import pytest
import torch

from engine import Trainer
from engine.history.checkpoint import Checkpoint, put_back, take
from engine.history.encoding import decode, encode
from engine.history.keyframes import Keyframes
from tests.history.recording import KINDS, small

BYTES = 4000


class Clock:
    """A clock that the test moves."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def frame(step: int, bytes_: int = BYTES) -> Checkpoint:
    return Checkpoint(step, (torch.zeros(bytes_ // 4),), None)


def offered(steps: int, most: int, seconds_a_step: float = 1.0, cost: float = 0.0) -> Keyframes:
    clock = Clock()
    frames = Keyframes(most, clock)

    def taken(step: int) -> Checkpoint:
        clock.now += cost
        return frame(step)

    for step in range(steps):
        frames.offer(step, lambda step=step: taken(step))
        clock.now += seconds_a_step
        assert frames.size <= most
    return frames


@pytest.mark.parametrize("room", [1, 2, 3, 10])
def test_memory_is_bounded_however_long_the_run(room):
    frames = offered(1000, room * BYTES)
    assert len(frames.steps) == room
    assert frames.steps[0] == 0
    assert room == 1 or frames.steps[-1] == 999


def test_keyframes_spread_over_the_run_so_that_no_step_is_far():
    frames = offered(1000, 20 * BYTES)
    gaps = [b - a for a, b in zip(frames.steps, frames.steps[1:], strict=False)]
    assert max(gaps) <= 4 * 1000 / 20


def test_the_nearest_keyframe_is_never_later_than_the_step():
    frames = offered(10, 100 * BYTES)
    assert frames.nearest(7).step == 7
    few = offered(100, 5 * BYTES)
    for step in range(100):
        found = few.nearest(step).step
        assert found == max(kept for kept in few.steps if kept <= step)


def test_a_run_larger_than_the_memory_has_none_and_copies_itself_once():
    frames, copies = Keyframes(BYTES - 1, Clock()), []
    for step in range(5):
        frames.offer(step, lambda step=step: copies.append(step) or frame(step))
    assert (frames.steps, copies, frames.nearest(4)) == ([], [0], None)


def test_copying_takes_two_percent_of_the_time():
    frames = offered(10_000, 10**9, seconds_a_step=0.01, cost=0.01)
    assert 0.01 * len(frames.steps) <= 0.02 * 100 + 0.01
    assert len(frames.steps) > 150


@pytest.mark.parametrize("kind", KINDS)
def test_a_run_put_back_goes_on_as_it_did_and_the_copy_stays_as_it_was(kind):
    trainer = Trainer(small(**KINDS[kind]))
    first = {}
    copy = None
    while trainer.step < 9:
        record = trainer.observe()
        first[record.step] = record
        if record.step == 4:
            copy = decode(4, encode(take(trainer), trainer), trainer)
        trainer.advance()
    for _ in range(2):  # twice: going on from a copy must not use it up
        put_back(trainer, copy)
        while trainer.step < 8:
            trainer.advance()
            record = trainer.observe()
            then = first[record.step]
            clocks = {"step_seconds", "measure_seconds", "layers_seconds", "curvature_seconds", "kernel_seconds"}
            assert {k: v for k, v in record.values.items() if k not in clocks} == {
                k: v for k, v in then.values.items() if k not in clocks
            }
            assert record.layers.keys() == then.layers.keys()
            for name, column in record.layers.items():
                assert torch.equal(
                    torch.as_tensor(column).nan_to_num(), torch.as_tensor(then.layers[name]).nan_to_num()
                )

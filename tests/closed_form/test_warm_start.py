"""Warm starts: extrapolated where that fits, and carried whole."""

from __future__ import annotations

import math

import torch

from engine.measure.warm_start import WarmStart


def at(angle: float) -> torch.Tensor:
    return torch.tensor([math.cos(angle), math.sin(angle)], dtype=torch.float64)


def off(start: WarmStart, angle: float) -> float:
    guess = start.guess()
    assert guess is not None
    return 1.0 - abs(float(guess @ at(angle))) / float(guess.norm())


def test_what_turns_steadily_is_met_further_on_and_what_swings_where_it_was() -> None:
    steady = WarmStart()
    assert steady.guess() is None
    for k in range(4):
        steady.add(at(0.1 * k))
    assert off(steady, 0.4) < 1e-3 < off(steady, 0.3)
    swinging = WarmStart()
    for k in range(5):
        swinging.add(at(0.1 * (-1) ** k))
    assert torch.equal(swinging.guess(), at(0.1))


def test_the_sign_that_a_solver_happens_to_give_does_not_matter() -> None:
    start = WarmStart()
    for k in range(4):
        start.add((-1) ** k * at(0.1 * k))
    assert off(start, 0.4) < 1e-3


def test_after_a_restart_nothing_of_before_is_extrapolated() -> None:
    start = WarmStart()
    for k in range(3):
        start.add(at(0.1 * k))
    start.restart_from(3.0 * at(1.0))
    torch.testing.assert_close(start.guess(), at(1.0))


def test_what_is_carried_is_all_that_is_needed() -> None:
    for angles in ([], [0.0], [0.0, 0.1], [0.0, 0.1, 0.2], [0.1, -0.1, 0.1]):
        start, again = WarmStart(), WarmStart()
        for angle in angles:
            start.add(at(angle))
        again.restore(start.state(), 2)
        for angle in (0.3, 0.35, 0.5):
            if start.guess() is not None:
                assert torch.equal(start.guess(), again.guess())
            start.add(at(angle))
            again.add(at(angle))

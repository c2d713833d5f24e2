import math

import numpy as np
import pytest

from engine.session.speed import steps_per_second


def test_speed_is_that_of_the_newest_rows_without_pauses():
    between = np.full(30, 0.5)
    between[:5] = 60.0
    between[[15, 25]] = 3600.0  # somebody had paused it
    assert steps_per_second(np.cumsum(between)) == pytest.approx(2.0)


@pytest.mark.parametrize("times", [[], [1.0], [math.nan, 2.0], [3.0, 3.0]])
def test_without_two_moments_there_is_no_speed(times):
    assert math.isnan(steps_per_second(times))

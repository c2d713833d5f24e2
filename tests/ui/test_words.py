import math

import pytest

from engine.config import RunConfig
from wnt_tui.theme.wording import duration, file_size, rate, run_summary, short_number


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (0, "0:00"),
        (10.4, "0:10"),
        (725, "12:05"),
        (3600, "1:00:00"),
        (11220, "3:07:00"),
        (183600, "2 d 03:00"),
        (math.nan, "–"),
        (math.inf, "–"),
        (-1, "–"),
    ],
)
def test_a_duration_reads_like_a_clock(seconds: float, shown: str) -> None:
    assert duration(seconds) == shown


@pytest.mark.parametrize(
    ("speed", "shown"),
    [(4.12, "4.1/s"), (120.0, "120/s"), (0.5, "2 s/step"), (0.001, "16:40 a step"), (0.0, ""), (math.nan, "")],
)
def test_a_slow_run_is_shown_in_seconds_a_step(speed: float, shown: str) -> None:
    assert rate(speed) == shown


def test_small_numbers_have_no_leading_zero() -> None:
    assert [short_number(value) for value in (0.01, 2.5, 1e-5, 0.0)] == [".01", "2.5", "1e-05", "0"]


def test_a_run_is_summed_up_as_in_the_header() -> None:
    assert run_summary(RunConfig()) == "relu · 500×9 · n 250 · mse · η .01"
    assert run_summary(RunConfig(renormalize=True)).endswith("renormalised")


def test_sizes_of_files_have_binary_units() -> None:
    assert [file_size(count) for count in (812, 3_565_158, 5 << 40)] == ["812 B", "3.4 MiB", "5120.0 GiB"]

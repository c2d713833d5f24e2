"""The learning rate in use, as the header shows it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engine.config import RunConfig
from engine.record import Event, lr_in_force
from tests.panels.synthetic import empty, realistic
from wnt_tui.theme.wording import run_summary


@pytest.mark.parametrize(
    ("rates", "expected"),
    [
        ([0.01, 0.01, 0.02, 0.02], [0.01, 0.01, 0.02, 0.02]),
        ([0.01, 0.01, 0.02, 0.02, np.nan], [0.01, 0.01, 0.02, 0.02, 0.02]),
        ([np.nan, np.nan], [0.01, 0.01]),
        ([0.0, -1.0, np.inf], [0.01, 0.01, 0.01]),
    ],
)
def test_the_learning_rate_at_a_step_is_that_of_the_update_that_leaves_it(
    rates: list[float], expected: list[float]
) -> None:
    snapshot = replace(realistic(len(rates)), columns=dict(realistic(len(rates)).columns) | {"lr": np.array(rates)})
    assert [snapshot.lr_at(step) for step in range(len(rates))] == expected


def test_the_rate_of_rows_to_come_is_that_of_the_last_change() -> None:
    events = [Event(2, "lr", "", data={"before": 0.01, "lr": 0.02}), Event(3, "lr", "no number"), Event(4, "pause", "")]
    assert lr_in_force(events, 0.01) == 0.02
    assert lr_in_force(events[1:], 0.01) == 0.01


def test_before_the_first_row_it_is_the_configured_one() -> None:
    assert empty().lr_at(0) == empty().config.lr


def test_a_changed_learning_rate_is_shown_beside_the_configured_one_before_what_is_left_out_first() -> None:
    config = RunConfig()
    assert run_summary(config, 0.02) == "relu · 500×9 · η .01→.02 · n 250 · mse"
    assert run_summary(config, 0.01) == run_summary(config) == "relu · 500×9 · n 250 · mse · η .01"


@pytest.mark.parametrize("size", [(80, 24), (160, 48)])
async def test_the_header_follows_the_cursor_through_a_change(
    watching: Any, tmp_path: Path, synthetic: Any, size: tuple[int, int]
) -> None:
    path = synthetic.write_session(tmp_path / "changed.wnt", RunConfig(), 14)
    async with watching(path, size=size) as w:
        assert "η .01→.02" in w.line("#header")
        await w.press("home")
        assert "→" not in w.line("#header")
        assert "η .01" in w.line("#header")
        await w.press("end")
        assert "η .01→.02" in w.line("#header")


async def test_e_cycles_through_the_estimators_and_back_to_the_stored_pairings(watching: Any, ended: Path) -> None:
    async with watching(ended, size=(160, 48)) as w:
        stored = w.panel_texts()
        for name in ("Hessian", "GGN", "step", "secant", "bound"):
            await w.press("e")
            assert f"with L = {name}" in w.line("#footer")
            expected = "L = bound: not defined for ReLU" if name == "bound" else f"L = {name}, heuristic"
            shown = w.panel_texts()
            assert {key for key, text in shown.items() if text != stored[key]} == {"1", "7"}
            assert all(expected in shown[key] for key in "17")
        await w.press("e")
        assert "as stored" in w.line("#footer")
        assert w.panel_texts() == stored

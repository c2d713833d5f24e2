"""Several sessions in one panel: all of them are drawn, named, and distinct without colours."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from engine.config import RunConfig
from tests.panels.synthetic import empty, filled, realistic, view_of
from wnt_tui.panels import ALL_PANELS
from wnt_tui.panels.ledger_compared import differences
from wnt_tui.panels.overlay import LETTERS, overlaid, sessions_of
from wnt_tui.panels.panel import Panel
from wnt_tui.session.snapshot import PanelView, Snapshot
from wnt_tui.theme.themes import Palette, make_palette

SIZES = [(51, 13), (78, 17), (24, 8), (9, 3), (1, 1)]
PALETTES = [make_palette("truecolor"), make_palette("mono"), make_palette("16", ascii_only=True)]


def named(snapshot: Snapshot, name: str) -> Snapshot:
    return replace(snapshot, name=name)


def text(panel: Panel, view: PanelView) -> str:
    return "\n".join(strip.text for strip in panel.draw(view, PALETTES[0]))


@pytest.fixture(scope="module")
def pair() -> PanelView:
    other = realistic(41, RunConfig(activation="tanh", steps=40, depth=6, lr=0.02, examples=100))
    return view_of(realistic(), cursor=30, others=(named(other, "other"),))


@pytest.mark.parametrize("panel", ALL_PANELS, ids=lambda panel: panel.title)
@pytest.mark.parametrize(("count", "palette"), list(zip([1, 2, 5], PALETTES, strict=True)), ids=["1", "2", "5"])
def test_every_panel_fills_its_size_with_any_number_of_sessions(panel: Panel, count: int, palette: Palette) -> None:
    snapshots = [realistic(81), realistic(20, RunConfig(depth=3, steps=19)), empty(), filled(realistic(5), np.nan),
                 filled(realistic(5), np.inf)]  # fmt: skip
    for row, (width, height) in enumerate(SIZES):
        cursor = (0, 15, 80)[(row + count // 2) % 3]
        view = view_of(snapshots[0], width, height, cursor=cursor, others=tuple(snapshots[:count]))
        strips = panel.draw(view, palette)
        assert [strip.cell_length for strip in strips] == [width] * height
        assert len(panel.subtitle(view)) <= max(width - 4, 0)


@pytest.mark.parametrize("panel", ALL_PANELS, ids=lambda panel: panel.title)
def test_every_panel_names_both_sessions(panel: Panel, pair: PanelView) -> None:
    shown = text(panel, pair)
    assert "A " in shown
    assert "B " in shown


@pytest.mark.parametrize("panel", ALL_PANELS[:2] + ALL_PANELS[4:8], ids=lambda panel: panel.title)
def test_the_values_of_both_sessions_stand_below(panel: Panel, pair: PanelView) -> None:
    wide = replace(pair, width=150, layer=3)
    below = panel.subtitle(wide)
    assert " A " in below
    assert " B " in below
    assert "B —" not in below


def test_the_values_below_are_those_of_the_sessions(pair: PanelView) -> None:
    below = ALL_PANELS[0].subtitle(replace(pair, width=150))
    values = [one.snapshot.value("loss", 30) for one in sessions_of(pair)]
    assert f"train A {values[0]:.4g} B {values[1]:.4g}" in below


def test_where_one_session_has_ended_that_is_said_and_it_has_no_value(pair: PanelView) -> None:
    view = replace(pair, cursor=70, width=100)
    assert "B ends at step 40" in text(ALL_PANELS[0], view)
    assert "B —" in ALL_PANELS[0].subtitle(view)
    # By layer its newest row is shown, and said to be of another step.
    assert "B at step 40" in text(ALL_PANELS[1], view)


def test_a_lower_bound_and_an_estimate_are_marked_for_each_session() -> None:
    config = RunConfig(examples=600, width=500, activation="tanh", steps=80)
    snapshot = realistic(81, config)
    view = view_of(snapshot, 150, 13, others=(named(realistic(81), "other"),), layer=2)
    assert "L A ≥ " in ALL_PANELS[5].subtitle(view)
    assert " heuristic" in ALL_PANELS[6].subtitle(view)


@pytest.mark.parametrize("count", range(1, len(LETTERS) + 1))
def test_lines_differ_by_dash_and_sessions_by_their_markers(count: int) -> None:
    views = sessions_of(view_of(realistic(), others=(realistic(),) * (count - 1)))
    series, _ = overlaid(views, [ALL_PANELS[0].compared(one) for one in views], "step")
    assert len({line.dash for line in series}) == len(series)
    assert len({line.name for line in series}) == len(series)
    markers = PALETTES[1].glyphs.markers
    assert len({markers[line.color] for line in series}) == count


def test_maps_share_their_colours() -> None:
    snapshot = realistic()
    view = view_of(snapshot, 51, 16, others=(named(filled(snapshot, 3.0), "other"),))
    lines = text(ALL_PANELS[2], view).splitlines()
    scales = [line[6:] for line in lines if line.startswith(("A", "B"))]
    assert len(scales) == 2
    assert scales[0] == scales[1]


def test_options_that_differ_are_listed_and_equal_ones_are_not() -> None:
    first, other = realistic(5, RunConfig()), realistic(5, RunConfig(lr=0.5, breakpoints=("pl < 1",)))
    assert differences([first, other]) == [("lr", [".01", ".5"]), ("break", ["none", "pl < 1"])]
    assert differences([first, first]) == []
    assert "same options" in text(ALL_PANELS[8], view_of(first, others=(named(first, "other"),)))

from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from engine.catalogue import CATALOGUE
from engine.config import RunConfig
from engine.record import Event
from engine.theory.ledger import LEDGER
from engine.theory.loss_constants import LOSSES
from tests.panels.synthetic import empty, filled, only, realistic, running, view_of
from wnt_tui.panels import ALL_PANELS
from wnt_tui.panels.checks import checks
from wnt_tui.theme.themes import make_palette

PALETTE = make_palette()
PLAIN = make_palette("mono", ascii_only=True)
SIZES = [(51, 13), (76, 16), (158, 44), (1, 1), (5, 3), (12, 30), (200, 2)]
FREE = {"loss", "accuracy", "grad_norm", "lr", "step_seconds"}


@cache
def snapshots():
    return list(_snapshots())


def _snapshots():
    yield "realistic", realistic()
    yield "empty", empty()
    yield "starting", empty(engine=running(state="starting"))
    yield "failed", empty(engine=running(alive=False, state="failed", message="out of memory"))
    yield "one row", realistic(1)
    yield "two rows", realistic(2)
    yield "relu", realistic(81, RunConfig(activation="relu"))
    yield "cross entropy", realistic(81, RunConfig(loss="cross_entropy"))
    yield "thirty layers", realistic(20, RunConfig(depth=30))
    yield "two layers", realistic(20, RunConfig(depth=2))
    yield "not measured", only(realistic(), FREE, RunConfig(measure="none"))
    yield "core", realistic(81, RunConfig(measure="core"))
    yield "every tenth", sparse(realistic(81, RunConfig(every=10)))
    yield "diverged", realistic(81, RunConfig(loss="mse_logits"), diverges_at=20)
    for value in (np.nan, np.inf, -np.inf, 0.0, -1.0, 1e30, 1e308, 5e-324):
        yield f"all {value}", filled(realistic(30), value)
    yield "one example", realistic(20, RunConfig(examples=1))


def sparse(snapshot):
    """The same session measured at every tenth step only."""
    off = snapshot.step % 10 != 0
    columns = {name: np.where(off & (name not in FREE), np.nan, v) for name, v in snapshot.columns.items()}
    layers = snapshot.layers
    kept = {name: np.where(off[:, None], np.nan, values) for name, values in layers.columns.items()}
    return replace(snapshot, columns=columns, layers=type(layers)(layers.step, kept, layers.layers))


def text_of(panel, view, palette=PALETTE):
    return "\n".join(strip.text for strip in panel.draw(view, palette))


def panel(number):
    return ALL_PANELS[number - 1]


@pytest.mark.parametrize("shown", ALL_PANELS, ids=lambda p: p.title)
def test_every_panel_draws_every_session_at_every_size(shown):
    for row, (name, snapshot) in enumerate(snapshots()):
        last = max(snapshot.last_step, 0)
        ways = ((-5, PLAIN, True), (0, PALETTE, False), (last, PALETTE, True), (last + 50, PLAIN, False))
        for column, (width, height) in enumerate(SIZES):
            # Each session at each size, and each of the two in each way.
            cursor, palette, log = ways[(row + column) % len(ways)]
            view = view_of(snapshot, width, height, cursor=cursor, log=log)
            strips = shown.draw(view, palette)
            where = f"{name} {width}×{height} cursor {cursor}"
            assert len(strips) == height, where
            assert all(sum(s.cell_length for s in strip) == width for strip in strips), where
            assert len(shown.subtitle(view)) <= max(width - 4, 0), where
            if palette is PLAIN:
                assert all(strip.text.isascii() for strip in strips), where


def test_no_two_panels_have_one_key_or_title():
    assert len({p.key for p in ALL_PANELS}) == len({p.title for p in ALL_PANELS}) == len(ALL_PANELS)


@pytest.mark.parametrize("shown", ALL_PANELS, ids=lambda p: p.title)
def test_panels_show_only_what_the_catalogue_knows(shown):
    assert set(shown.metrics) <= set(CATALOGUE)


@pytest.mark.parametrize("shown", ALL_PANELS, ids=lambda p: p.title)
def test_help_explains_every_metric_in_the_catalogues_words(shown):
    text = shown.help(RunConfig()).plain
    for name in shown.metrics:
        assert CATALOGUE[name].meaning in text
        assert CATALOGUE[name].formula in text


def test_help_calls_a_broken_theorem_heuristic():
    assert "heuristic" in panel(9).help(RunConfig(activation="relu")).plain
    entry = panel(1).help(RunConfig(activation="tanh")).plain
    assert "exact up to rounding" in entry


@pytest.mark.parametrize("number", range(2, 9))
def test_what_is_not_measured_names_the_option(number):
    snapshot = only(realistic(), FREE, RunConfig(measure="none"))
    assert "not measured: --measure core" in text_of(panel(number), view_of(snapshot))


@pytest.mark.parametrize("shown", ALL_PANELS, ids=lambda p: p.title)
def test_an_empty_session_says_why(shown):
    assert "the engine is starting" in text_of(shown, view_of(empty(engine=running(state="starting"))))
    failed = empty(engine=running(state="failed", alive=False, message="out of GPU memory"))
    assert "out of GPU memory" in " ".join(text_of(shown, view_of(failed, width=60)).split())


def test_a_diverged_run_is_called_so():
    snapshot = realistic(81, RunConfig(loss="mse_logits"), diverges_at=20)
    assert "diverged at step 50" in text_of(panel(1), view_of(snapshot))


def test_a_relu_network_is_called_not_smooth():
    relu = realistic(81, RunConfig(activation="relu"))
    assert "ReLU is not smooth" in text_of(panel(6), view_of(relu))
    assert "ReLU is not smooth" not in text_of(panel(6), view_of(realistic()))


def test_vacuous_bounds_of_eq13_are_named_with_their_step():
    text = text_of(panel(5), view_of(realistic()))
    assert "vacuous from: ΔW 14, fro 16, op 32" in text


def test_vacuous_in_a_whole_window_is_not_said_to_begin_there():
    text = text_of(panel(5), view_of(realistic(), first=20, last=30))
    assert "vacuous: ΔW/fro" in text
    assert "20" not in text.split("\n")[1]


def test_the_generalization_panel_names_what_a_vacuous_bound_needs():
    text = text_of(panel(8), view_of(realistic(), cursor=37))
    assert "The bound says nothing: loss 0.098, needs < 0.0021" in text


def test_a_bound_below_m_is_not_called_vacuous():
    snapshot = realistic()
    columns = dict(snapshot.columns) | {"generalization_bound": np.full(snapshot.rows, 0.5)}
    text = text_of(panel(8), view_of(replace(snapshot, columns=columns)))
    assert "says something" in text
    assert "says nothing" not in text


def test_lemma_10_is_drawn_for_cross_entropy_only():
    assert "lemma 10" in text_of(panel(7), view_of(realistic(81, RunConfig(loss="cross_entropy"))))
    assert "lemma 10" not in text_of(panel(7), view_of(realistic()))


def test_a_lower_bound_on_the_condition_number_is_shown_as_one():
    snapshot = realistic()
    layers = snapshot.layers
    columns = dict(layers.columns)
    columns["lambda_min"] = np.where(np.arange(10) < 3, 0.0, columns["lambda_min"])
    snapshot = replace(snapshot, layers=type(layers)(layers.step, columns, layers.layers))
    assert "(λmin may be 0)" in text_of(panel(2), view_of(snapshot))
    assert "now ≥ " in panel(2).subtitle(view_of(snapshot, layer=1))


def test_a_step_that_was_not_measured_shows_the_last_one_that_was_and_says_so():
    snapshot = sparse(realistic(81, RunConfig(every=10)))
    for number in (2, 4):
        assert "at step 30" in text_of(panel(number), view_of(snapshot, cursor=37))


def test_steps_left_out_by_every_do_not_break_a_line():
    snapshot = sparse(realistic(81, RunConfig(every=10)))
    text = text_of(panel(6), view_of(snapshot, cursor=37))
    # One marker in the legend; lone points would each have theirs.
    assert text.count("●") == 1


def test_predictions_that_only_the_rows_after_measured_ones_have_are_drawn_as_a_line():
    snapshot = realistic(81, RunConfig(activation="tanh", every=10))
    after = snapshot.step % 10 == 1
    columns = {name: v if name in FREE else np.where(after, v, np.nan) for name, v in snapshot.columns.items()}
    text = text_of(panel(7), view_of(replace(snapshot, columns=columns), cursor=37))
    # One marker a line in the legend; lone points would each have theirs.
    assert (text.count("●"), text.count("◆")) == (1, 1)


def test_a_violated_inequality_is_marked_and_comes_first():
    snapshot = realistic()
    columns = dict(snapshot.columns) | {"sample_grad_norm_max": np.full(snapshot.rows, 1e-9)}
    first = text_of(panel(9), view_of(replace(snapshot, columns=columns))).split("\n")[0]
    assert first.startswith("✗ gradients")
    assert ">" in first


def test_what_intervals_leave_open_is_shown_and_counted_as_undecided():
    snapshot = realistic()
    wide = {"ntk_lambda_min_low": np.full(snapshot.rows, 600.0), "ntk_lambda_min_high": np.full(snapshot.rows, 900.0)}
    view = view_of(replace(snapshot, columns=dict(snapshot.columns) | wide), width=100, height=40)
    assert "? K against pNTK  [600, 900] ≤? 800: λ_min(K) ≤ λ_min(pNTK)" in text_of(panel(9), view)
    assert "1 undecided" in panel(9).subtitle(view)
    assert "violated" not in panel(9).subtitle(view)


def test_layers_that_are_open_are_counted_beside_the_one_that_is_shown():
    snapshot = realistic()
    layers = snapshot.layers
    ends = {"lambda_min_low": layers.columns["lambda_min"].copy(), "lambda_min_high": layers.columns["lambda_min"]}
    ends["lambda_min_low"][:, 2:4] = -1e3
    changed = replace(snapshot, layers=type(layers)(layers.step, dict(layers.columns) | ends, layers.layers))
    text = text_of(panel(9), view_of(changed, layer=6, width=120, height=40))
    assert "2 other layers undecided" in next(line for line in text.split("\n") if "Gershgorin" in line)
    text = text_of(panel(9), view_of(changed, layer=2, width=120, height=40))
    assert "1 other layer undecided" in next(line for line in text.split("\n") if line.startswith("? Gershgorin"))


def test_numbers_of_a_line_that_differ_are_written_so_that_they_differ():
    snapshot = realistic()
    columns = dict(snapshot.columns) | {"grad_norm": np.full(snapshot.rows, 0.123456789),
                                        "sample_grad_norm_max": np.full(snapshot.rows, 0.1234999)}  # fmt: skip
    assert "0.12346 ≤ 0.1235" in text_of(panel(9), view_of(replace(snapshot, columns=columns), height=40))
    columns["sample_grad_norm_max"] = columns["grad_norm"] * (1 + 1e-9)
    assert "0.123 ≈ 0.123" in text_of(panel(9), view_of(replace(snapshot, columns=columns), height=40))


def test_a_failed_inequality_that_is_no_theorem_is_not_called_violated():
    snapshot = realistic(81, RunConfig(activation="relu"))
    columns = dict(snapshot.columns) | {"radius_bound": np.full(snapshot.rows, 1e-9)}
    view = view_of(replace(snapshot, columns=columns))
    assert "! distance" in text_of(panel(9), view)
    assert "violated" not in panel(9).subtitle(view)


def test_the_chain_holds_for_logits_only():
    logits = realistic(81, RunConfig(loss="mse_logits"))
    assert "✓ K against μ" in text_of(panel(9), view_of(logits))
    assert "K against μ" not in text_of(panel(9), view_of(realistic()))
    assert "✓ G against K" in text_of(panel(9), view_of(realistic()))


def test_the_worst_layer_that_fails_is_shown_whatever_layer_is_selected():
    snapshot = realistic()
    layers = snapshot.layers
    discs = layers.columns["gersh_lower"].copy()
    discs[:, 2] = 1e3
    changed = replace(
        snapshot, layers=type(layers)(layers.step, dict(layers.columns) | {"gersh_lower": discs}, layers.layers)
    )
    first = text_of(panel(9), view_of(changed, layer=6, width=100)).split("\n")[0]
    assert first.startswith("✗ Gershgorin      layer 2: 1000 > ")
    assert "min_i(G_ii − R_i) ≤ λ_min(G)" in first
    assert "1 violated" in panel(9).subtitle(view_of(changed, layer=6))


def test_checks_that_do_not_fit_are_counted():
    view = view_of(realistic())
    lines = text_of(panel(9), view).split("\n")
    found = checks(view)
    cut = found[sum(line[0] in "✓○" for line in lines) :]
    holding, silent = (sum(check.verdict == verdict for check in cut) for verdict in ("holds", "vacuous"))
    (rest,) = [line for line in lines if "more:" in line]
    assert f"… {len(cut)} more:" in rest
    assert (f"{holding} hold" in rest) == bool(holding)
    assert (f"{silent} vacuous" in rest) == bool(silent)
    assert "more:" not in text_of(panel(9), view_of(realistic(), height=40))


def test_what_holds_and_what_is_vacuous_are_counted_apart():
    view = view_of(realistic(), width=76)
    holding, silent = (sum(check.verdict == verdict for check in checks(view)) for verdict in ("holds", "vacuous"))
    assert holding
    assert silent
    assert f"{holding} hold" in panel(9).subtitle(view)
    assert f"{silent} vacuous" in panel(9).subtitle(view)


def test_checks_between_measured_rows_name_the_step_they_are_about():
    every = replace(sparse(realistic()), config=RunConfig(activation="tanh", every=10))
    assert "of step 20" in panel(9).subtitle(view_of(every, cursor=25, width=76))
    assert "of step" not in panel(9).subtitle(view_of(every, cursor=20, width=76))


def test_panel_9_explains_every_inequality_of_the_ledger():
    text = panel(9).help(RunConfig()).plain
    for entry in LEDGER.values():
        assert entry.formula in text
        assert entry.violated in text


@pytest.mark.parametrize("loss", LOSSES)
def test_m_is_read_from_the_session(loss):
    snapshot = realistic(81, RunConfig(loss=loss))
    columns = dict(snapshot.columns) | {"loss_bound": np.full(snapshot.rows, 2.5)}
    assert "needs < 0.0052" in text_of(panel(8), view_of(replace(snapshot, columns=columns)))


def test_events_are_listed_newest_first_up_to_the_cursor():
    text = text_of(panel(9), view_of(realistic(), cursor=20))
    assert text.index("η 0.01") < text.index("training begins")
    assert "violation" not in text
    assert "1 later" in text


def test_an_event_of_an_untrusted_file_cannot_write_control_characters():
    snapshot = replace(realistic(), events=(Event(0, "notice", "\x1b[2J\x07 \u202ehidden\n"),))
    assert "\x1b" not in text_of(panel(9), view_of(snapshot))


def test_the_cost_is_the_steps_and_the_measurements():
    assert "step 12" in text_of(panel(9), view_of(realistic(), cursor=10))
    assert "measuring 3" in text_of(panel(9), view_of(realistic(), cursor=10))


def test_two_over_eta_follows_the_learning_rate():
    text = text_of(panel(6), view_of(realistic()))
    assert "2/η 200" in text
    snapshot = realistic()
    lr = np.where(snapshot.step < 40, 0.01, 0.1)
    changed = replace(snapshot, columns=dict(snapshot.columns) | {"lr": lr})
    assert "2/η 20" in panel(6).subtitle(view_of(changed, cursor=60, width=76))

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.catalogue import LAYER_COLUMNS
from engine.config import RunConfig
from engine.record import StepRecord
from engine.session.reader import SessionReader
from engine.session.schema import BLOCK_STEPS
from engine.session.writer import SessionWriter

NAME = "log10_cond"
STEPS, LAYERS = 700, 3


@pytest.fixture(scope="module")
def session(tmp_path_factory):
    """Values that are irregular, with gaps, infinities and steps that were not measured."""
    generator = np.random.default_rng(0)
    values = generator.normal(size=(STEPS, LAYERS))
    values[generator.random(values.shape) < 0.1] = np.nan
    values[generator.random(values.shape) < 0.05] = np.inf
    values[generator.random(values.shape) < 0.05] = -np.inf
    values[128:192, 1] = np.nan  # a whole block without a finite value
    measured = np.flatnonzero((generator.random(STEPS) < 0.8) & ~((np.arange(STEPS) // 64) == 4))
    path = tmp_path_factory.mktemp("bands") / "a.wnt"
    with SessionWriter.create(path, RunConfig(depth=LAYERS - 1), {}) as writer:
        for step in range(STEPS):
            layers = {NAME: values[step]} if step in measured else {}
            writer.put(StepRecord(step, {}, layers))
    values[np.setdiff1d(np.arange(STEPS), measured)] = np.nan
    with SessionReader(path) as reader:
        yield reader, values, measured


@pytest.mark.parametrize("rough", [False, True], ids=["row by row", "through the extremes"])
@given(first=st.integers(-5, STEPS + 5), length=st.integers(0, STEPS + 10), blocks=st.integers(1, 900))
@settings(max_examples=60, deadline=None)
def test_extremes_of_every_block_are_those_of_its_steps(session, rough, first, length, blocks):
    reader, values, measured = session
    band = reader.layer_bands((NAME,), first, first + length, blocks, rough=rough)[NAME]
    inside = measured[(measured >= first) & (measured <= first + length)]
    assert band.first.size <= max(blocks, 1)
    assert (band.first <= band.last).all()
    assert (band.first[1:] > band.last[:-1]).all()
    covered = np.zeros(STEPS, bool)
    for start, stop, low, high in zip(*band, strict=True):
        # Roughly is in whole blocks, of which the first and the last may reach out of the window.
        assert (first // BLOCK_STEPS * BLOCK_STEPS if rough else first) <= start
        assert stop <= (first + length | BLOCK_STEPS - 1 if rough else first + length)
        covered[start : stop + 1] = True
        finite = np.where(np.isfinite(values[start : stop + 1]), values[start : stop + 1], np.nan)
        for layer in range(LAYERS):
            there = finite[:, layer][~np.isnan(finite[:, layer])]
            expected = (there.min(), there.max()) if there.size else (np.nan, np.nan)
            np.testing.assert_array_equal((low[layer], high[layer]), expected)
    assert covered[inside].all()


@pytest.mark.parametrize("rough", [False, True], ids=["row by row", "through the extremes"])
@pytest.mark.parametrize("layer", [None, 1])
def test_metrics_read_together_are_those_read_alone(session, rough, layer):
    reader, _, _ = session
    window = (70, 400, 50, layer)
    together = reader.layer_bands(("lambda_min", NAME, "no such metric"), *window, rough=rough)
    assert list(together) == ["lambda_min", NAME, "no such metric"]
    for name in (NAME, "lambda_min"):
        for found, alone in zip(together[name], reader.layer_bands((name,), *window, rough=rough)[name], strict=True):
            np.testing.assert_array_equal(found, alone)
    assert np.isfinite(together[NAME].high[:, 1]).any()
    assert np.isnan(together["lambda_min"].high).all(), "never measured"
    assert np.isnan(together["no such metric"].high).all()


def test_narrow_window_is_not_reduced(session):
    reader, values, measured = session
    band = reader.layer_bands((NAME,), 10, 40, 100)[NAME]
    expected = measured[(measured >= 10) & (measured <= 40)]
    np.testing.assert_array_equal(band.first, expected)
    np.testing.assert_array_equal(band.last, expected)
    kept = values[expected]
    np.testing.assert_array_equal(band.low, np.where(np.isfinite(kept), kept, np.nan))


def test_rows_keep_infinities(session):
    reader, values, measured = session
    rows = reader.layers(100, 400)
    expected = measured[(measured >= 100) & (measured <= 400)]
    of_layer = rows.layer == 2
    np.testing.assert_array_equal(rows.step[of_layer], expected)
    np.testing.assert_array_equal(rows.columns[NAME][of_layer], values[expected, 2])


@pytest.mark.parametrize("layer", [7, -1])
def test_layer_that_there_is_not_has_no_blocks(session, layer):
    reader, _, _ = session
    assert reader.layer_bands((NAME,), 0, 100, 50, layer)[NAME].first.size == 0


def test_rows_of_layers_are_as_wide_as_the_catalogue(session):
    reader, _, measured = session
    rows = reader.layers(0, 9)
    assert tuple(rows.columns) == LAYER_COLUMNS
    np.testing.assert_array_equal(np.unique(rows.step), measured[measured < 10])


def test_blocks_that_are_still_to_come_are_not_taken_for_read(tmp_path):
    """Rows of steps run ahead of measured ones: a window may lie where no layers are yet."""
    path = tmp_path / "a.wnt"

    def record(step):
        return StepRecord(step, {"loss": 1.0}, {NAME: np.full(LAYERS, float(step))} if step % 50 == 0 else {})

    with SessionWriter.create(path, RunConfig(depth=LAYERS - 1, every=50), {}) as writer:
        with SessionReader(path) as watching:
            for step in range(600):
                writer.put(record(step))
            writer.flush()
            for first, last in ((0, 599), (580, 599), (595, 599), (10_000, 20_000)):
                watching.layer_bands((NAME,), first, last, 400, rough=True)
            for step in range(600, 1200):
                writer.put(record(step))
            writer.flush()
            later = watching.layer_bands((NAME,), 0, 1199, 400, rough=True)[NAME]
        with SessionReader(path) as anew:
            for found, expected in zip(later, anew.layer_bands((NAME,), 0, 1199, 400, rough=True)[NAME], strict=True):
                np.testing.assert_array_equal(found, expected)

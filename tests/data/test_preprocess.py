from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from engine.data.preprocess import on_sphere, prepare


def _images(seed: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, size=shape, dtype=np.uint8)


def test_centring_is_per_channel_with_the_training_statistics_for_both_sets() -> None:
    train, test = _images(0, 7, 4, 5, 3), _images(1, 6, 4, 5, 3)
    prepared = prepare(train, test, center=True)
    for images, rows in ((train, prepared.x_train), (test, prepared.x_test)):
        expected = np.empty(images.shape)
        for channel in range(3):
            pixels = train[..., channel] / 255.0
            expected[..., channel] = (images[..., channel] / 255.0 - pixels.mean()) / pixels.std()
        flat = expected.reshape(len(images), -1)
        flat *= np.sqrt(60) / np.linalg.norm(flat, axis=1, keepdims=True)
        np.testing.assert_allclose(rows, flat, rtol=1e-12, atol=1e-13)


def test_images_without_channels_get_one_mean_and_one_deviation() -> None:
    train = _images(0, 9, 4, 4)
    rows = prepare(train, train, center=True).x_train
    x = train.reshape(9, 16) / 255.0
    x = (x - x.mean()) / x.std()
    x *= 4.0 / np.linalg.norm(x, axis=1, keepdims=True)
    np.testing.assert_allclose(rows, x, rtol=1e-12, atol=1e-13)
    np.testing.assert_allclose(prepare(train.reshape(9, 16), train, center=True).x_train, rows, rtol=1e-12)


def test_without_centring_rows_are_only_scaled() -> None:
    train = _images(0, 5, 4, 4, 3)
    rows = prepare(train, train[:0], center=False).x_train
    flat = train.reshape(5, 48).astype(float)
    np.testing.assert_allclose(rows, flat * np.sqrt(48) / np.linalg.norm(flat, axis=1, keepdims=True))


def test_the_scale_of_the_pixels_does_not_matter() -> None:
    pixels = _images(3, 6, 4, 4)
    for center in (True, False):
        one = prepare(pixels, pixels, center=center).x_train
        other = prepare(pixels.astype(np.float32) / 7, pixels, center=center).x_train
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-5)


def test_constant_images_are_zero_after_centring_and_said_so() -> None:
    # 0.1 is not a binary fraction: its computed mean and deviation differ from 0.1 and 0.
    train = np.full((3, 4, 4), 0.1)
    prepared = prepare(train, train + 1.0, center=True)
    np.testing.assert_array_equal(prepared.x_train, 0.0)
    np.testing.assert_allclose(prepared.x_test, 1.0)
    assert prepared.notices == ["3 training images are zero after preprocessing and cannot be scaled to norm √d."]


def test_one_constant_channel_leaves_the_others_alone() -> None:
    train = _images(0, 4, 3, 3, 3)
    train[..., 1] = 77
    prepared = prepare(train, train, center=True)
    assert np.all(np.isfinite(prepared.x_train))
    np.testing.assert_array_equal(prepared.x_train.reshape(4, 3, 3, 3)[..., 1], 0.0)
    assert prepared.notices == []


def test_a_black_image_stays_zero_and_is_said_in_the_singular() -> None:
    train = _images(0, 4, 3, 3)
    train[2] = 0
    prepared = prepare(train, train[:2], center=False)
    np.testing.assert_array_equal(prepared.x_train[2], 0.0)
    assert prepared.notices[0].startswith("1 training image is zero")


def test_a_single_training_image_can_be_prepared() -> None:
    prepared = prepare(_images(0, 1, 4, 4, 3), _images(1, 2, 4, 4, 3), center=True)
    np.testing.assert_allclose(np.linalg.norm(prepared.x_train), np.sqrt(48))


_NUMBERS = st.floats(-1e100, 1e100, allow_nan=False)


@given(arrays(np.float64, st.tuples(st.integers(1, 5), st.integers(1, 6)), elements=_NUMBERS))
def test_every_row_lands_on_the_sphere_or_at_zero(rows: np.ndarray) -> None:
    scaled, zeros = on_sphere(rows)
    norms = np.linalg.norm(scaled, axis=1)
    away = np.any(np.abs(rows) > 0.0, axis=1)
    np.testing.assert_allclose(norms[away], np.sqrt(rows.shape[1]), rtol=1e-12)
    np.testing.assert_array_equal(norms[~away], 0.0)
    assert zeros == int(np.sum(~away))


@given(
    arrays(np.float64, st.tuples(st.integers(1, 4), st.just(3)), elements=_NUMBERS),
    st.booleans(),
)
def test_preparing_never_gives_nan_or_infinity(rows: np.ndarray, center: bool) -> None:
    prepared = prepare(rows, rows, center=center)
    assert np.all(np.isfinite(prepared.x_train))

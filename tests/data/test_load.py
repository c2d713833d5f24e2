from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from engine.config import RunConfig
from engine.data import load
from engine.data.dataset import fingerprint_of_raw
from engine.errors import DataError


@pytest.fixture
def no_cifar10(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A home and a current directory without data."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("WNT_DATA_DIR", raising=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_auto_without_cifar10_takes_digits_and_names_the_command(no_cifar10: Path) -> None:
    data = load(RunConfig(examples=20))
    assert data.name == "digits"
    assert data.image_shape == (8, 8)
    assert (*data.x_train.shape, data.classes) == (20, 64, 10)
    assert "`wnt-tui data download cifar10`" in (data.notice or "")


def test_digits_asked_for_by_name_come_without_a_notice() -> None:
    assert load(RunConfig(data="digits")).notice is None


def test_cifar10_that_is_not_there_is_said_with_the_places_searched(no_cifar10: Path) -> None:
    elsewhere = no_cifar10 / "elsewhere"
    with pytest.raises(DataError) as caught:
        load(RunConfig(data="cifar10", data_dir=str(elsewhere)))
    assert str(elsewhere) in caught.value.message
    assert "wnt-tui data download cifar10" in caught.value.hint
    assert caught.value.exit_code == 2


def test_an_unknown_source_is_said_with_the_choices() -> None:
    with pytest.raises(DataError, match=r"--data mnist is not known.*cifar10, digits, gaussian"):
        load(RunConfig(data="mnist"))


@pytest.mark.parametrize("source", ["digits", "gaussian"])
def test_rows_have_norm_root_d_and_everything_is_float64(source: str) -> None:
    data = load(RunConfig(data=source, examples=30, test_examples=10))
    for rows, count in ((data.x_train, 30), (data.x_test, 10)):
        assert rows.shape == (count, data.inputs)
        assert rows.dtype == np.float64
        np.testing.assert_allclose(np.sum(rows**2, axis=1), data.inputs, rtol=1e-13)
    for labels in (data.y_train, data.y_test):
        assert labels.dtype == np.int64
        assert set(labels.tolist()) <= set(range(data.classes))


@pytest.mark.parametrize("source", ["digits", "gaussian"])
def test_the_choice_is_nested_in_n_and_independent_of_width_and_depth(source: str) -> None:
    few = load(RunConfig(data=source, examples=20, center=False))
    many = load(RunConfig(data=source, examples=50, center=False, width=7, depth=3))
    np.testing.assert_array_equal(few.x_train, many.x_train[:20])
    np.testing.assert_array_equal(few.y_train, many.y_train[:20])
    np.testing.assert_array_equal(few.x_test, many.x_test[:20])


def test_a_larger_choice_centres_the_smaller_one_anew() -> None:
    few, many = (load(RunConfig(data="digits", examples=n)) for n in (20, 50))
    assert not np.allclose(few.x_train, many.x_train[:20])
    np.testing.assert_array_equal(few.y_train, many.y_train[:20])


def test_another_seed_chooses_other_images_from_the_same_split() -> None:
    from engine.data import digits

    source = digits.read()
    first, second = (load(RunConfig(data="digits", examples=100, seed=seed)) for seed in (0, 1))
    assert first.fingerprint != second.fingerprint
    train = {image.tobytes() for image in source.x_train}
    assert not {image.tobytes() for image in source.x_test} <= train


def test_digits_split_once_into_1297_and_500_with_every_class_in_both() -> None:
    from engine.data import digits

    source = digits.read()
    assert source.x_train.shape == (1297, 8, 8)
    assert source.x_test.shape == (500, 8, 8)
    assert source.x_train.max() <= 1.0
    for labels in (source.y_train, source.y_test):
        assert set(labels.tolist()) == set(range(10))


def test_the_training_choice_is_numpys_permutation_of_the_seed_and_one() -> None:
    from engine.data import digits

    data = load(RunConfig(data="digits", examples=9, seed=5))
    order = np.random.Generator(np.random.PCG64([5, 1])).permutation(1297)[:9]
    np.testing.assert_array_equal(data.y_train, digits.read().y_train[order])
    order = np.random.Generator(np.random.PCG64([5, 2])).permutation(500)[:9]
    np.testing.assert_array_equal(data.y_test, digits.read().y_test[order])


def test_the_largest_seed_works() -> None:
    assert load(RunConfig(data="digits", examples=3, seed=2**63 - 1)).x_train.shape[0] == 3


def test_more_examples_than_there_are_is_said_with_their_number() -> None:
    with pytest.raises(DataError, match="--examples is 1298, but digits has 1297 training images"):
        load(RunConfig(data="digits", examples=1298))
    with pytest.raises(DataError, match="--test-examples is 501, but digits has 500 test images"):
        load(RunConfig(data="digits", test_examples=501))


def test_without_test_examples_a_small_test_set_is_used_whole_and_said() -> None:
    data = load(RunConfig(data="digits", examples=1000))
    assert len(data.y_test) == 500
    assert "digits has 500 test images; all of them are used." in (data.notice or "")


def test_no_test_examples_is_an_empty_test_set() -> None:
    data = load(RunConfig(data="digits", examples=5, test_examples=0))
    assert data.x_test.shape == (0, 64)
    assert data.y_test.shape == (0,)


def test_gaussian_rows_are_standard_normal_and_labels_those_of_one_linear_teacher() -> None:
    from engine.data import gaussian

    source = gaussian.draw(4000, 2000, seed=3)
    assert abs(float(source.x_train.mean())) < 5e-3
    assert abs(float(source.x_train.std()) - 1.0) < 5e-3
    # A linear classifier fitted to one split finds the other split's labels: they share the teacher.
    onehot = np.eye(10)[source.y_train]
    weights, *_ = np.linalg.lstsq(source.x_train, onehot, rcond=None)
    accuracy = float(np.mean(np.argmax(source.x_test @ weights, axis=1) == source.y_test))
    assert accuracy > 0.5  # chance is 0.1


def test_gaussian_has_an_end() -> None:
    with pytest.raises(DataError, match=r"--examples is 100001.*at most 100000"):
        load(RunConfig(data="gaussian", examples=100_001))


def test_the_fingerprint_is_of_the_raw_choice_whatever_the_preprocessing() -> None:
    centred, plain = (load(RunConfig(data="digits", examples=10, center=flag)) for flag in (True, False))
    assert centred.fingerprint == plain.fingerprint
    assert len(centred.fingerprint) == 64
    assert load(RunConfig(data="digits", examples=11)).fingerprint != centred.fingerprint


def test_the_fingerprint_sees_values_order_shape_and_type_but_not_memory_layout() -> None:
    x, y = np.arange(12.0).reshape(3, 4), np.arange(3)
    base = fingerprint_of_raw(x, y, x, y)
    assert fingerprint_of_raw(np.asfortranarray(x), y, x.astype(">f8"), y) == base
    for other in (x[::-1], x.reshape(4, 3), x.astype(np.float32), x + np.eye(3, 4)):
        assert fingerprint_of_raw(other, y, x, y) != base
    assert fingerprint_of_raw(x, y[::-1].copy(), x, y) != base


def test_real_images_load_from_a_file(cifar10_npz: Path) -> None:
    data = load(RunConfig(data=str(cifar10_npz), examples=100))
    assert data.image_shape == (32, 32, 3)
    assert (*data.x_train.shape, data.classes) == (100, 3072, 10)
    assert data.name == cifar10_npz.name
    assert data.notice is None
    np.testing.assert_allclose(np.linalg.norm(data.x_train, axis=1), np.sqrt(3072), rtol=1e-13)
    with pytest.raises(DataError, match="5170 training images"):
        load(RunConfig(data=str(cifar10_npz), examples=5171))


def test_loading_arrays_imports_neither_torch_nor_scikit_learn(tmp_path: Path) -> None:
    path = tmp_path / "d.npz"
    np.savez(path, x_train=np.eye(4), y_train=np.arange(4), x_test=np.eye(4), y_test=np.arange(4))
    script = (
        "import sys; from engine.config import RunConfig; from engine.data import load\n"
        f"load(RunConfig(data={str(path)!r}, examples=4))\n"
        "print(sorted({'torch', 'torchvision', 'sklearn', 'scipy'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"

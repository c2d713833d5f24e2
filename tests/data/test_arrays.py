from __future__ import annotations

import io
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engine.data import arrays
from engine.errors import DataError


def _good() -> dict[str, Any]:
    rng = np.random.default_rng(0)
    return {
        "x_train": rng.integers(0, 256, size=(6, 4, 4, 3), dtype=np.uint8),
        "y_train": np.array([0, 1, 2, 0, 1, 2]),
        "x_test": rng.integers(0, 256, size=(3, 4, 4, 3), dtype=np.uint8),
        "y_test": np.array([0, 1, 4]),
    }


def _save(path: Path, **changes: Any) -> Path:
    content = _good() | changes
    np.savez(path, **{key: value for key, value in content.items() if value is not None})
    return path


def test_a_good_file_is_read_as_it_is(tmp_path: Path) -> None:
    source = arrays.read(_save(tmp_path / "mine.npz", extra=np.arange(3)))
    assert source.name == "mine.npz"
    assert source.classes == 5
    np.testing.assert_array_equal(source.x_train, _good()["x_train"])
    assert source.x_train.dtype == np.uint8
    assert source.y_test.dtype == np.int64


def test_channels_first_as_in_torch_are_moved_last(tmp_path: Path) -> None:
    images = np.random.default_rng(0).normal(size=(6, 3, 8, 9)).astype(np.float32)
    source = arrays.read(_save(tmp_path / "t.npz", x_train=images, x_test=images[:3]))
    assert source.x_train.shape == (6, 8, 9, 3)
    np.testing.assert_array_equal(source.x_train[..., 2], images[:, 2])


def test_labels_of_one_class_still_make_two_outputs(tmp_path: Path) -> None:
    path = _save(tmp_path / "one.npz", y_train=np.zeros(6, np.uint8), y_test=np.zeros(3, np.int8))
    assert arrays.read(path).classes == 2


def test_an_empty_test_set_is_allowed(tmp_path: Path) -> None:
    good = _good()
    path = _save(tmp_path / "e.npz", x_test=good["x_test"][:0], y_test=good["y_test"][:0])
    assert len(arrays.read(path).y_test) == 0


_NAN = np.full((6, 4), 1.0)
_NAN[2, 1] = np.nan
_FLAT = np.ones((3, 4))

_BAD: dict[str, tuple[dict[str, Any], str]] = {
    "missing key": ({"y_test": None}, "has no array y_test"),
    "pickled objects": ({"x_train": np.array([{}, {}], dtype=object)}, "x_train .* pickled Python objects"),
    "text": ({"x_train": np.array([["a"]] * 6)}, "x_train .* not numbers"),
    "complex": ({"x_train": np.ones((6, 4), complex)}, "x_train .* not numbers"),
    "booleans": ({"x_train": np.ones((6, 4), bool)}, "x_train .* not numbers"),
    "dates": ({"x_train": np.zeros((6, 4), "datetime64[s]")}, "x_train .* not numbers"),
    "structured": ({"x_train": np.zeros((6, 4), [("a", "f4")])}, "x_train .* not numbers"),
    "one axis": ({"x_train": np.ones(6)}, r"x_train .* has shape \(6,\)"),
    "five axes": ({"x_train": np.ones((6, 1, 1, 1, 1))}, "x_train .* has shape"),
    "no images": ({"x_train": np.ones((0, 4)), "y_train": np.ones(0, int)}, "x_train .* is empty"),
    "no pixels": ({"x_train": np.ones((6, 0)), "x_test": np.ones((3, 0))}, "x_train .* is empty"),
    "test shape": ({"x_test": np.ones((3, 5))}, r"shape \(4, 4, 3\) and test images \(5,\)"),
    "labels too few": ({"y_train": np.arange(5)}, "6 images in x_train and 5 labels in y_train"),
    "NaN": ({"x_train": _NAN, "x_test": _FLAT}, "x_train .* has 1 NaN or infinite"),
    "infinity": ({"x_train": _NAN * 0 + np.inf, "x_test": _FLAT}, "NaN or infinite"),
    "enormous": ({"x_train": np.full((6, 4), 1e200), "x_test": _FLAT}, "values beyond"),
    "negative label": ({"y_train": np.array([0, 1, -3, 0, 1, 2])}, "negative label -3"),
    "float labels": ({"y_train": np.array([0, 1, 2.5, 0, 1, 2])}, "y_train .* type float64"),
    "boolean labels": ({"y_train": np.zeros(6, bool)}, "y_train .* type bool"),
    "one-hot labels": ({"y_train": np.eye(6, dtype=int)}, r"y_train .* shape \(6, 6\)"),
    "label beyond int64": ({"y_train": np.full(6, 2**63, np.uint64)}, "at most 10000 classes"),
    "too many classes": ({"y_train": np.full(6, 10_000)}, "at most 10000 classes"),
}


@pytest.mark.parametrize("case", _BAD)
def test_what_is_wrong_is_one_sentence_with_a_way_out(case: str, tmp_path: Path) -> None:
    changes, sentence = _BAD[case]
    with pytest.raises(DataError, match=sentence) as caught:
        arrays.read(_save(tmp_path / "bad.npz", **changes))
    assert caught.value.hint.endswith(".") or caught.value.hint.endswith("'int64').")
    assert "\n" not in str(caught.value)
    assert caught.value.__suppress_context__ or caught.value.__context__ is None


def _truncated(path: Path) -> None:
    _save(path)
    path.write_bytes(path.read_bytes()[:200])


def _flipped(path: Path) -> None:
    _save(path)
    data = bytearray(path.read_bytes())
    data[len(data) // 4] ^= 0xFF
    path.write_bytes(bytes(data))


def _lying_header(path: Path) -> None:
    """A member whose header announces eight terabytes."""
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "<f8", "fortran_order": False, "shape": (10**6, 10**6)})
    good = _good()
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("x_train.npy", header.getvalue() + b"\0" * 64)
        for key in ("y_train", "x_test", "y_test"):
            member = io.BytesIO()
            np.save(member, good[key])
            archive.writestr(f"{key}.npy", member.getvalue())


def _not_npy_inside(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        for key in arrays.KEYS:
            archive.writestr(f"{key}.npy", b"hello")


_BROKEN: dict[str, Callable[[Path], object]] = {
    "text": lambda path: path.write_text("hello"),
    "empty": lambda path: path.write_bytes(b""),
    "a single array": lambda path: np.save(path.open("wb"), np.eye(3)),
    "truncated": _truncated,
    "flipped bits": _flipped,
    "lying header": _lying_header,
    "no arrays inside": _not_npy_inside,
    "a folder": lambda path: path.mkdir(),
}


@pytest.mark.parametrize("case", _BROKEN)
def test_a_broken_file_is_one_sentence_too(case: str, tmp_path: Path) -> None:
    path = tmp_path / "broken.npz"
    _BROKEN[case](path)
    with pytest.raises(DataError, match=r"broken\.npz"):
        arrays.read(path)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"absent\.npz does not exist"):
        arrays.read(tmp_path / "absent.npz")


def test_a_zip_bomb_is_refused_before_it_is_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "bomb.npz"
    np.savez_compressed(path, **(_good() | {"x_train": np.zeros((6, 4_000_000), np.uint8)}))
    assert path.stat().st_size < 100_000
    monkeypatch.setattr(arrays, "MAX_BYTES", 2**24)
    monkeypatch.setattr(np, "load", lambda *_, **__: pytest.fail("unpacked"))
    with pytest.raises(DataError, match=r"unpacks to .* GiB"):
        arrays.read(path)

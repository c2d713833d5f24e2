from __future__ import annotations

import hashlib
import http.client
import os
import pickle
import subprocess
import sys
import urllib.error
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import engine
from engine.config import RunConfig
from engine.data import cifar10, download, load
from engine.data.cifar10 import download_directory, search_directories
from engine.data.torchvision_import import torchvision_datasets
from engine.errors import DataError

_BATCHES = [*(f"data_batch_{i}" for i in range(1, 6)), "test_batch"]


def _write_cifar10(root: Path, images: int = 4) -> dict[str, Any]:
    """The official layout with a few images: pickled batches, channels first in rows of 3072."""
    folder = root / "cifar-10-batches-py"
    folder.mkdir(parents=True)
    rng = np.random.default_rng(0)
    written: dict[str, Any] = {}
    for name in _BATCHES:
        batch = {
            "batch_label": name,
            "labels": rng.integers(0, 10, size=images).tolist(),
            "data": rng.integers(0, 256, size=(images, 3072), dtype=np.uint8),
            "filenames": [f"{name}_{i}.png" for i in range(images)],
        }
        (folder / name).write_bytes(pickle.dumps(batch, protocol=2))
        written[name] = batch
    (folder / "batches.meta").write_bytes(pickle.dumps({"label_names": list("abcdefghij")}, protocol=2))
    return written


@pytest.fixture
def small_cifar10(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """CIFAR-10 of 20 + 4 images, whose checksums stand in for the official ones; nothing else is replaced."""
    written = _write_cifar10(tmp_path)
    folder = tmp_path / "cifar-10-batches-py"

    def md5(name: str) -> str:
        return hashlib.md5((folder / name).read_bytes(), usedforsecurity=False).hexdigest()

    dataset = torchvision_datasets().CIFAR10
    monkeypatch.setattr(cifar10, "CHECKSUMS", {name: md5(name) for name in _BATCHES})
    monkeypatch.setattr(dataset, "train_list", [[name, md5(name)] for name in _BATCHES[:5]])
    monkeypatch.setattr(dataset, "test_list", [[name, md5(name)] for name in _BATCHES[5:]])
    monkeypatch.setattr(dataset, "meta", dataset.meta | {"md5": md5("batches.meta")})
    return written


def test_the_official_layout_is_read_as_torchvision_reads_it(tmp_path: Path, small_cifar10: dict[str, Any]) -> None:
    source = cifar10.read(str(tmp_path))
    assert source.x_train.shape == (20, 32, 32, 3)
    assert source.x_test.shape == (4, 32, 32, 3)
    first = small_cifar10["data_batch_1"]["data"][0].reshape(3, 32, 32)
    np.testing.assert_array_equal(source.x_train[0], np.moveaxis(first, 0, 2))
    assert source.y_test.tolist() == small_cifar10["test_batch"]["labels"]
    for train, pixels, labels in ((True, source.x_train, source.y_train), (False, source.x_test, source.y_test)):
        theirs = torchvision_datasets().CIFAR10(str(tmp_path), train=train)
        np.testing.assert_array_equal(pixels, theirs.data)
        assert labels.tolist() == theirs.targets


def test_the_checksums_are_those_that_torchvision_knows() -> None:
    dataset = torchvision_datasets().CIFAR10
    assert dict(cifar10.CHECKSUMS) == dict(dataset.train_list + dataset.test_list)


def test_auto_finds_cifar10_in_the_data_directory_without_a_notice(
    tmp_path: Path, small_cifar10: dict[str, Any]
) -> None:
    data = load(RunConfig(data="auto", data_dir=str(tmp_path), examples=10, test_examples=4))
    assert data.name == "cifar10"
    assert data.image_shape == (32, 32, 3)
    assert data.notice is None


def test_a_file_that_fails_its_checksum_is_refused_unread(tmp_path: Path) -> None:
    _write_cifar10(tmp_path)
    trap = tmp_path / "sprung"

    class Trap:
        def __reduce__(self) -> tuple[Any, ...]:
            return os.mkdir, (str(trap),)

    (tmp_path / "cifar-10-batches-py" / "data_batch_1").write_bytes(pickle.dumps(Trap()))
    with pytest.raises(DataError, match="incomplete or damaged"):
        cifar10.read(str(tmp_path))
    assert not trap.exists()


def test_the_places_are_searched_in_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("WNT_DATA_DIR", str(tmp_path / "variable"))
    monkeypatch.chdir(tmp_path)
    option = str(tmp_path / "option")
    places = search_directories(option)
    assert places == [
        tmp_path / "option",
        tmp_path / "variable",
        tmp_path / "home" / ".cache" / "wnt-tui",
        tmp_path / "data",
    ]
    for place in reversed(places):
        assert cifar10.find(option) != place
        (place / "cifar-10-batches-py").mkdir(parents=True)
        assert cifar10.find(option) == place
    assert download_directory(None) == tmp_path / "variable"
    monkeypatch.delenv("WNT_DATA_DIR")
    assert download_directory(None) == tmp_path / "home" / ".cache" / "wnt-tui"


TORCHVISION = """
import torch
torch.library.register_fake("torchvision::{operator}")(lambda *_: None)
"""

IMPORTED_TWICE = """
import sys
from pathlib import Path
from engine.data.torchvision_import import torchvision_datasets
from engine.errors import DataError
try:
    torchvision_datasets()
except DataError as error:
    print(error.message)
package = Path(sys.argv[1])
package.write_text(package.read_text().replace("unheard_of", "nms"))
print(torchvision_datasets().CIFAR10)
"""


def test_data_sets_are_imported_beside_compiled_operators_that_do_not_load_and_all_else_is_one_sentence(
    tmp_path: Path,
) -> None:
    # torch.library.register_fake is what fails in torchvision where its operators were built for another torch.
    package = tmp_path / "torchvision" / "__init__.py"
    package.parent.mkdir()
    package.write_text(TORCHVISION.format(operator="unheard_of"))
    package.with_name("datasets.py").write_text("CIFAR10 = 'the data set'\n")
    environment = os.environ | {
        "PYTHONPATH": f"{tmp_path}{os.pathsep}{Path(engine.__file__).parents[1]}", "PYTHONDONTWRITEBYTECODE": "1"
    }  # fmt: skip
    command = [sys.executable, "-P", "-c", IMPORTED_TWICE, str(package)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    assert done.stdout.splitlines() == [
        "torchvision cannot be imported: operator torchvision::unheard_of does not exist.", "the data set"
    ]  # fmt: skip


def test_a_missing_torchvision_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torchvision", None)
    monkeypatch.delitem(sys.modules, "torchvision.datasets", raising=False)
    with pytest.raises(DataError, match=r"torchvision cannot be imported: .*torchvision"):
        torchvision_datasets()


def _download_that_raises(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    def dataset(*_: Any, **__: Any) -> None:
        raise error

    monkeypatch.setattr(download, "torchvision_datasets", lambda: SimpleNamespace(CIFAR10=dataset))


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (urllib.error.URLError(OSError(-2, "Name or service not known")), "could not be downloaded"),
        (TimeoutError("timed out"), "could not be downloaded: timed out"),
        (http.client.IncompleteRead(b""), "could not be downloaded: IncompleteRead"),
        (OSError(28, "No space left on device"), "no space left"),
        (PermissionError(13, "Permission denied"), "could not be saved .*Permission denied"),
        (RuntimeError("File not found or corrupted."), "is not CIFAR-10"),
    ],
)
def test_a_download_that_fails_is_one_sentence(
    error: Exception, sentence: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _download_that_raises(monkeypatch, error)
    with pytest.raises(DataError, match=sentence) as caught:
        download.download_cifar10(tmp_path)
    assert "\n" not in str(caught.value)


def test_what_is_whole_already_is_not_downloaded_again(tmp_path: Path, small_cifar10: dict[str, Any]) -> None:
    assert download.download_cifar10(tmp_path) == tmp_path / "cifar-10-batches-py"


def test_a_second_download_into_the_same_folder_is_refused_while_the_first_is_under_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    refused: list[str] = []

    def dataset(*_: Any, **__: Any) -> None:
        with pytest.raises(DataError, match="Another download") as caught:
            download.download_cifar10(tmp_path / "." / "new")
        refused.append(caught.value.hint)

    monkeypatch.setattr(download, "torchvision_datasets", lambda: SimpleNamespace(CIFAR10=dataset))
    download.download_cifar10(tmp_path / "new")
    assert refused
    assert not list((tmp_path / "new").iterdir())

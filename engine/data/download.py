"""The download of CIFAR-10, only ever made on request."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import http.client
import os
import socket
import urllib.error
from collections.abc import Generator
from pathlib import Path

from engine.data import cifar10
from engine.data.torchvision_import import torchvision_datasets
from engine.errors import DataError
from engine.paths import named_path

_TIMEOUT_SECONDS = 30.0


def download_cifar10(directory: str | Path) -> Path:
    """The folder of CIFAR-10 (170 MB), downloaded into a directory unless it is there; DataError where that fails."""
    directory = named_path(directory)
    with _alone_in(directory):
        return _download(directory)


@contextlib.contextmanager
def _alone_in(directory: Path) -> Generator[None]:
    """Make the folder and lock it itself, so that nothing is left behind: two downloads would mix their archives."""
    try:
        directory.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    except OSError as error:
        raise DataError(_cannot_write(directory, error), "Give another place with --dir.") from None
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise DataError(
                f"Another download into {directory} is under way.", "Wait for it, or give another place with --dir."
            ) from None
        except OSError:  # a file system that locks no folders
            pass
        yield
    finally:
        os.close(descriptor)


def _download(directory: Path) -> Path:
    """Have torchvision download it, with a progress bar on stderr; files that are there and whole are kept."""
    datasets = torchvision_datasets()
    # urllib waits for ever by default; a dead network should end with a sentence.
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(_TIMEOUT_SECONDS)
    try:
        for train in (True, False):
            datasets.CIFAR10(str(directory), train=train, download=True)
    except (urllib.error.URLError, http.client.HTTPException, TimeoutError, ConnectionError) as error:
        reason = getattr(error, "reason", None) or error
        raise DataError(
            f"CIFAR-10 could not be downloaded: {reason}.",
            f"Check the network, or copy the folder {cifar10.FOLDER} into {directory}.",
        ) from None
    except OSError as error:
        raise DataError(_cannot_write(directory, error), "Give another place with --dir.") from None
    except RuntimeError as error:
        raise DataError(f"What was downloaded is not CIFAR-10: {error}.", "Try again.") from None
    finally:
        socket.setdefaulttimeout(before)
    return directory / cifar10.FOLDER


def _cannot_write(directory: Path, error: OSError) -> str:
    if error.errno == errno.ENOSPC:
        return f"There is no space left for CIFAR-10 in {directory}."
    return f"CIFAR-10 could not be saved in {directory}: {error.strerror or error}."

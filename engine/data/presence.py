"""Whether the data of a run are there: what can be seen without unpacking them and without torch."""

from __future__ import annotations

from pathlib import Path

from engine.config import RunConfig, is_data_file
from engine.data.locate import find_cifar10
from engine.errors import DataError
from engine.paths import existing_path, shown_path

SIZES = {"cifar10": (50_000, 10_000), "digits": (1297, 500)}
"""Training and test images of the sources that always have as many."""


def require_data(config: RunConfig) -> None:
    """Refuse a new run whose data cannot be read, in milliseconds and with the sentence that reading them would give.

    Args:
        config: ``data``, ``data_dir`` and the numbers of examples are looked at.

    Raises:
        DataError: The source is not known or not on disk, the file is not one of four arrays, or more examples are
            asked for than are known to be there.
    """
    require_source(config)
    name = config.data
    if name == "auto":
        name = "digits" if find_cifar10(config.data_dir) is None else "cifar10"
    if name in SIZES:
        require_enough(config, name, *SIZES[name])
    # Recorded runs go on without their folder where it was not needed.
    if config.data_dir is not None and not Path(existing_path(config.data_dir)).is_dir():
        raise DataError(f"There is no folder {shown_path(config.data_dir)}.", "Give --data-dir a folder that exists.")


def require_source(config: RunConfig) -> None:
    """Refuse ``--data`` where it cannot be read.

    Args:
        config: ``data`` and ``data_dir`` are looked at.

    Raises:
        DataError: The source is not known or not on disk, or the file is not one of four arrays.
    """
    if is_data_file(config.data):
        from engine.data import arrays

        arrays.look(config.data)
    elif config.data == "cifar10":
        from engine.data import cifar10

        cifar10.folder(config.data_dir)
    elif config.data not in {"auto", "digits", "gaussian"}:
        raise DataError(
            f"--data {config.data} is not known.",
            "Choose auto, cifar10, digits, gaussian or a file that ends in .npz.",
        )


def require_enough(config: RunConfig, name: str, train: int, test: int) -> None:
    """Refuse more examples than there are.

    Args:
        config: What is asked for; without ``test_examples`` as many as there are will do.
        name: The source.
        train: Its training images.
        test: Its test images.

    Raises:
        DataError: More are asked for.
    """
    for flag, wanted, available, split in (
        ("--examples", config.examples, train, "training"),
        ("--test-examples", config.test_examples or 0, test, "test"),
    ):
        if wanted > available:
            raise DataError(
                f"{flag} is {wanted}, but {name} has {available} {split} images.", f"Give {flag} {available} or less."
            )

"""Whether the data of a run are there: what can be seen without unpacking them and without torch."""

from __future__ import annotations

from pathlib import Path

from engine.config import RunConfig, is_data_file
from engine.errors import DataError
from engine.paths import existing_path, shown_path


def require_data(config: RunConfig) -> None:
    """Refuse a new run whose data cannot be read, in milliseconds and with the sentence that reading them would give.

    Args:
        config: ``data`` and ``data_dir`` are looked at.

    Raises:
        DataError: The source is not known or not on disk, or the file is not one of four arrays.
    """
    require_source(config)
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

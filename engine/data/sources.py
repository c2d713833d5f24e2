"""Sources of examples by the name that ``--data`` gives them: what there is, and whether it is here."""

from __future__ import annotations

from pathlib import Path

from engine.config import RunConfig, is_data_file
from engine.data import arrays, cifar10
from engine.errors import DataError
from engine.paths import existing_path, shown_path

SIZES = {"cifar10": (50_000, 10_000), "digits": (1297, 500)}
"""Training and test images of the sources that always have as many."""

DOWNLOAD = "`wnt-tui data download cifar10`"


def inventory() -> dict[str, str]:
    """A sentence for everything that ``--data`` takes, and whether it is here."""
    found = cifar10.find(None)
    where = f"on disk in {shown_path(found)}" if found else f"not on disk; {DOWNLOAD} gets it (170 MB)"
    return {
        "auto": "cifar10 if it is on disk, else digits",
        "cifar10": f"60,000 colour images of 32×32 in 10 classes: {where}",
        "digits": "1,797 grey images of 8×8 in 10 classes: always here",
        "gaussian": "Gaussian inputs labelled by a random linear teacher: always here",
        "FILE.npz": "your own x_train, y_train, x_test, y_test",
    }


def require_data(config: RunConfig) -> None:
    """Raise DataError for a new run whose data cannot be read: within milliseconds, with the sentence of reading."""
    require_source(config)
    name = source_name(config)
    if name in SIZES:
        require_enough(config, name, *SIZES[name])
    # Recorded runs go on without their folder where it was not needed.
    if config.data_dir is not None and not Path(existing_path(config.data_dir)).is_dir():
        raise DataError(f"There is no folder {shown_path(config.data_dir)}.", "Give --data-dir a folder that exists.")


def source_name(config: RunConfig) -> str:
    """The source that ``--data`` names; ``auto`` is CIFAR-10 where it is on disk, else digits."""
    if config.data != "auto":
        return config.data
    return "digits" if cifar10.find(config.data_dir) is None else "cifar10"


def require_enough(config: RunConfig, name: str, train: int, test: int) -> None:
    """Raise DataError where more examples are asked for than a source has; the default takes as many as there are."""
    for flag, wanted, available, split in (
        ("--examples", config.examples, train, "training"),
        ("--test-examples", config.test_examples or 0, test, "test"),
    ):
        if wanted > available:
            raise DataError(
                f"{flag} is {wanted}, but {name} has {available} {split} images.", f"Give {flag} {available} or less."
            )


def require_source(config: RunConfig) -> None:
    """Raise DataError where ``--data`` is not known, not on disk, or no file of four arrays."""
    if is_data_file(config.data):
        arrays.check(config.data)
    elif config.data == "cifar10":
        cifar10.require(config.data_dir)
    elif config.data not in {"auto", "digits", "gaussian"}:
        raise DataError(
            f"--data {config.data} is not known.",
            "Choose auto, cifar10, digits, gaussian or a file that ends in .npz.",
        )

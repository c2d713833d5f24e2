"""From a configuration to the examples of a run: source, choice of examples, preprocessing, fingerprint."""

from __future__ import annotations

from engine.config import RunConfig
from engine.data import arrays, cifar10, digits, gaussian
from engine.data.dataset import DataSet, Source, fingerprint_of_raw
from engine.data.locate import find_cifar10
from engine.data.oddities import oddities
from engine.data.preprocess import prepare
from engine.data.presence import require_enough, require_source
from engine.data.subset import TEST_STREAM, TRAIN_STREAM, choose

_DOWNLOAD = "`wnt-tui data download cifar10`"


def load(config: RunConfig) -> DataSet:
    """The examples that a configuration asks for, chosen and prepared.

    Nothing is downloaded. ``auto`` means CIFAR-10 where it is on disk, else scikit-learn's digits with a
    notice. A :class:`~engine.errors.DataError` says so where the source is unknown, missing, malformed or too
    small.

    Args:
        config: ``data``, ``data_dir``, ``examples``, ``test_examples``, ``seed`` and ``center`` are used.

    Returns:
        The prepared data set. Its ``y_test`` says how many test examples there are: without
        ``--test-examples`` as many as ``--examples``, or all that the source has where it has fewer.
    """
    notices: list[str] = []
    source = _source(config, notices)
    wanted_test = config.resolved_test_examples
    if config.test_examples is None and wanted_test > len(source.y_test):
        wanted_test = len(source.y_test)
        notices.append(f"{source.name} has {wanted_test} test images; all of them are used.")
    require_enough(config, source.name, len(source.y_train), len(source.y_test))
    train = choose(len(source.y_train), config.examples, config.seed, TRAIN_STREAM, shuffled=source.shuffled)
    test = choose(len(source.y_test), wanted_test, config.seed, TEST_STREAM, shuffled=source.shuffled)
    x_train, y_train = source.x_train[train], source.y_train[train]
    x_test, y_test = source.x_test[test], source.y_test[test]
    notices.extend(oddities(source, x_train, y_train, x_test, y_test))
    prepared = prepare(x_train, x_test, center=config.center)
    notices.extend(prepared.notices)
    return DataSet(
        name=source.name,
        x_train=prepared.x_train,
        y_train=y_train,
        x_test=prepared.x_test,
        y_test=y_test,
        classes=source.classes,
        image_shape=tuple(x_train.shape[1:]) if x_train.ndim > 2 else None,
        fingerprint=fingerprint_of_raw(x_train, y_train, x_test, y_test),
        notice=" ".join(notices) or None,
    )


def _source(config: RunConfig, notices: list[str]) -> Source:
    # All the examples of the source that --data names.
    require_source(config)
    name = config.data
    if name == "auto":
        if find_cifar10(config.data_dir) is not None:
            name = "cifar10"
        else:
            name = "digits"
            notices.append(
                f"CIFAR-10 is not on disk, so scikit-learn's 8×8 digits are used; {_DOWNLOAD} gets CIFAR-10."
            )
    if name == "cifar10":
        return cifar10.read(config.data_dir)
    if name == "digits":
        return digits.read()
    if name == "gaussian":
        return gaussian.draw(config.examples, config.resolved_test_examples, config.seed)
    return arrays.read(name)

"""From a configuration to the examples of a run: source, choice of examples, preprocessing, fingerprint."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from engine.config import RunConfig
from engine.data import arrays, cifar10, digits, gaussian
from engine.data.dataset import DataSet, Source, fingerprint_of_raw
from engine.data.preprocess import prepare
from engine.data.sanity_checks import sanity_checks
from engine.data.sources import DOWNLOAD, require_enough, require_source, source_name


def load(config: RunConfig) -> DataSet:
    """The examples that a configuration asks for, chosen and prepared; nothing is downloaded.

    The choice is the first n of numpy's PCG64([seed, stream]).permutation, stream 1 for training and 2 for test
    examples. It is nested in n (more examples keep the earlier ones, in order) and depends on nothing but the seed.

    Returns:
        The prepared data set; without ``--test-examples`` as many test examples as ``--examples``, or all that the
        source has where it has fewer.

    Raises:
        DataError: The source is unknown, missing, malformed or too small.
    """
    source, notices = _source(config)
    wanted_test, there = config.resolved_test_examples, len(source.y_test)
    if config.test_examples is None and wanted_test > there:
        wanted_test = there
        notices.append(f"{source.name} has {there} test images; all of them are used.")
    require_enough(config, source.name, len(source.y_train), there)
    train = _choice(source, len(source.y_train), config.examples, config.seed, stream=1)
    test = _choice(source, there, wanted_test, config.seed, stream=2)
    x_train, y_train = source.x_train[train], source.y_train[train]
    x_test, y_test = source.x_test[test], source.y_test[test]
    notices.extend(sanity_checks(source, x_train, y_train, x_test, y_test))
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


def _source(config: RunConfig) -> tuple[Source, list[str]]:
    """The source that ``--data`` names, and what there is to say about ``auto``."""
    require_source(config)
    name, notices = source_name(config), []
    if name != config.data and name == "digits":
        notices = [f"CIFAR-10 is not on disk, so scikit-learn's 8×8 digits are used; {DOWNLOAD} gets CIFAR-10."]
    if name == "cifar10":
        return cifar10.read(config.data_dir), notices
    if name == "digits":
        return digits.read(), notices
    if name == "gaussian":
        return gaussian.draw(config.examples, config.resolved_test_examples, config.seed), notices
    return arrays.read(name), notices


def _choice(source: Source, available: int, wanted: int, seed: int, *, stream: int) -> NDArray[np.int64]:
    if source.shuffled:
        return np.arange(wanted)
    return np.random.Generator(np.random.PCG64([seed, stream])).permutation(available)[:wanted]

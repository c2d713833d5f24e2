"""Independent standard normal inputs with the labels of a random linear teacher: data of a known law."""

from __future__ import annotations

import numpy as np

from engine.data.dataset import Source
from engine.errors import DataError

INPUTS = 256
CLASSES = 10
MAX_EXAMPLES = 100_000
"""Limited for the sake of memory: these are 200 MB."""
_TRAIN_STREAM, _TEST_STREAM, _TEACHER_STREAM = 3, 4, 5


def draw(examples: int, test_examples: int, seed: int) -> Source:
    """Inputs x ~ N(0, I_256) and labels argmax of a random linear map; DataError above ``MAX_EXAMPLES``."""
    # Labels of a linear teacher can be learnt, so that training on this source shows more than memorising. Rows are
    # drawn in order, so that a smaller n takes the first rows of a larger one; both splits share the teacher.
    for flag, count in (("--examples", examples), ("--test-examples", test_examples)):
        if count > MAX_EXAMPLES:
            raise DataError(f"{flag} is {count}.", f"--data gaussian gives at most {MAX_EXAMPLES} examples.")
    teacher = _generator(seed, _TEACHER_STREAM).standard_normal((INPUTS, CLASSES))
    x_train = _generator(seed, _TRAIN_STREAM).standard_normal((examples, INPUTS))
    x_test = _generator(seed, _TEST_STREAM).standard_normal((test_examples, INPUTS))
    y_train = np.argmax(x_train @ teacher, axis=1).astype(np.int64)
    y_test = np.argmax(x_test @ teacher, axis=1).astype(np.int64)
    return Source("gaussian", x_train, y_train, x_test, y_test, classes=CLASSES, shuffled=True)


def _generator(seed: int, stream: int) -> np.random.Generator:
    return np.random.Generator(np.random.PCG64([seed, stream]))

"""Imports made short for commands that need numpy or the screen: they take longer than drawing."""

from __future__ import annotations

import gc
import os

_BLAS_THREADS = "OPENBLAS_NUM_THREADS"


def import_numpy() -> None:
    """Import numpy without a thread a core for BLAS, which a viewer has no use for; starting them takes as long."""
    given = os.environ.get(_BLAS_THREADS)
    os.environ[_BLAS_THREADS] = given or "1"
    try:
        import numpy as numpy
    finally:
        # An engine that is started later inherits the environment, and computes with all threads.
        if given is None:
            del os.environ[_BLAS_THREADS]


def prepare_screen() -> None:
    """Make the imports of the screen short; call it before the first of them."""
    # Modules stay. The collector would walk through them again and again while they come, a tenth of the time; the
    # app has its own collector.
    gc.disable()
    import_numpy()

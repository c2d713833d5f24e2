"""The way from a command to the screen. Importing what draws it takes longer than drawing: this keeps it short."""

from __future__ import annotations

import gc
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from wnt_tui.cli.group import finish

if TYPE_CHECKING:
    from wnt_tui.process.engine_process import EngineProcess

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


def prepare() -> None:
    """Make the imports short; call it before the first of what the screen needs."""
    # Modules stay. The collector would walk through them again and again while they come, a tenth of the time; the
    # app has its own collector.
    gc.disable()
    import_numpy()


def show(
    paths: Sequence[Path],
    engine: EngineProcess | None = None,
    *,
    origin: tuple[Path, int] | None = None,
    choose: bool = False,
    debug: bool = False,
) -> NoReturn:
    """Run the app and end the command with its exit code.

    Args:
        paths: The sessions; the first is shown, compared with the others.
        engine: The engine that was started for the first, if one was.
        origin: The session that the first branches from, and the step, if it is a branch that is being made.
        choose: Whether the first is shown alone, below a list of all to choose from.
        debug: Whether an error shows its traceback.
    """
    prepare()
    from wnt_tui.app import watch

    finish(watch(paths, engine, origin=origin, choose=choose, debug=debug))

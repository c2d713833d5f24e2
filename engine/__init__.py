"""The training engine of wnt-tui and all its measurements, usable as a library.

``for record in Trainer(RunConfig(width=200)).run(): ...`` trains and measures; nothing here needs a terminal.

The names below are imported on first use (PEP 562): reading a session or a configuration must not cost the
two seconds that importing torch takes.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from engine.config import RunConfig
    from engine.record import StepRecord
    from engine.training.trainer import Trainer

__all__ = ["RunConfig", "StepRecord", "Trainer", "__version__"]

__version__ = "0.4.0"

# Values are strings, not import statements: import-linter counts lazy imports too, and the viewer, which
# imports engine.session, must not reach torch through this file.
_HOME = {"RunConfig": "engine.config", "StepRecord": "engine.record", "Trainer": "engine.training.trainer"}


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(importlib.import_module(_HOME[name]), name)
    raise AttributeError(f"module 'engine' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)

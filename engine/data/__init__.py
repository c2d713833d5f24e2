"""Data sets: where the examples of a run come from and how they are prepared.

One file a source (``cifar10``, ``digits``, ``gaussian``, ``arrays``); ``load`` chooses the source, the
subset and the preprocessing from a :class:`~engine.config.RunConfig`. Importing this package imports
neither torch nor scikit-learn: each source imports what it needs when it is asked for data.
"""

from __future__ import annotations

from engine.data.dataset import DataSet
from engine.data.load import load

__all__ = ["DataSet", "load"]

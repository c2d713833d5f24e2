"""Data sets: the examples of a run and how they are prepared.

One file a source (``cifar10``, ``digits``, ``gaussian``, ``arrays``). Importing this package imports neither torch nor
scikit-learn: each source imports what it needs when it is asked for data.
"""

from __future__ import annotations

from engine.data.dataset import DataSet
from engine.data.load import load

__all__ = ["DataSet", "load"]

"""Importing torchvision's data sets beside a CPU-only torch.

torchvision's default wheel carries compiled operators that do not load beside a torch of another build. The
import then fails while ``torchvision._meta_registrations`` describes the operators ``nms`` and ``qnms``,
which nobody has declared: "operator torchvision::nms does not exist". Data sets never use them, so where
the import fails for that reason, and only then, the two signatures are declared with ``torch.library`` and
the import is tried again. No implementation is given: calling them still fails, as it should.
"""

from __future__ import annotations

import importlib
import sys
from typing import Any

from engine.errors import DataError

_SCHEMAS = (
    "nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
)

# A torch.library.Library takes its operators back when it is collected, so it is kept here.
_declared: list[Any] = []


def torchvision_datasets() -> Any:
    """The module ``torchvision.datasets``; DataError where torchvision is missing or cannot be imported."""
    try:
        return importlib.import_module("torchvision.datasets")
    except (ImportError, RuntimeError, OSError) as error:
        if "torchvision::" not in str(error) or _declared:
            reason = (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")
            raise DataError(
                f"torchvision cannot be imported: {reason}.",
                "Install the torchvision that belongs to this torch, or choose --data digits.",
            ) from error
    _declare_operators()
    return torchvision_datasets()


def _declare_operators() -> None:
    # Through importlib, because torch.library is untyped.
    library = importlib.import_module("torch.library").Library("torchvision", "FRAGMENT")
    for schema in _SCHEMAS:
        library.define(schema)
    _declared.append(library)
    # The failed import leaves some submodules behind; a second import must not find half of the package.
    for name in [name for name in sys.modules if name == "torchvision" or name.startswith("torchvision.")]:
        del sys.modules[name]

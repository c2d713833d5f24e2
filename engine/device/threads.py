"""The number of threads that sums are split among: rounding depends on it, so a run is executed again on as many."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np  # ruff: ignore[unused-import]  # its BLAS is one of those that are counted
import scipy.linalg  # ruff: ignore[unused-import]  # likewise
import torch
from threadpoolctl import ThreadpoolController, threadpool_limits

_MOST = 1024


@dataclass(frozen=True, slots=True)
class Threads:
    """Counts of threads.

    Attributes:
        torch: Of torch's operations, and of the BLAS that it brings.
        blas: Of the BLAS below numpy and scipy; None where a session does not say it.
    """

    torch: int
    blas: int | None

    def __str__(self) -> str:
        text = f"{self.torch} thread{'s' if self.torch != 1 else ''}"
        return text if self.blas in {None, self.torch} else f"{text}, {self.blas} in numpy's BLAS"

    def agrees(self, other: Threads) -> bool:
        """Whether the counts are the same, as far as both are known."""
        return self.torch == other.torch and (None in {self.blas, other.blas} or self.blas == other.blas)

    def as_meta(self) -> dict[str, str]:
        """The counts as a session's ``meta`` holds them."""
        return {"threads": str(self.torch), "blas_threads": str(self.blas)}


def threads() -> Threads:
    """The counts of this process now."""
    blas = max((pool["num_threads"] for pool in _blas().info()), default=torch.get_num_threads())
    return Threads(torch.get_num_threads(), blas)


def recorded_threads(meta: Mapping[str, str]) -> Threads | None:
    """The counts in a session's ``meta``, None where they are not recorded or make no sense."""
    own, blas = meta.get("threads", ""), meta.get("blas_threads")
    if not (own.isdecimal() and (blas is None or blas.isdecimal())):
        return None
    counts = Threads(int(own), None if blas is None else int(blas))
    return counts if counts.torch >= 1 and counts.blas != 0 else None


def use_threads(wanted: Threads) -> bool:
    """Whether this whole process computes on other counts from now on; unreasonably many are refused."""
    if max(wanted.torch, wanted.blas or 1) > _MOST:
        return False
    if not threads().agrees(wanted):
        torch.set_num_threads(wanted.torch)
        if wanted.blas is not None:
            threadpool_limits(limits=wanted.blas, user_api="blas")
    return threads().agrees(wanted)


def blas_builds() -> str:
    """The BLAS below numpy and scipy and its kernels: ``openblas 0.3.30 SkylakeX``, several with commas."""
    keys = "internal_api", "version", "architecture"
    return ", ".join(sorted({" ".join(str(pool.get(key) or "") for key in keys).strip() for pool in _blas().info()}))


def _blas() -> ThreadpoolController:
    return ThreadpoolController().select(user_api="blas")

"""A GPU's start: its context and the handles of its libraries, made while the host reads data."""

from __future__ import annotations

import contextlib
import threading

import torch


def begin_warm_up(device: torch.device) -> threading.Thread | None:
    """Start a device in a thread, which is to be joined; None for the host, which needs no start."""
    if device.type != "cuda":
        return None
    thread = threading.Thread(target=_warm_up, args=(device,), name="warm up")
    thread.start()
    return thread


def _warm_up(device: torch.device) -> None:
    # What fails here fails again where it can be reported.
    with contextlib.suppress(RuntimeError), torch.cuda.device(device):
        for dtype in (torch.float32, torch.float64):
            a = torch.eye(64, dtype=dtype, device=device).repeat(2, 1, 1)
            factor, _ = torch.linalg.cholesky_ex(a @ a + a)
            torch.linalg.solve_triangular(factor, a, upper=False)
            torch.linalg.vector_norm(torch.softmax(a[0] @ a[1], dim=-1))
        torch.cuda.synchronize(device)

"""The device of tensors: resolving ``--device``, and making results repeatable there."""

from __future__ import annotations

import os
import warnings
from dataclasses import dataclass
from pathlib import Path

import torch

from engine.device.name import device_number
from engine.errors import DeviceError


@dataclass(frozen=True, slots=True)
class ResolvedDevice:
    """A usable device.

    Attributes:
        device: For torch.
        label: For people: ``cpu · 2 threads``, ``cuda:0 NVIDIA H200``.
        notice: A sentence if the choice deserves one, else empty.
    """

    device: torch.device
    label: str
    notice: str = ""


def resolve_device(name: str) -> ResolvedDevice:
    """The device that works of ``auto``, ``cpu``, ``cuda`` or ``cuda:N``, else DeviceError."""
    # Also for `auto` where a GPU is visible to this torch and cannot be used: a silent CPU would cost somebody a night.
    if name == "cpu":
        return _cpu()
    if name == "auto":
        problem = _cuda_problem()
        if problem is None:
            return _cuda(0)
        gpu_present = Path("/proc/driver/nvidia/version").exists()
        if gpu_present and torch.version.cuda is not None:
            raise DeviceError(
                f"There is a GPU but torch cannot use it: {problem}", "Use --device cpu to go on without."
            )
        notice = "An NVIDIA GPU is present, but this torch was built without CUDA: running on the CPU."
        return _cpu(notice if gpu_present else "")
    number = device_number(name) or 0
    problem = _cuda_problem()
    if problem is not None:
        raise DeviceError(f"--device {name} cannot be used: {problem}", "Use --device cpu or auto.")
    if number >= torch.cuda.device_count():
        count = torch.cuda.device_count()
        raise DeviceError(f"--device {name} does not exist: there are {count} CUDA devices.", "They count from 0.")
    return _cuda(number)


def make_deterministic() -> None:
    """Ask for bit-repeatable kernels and full float32 products (TF32 off).

    Must run before the first CUDA call: cuBLAS reads its workspace setting once.
    """
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.set_float32_matmul_precision("highest")
    # What use_deterministic_algorithms(True) sets; that one imports torch's compiler too, which takes as long as torch.
    torch.set_deterministic_debug_mode("error")
    # Or else every new tensor would be filled with NaN first; nothing here is read before it is written.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]  # a property of a module


def _cpu(notice: str = "") -> ResolvedDevice:
    threads = torch.get_num_threads()
    return ResolvedDevice(torch.device("cpu"), f"cpu · {threads} thread{'s' if threads != 1 else ''}", notice)


def _cuda(index: int) -> ResolvedDevice:
    return ResolvedDevice(torch.device("cuda", index), f"cuda:{index} {torch.cuda.get_device_name(index)}")


def _cuda_problem() -> str | None:
    """The reason, in torch's own words, why CUDA cannot be used, or None if it can."""
    if torch.version.cuda is None:
        return "this torch was built without CUDA."
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            if torch.cuda.is_available():
                torch.cuda.init()  # type: ignore[no-untyped-call]  # torch has not typed it
                return None
        except RuntimeError as error:
            return str(error).splitlines()[0]
    return str(caught[0].message).splitlines()[0] if caught else "no CUDA device was found."

"""Full memory, of the processor or the device, as an error with a way out."""

from __future__ import annotations

from engine.errors import DeviceError


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error means that memory is full: torch raises plain RuntimeErrors, on the CPU and on CUDA alike."""
    words = str(error).lower()
    return isinstance(error, MemoryError) or "out of memory" in words or "can't allocate memory" in words


def out_of_memory() -> DeviceError:
    """The error with its way out."""
    return DeviceError("Out of memory.", "Use a smaller --width, --depth or --examples, or --device cpu.")

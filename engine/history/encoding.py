"""Checkpoints as a session stores them: named tensors, and one of them JSON in bytes. Never pickle.

What comes out of a file is held against the run that it is for: names, types, shapes and finite values of parameters
here, the carried state by the measurements that take it up. That the parameters are those of their row is seen
afterwards, from the loss at them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from engine import __version__
from engine.errors import SessionError
from engine.history.checkpoint import Checkpoint
from engine.history.measured_otherwise import begun_anew, measured_otherwise
from engine.measure.base import State, numbers_of, tensors_of, with_tensors
from engine.session.measuring_version import measuring_version
from engine.session.reader import SessionReader
from engine.session.rows import ROLLING, Tensor
from engine.training.trainer import Trainer

_NUMPY: dict[str, np.dtype[Any]] = {"F32": np.dtype("<f4"), "F64": np.dtype("<f8")}
_NAMES = {torch.float32: "F32", torch.float64: "F64"}
_CARRIED = "carried"
_VECTOR = "carried."
_LONGEST_TEXT = 1 << 20
_SLACK = 16 << 20


def encode(checkpoint: Checkpoint, trainer: Trainer) -> dict[str, Tensor]:
    """A checkpoint as tensors to store: ``W1`` …, ``b1`` …, ``carried`` (JSON) and ``carried.PATH``."""
    tensors = dict(zip(trainer.model.parameters, map(_stored, checkpoint.parameters), strict=True))
    if checkpoint.carried is None:
        return tensors
    text = json.dumps(numbers_of(checkpoint.carried)).encode()
    tensors[_CARRIED] = Tensor("U8", (len(text),), text)
    return tensors | {_VECTOR + path: _stored(vector) for path, vector in tensors_of(checkpoint.carried).items()}


def read_checkpoint(reader: SessionReader, step: int, trainer: Trainer) -> Checkpoint:
    """A checkpoint of a session; a SessionError where there is none, or it does not fit the trainer's run."""
    parameters = sum(p.numel() * p.element_size() for p in trainer.model.parameters.values())
    # Warm starts: two vectors of all parameters, and small ones.
    size = reader.checkpoint_bytes(step)
    if not parameters <= size <= 4 * parameters + _SLACK:
        raise SessionError(_unfit(reader, step, f"it has {size:,} bytes"))
    stored = reader.checkpoint(step)
    try:
        return decode(step, stored, trainer, measured_by=measuring_version(reader.meta(), step))
    except (LookupError, TypeError, ValueError, OverflowError, RecursionError) as error:
        raise SessionError(_unfit(reader, step, str(error) or type(error).__name__)) from None


def decode(step: int, stored: Mapping[str, Tensor], trainer: Trainer, *, measured_by: str = __version__) -> Checkpoint:
    """The checkpoint of stored tensors.

    Args:
        step: Its step.
        stored: Tensors by name.
        trainer: The run that it is for.
        measured_by: The version that measured its row: what is followed otherwise now is not taken up.

    Returns:
        The checkpoint.

    Raises:
        LookupError: A parameter is missing.
        TypeError: Its text is no mapping of numbers.
        ValueError: A tensor is not one of the run's.
    """
    left = {name: tensor for name, tensor in stored.items() if name != ROLLING}
    parameters = []
    for name, like in trainer.model.parameters.items():
        tensor = left.pop(name)
        if tensor.shape != tuple(like.shape) or tensor.dtype != _NAMES[like.dtype]:
            raise ValueError(f"{name} is {tensor.dtype} of shape {tensor.shape}")
        parameters.append(_tensor(tensor))
        if not bool(torch.isfinite(parameters[-1]).all()):
            raise ValueError(f"{name} is not finite")
    text = left.pop(_CARRIED, None)
    if text is None:
        if left:
            raise ValueError(f"unknown: {sorted(left)[0]}")
        return Checkpoint(step, tuple(parameters), None)
    if len(text.data) > _LONGEST_TEXT:
        raise ValueError("its text is too long")
    words = json.loads(text.data)
    if not isinstance(words, dict):
        raise TypeError("its text is no mapping")
    older = bool(measured_otherwise(measured_by))
    carried = begun_anew(_numbers(words)) if older else _carried(words, left)
    return Checkpoint(step, tuple(parameters), carried)


def _carried(words: dict[str, Any], stored: Mapping[str, Tensor]) -> State:
    vectors = {}
    for name, tensor in stored.items():
        if not name.startswith(_VECTOR) or len(tensor.shape) != 1:
            raise ValueError(f"unknown: {name} of shape {tensor.shape}")
        vectors[name.removeprefix(_VECTOR)] = _tensor(tensor)
    return with_tensors(_numbers(words), vectors)


def _numbers(found: Any) -> Any:
    """JSON's mappings and lists of numbers; a TypeError for anything else in them."""
    if isinstance(found, dict):
        return {name: _numbers(held) for name, held in found.items()}
    if isinstance(found, list):
        return [_numbers(held) for held in found]
    if not isinstance(found, (bool, int, float)):
        raise TypeError(f"{found!r} is no number")
    float(found)  # an OverflowError where it is too large for one
    return found


def _stored(tensor: torch.Tensor) -> Tensor:
    name = _NAMES[tensor.dtype]
    return Tensor(name, tuple(tensor.shape), tensor.contiguous().numpy().astype(_NUMPY[name], copy=False).tobytes())


def _tensor(stored: Tensor) -> torch.Tensor:
    if stored.dtype not in _NUMPY:
        raise ValueError(f"a tensor has type {stored.dtype}")
    return torch.from_numpy(np.frombuffer(stored.data, _NUMPY[stored.dtype]).reshape(stored.shape).copy())


def _unfit(reader: SessionReader, step: int, why: str) -> str:
    return f"The checkpoint of step {step} in {reader.name} does not fit its run: {why}."

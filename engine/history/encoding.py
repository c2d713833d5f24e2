"""Checkpoints as a session stores them: named tensors, and one of them JSON in bytes. Never pickle.

What comes out of a file is held against the run that it is for: names, types, shapes, sizes, finite parameters. That
the parameters are those of their row is seen afterwards, from the loss at them.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch

from engine.catalogue import STEP_COLUMNS
from engine.errors import SessionError
from engine.history.checkpoint import Checkpoint
from engine.measure.carried import Carried
from engine.session.reader import SessionReader
from engine.session.rows import ROLLING, Tensor
from engine.theory.ledger import LEDGER
from engine.training.trainer import Trainer

_NUMPY: dict[str, np.dtype[Any]] = {"F32": np.dtype("<f4"), "F64": np.dtype("<f8")}
_NAMES = {torch.float32: "F32", torch.float64: "F64"}
_CARRIED = "carried"
_VECTOR = "carried."
_LONGEST_TEXT = 1 << 20
_SLACK = 16 << 20


def encode(checkpoint: Checkpoint, trainer: Trainer) -> dict[str, Tensor]:
    """A checkpoint as tensors to store.

    Args:
        checkpoint: The checkpoint.
        trainer: The run that it is of.

    Returns:
        Tensors by name: ``W1`` …, ``b1`` …, ``carried`` (JSON) and ``carried.NAME``.
    """
    tensors = dict(zip(trainer.model.parameters, map(_stored, checkpoint.parameters), strict=True))
    carried = checkpoint.carried
    if carried is None:
        return tensors
    words = {
        "trajectory": dict(carried.trajectory),
        "before": dict(carried.before),
        "violations": {name: list(steps) for name, steps in carried.violations.items()},
        "weight_norms": carried.weight_norms,
    }
    text = json.dumps(words).encode()
    tensors[_CARRIED] = Tensor("U8", (len(text),), text)
    return tensors | {_VECTOR + name: _stored(vector) for name, vector in carried.vectors.items()}


def read_checkpoint(reader: SessionReader, step: int, trainer: Trainer) -> Checkpoint:
    """Read a checkpoint out of a session.

    Args:
        reader: The session.
        step: The checkpoint's step.
        trainer: A trainer of the session's run, which says what fits.

    Returns:
        The checkpoint.

    Raises:
        SessionError: There is none, or it does not fit the run.
    """
    parameters = sum(p.numel() * p.element_size() for p in trainer.model.parameters.values())
    # Warm starts: two vectors of all parameters, and small ones.
    size = reader.checkpoint_bytes(step)
    if not parameters <= size <= 4 * parameters + _SLACK:
        raise SessionError(_unfit(reader, step, f"it has {size:,} bytes"))
    stored = reader.checkpoint(step)
    try:
        return _decoded(step, stored, trainer)
    except (LookupError, TypeError, ValueError, RecursionError) as error:
        raise SessionError(_unfit(reader, step, str(error) or type(error).__name__)) from None


def _decoded(step: int, stored: Mapping[str, Tensor], trainer: Trainer) -> Checkpoint:
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
            raise ValueError(f"nobody knows {sorted(left)[0]}")
        return Checkpoint(step, tuple(parameters), None)
    if len(text.data) > _LONGEST_TEXT:
        raise ValueError("its text is too long")
    return Checkpoint(step, tuple(parameters), _carried(json.loads(text.data), left, trainer))


def _carried(words: Any, stored: Mapping[str, Tensor], trainer: Trainer) -> Carried:
    before = _numbers(words["before"])
    if not set(before) <= set(STEP_COLUMNS):
        raise ValueError("it names metrics that there are not")
    violations = {str(name): tuple(map(int, steps)) for name, steps in dict(words["violations"]).items()}
    if not set(violations) <= set(LEDGER):
        raise ValueError("it names inequalities that there are not")
    norms = words["weight_norms"]
    if norms is not None and len(norms) != trainer.model.depth:
        raise ValueError("it has norms of another depth")
    vectors = {}
    for name, tensor in stored.items():
        if not name.startswith(_VECTOR):
            raise ValueError(f"nobody knows {name}")
        part, _, inner = (short := name.removeprefix(_VECTOR)).partition(".")
        if len(tensor.shape) != 1 or tensor.shape[0] not in _LENGTHS[part](trainer, inner):
            raise ValueError(f"{name} has shape {tensor.shape}")
        vectors[short] = _tensor(tensor)
    return Carried(
        trajectory=_numbers(words["trajectory"]),
        before=before,
        violations=violations,
        weight_norms=None if norms is None else tuple(_number(norm) for norm in norms),
        vectors=vectors,
    )


def _layer_lengths(trainer: Trainer, name: str) -> set[int]:
    """Lengths that a vector of the layers' measurements may have; a name that there is not is a ValueError."""
    kind, _, rest = name.partition(".")
    if name.endswith((".scalars", ".bounds")):
        return {2}
    weights, n = trainer.model.weights, trainer.data.x_train.shape[0]
    if kind == "weights":
        return {min(weight.shape) for weight in weights}  # which one it is of, the norm sees for itself
    if kind == "stack":
        return {min(n, weights[0].shape[0])} if rest.startswith("features") else {n}
    if kind != "layer":
        raise ValueError(f"nobody knows {name}")
    layer, _, what = rest.partition(".")
    return {min(n, weights[int(layer)].shape[1])} if what.startswith("features") else {n}


def _kernel_lengths(trainer: Trainer, name: str) -> set[int]:
    n = trainer.data.x_train.shape[0]
    if name == "exact":
        return {1}
    if name.startswith("pntk."):
        return {2} if name.endswith(".scalars") else {n}
    return {n * trainer.data.classes}


# A wrong length would end the run in the middle of a product.
_LENGTHS: dict[str, Callable[[Trainer, str], set[int]]] = {
    "curvature": lambda trainer, _name: {trainer.model.dimension},
    "kernel": _kernel_lengths,
    "layers": _layer_lengths,
}


def _numbers(found: Any) -> dict[str, float]:
    return {str(name): _number(value) for name, value in dict(found).items()}


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise TypeError(f"{value!r} is no number")
    return float(value)


def _stored(tensor: torch.Tensor) -> Tensor:
    name = _NAMES[tensor.dtype]
    return Tensor(name, tuple(tensor.shape), tensor.contiguous().numpy().astype(_NUMPY[name], copy=False).tobytes())


def _tensor(stored: Tensor) -> torch.Tensor:
    if stored.dtype not in _NUMPY:
        raise ValueError(f"a tensor has type {stored.dtype}")
    return torch.from_numpy(np.frombuffer(stored.data, _NUMPY[stored.dtype]).reshape(stored.shape).copy())


def _unfit(reader: SessionReader, step: int, why: str) -> str:
    return f"The checkpoint of step {step} in {reader.name} does not fit its run: {why}."

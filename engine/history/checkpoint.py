"""A run at a row, complete: the parameters and what measuring hands on. From it training goes on bit by bit."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from engine.measure.base import State, tensors_of, with_tensors
from engine.record import StepRecord
from engine.training.trainer import Trainer


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A run after it has observed a row, in the processor's memory.

    Attributes:
        step: The row's step.
        parameters: In the order of ``Model.parameters``.
        carried: What measuring hands on to the next row; None for parameters that a run begins from.
    """

    step: int
    parameters: tuple[Tensor, ...]
    carried: State | None

    @property
    def size(self) -> int:
        """Bytes of its tensors: about three times the parameters where the Hessian is measured, else about once."""
        vectors = tensors_of(self.carried or {}).values()
        return sum(tensor.numel() * tensor.element_size() for tensor in (*self.parameters, *vectors))


def take(trainer: Trainer) -> Checkpoint:
    """A copy of a run that has observed its current row."""
    carried = trainer.carried()
    copies = {path: _copied(tensor) for path, tensor in tensors_of(carried).items()}
    return Checkpoint(trainer.step, parameters_of(trainer), with_tensors(carried, copies))


def put_back(trainer: Trainer, checkpoint: Checkpoint) -> StepRecord:
    """Take a run to where a checkpoint of it was taken; return loss, accuracy and gradient norm there."""
    assert checkpoint.carried is not None, "parameters alone are no place to go on from"
    tensors = tensors_of(checkpoint.carried)
    there = {path: tensor.to(trainer.device, copy=True) for path, tensor in tensors.items()}
    return trainer.restore(checkpoint.step, checkpoint.parameters, with_tensors(checkpoint.carried, there))


def parameters_of(trainer: Trainer) -> tuple[Tensor, ...]:
    """A copy of a run's parameters in the processor's memory, in their order."""
    return tuple(_copied(parameter) for parameter in trainer.model.parameters.values())


def _copied(tensor: Tensor) -> Tensor:
    return tensor.detach().to("cpu", copy=True)

"""The interface of a model: all that training and the measurements know of a network.

A *site* is a place where parameters multiply: h = aWᵀ + b. A pass leaves the features a that enter each site; the
signals that come back to it are ∂⟨cotangent, logits⟩/∂h. Gradients, kernel and norms follow from the two.

Shapes: n examples, k classes; features (n, fan_in), signals (…, n, fan_out), leading dimensions being batches of
cotangents. Where a site shares its weights between positions, both have one more dimension: (n, positions, fan_in).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from engine.model.loss import LossRows
from engine.theory.activation import NormalizedActivation

Product = Callable[[Tensor], Tensor]
"""A symmetric matrix, as a map of vectors to vectors of the same shape."""


class BlockProduct(Protocol):
    """A symmetric matrix, as a map of several vectors at once."""

    def __call__(self, block: Tensor, out: Tensor | None = None) -> Tensor:
        """The products with the rows of a block, (b, order); in ``out`` where it is given, which is not the block."""
        ...


@dataclass(frozen=True, slots=True)
class Site:
    """A place where parameters multiply.

    Attributes:
        weight: Name of W, (fan_out, fan_in), among the model's parameters.
        bias: Name of b, (fan_out,), or None.
    """

    weight: str
    bias: str | None


@dataclass(frozen=True, slots=True)
class Chain:
    """Sites in a row, h_l = a_{l−1}W_lᵀ + b_l and a_l = ν_l φ̄(h_l): what the bounds of Eq. 13 and Lemmas 4 and 9 need.

    Attributes:
        activation: φ̄ and its constants.
        bias: Whether there are b_l.
        scales: ν of the rows of a_1 … a_{L−1}, each (n, 1), 0 for a row of zeros; None without renormalisation.
    """

    activation: NormalizedActivation
    bias: bool
    scales: list[Tensor] | None


class Pass(ABC):
    """A forward pass, and derivatives at its parameters; valid until they are updated.

    Attributes:
        model: The model that made the pass.
        features: a of every site, (n, fan_in).
        logits: The outputs, (n, k).
        chain: Its description, where the sites are a chain; what bounds chains does not apply to others.
    """

    __slots__ = ("chain", "features", "logits", "model")

    def __init__(self, model: Model, features: list[Tensor], logits: Tensor, chain: Chain | None) -> None:
        self.model, self.features, self.logits, self.chain = model, features, logits, chain

    def renew(self) -> None:
        """Drop what has been derived and kept: the tensors hold another row."""
        return

    @abstractmethod
    def backward(self, cotangents: Tensor) -> list[Tensor]:
        """Signals ∂⟨cotangent, logits⟩/∂h of every site and example, in the precision of the cotangents (…, n, k)."""

    @abstractmethod
    def gradients(self, signals: Sequence[Tensor]) -> dict[str, Tensor]:
        """∂f/∂θ of the mean over examples by parameter, from the signals of single examples (not divided by n)."""

    @abstractmethod
    def hessian_product(self, signals: Sequence[Tensor], loss: LossRows) -> BlockProduct:
        """The map v ↦ ∇²f v of blocks of vectors of all parameters, in the order of ``Model.parameters``.

        Args:
            signals: δ of single examples, those of the loss.
            loss: The loss at the pass's logits.

        Returns:
            The product, prepared: what all products share is computed once.
        """

    @abstractmethod
    def kernel_product(self, grams: Sequence[Tensor]) -> Product:
        """The map v ↦ Kv = JJᵀv of cotangents (…, n, k), in their precision; K is the tangent kernel (Eq. 11).

        Args:
            grams: aaᵀ/fan_in of every site, (n, n), float64, as they have been measured. A model may do without.

        Returns:
            The product, prepared.
        """


class Model(ABC):
    """A network. Its parameters are updated in place by training, and by nothing else.

    Attributes:
        sites: Where its parameters multiply, from the input to the logits.
    """

    sites: Sequence[Site]

    @property
    @abstractmethod
    def parameters(self) -> Mapping[str, Tensor]:
        """All parameters by name, always in the same order."""

    @abstractmethod
    def forward(self, x: Tensor) -> Pass:
        """The pass at the present parameters; n is the first dimension of the inputs."""

    @abstractmethod
    def logits(self, x: Tensor) -> Tensor:
        """The outputs alone, (n, k), with nothing kept: for the test set."""

    @property
    def weights(self) -> list[Tensor]:
        """The W of every site."""
        return [self.parameters[site.weight] for site in self.sites]

    @property
    def biases(self) -> list[Tensor]:
        """The b of the sites that have one."""
        return [self.parameters[site.bias] for site in self.sites if site.bias is not None]

    @property
    def depth(self) -> int:
        """L, the number of sites."""
        return len(self.sites)

    @property
    def dimension(self) -> int:
        """The number of parameters' entries."""
        return sum(parameter.numel() for parameter in self.parameters.values())

    @property
    def dtype(self) -> torch.dtype:
        """The training precision."""
        return next(iter(self.parameters.values())).dtype

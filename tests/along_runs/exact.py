"""The row of a run once more by dense solvers: in float64 from the row's own pass, and wholly in float64.

The second uses nothing of the engine but θ_k: the network of :mod:`tests.closed_form.brute_force`, and autograd.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import scipy.linalg
import scipy.sparse.linalg
import torch
from numpy.typing import NDArray

from engine.model.base import Pass
from engine.training.trainer import Trainer
from tests.closed_form.brute_force import Problem
from tests.closed_form.functions import LOSS

Array = NDArray[np.float64]


@dataclass(eq=False)
class ExactRow:
    """What a row should hold, made while the trainer stands at θ_k.

    Attributes:
        run: The row's own pass.
        problem: The run, as brute force has it.
        theta: θ_k, (P,), float64.
    """

    run: Pass
    problem: Problem
    theta: torch.Tensor

    @cached_property
    def grams(self) -> list[Array]:
        """Eigenvalues of G^0 … G^{L−1} of the row's own features, ascending."""
        return [_gram_values(a.double()) for a in self.run.features]

    @cached_property
    def grams_throughout(self) -> list[Array]:
        """The same of a pass wholly in float64."""
        return [_gram_values(a) for a in self.problem.layers(self.theta, torch.from_numpy(self.problem.x))[0]]

    @cached_property
    def kernel_matrix(self) -> Array:
        """K formed in float64 from the row's own features and slopes."""
        n, k = self.run.logits.shape
        classes = torch.eye(k, dtype=torch.float64)[:, None, :].expand(k, n, k)
        total = torch.zeros(n * k, n * k, dtype=torch.float64)
        for a, signal, site in zip(self.run.features, self.run.backward(classes), self.run.model.sites, strict=True):
            b = signal.permute(1, 0, 2).reshape(n * k, -1)
            gram = a.double() @ a.double().T + float(site.bias is not None)
            total += (b @ b.T) * gram.repeat_interleave(k, 0).repeat_interleave(k, 1)
        return total.numpy()

    @cached_property
    def kernel(self) -> Array:
        """Eigenvalues of K, ascending."""
        return scipy.linalg.eigvalsh(self.kernel_matrix)

    @cached_property
    def kernel_throughout(self) -> Array:
        """Eigenvalues of JJᵀ, J the Jacobian of the logits by autograd, wholly in float64."""
        x = torch.from_numpy(self.problem.x)
        self.problem.layers(self.theta, x)  # constants of the activation, which torch.func could not find
        jacobian = torch.func.jacrev(lambda theta: self.problem.layers(theta, x)[2].reshape(-1))(self.theta)
        return scipy.linalg.eigvalsh((jacobian @ jacobian.T).numpy())

    @cached_property
    def compressed(self) -> Array:
        """Eigenvalues of the pNTK, ascending."""
        n, k = self.run.logits.shape
        return scipy.linalg.eigvalsh(self.kernel_matrix.reshape(n, k, n, k).sum(axis=(1, 3)) / k)

    @cached_property
    def gauss_newton(self) -> float:
        """λ_max of the part of the Hessian that Gauss–Newton keeps."""
        n, k = self.run.logits.shape
        factor = np.zeros((n * k, n * k))
        for i, o in enumerate(self.run.logits.double()):
            p = torch.softmax(o, dim=0)
            kept = LOSS[self.problem.loss].kept(torch.diag(p) - torch.outer(p, p))
            values, vectors = np.linalg.eigh(kept.numpy())
            root = (vectors * np.sqrt(np.maximum(values, 0.0))) @ vectors.T
            factor[i * k : (i + 1) * k, i * k : (i + 1) * k] = root
        return float(scipy.linalg.eigvalsh(factor @ self.kernel_matrix @ factor)[-1]) / n

    @cached_property
    def hessian(self) -> Array:
        """The three largest eigenvalues of ∇²f, ascending, by Lanczos to convergence on products by autograd."""
        x, y = torch.from_numpy(self.problem.x), torch.from_numpy(self.problem.y)
        theta = self.theta.clone().requires_grad_()
        (gradient,) = torch.autograd.grad(self.problem.sample_losses(theta, x, y).mean(), theta, create_graph=True)

        def product(v: Array) -> Array:
            (found,) = torch.autograd.grad(gradient, theta, torch.from_numpy(v.reshape(-1)), retain_graph=True)
            return found.numpy()

        operator = scipy.sparse.linalg.LinearOperator((len(theta),) * 2, matvec=product, dtype=np.float64)
        start = np.random.default_rng(0).standard_normal(len(theta))
        values = scipy.sparse.linalg.eigsh(
            operator, k=3, which="LA", v0=start, ncv=40, tol=1e-6, return_eigenvectors=False
        )
        return np.sort(values)


def exact_row(trainer: Trainer) -> ExactRow:
    """The row of the step that a trainer has observed and not yet left."""
    config, data, model = trainer.config, trainer.data, trainer.model
    problem = Problem(
        config.activation, config.renormalize, config.bias, config.loss,
        data.x_train.astype(np.float64), data.y_train.astype(np.int64), data.x_test.astype(np.float64), data.y_test,
        data.classes, config.width, config.depth, config.seed, (config.lr,) * config.steps,
    )  # fmt: skip
    theta = torch.cat([p.double().reshape(-1) for p in model.parameters.values()])
    x = torch.as_tensor(data.x_train).to(next(iter(model.parameters.values())))
    return ExactRow(model.forward(x), problem, theta)


def _gram_values(a: torch.Tensor) -> Array:
    return np.linalg.eigvalsh((a @ a.T / a.shape[1]).numpy())


def forward_rounding(dtype: str, depth: int) -> float:
    """16·L·eps: the relative error that a precision may leave in a pass through all layers, of norms and of K."""
    return 16.0 * depth * float(np.finfo(dtype).eps)


def finite(*values: float) -> bool:
    return all(math.isfinite(value) for value in values)

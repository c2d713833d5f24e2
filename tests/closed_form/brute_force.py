"""A whole run by brute force: gradient descent by autograd and every metric of every row from dense matrices.

Nothing of the engine is used: the network, the losses, the initialisation and every formula are written out again
from their definitions, one example and one layer at a time, in float64, with singular values where the engine takes
eigenvalues and Jacobians where it takes recursions. What it gives is what the observer's rows are compared with.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, cached_property

import numpy as np
import torch
from torch import Tensor

from tests.closed_form.functions import LOSS, dual, dual_slope, kept_curvature, normalised, supremum

EPS = float(np.finfo(np.float64).eps)
NAN = math.nan


@dataclass(frozen=True)
class Problem:
    """Options and data of a run; ``rates`` are the learning rates of its updates, one each."""

    activation: str
    renormalize: bool
    bias: bool
    loss: str
    x: np.ndarray
    y: np.ndarray
    x_test: np.ndarray
    y_test: np.ndarray
    classes: int
    width: int
    depth: int
    seed: int
    rates: tuple[float, ...]
    f_star: float = 0.0
    delta: float = 0.05

    @cached_property
    def shapes(self) -> list[tuple[int, ...]]:
        sizes = [self.x.shape[1], *[self.width] * (self.depth - 1), self.classes]
        matrices: list[tuple[int, ...]] = [(out, inp) for inp, out in itertools.pairwise(sizes)]
        return matrices + ([(out,) for out, _ in matrices] if self.bias else [])

    @cached_property
    def start(self) -> Tensor:
        """W_l ~ N(0, 1/fan_in), layer by layer from one CPU generator in float32; biases 0."""
        generator = torch.Generator().manual_seed(self.seed)
        parts = []
        for shape in self.shapes:
            if len(shape) == 2:
                parts.append(torch.randn(*shape, generator=generator).double() / math.sqrt(shape[1]))
            else:
                parts.append(torch.zeros(shape, dtype=torch.float64))
        return torch.cat([part.reshape(-1) for part in parts])

    def split(self, theta: Tensor) -> tuple[list[Tensor], list[Tensor] | None]:
        parts = theta.split([math.prod(shape) for shape in self.shapes])
        shaped = [part.reshape(shape) for part, shape in zip(parts, self.shapes, strict=True)]
        return shaped[: self.depth], shaped[self.depth :] if self.bias else None

    def layers(self, theta: Tensor, x: Tensor) -> tuple[list[Tensor], list[Tensor], Tensor]:
        """a_0 … a_{L−1}; u_1 … u_{L−1}, before renormalisation; the output."""
        weights, biases = self.split(theta)
        a, features, raw = x, [x], []
        for index in range(self.depth):
            h = a @ weights[index].T
            if biases is not None:
                h = h + biases[index]
            if index == self.depth - 1:
                return features, raw, h
            u = normalised(self.activation, h)
            raw.append(u)
            a = u * math.sqrt(self.width) / u.norm(dim=1, keepdim=True) if self.renormalize else u
            features.append(a)
        raise AssertionError

    def sample_losses(self, theta: Tensor, x: Tensor, y: Tensor) -> Tensor:
        return LOSS[self.loss].rows(self.layers(theta, x)[2], y)


@dataclass(eq=False)
class Row:
    """A row's parameters and what is dear to compute there."""

    problem: Problem
    step: int
    theta: Tensor
    x: Tensor
    y: Tensor

    def _of(self, theta: Tensor) -> Tensor:
        return self.problem.sample_losses(theta, self.x, self.y)

    @cached_property
    def sample_losses(self) -> np.ndarray:
        return self._of(self.theta).numpy()

    @cached_property
    def f(self) -> float:
        return float(np.mean(self.sample_losses))

    @cached_property
    def sample_gradients(self) -> np.ndarray:
        return torch.autograd.functional.jacobian(self._of, self.theta, vectorize=True).numpy()

    @cached_property
    def gradient(self) -> np.ndarray:
        return self.sample_gradients.mean(axis=0)

    @cached_property
    def g(self) -> float:
        return float(np.linalg.norm(self.gradient))

    @cached_property
    def mu(self) -> float:
        return self.g**2 / (2 * (self.f - self.problem.f_star))

    @cached_property
    def hessian(self) -> np.ndarray:
        dense = torch.autograd.functional.hessian(lambda t: self._of(t).mean(), self.theta, vectorize=True).numpy()
        return (dense + dense.T) / 2

    @cached_property
    def jacobian(self) -> np.ndarray:
        """J of all logits, (n, k, parameters)."""
        logits = lambda t: self.problem.layers(t, self.x)[2]  # ruff: ignore[lambda-assignment] a closure for autograd
        return torch.autograd.functional.jacobian(logits, self.theta, vectorize=True).numpy()

    @cached_property
    def kernel(self) -> np.ndarray:
        flat = self.jacobian.reshape(-1, self.jacobian.shape[-1])
        return flat @ flat.T

    @cached_property
    def kernel_spectrum(self) -> np.ndarray:
        return np.linalg.eigvalsh(self.kernel)

    @cached_property
    def gauss_newton(self) -> np.ndarray:
        n, _, size = self.jacobian.shape
        o = self.problem.layers(self.theta, self.x)[2]
        total = np.zeros((size, size))
        for i in range(n):
            kept = kept_curvature(self.problem.loss, o[i]).numpy()
            total += self.jacobian[i].T @ kept @ self.jacobian[i] / n
        return total

    @cached_property
    def features(self) -> list[np.ndarray]:
        return [a.numpy() for a in self.problem.layers(self.theta, self.x)[0]]

    @cached_property
    def raw(self) -> list[np.ndarray]:
        return [u.numpy() for u in self.problem.layers(self.theta, self.x)[1]]

    @cached_property
    def weights(self) -> list[np.ndarray]:
        return [w.numpy() for w in self.problem.split(self.theta)[0]]

    @cached_property
    def biases(self) -> list[np.ndarray] | None:
        found = self.problem.split(self.theta)[1]
        return None if found is None else [b.numpy() for b in found]

    @cached_property
    def logit_gradients(self) -> np.ndarray:
        o = self.problem.layers(self.theta, self.x)[2].detach().requires_grad_()
        (found,) = torch.autograd.grad(LOSS[self.problem.loss].rows(o, self.y).sum(), o)
        return found.numpy()

    @cached_property
    def test(self) -> tuple[np.ndarray, float] | None:
        """Losses and accuracy on the test set."""
        if len(self.problem.x_test) == 0:
            return None
        x, y = torch.tensor(self.problem.x_test), torch.tensor(self.problem.y_test)
        o = self.problem.layers(self.theta, x)[2]
        return LOSS[self.problem.loss].rows(o, y).numpy(), float(
            np.mean(np.argmax(o.numpy(), 1) == self.problem.y_test)
        )

    @cache  # ruff: ignore[cached-instance-method] a row lives as long as its test run
    def sigma(self, m: int) -> np.ndarray:
        """All n singular values of F_m = A_m/√width, from below: zeros where n > width."""
        a = self.features[m]
        found = np.linalg.svd(a / math.sqrt(a.shape[1]), compute_uv=False)
        return np.sort(np.concatenate([found, np.zeros(max(0, len(a) - len(found)))]))

    @cache  # ruff: ignore[cached-instance-method] as above
    def gram(self, m: int) -> np.ndarray:
        a = self.features[m]
        return np.array([[float(p @ q) / len(p) for q in a] for p in a])

    @cache  # ruff: ignore[cached-instance-method] as above
    def constants(self, radius: float) -> list[tuple[float, float]]:
        """J and H of every example over a ball, one at a time."""
        problem = self.problem
        p1, p2 = supremum(problem.activation, 1), supremum(problem.activation, 2)
        extra = 1.0 if problem.bias else 0.0
        norms = [float(np.linalg.norm(w, 2)) + radius for w in self.weights]
        found = []
        for i in range(len(problem.x)):
            J, H = math.sqrt(float(self.features[0][i] @ self.features[0][i]) + extra), 0.0
            for m in range(1, problem.depth):
                q1, q2, s = p1, p2, norms[m]
                a = float(np.linalg.norm(self.features[m][i]))
                if problem.renormalize:
                    u = float(np.linalg.norm(self.raw[m - 1][i])) - p1 * J * radius
                    if not u > 0:
                        J = H = NAN
                        break
                    nu = math.sqrt(problem.width) / u
                    q1 = nu * p1
                    q2 = nu * p2 + (2 / math.sqrt(3)) * math.sqrt(problem.width) / u**2 * p1**2
                else:
                    a += p1 * J * radius
                c, b = q1 * J, s * (q2 * J * J + q1 * H)
                # H is the larger eigenvalue of the form 2αβc + β²b.
                H = NAN if math.isnan(b) else float(np.linalg.eigvalsh([[0.0, c], [c, b]])[-1])
                J = math.sqrt(a * a + extra + (s * q1 * J) ** 2)
            found.append((J, H))
        return found


class BruteForce:
    """All rows of a run: θ_{k+1} = θ_k − η_k ∇f(θ_k)."""

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        self.curvatures: list[float] | None = None
        """L of each row in Lemma 1 and 10: λ_max of the dense Hessian unless something else is put here."""
        x, y = torch.tensor(problem.x), torch.tensor(problem.y)
        self.rows = [Row(problem, 0, problem.start, x, y)]
        for rate in problem.rates:
            last = self.rows[-1]
            self.rows.append(Row(problem, last.step + 1, last.theta - rate * torch.tensor(last.gradient), x, y))

    def rate(self, k: int) -> float:
        return self.problem.rates[k]

    def step_rounding(self, k: int) -> float:
        """What rounding both losses as numbers leaves uncertain in ``step_smoothness``."""
        before = self.rows[k - 1]
        return 4 * EPS * max(before.f, self.rows[k].f) / (self.rate(k - 1) * before.g) ** 2

    def step_smoothness(self, k: int) -> float:
        """L of the step k−1 → k from the descent lemma taken as an equation, solved for L."""
        before, now, eta = self.rows[k - 1], self.rows[k], self.rate(k - 1)
        # f_k = f − η‖g‖² + (L/2) η²‖g‖²
        return (now.f - before.f + eta * before.g**2) / (0.5 * (eta * before.g) ** 2)


Step = Callable[[BruteForce, int], float]
Layer = Callable[[BruteForce, int, int], float]
STEP: dict[str, Step] = {}
LAYER: dict[str, Layer] = {}
WORDS: dict[str, str] = {}
"""What a metric is held against, where no other test holds it than those over all of ``STEP`` and ``LAYER``."""


def _step(name: str, words: str = "") -> Callable[[Step], Step]:
    def register(function: Step) -> Step:
        STEP[name], WORDS[name] = function, words
        return function

    return register


def _layer(name: str, words: str = "") -> Callable[[Layer], Layer]:
    def register(function: Layer) -> Layer:
        LAYER[name], WORDS[name] = function, words
        return function

    return register


# Training


@_step("loss")
def _(run: BruteForce, k: int) -> float:
    return run.rows[k].f


@_step("accuracy", "counted example by example")
def _(run: BruteForce, k: int) -> float:
    row = run.rows[k]
    o = run.problem.layers(row.theta, row.x)[2].numpy()
    return sum(int(np.argmax(o[i])) == run.problem.y[i] for i in range(len(o))) / len(o)


@_step("test_loss", "the definition, example by example")
def _(run: BruteForce, k: int) -> float:
    test = run.rows[k].test
    return NAN if test is None else float(np.mean(test[0]))


@_step("test_accuracy", "counted example by example")
def _(run: BruteForce, k: int) -> float:
    test = run.rows[k].test
    return NAN if test is None else test[1]


@_step("lr", "the learning rates of the run")
def _(run: BruteForce, k: int) -> float:
    return (*run.problem.rates, run.problem.rates[-1])[k] if run.problem.rates else 0.1


@_step("grad_norm")
def _(run: BruteForce, k: int) -> float:
    return run.rows[k].g


# Optimisation


@_step("sample_grad_norm_max")
def _(run: BruteForce, k: int) -> float:
    return max(float(np.linalg.norm(row)) for row in run.rows[k].sample_gradients)


@_step("pl")
def _(run: BruteForce, k: int) -> float:
    return run.rows[k].mu


@_step("pl_samplewise", "Eq. 47 of autograd's Jacobian of the losses")
def _(run: BruteForce, k: int) -> float:
    row = run.rows[k]
    squares = [float(g @ g) for g in row.sample_gradients]
    return sum(squares) / len(squares) / (2 * (row.f - run.problem.f_star))


@_step("smoothness_hessian")
def _(run: BruteForce, k: int) -> float:
    return float(np.linalg.eigvalsh(run.rows[k].hessian)[-1])


@_step("smoothness_ggn")
def _(run: BruteForce, k: int) -> float:
    return float(np.linalg.eigvalsh(run.rows[k].gauss_newton)[-1])


@_step("smoothness_step")
def _(run: BruteForce, k: int) -> float:
    return run.step_smoothness(k) if k else NAN


@_step("smoothness_secant")
def _(run: BruteForce, k: int) -> float:
    if k == 0:
        return NAN
    before, now = run.rows[k - 1], run.rows[k]
    return float(np.linalg.norm(now.gradient - before.gradient) / np.linalg.norm((now.theta - before.theta).numpy()))


@_step("lipschitz_bound")
def _(run: BruteForce, k: int) -> float:
    row = run.rows[k]
    pairs = zip(row.logit_gradients, row.constants(0.0), strict=True)
    return max(float(np.linalg.norm(g)) * J for g, (J, _) in pairs)


@_step("smoothness_bound")
def _(run: BruteForce, k: int) -> float:
    row, largest = run.rows[k], LOSS[run.problem.loss].curvature
    pairs = list(zip(row.logit_gradients, row.constants(0.0), strict=True))
    return sum(largest * J * J + float(np.linalg.norm(g)) * H for g, (J, H) in pairs) / len(pairs)


@_step("smoothness_segment")
def _(run: BruteForce, k: int) -> float:
    if k == 0:
        return NAN
    before, radius = run.rows[k - 1], run.rate(k - 1) * run.rows[k - 1].g
    largest, ceiling = LOSS[run.problem.loss].curvature, LOSS[run.problem.loss].ceiling
    total = 0.0
    for g, (J, H) in zip(before.logit_gradients, before.constants(radius), strict=True):
        total += largest * J * J + min(ceiling, float(np.linalg.norm(g)) + largest * J * radius) * H
    return total / len(before.logit_gradients)


# Predictions


def _largest_curvature(run: BruteForce, k: int) -> float:
    if run.curvatures is not None:
        return run.curvatures[k]
    return float(np.linalg.eigvalsh(run.rows[k].hessian)[-1])


@_step("predicted_lemma1")
def _(run: BruteForce, k: int) -> float:
    if k == 0:
        return NAN
    before, f_star = run.rows[k - 1], run.problem.f_star
    return f_star + (1 - before.mu / _largest_curvature(run, k - 1)) * (before.f - f_star)


@_step("predicted_descent")
def _(run: BruteForce, k: int) -> float:
    if k < 2:
        return NAN
    before, eta, L = run.rows[k - 1], run.rate(k - 1), run.step_smoothness(k - 1)
    return before.f - eta * before.g**2 + 0.5 * L * eta**2 * before.g**2


@_step("predicted_lemma10")
def _(run: BruteForce, k: int) -> float:
    if k == 0:
        return NAN
    before, L = run.rows[k - 1], _largest_curvature(run, k - 1)
    distance = 2 * before.f / before.g
    return before.f * (1 - before.f / (2 * L * distance**2))


def _ratio(name: str) -> Step:
    def ratio(run: BruteForce, k: int) -> float:
        predicted = STEP[name](run, k)
        return run.rows[k].f / predicted if predicted > run.problem.f_star else NAN

    return ratio


for _name in ("lemma1", "descent", "lemma10"):
    STEP[f"ratio_{_name}"] = _ratio(f"predicted_{_name}")


@_step("ratio_null", "losses by definition")
def _(run: BruteForce, k: int) -> float:
    return run.rows[k].f / run.rows[k - 1].f if k else NAN


@_step("decrease_ratio", "losses by definition")
def _(run: BruteForce, k: int) -> float:
    if k < 2:
        return NAN
    before = run.rows[k - 1].f
    return (before - run.rows[k].f) / (before - STEP["predicted_descent"](run, k))


@_step("lemma13_bound")
def _(run: BruteForce, k: int) -> float:
    gap = run.rows[0].f - run.problem.f_star
    for i in range(1, k):
        mu, eta = run.rows[i].mu, run.rate(i)
        gap *= 1 - 2 * eta * mu * (1 - eta * max(mu, run.step_smoothness(i)) / 2)
    return run.problem.f_star + gap


@_step("distance_init", "parameters by autograd's gradient descent")
def _(run: BruteForce, k: int) -> float:
    return float(np.linalg.norm((run.rows[k].theta - run.rows[0].theta).numpy()))


@_step("radius_bound")
def _(run: BruteForce, k: int) -> float:
    if k == 0:
        return NAN
    eta, mu = run.rate(k - 1), min(row.mu for row in run.rows[:k])
    L = max(mu, *(run.step_smoothness(i) for i in range(1, k + 1)))
    gamma = 1 - 2 * eta * mu * (1 - eta * L / 2)
    if gamma >= 1:
        return NAN
    return eta * math.sqrt(2 * L * (run.rows[0].f - run.problem.f_star)) / (1 - math.sqrt(gamma))


# Generalization


@_step("loss_bound", "the largest loss by definition")
def _largest_loss(run: BruteForce, k: int) -> float:
    row, bound = run.rows[k], LOSS[run.problem.loss].bound
    if math.isfinite(bound):
        return bound
    return float(max([*row.sample_losses, *(row.test[0] if row.test is not None else [])]))


def _squared_bound(run: BruteForce, k: int, lipschitz: float) -> float:
    """M²/(2nδ) + (24Mε/δ)(r + r²/(n−1)), r = G/‖∇f‖."""
    row, n, delta = run.rows[k], len(run.problem.x), run.problem.delta
    M, r = _largest_loss(run, k), lipschitz / row.g
    return M * M / (2 * n * delta) + 24 * M * (row.f - run.problem.f_star) / delta * (r + r * r / (n - 1))


@_step("stability_beta")
def _(run: BruteForce, k: int) -> float:
    row, n = run.rows[k], len(run.problem.x)
    r = STEP["sample_grad_norm_max"](run, k) / row.g
    # With local μ, 2G²/μ = 4ε r² and 2√ε√(2G²/μ) = 4ε r.
    return 4 * (row.f - run.problem.f_star) * (r + r * r / (n - 1))


@_step("generalization_bound")
def _(run: BruteForce, k: int) -> float:
    return math.sqrt(_squared_bound(run, k, STEP["sample_grad_norm_max"](run, k)))


@_step("generalization_bound_compositional", "the form in r = G/‖∇f‖")
def _(run: BruteForce, k: int) -> float:
    return math.sqrt(_squared_bound(run, k, STEP["lipschitz_bound"](run, k)))


@_step("generalization_floor")
def _(run: BruteForce, k: int) -> float:
    return math.sqrt(_squared_bound(run, k, run.rows[k].g))


@_step("generalization_gap", "losses by definition")
def _(run: BruteForce, k: int) -> float:
    return abs(STEP["test_loss"](run, k) - run.rows[k].f)


# The tangent kernel


@_step("ntk_lambda_min")
def _(run: BruteForce, k: int) -> float:
    return float(run.rows[k].kernel_spectrum[0])


@_step("ntk_lambda_max")
def _(run: BruteForce, k: int) -> float:
    return float(run.rows[k].kernel_spectrum[-1])


@_step("ntk_log10_cond")
def _(run: BruteForce, k: int) -> float:
    low, high = run.rows[k].kernel_spectrum[[0, -1]]
    return math.log10(high / max(low, max(len(run.rows[k].kernel), 16) * EPS * high))


def _compressed(row: Row) -> np.ndarray:
    n, k, _ = row.jacobian.shape
    mean = row.jacobian.sum(axis=1) / math.sqrt(k)
    return np.array([[float(mean[i] @ mean[j]) for j in range(n)] for i in range(n)])


@_step("pntk_lambda_min")
def _(run: BruteForce, k: int) -> float:
    return float(np.linalg.eigvalsh(_compressed(run.rows[k]))[0])


@_step("pntk_lambda_max")
def _(run: BruteForce, k: int) -> float:
    return float(np.linalg.eigvalsh(_compressed(run.rows[k]))[-1])


# Layers: m = 0 … L−1 for G and its bounds, 1 … L for the weights.


def _is_feature_layer(run: BruteForce, m: int) -> bool:
    return m < run.problem.depth


def _gram_metric(name: str) -> Callable[[Layer], Layer]:
    def register(function: Layer) -> Layer:
        LAYER[name] = lambda run, k, m: function(run, k, m) if _is_feature_layer(run, m) else NAN
        return function

    return register


@_gram_metric("lambda_min")
def _(run: BruteForce, k: int, m: int) -> float:
    return float(run.rows[k].sigma(m)[0] ** 2)


@_gram_metric("lambda_max")
def _(run: BruteForce, k: int, m: int) -> float:
    return float(run.rows[k].sigma(m)[-1] ** 2)


@_gram_metric("lambda_resolution")
def _(run: BruteForce, k: int, m: int) -> float:
    return max(len(run.problem.x), 16) * EPS * float(run.rows[k].sigma(m)[-1] ** 2)


@_gram_metric("log10_cond")
def _(run: BruteForce, k: int, m: int) -> float:
    sigma = run.rows[k].sigma(m)
    floor = max(len(sigma), 16) * EPS * sigma[-1] ** 2
    return math.log10(sigma[-1] ** 2 / max(sigma[0] ** 2, floor))


def _radii(gram: np.ndarray) -> list[float]:
    n = len(gram)
    return [sum(abs(gram[i, j]) for j in range(n) if j != i) for i in range(n)]


def _off_diagonal(gram: np.ndarray) -> list[float]:
    n = len(gram)
    return [float(gram[i, j]) for i in range(n) for j in range(n) if i != j]


@_gram_metric("gersh_row_sum")
def _(run: BruteForce, k: int, m: int) -> float:
    return max(_radii(run.rows[k].gram(m)))


@_gram_metric("gersh_min_diag")
def _(run: BruteForce, k: int, m: int) -> float:
    gram = run.rows[k].gram(m)
    return min(float(gram[i, i]) for i in range(len(gram)))


@_gram_metric("gersh_max_offdiag")
def _(run: BruteForce, k: int, m: int) -> float:
    return max(_off_diagonal(run.rows[k].gram(m)))


@_gram_metric("gersh_max_abs_offdiag")
def _(run: BruteForce, k: int, m: int) -> float:
    return max(abs(value) for value in _off_diagonal(run.rows[k].gram(m)))


@_gram_metric("gersh_lower")
def _(run: BruteForce, k: int, m: int) -> float:
    gram = run.rows[k].gram(m)
    return min(float(gram[i, i]) - radius for i, radius in enumerate(_radii(gram)))


@_gram_metric("gersh_upper")
def _(run: BruteForce, k: int, m: int) -> float:
    gram = run.rows[k].gram(m)
    return max(float(gram[i, i]) + radius for i, radius in enumerate(_radii(gram)))


@_gram_metric("eq13_op")
def _(run: BruteForce, k: int, m: int) -> float:
    change = run.rows[k].gram(m) - run.rows[0].gram(m)
    return float(run.rows[0].sigma(m)[0] ** 2) - float(np.abs(np.linalg.eigvalsh(change)).max())


@_gram_metric("eq13_fro")
def _(run: BruteForce, k: int, m: int) -> float:
    change = run.rows[k].gram(m) - run.rows[0].gram(m)
    return float(run.rows[0].sigma(m)[0] ** 2) - math.sqrt(float(np.sum(change**2)))


def _feature_bound(run: BruteForce, m: int, moved: float) -> float:
    return max(0.0, float(run.rows[0].sigma(m)[0]) - moved) ** 2


@_gram_metric("eq13_features_op")
def _(run: BruteForce, k: int, m: int) -> float:
    change = (run.rows[k].features[m] - run.rows[0].features[m]) / math.sqrt(run.rows[0].features[m].shape[1])
    return _feature_bound(run, m, float(np.linalg.svd(change, compute_uv=False)[0]))


@_gram_metric("eq13_features")
def _(run: BruteForce, k: int, m: int) -> float:
    change = (run.rows[k].features[m] - run.rows[0].features[m]) / math.sqrt(run.rows[0].features[m].shape[1])
    return _feature_bound(run, m, math.sqrt(float(np.sum(change**2))))


@cache
def feature_distance(run: BruteForce, k: int, m: int) -> float:
    """D_m of the last bound of Eq. 13, by recursion from the top."""
    if m == 0:
        return 0.0
    now, then, n = run.rows[k], run.rows[0], len(run.problem.x)
    change = now.weights[m - 1] - then.weights[m - 1]
    moved = np.linalg.norm(now.weights[m - 1], 2) * feature_distance(run, k, m - 1)
    moved += np.linalg.norm(change, 2) * np.linalg.norm(then.features[m - 1])
    if now.biases is not None and then.biases is not None:
        moved += math.sqrt(n) * np.linalg.norm(now.biases[m - 1] - then.biases[m - 1])
    stretch = 1.0
    if run.problem.renormalize:
        lengths = np.linalg.norm(then.raw[m - 1], axis=1) + np.linalg.norm(now.raw[m - 1], axis=1)
        stretch = max(2 * math.sqrt(run.problem.width) / length for length in lengths)
    return float(stretch * supremum(run.problem.activation, 1) * moved)


@_gram_metric("eq13_weights")
def _(run: BruteForce, k: int, m: int) -> float:
    return _feature_bound(run, m, feature_distance(run, k, m) / math.sqrt(run.rows[0].features[m].shape[1]))


@_layer("weight_norm")
def _(run: BruteForce, k: int, m: int) -> float:
    return float(np.linalg.svd(run.rows[k].weights[m - 1], compute_uv=False)[0]) if m else NAN


@_layer("weight_distance")
def _(run: BruteForce, k: int, m: int) -> float:
    if m == 0:
        return NAN
    return float(np.linalg.svd(run.rows[k].weights[m - 1] - run.rows[0].weights[m - 1], compute_uv=False)[0])


@_layer("ntk_trace_share")
def _(run: BruteForce, k: int, m: int) -> float:
    if m == 0:
        return NAN
    row, depth = run.rows[k], run.problem.depth
    sizes = [math.prod(shape) for shape in run.problem.shapes]
    ends = np.cumsum([0, *sizes])
    blocks = [float(np.sum(row.jacobian[:, :, a:b] ** 2)) for a, b in itertools.pairwise(ends)]
    return (blocks[m - 1] + (blocks[depth + m - 1] if run.problem.bias else 0.0)) / sum(blocks)


# The infinitely wide network, on the same data; at step 0 alone.


@cache
def cosines(run: BruteForce, m: int) -> np.ndarray:
    x = run.problem.x
    if m == 0:
        return np.array([[1.0 if i == j else _cosine(x[i], x[j]) for j in range(len(x))] for i in range(len(x))])
    before = cosines(run, m - 1)
    return np.array([[dual(run.problem.activation, float(rho)) for rho in row] for row in before])


def _cosine(p: np.ndarray, q: np.ndarray) -> float:
    return float(p @ q) / math.sqrt(float(p @ p) * float(q @ q))


def _initial_metric(name: str) -> Callable[[Layer], Layer]:
    def register(function: Layer) -> Layer:
        LAYER[name] = lambda run, k, m: function(run, k, m) if _is_feature_layer(run, m) and k == 0 else NAN
        return function

    return register


@_initial_metric("infinite_lambda_min")
def _(run: BruteForce, k: int, m: int) -> float:
    found = np.linalg.svd(cosines(run, m), compute_uv=False)
    return float(found[-1]) if found[-1] > max(len(found), 16) * EPS * found[0] else 0.0


@_initial_metric("infinite_lambda_max")
def _(run: BruteForce, k: int, m: int) -> float:
    return float(np.linalg.svd(cosines(run, m), compute_uv=False)[0])


@_initial_metric("lemma12_lambda_min")
def _(run: BruteForce, k: int, m: int) -> float:
    delta = LAYER["infinite_lambda_min"](run, 0, 0)
    for _ in range(m):
        delta = 1 - dual(run.problem.activation, 1 - delta)
    return delta


@_initial_metric("definition6_lambda_max")
def _(run: BruteForce, k: int, m: int) -> float:
    rho = max(abs(value) for value in _off_diagonal(cosines(run, 0)))
    for _ in range(m):
        rho = dual(run.problem.activation, rho)
    return 1 + (len(run.problem.x) - 1) * rho


def tangents(run: BruteForce, m: int) -> np.ndarray:
    """Θ^m, summed over layers: each layer's features and bias, carried on by the slopes of the layers after it."""
    n, d = run.problem.x.shape
    total = np.zeros((n, n))
    for layer in range(m + 1):
        term = (run.problem.width if layer else d) * cosines(run, layer) + (1.0 if run.problem.bias else 0.0)
        for later in range(layer, m):
            slopes = [[dual_slope(run.problem.activation, float(rho)) for rho in row] for row in cosines(run, later)]
            term = term * np.array(slopes)
        total += term
    return total


@_initial_metric("infinite_ntk_lambda_min")
def _(run: BruteForce, k: int, m: int) -> float:
    found = np.linalg.svd(tangents(run, m), compute_uv=False)
    return float(found[-1]) if found[-1] > max(len(found), 16) * EPS * found[0] else 0.0


@_initial_metric("infinite_ntk_lambda_max")
def _(run: BruteForce, k: int, m: int) -> float:
    return float(np.linalg.svd(tangents(run, m), compute_uv=False)[0])

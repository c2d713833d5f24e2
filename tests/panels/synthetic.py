"""Snapshots that look like real runs, made from formulas, and hostile ones made from nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.catalogue import CATALOGUE, LAYER_COLUMNS, LAYER_METRICS
from engine.config import RunConfig
from engine.record import Event
from engine.session.rows import LayerBlocks
from wnt_tui.session.snapshot import EngineView, PanelView, Snapshot

Array = NDArray[np.float64]


class MemoryLayers:
    """A LayerView over arrays of shape (rows, depth + 1)."""

    def __init__(self, step: NDArray[np.int64], columns: Mapping[str, Array], layers: int) -> None:
        self.step, self.columns, self.layers = step, columns, layers

    def at(self, step: int) -> Mapping[str, Array]:
        rows = np.flatnonzero(self.step == step)
        return {} if not rows.size else {name: values[rows[0]] for name, values in self.columns.items()}

    def bands(
        self, names: tuple[str, ...], first: int, last: int, blocks: int, layer: int | None = None
    ) -> dict[str, LayerBlocks]:
        return {name: self._band(name, first, last, blocks) for name in names}

    def _band(self, name: str, first: int, last: int, blocks: int) -> LayerBlocks:
        inside = np.flatnonzero((self.step >= first) & (self.step <= last))
        values = self.columns.get(name, np.full((self.step.size, self.layers), np.nan))
        groups = np.array_split(inside, min(max(blocks, 1), inside.size)) if inside.size else []
        low = np.full((len(groups), self.layers), np.nan)
        high = low.copy()
        for number, group in enumerate(groups):
            part = np.where(np.isfinite(values[group]), values[group], np.nan)
            known = np.isfinite(part).any(axis=0)
            low[number, known] = np.nanmin(part[:, known], axis=0)
            high[number, known] = np.nanmax(part[:, known], axis=0)
        return LayerBlocks(
            np.array([self.step[group[0]] for group in groups], dtype=np.int64),
            np.array([self.step[group[-1]] for group in groups], dtype=np.int64),
            low,
            high,
        )


def running(**changes: Any) -> EngineView:
    return replace(EngineView(True, "running", "", "cuda:0 H200"), **changes)


def realistic(rows: int = 81, config: RunConfig | None = None, *, diverges_at: int | None = None) -> Snapshot:
    """A run that behaves as the paper describes one."""
    config = config or RunConfig(activation="tanh", steps=max(rows - 1, 0))
    rng = np.random.default_rng(7)
    k = np.arange(rows, dtype=np.int64)
    t = k / max(rows - 1, 1)
    noise = 1 + 0.01 * rng.standard_normal(rows)
    loss = 0.42 * np.exp(-3.2 * t) * noise + 0.002
    lr = np.full(rows, config.lr)
    lr[-1:] = np.nan
    hessian = (9 + 16 * np.exp(-((t - 0.25) ** 2) / 0.02)) * noise
    # Above λ_min(K)/n where the chain of mse_logits is checked.
    mu = 4 + 3 * t if config.loss == "mse_logits" else 0.08 + 0.3 * t
    grad = np.sqrt(2 * loss * mu)
    columns: dict[str, Array] = {
        "loss": loss,
        "test_loss": 0.40 * np.exp(-1.3 * t) + 0.06 + 0.02 * t,
        "accuracy": 1 - 0.9 * np.exp(-3 * t),
        "test_accuracy": 0.1 + 0.35 * (1 - np.exp(-3 * t)),
        "lr": lr,
        "grad_norm": grad,
        "sample_grad_norm_max": 18 * grad,
        "pl": grad**2 / (2 * loss),
        "pl_samplewise": 3 * grad**2 / (2 * loss),
        "smoothness_hessian": hessian,
        "smoothness_hessian_low": hessian,
        "smoothness_hessian_residual": hessian * 1e-3,
        "unstable_directions": (hessian > 2.0 / config.lr).astype(float),
        **_enclosed("smoothness_ggn", hessian * 0.8),
        "smoothness_step": hessian * 0.3 * (1 + 0.4 * np.sin(9 * t)),
        "smoothness_step_resolution": np.full(rows, 1e-3),
        "smoothness_secant": hessian * 0.55,
        "smoothness_bound": np.full(rows, 8.4e6) * (1 + t),
        "lipschitz_bound": np.full(rows, 412.0),
        "predicted_descent": loss * (1 + 0.02 * np.cos(12 * t)),
        "predicted_lemma1": loss * (1 + 0.5 * np.exp(-6 * t)),
        "ratio_lemma1": 1 / (1 + 0.5 * np.exp(-6 * t)),
        "ratio_descent": 1 / (1 + 0.02 * np.cos(12 * t)),
        "ratio_lemma10": 1 / (1 + 0.2 * np.exp(-4 * t)),
        "ratio_null": np.r_[np.nan, loss[1:] / loss[:-1]][:rows],
        "decrease_ratio": 1 + 0.1 * rng.standard_normal(rows),
        "distance_init": 2.5 * t,
        "radius_bound": np.full(rows, 31.0),
        "stability_beta": loss,
        "generalization_bound": 40 * np.exp(-1.6 * t),
        "generalization_bound_compositional": 900 * np.exp(-1.6 * t),
        "generalization_floor": np.sqrt(24 * loss / 0.05),
        "loss_bound": np.ones(rows),
        "generalization_gap": np.abs(0.40 * np.exp(-1.3 * t) + 0.06 - loss),
        **_enclosed("ntk_lambda_min", np.full(rows, 700.0)),
        **_enclosed("ntk_lambda_max", np.full(rows, 6100.0)),
        **_enclosed("pntk_lambda_min", np.full(rows, 800.0)),
        **_enclosed("pntk_lambda_max", np.full(rows, 1400.0)),
        "step_seconds": 0.012 * noise,
        "measure_seconds": 0.031 * noise,
    }
    transition = [name for name in columns if name.startswith(("ratio_", "predicted_"))]
    for name in (*transition, "smoothness_step", "smoothness_secant", "decrease_ratio"):
        columns[name] = columns[name].copy()
        columns[name][:1] = np.nan
    if diverges_at is not None:
        for name in columns:
            columns[name] = columns[name] * np.exp(np.clip(0.9 * (k - diverges_at), 0, None))
            columns[name][k >= diverges_at + 30] = np.inf if name == "loss" else np.nan
    assert set(columns) <= set(CATALOGUE)
    layers = _layers(config, k, t)
    events = [Event(0, "start", "training begins"), Event(min(12, max(rows - 1, 0)), "lr", "η 0.01 → 0.005")]
    events.append(Event(min(30, max(rows - 1, 0)), "violation", "eq13_op exceeds λ_min by 2e-9", layer=4))
    if diverges_at is not None:
        events.append(Event(diverges_at + 30, "diverged", "the loss is not finite"))
    return Snapshot(
        name="synthetic",
        config=config,
        meta={},
        data_name="cifar10",
        engine=running(),
        step=k,
        columns=columns,
        layers=MemoryLayers(k, layers, config.depth + 1),
        events=tuple(events),
        version=1,
    )


def _enclosed(name: str, values: Array) -> dict[str, Array]:
    """A metric and the ends of a narrow interval around it."""
    return {name: values, f"{name}_low": values * (1 - 1e-6), f"{name}_high": values * (1 + 1e-6)}


def _layers(config: RunConfig, k: NDArray[np.int64], t: Array) -> dict[str, Array]:
    depth = config.depth
    m = np.arange(depth + 1)
    fall = 5.4 * np.exp(-0.28 * m) + 0.6 + 0.02 * m**1.6
    cond = fall[None, :] + 0.9 * np.exp(-((t[:, None] - 0.2) ** 2) / 0.03) * (m / depth)[None, :] - 0.3 * t[:, None]
    largest = 60 * np.exp(-0.15 * m)[None, :] + 0 * t[:, None] + 2
    smallest = largest / 10**cond
    drift = (t[:, None] ** 1.2) * (0.2 + 0.1 * m[None, :])
    start = smallest[0][None, :]
    columns = {
        "lambda_min": smallest,
        "lambda_max": largest,
        "lambda_resolution": largest * config.examples * 2.0**-52,
        "log10_cond": cond,
        "gersh_row_sum": largest * 1.4,
        "gersh_min_diag": np.full_like(largest, 0.7) + 0.01 * m,
        "gersh_max_offdiag": 0.9 * np.exp(-0.1 * m)[None, :] + 0 * largest,
        "gersh_max_abs_offdiag": 0.9 * np.exp(-0.1 * m)[None, :] + 0 * largest,
        "gersh_lower": 0.7 - largest * 1.4,
        "gersh_upper": 1.3 + largest * 1.4,
        "eq13_op": start - drift * 0.4,
        "eq13_fro": start - drift * 0.9,
        "eq13_features_op": np.clip(np.sqrt(start) - drift * 0.5, 0, None) ** 2,
        "eq13_features": np.clip(np.sqrt(start) - drift * 1.1, 0, None) ** 2,
        "eq13_weights": np.clip(np.sqrt(start) - drift * 4, 0, None) ** 2,
    }
    fixed = {
        "infinite_lambda_min": largest / 10 ** (fall - 0.2)[None, :],
        "infinite_lambda_max": largest,
        "lemma12_lambda_min": largest / 10 ** (fall + 0.5)[None, :],
        "definition6_lambda_max": largest * 10,
    }
    for name, values in fixed.items():
        columns[name] = np.where(k[:, None] == 0, values, np.nan)
    gram = {entry.name for entry in LAYER_METRICS if not entry.name.startswith("weight")}
    for name, values in columns.items():
        columns[name] = values.copy()
        if name in gram:
            columns[name][:, depth] = np.nan
    assert set(columns) <= set(LAYER_COLUMNS)
    return columns


def empty(config: RunConfig | None = None, engine: EngineView | None = None) -> Snapshot:
    """A session before its first row."""
    config = config or RunConfig()
    step = np.empty(0, dtype=np.int64)
    return Snapshot(
        "empty", config, {}, "digits", engine or running(), step, {}, MemoryLayers(step, {}, config.depth + 1)
    )


def only(snapshot: Snapshot, names: set[str], config: RunConfig) -> Snapshot:
    """The same session, had only some step metrics been measured and no layers."""
    columns = {name: values for name, values in snapshot.columns.items() if name in names}
    layers = MemoryLayers(snapshot.step, {}, config.depth + 1)
    return replace(snapshot, columns=columns, layers=layers, config=config)


def filled(snapshot: Snapshot, value: float) -> Snapshot:
    """The same session with one number everywhere."""
    layers = snapshot.layers
    assert isinstance(layers, MemoryLayers)
    same = {name: np.full_like(values, value) for name, values in layers.columns.items()}
    return replace(
        snapshot,
        columns={name: np.full(snapshot.rows, value) for name in snapshot.columns},
        layers=MemoryLayers(snapshot.step, same, layers.layers),
        version=snapshot.version + 1,
    )


def view_of(snapshot: Snapshot, width: int = 51, height: int = 13, **changes: Any) -> PanelView:
    last = max(snapshot.config.steps, snapshot.last_step)
    view = PanelView(
        snapshot,
        cursor=max(snapshot.last_step, 0),
        first=0,
        last=last,
        layer=min(4, snapshot.config.depth - 1),
        width=width,
        height=height,
        log=True,
    )
    return replace(view, **changes)

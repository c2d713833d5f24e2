"""Small pieces of wording that several panels share."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from engine.catalogue.certainty import resolved
from wnt_tui.panels.base import Moment, moment
from wnt_tui.session.snapshot import PanelView


def layer_ranges(chosen: NDArray[np.bool_]) -> str:
    """Which layers are meant, shortly: ``layer 3``, ``layers 0–4, 7``.

    Args:
        chosen: One truth value a layer.

    Returns:
        The words; empty if there are none.
    """
    numbers = np.flatnonzero(chosen)
    if not numbers.size:
        return ""
    breaks = np.flatnonzero(np.diff(numbers) > 1)
    firsts = numbers[np.r_[0, breaks + 1]]
    lasts = numbers[np.r_[breaks, numbers.size - 1]]
    pieces = [str(first) if first == last else f"{first}–{last}" for first, last in zip(firsts, lasts, strict=True)]
    return ("layer " if numbers.size == 1 else "layers ") + ", ".join(pieces)


def rank_deficient(view: PanelView, now: Moment | None = None) -> NDArray[np.bool_]:
    """Which layers have more examples than neurons, so that λ_min(G) is 0 whatever the weights.

    Args:
        view: What is shown.
        now: The layers at the cursor, if they are at hand.

    Returns:
        One truth value for each of the layers 0 … depth − 1; all false where nothing is measured by layer.
    """
    config = view.snapshot.config
    smallest = (now or moment(view)).layer_values("lambda_min", config.depth)
    # The input's width is not in the configuration, but its λ_min is stored as exactly 0 only for this reason or
    # because examples coincide; then its rank is below n all the same.
    deficient = smallest == 0.0  # ruff: ignore[float-equality-comparison]
    deficient[1:] &= config.examples > config.width
    return np.asarray(deficient)


def rank_words(deficient: NDArray[np.bool_], layer: int | None = None) -> str:
    """Why λ_min is 0, in words.

    Args:
        deficient: From :func:`rank_deficient`.
        layer: The layer it is said of; None for all of them.

    Returns:
        The words; empty where the rank is not deficient.
    """
    chosen = deficient.copy()
    if layer is not None:
        chosen[:] = False
        chosen[layer : layer + 1] = deficient[layer : layer + 1]
    if not chosen.any():
        return ""
    if not chosen[1:].any():
        return "rank < n: λmin = 0" if layer == 0 else "input: rank < n, λmin = 0"
    return "rank ≤ width < n: λmin = 0"


def unresolved_layers(now: Moment, depth: int) -> NDArray[np.bool_]:
    """At which layers λ_min is at or below the resolution, so that κ is only known to be at least its number.

    Args:
        now: The layers at a step.
        depth: Number of Gram matrices.

    Returns:
        One truth value a layer; false where nothing was measured.
    """
    values = {name: now.layer_values(name, depth) for name in now.values}
    known = np.isfinite(now.layer_values("lambda_min", depth))
    return np.asarray(known & ~resolved("log10_cond", values)) if known.any() else known

"""Entries of earlier catalogues: columns that older sessions hold and no run records any more."""

from __future__ import annotations

from engine.catalogue.metric import Metric, Scope

EARLIER_NAMES = {"lambda_min_low": "lambda_min_lower"}
"""Earlier names of columns, by today's."""


def _residual(name: str, symbol: str, scope: Scope, of: str) -> Metric:
    return Metric(
        name, symbol, "1", scope, "exact", "products", "core" if scope == "layer" else "all", "",
        "residual norm of a unit Ritz vector",
        f"Recorded by earlier versions: an eigenvalue lies within this of {of}, not always the extreme one.",
        log=True, retired=True,
    )  # fmt: skip


RETIRED: tuple[Metric, ...] = (
    _residual("ntk_residual", "‖Kv−θv‖", "step", "ntk_lambda_min"),
    _residual("ntk_lambda_max_residual", "‖Kv−θv‖↑", "step", "ntk_lambda_max"),
    _residual("lambda_max_residual", "‖Gv−θv‖", "layer", "lambda_max"),
)

"""The nine panels of the dashboard, one file each, and the widget that shows one."""

from __future__ import annotations

from wnt_tui.panels.conditioning import ConditioningPanel
from wnt_tui.panels.eigenvalues import EigenvaluePanel
from wnt_tui.panels.generalization import GeneralizationPanel
from wnt_tui.panels.gershgorin import GershgorinPanel
from wnt_tui.panels.heat import HeatPanel
from wnt_tui.panels.ledger import LedgerPanel
from wnt_tui.panels.loss import LossPanel
from wnt_tui.panels.panel import Panel
from wnt_tui.panels.prediction import PredictionPanel
from wnt_tui.panels.smoothness import SmoothnessPanel

__all__ = ["ALL_PANELS", "Panel"]

ALL_PANELS: tuple[Panel, ...] = (
    LossPanel(),
    ConditioningPanel(),
    HeatPanel(),
    GershgorinPanel(),
    EigenvaluePanel(),
    SmoothnessPanel(),
    PredictionPanel(),
    GeneralizationPanel(),
    LedgerPanel(),
)

"""The interface of a measurement: what it provides and needs, its part of a row's program, its state from row to row.

A row is one :class:`RowContext`, and it is made in three parts, the same on every device. *prepare* fills the buffers
of the measurements from the host. *launch* is a static sequence of tensor operations, which a GPU may capture once and
replay at every row of the same variant. *collect* reads the numbers that come of it and decides about the next row: it
gives :class:`Findings`. :mod:`engine.measure.observer` says which measurements a row has, and their order.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from engine.catalogue.metric import MeasureSet
from engine.config import RunConfig
from engine.data import DataSet
from engine.device.stopwatch import Stopwatch
from engine.device.transfer import Arrival, Transfer
from engine.errors import ConfigError
from engine.measure.row_norms import RowNorms, row_norms_from, stacked_row_norms
from engine.measure.schedule import NOTHING, Work
from engine.model.base import Model
from engine.model.training_pass import LossNumbers, TrainingPass
from engine.record import Event, Spectra

LayerValues = NDArray[np.float64]
"""A layer metric: (depth + 1,), NaN where there is none."""

TRAINING_VALUES = ("loss", "accuracy", "grad_norm")
"""Step metrics that training itself finds at every row."""

State = Mapping[str, Any]
"""What is carried from row to row: numbers, lists of numbers and vectors in mappings of mappings; no name in it has a
full stop."""


@dataclass(frozen=True, slots=True)
class Findings:
    """Values found by a measurement at a row.

    Attributes:
        values: Step metrics by catalogue name; NaN where a quantity is not defined.
        layers: Layer metrics by catalogue name.
        spectra: Whole spectra; kept where :attr:`RowContext.spectra_due`.
    """

    values: Mapping[str, float] = field(default_factory=dict)
    layers: Mapping[str, LayerValues] = field(default_factory=dict)
    spectra: Spectra = field(default_factory=dict)


@dataclass
class RowContext:
    """Row k while it is measured.

    Attributes:
        step: k.
        data: The run's data set.
        transfer: By what the row's numbers come from the device.
        first: Whether the run's measurements begin here: θ_k stands for θ_0.
        work: What the row measures.
        test: The test set at θ_k, or None.
        values: Step metrics found so far, those of training first.
        layers: Layer metrics found so far.
        spectra: Whole spectra found so far.
        events: What was found out at the row.
        before: Step metrics of the row before, empty if there is none; its ``lr`` is that of the update between.
        grams: The layers' Gram matrices G^0 … G^{L−1}, (n, n), float64, where ``layers`` is made in the set ``all``.
        lr: η of the update that follows, where it is known.
        gradients_before: ∂f/∂θ at the row before, None at the first row; valid while the row is launched.
        gauss_newton_vector: A cotangent, (n, k), of any length, whose Jᵀ is near the top eigenvector of Gauss–Newton:
            while the row is launched by a product more than the row before, when it is collected of this row.
        launched: What :meth:`Measurement.launch` returned when this row's program was made, by measurement.
        stopwatches: What each costly measurement takes in the program.
    """

    step: int
    data: DataSet
    pass_made: TrainingPass | None = None
    transfer: Transfer = field(default_factory=Transfer)
    first: bool = False
    work: Work = NOTHING
    test: LossNumbers | None = None
    values: dict[str, float] = field(default_factory=dict)
    layers: dict[str, LayerValues] = field(default_factory=dict)
    spectra: dict[tuple[str, int | None], NDArray[np.float64]] = field(default_factory=dict)
    events: tuple[Event, ...] = ()
    before: Mapping[str, float] = field(default_factory=dict)
    grams: list[Tensor] = field(default_factory=list)
    lr: float = math.nan
    gradients_before: Mapping[str, Tensor] | None = None
    gauss_newton_vector: Tensor | None = None
    launched: dict[str, Any] = field(default_factory=dict)
    stopwatches: dict[str, Stopwatch] = field(default_factory=dict)
    _norms: RowNorms | None = None
    _norms_arriving: Arrival | None = None

    @property
    def spectra_due(self) -> bool:
        """Whether the row records whole spectra; known before anything is queued."""
        return self.work.spectra

    @property
    def current(self) -> TrainingPass:
        """The pass at θ_k; there is none yet while the row is prepared."""
        assert self.pass_made is not None, "the pass comes after prepare()"
        return self.pass_made

    def queue_norms(self) -> Arrival:
        """Queue :attr:`norms` on the device."""
        arriving = self.transfer.add(stacked_row_norms(self.current.run, self.current.signals))
        self._norms_arriving = arriving
        return arriving

    @property
    def norms(self) -> RowNorms:
        """Norms of every example's features and signals; the first that reads them waits for the device."""
        if self._norms is None:
            if self._norms_arriving is None:
                self.queue_norms()
            assert self._norms_arriving is not None
            self._norms = row_norms_from(self._norms_arriving.array(), self.current.run)
        return self._norms

    def take_norms(self, arriving: Arrival | None) -> None:
        """Take :attr:`norms` from a program that has been replayed."""
        self._norms_arriving = arriving


class Measurement(ABC):
    """One thing that is measured, at row after row of one run.

    A subclass says what it is in its attributes and gives :meth:`collect`; the rest is there for measurements
    that work on the device or carry something from row to row. It reads the model and never writes it.

    Attributes:
        name: Of its state, and of ``NAME_seconds`` where it is costly; no full stop.
        provides: Catalogue names of what it finds.
        needs: What it reads of what others find at the same row: catalogue names, or names of measurements. It comes
            after them, and is left out of a row where one of them is missing. A costly measurement that is due brings
            the costly ones that it needs.
        measured_in: The smallest measurement set that contains it.
        costly: Whether it is timed, and made as often as a budget allows; else it is made at every measured row.
        of_transition: Whether it is also made at a row that is not measured but follows one with costly measurements.
        reads_before_update: Whether :meth:`before_update`, if it is given, reads the parameters or the row's tensors.
    """

    name: str
    provides: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()
    measured_in: MeasureSet = "core"
    costly: bool = False
    of_transition: bool = False
    reads_before_update: bool = True

    config: RunConfig
    model: Model

    def begin(self, config: RunConfig, model: Model) -> None:
        """Take the run that is to be measured, before its first row; the model is updated in place."""
        self.config, self.model = config, model

    def variant(self) -> Hashable:
        """Whatever decides the operations of the next row: precision, shapes. Asked before :meth:`prepare`."""
        # Few, and seldom another one: each is called at its first row and recorded at the next one.
        return None

    def prepare(self, row: RowContext) -> None:
        """Copy from the host into the measurement's own buffers, in place, what :meth:`launch` reads there.

        Called before every row that makes it, and before the row's pass. A buffer that lives from row to row is made
        here or in :meth:`begin`, never in :meth:`launch`.
        """

    def launch(self, row: RowContext) -> object:
        """The measurement's operations on the device: the same sequence at every row of a variant.

        Where it is replayed, no Python of it runs. So nothing is decided by a tensor's value or by a number that may
        be another one at the next row, nothing is read by the host, and nothing is read but the row's pass, its
        ``gradients_before``, the parameters, buffers of the measurement, which it updates in place, and what others
        have left before it: tensors that they assigned to attributes of the row.

        Returns:
            What :meth:`collect` reads, arrivals and tensors: ``row.launched[name]`` at every row of the program. What
            is kept in attributes instead belongs to the program that was made last, which may be another one.
        """
        return None

    @abstractmethod
    def collect(self, row: RowContext) -> Findings:
        """The findings at a row, which holds what others found before; decides what the next row does."""

    def after(self, row: RowContext) -> None:
        """Keep what the next row needs; called for every row, measured or not, when all of it is found."""

    def before_update(self, lr: float) -> Mapping[str, float]:
        """Keep what is needed of θ_k, which is about to move; gives step metrics for the next row observed."""
        return {}

    def state(self) -> State:
        """What is carried from row to row, beyond what the first row and the row's pass give; not copied."""
        return {}

    def restore(self, state: State, row: RowContext) -> None:
        """Go on as after the row of a state; KeyError or ValueError where it does not fit the run.

        An empty state is that of a measurement that begins anew at the next row.
        """


def in_order(measurements: Sequence[Measurement]) -> list[Measurement]:
    """Measurements, each after those that provide what it needs; ConfigError where nothing does, or names repeat."""
    twice = sorted(name for name, count in Counter(one.name for one in measurements).items() if count > 1)
    if twice:
        raise ConfigError(f"Two measurements are called {twice[0]}.", "Give each a name of its own.")
    left, ordered, provided = list(measurements), list[Measurement](), set(TRAINING_VALUES)
    while left:
        found = next((one for one in left if provided.issuperset(one.needs)), None)
        if found is None:
            needs = ", ".join(sorted({name for one in left for name in one.needs} - provided))
            raise ConfigError(f"Nothing provides what {left[0].name} needs.", f"Missing before it: {needs}.")
        left.remove(found)
        ordered.append(found)
        provided |= {found.name, *found.provides}
    return ordered


def tensors_of(state: State, path: str = "") -> dict[str, Tensor]:
    """The tensors of a state by their paths: names from the outermost on, with full stops."""
    found: dict[str, Tensor] = {}
    for name, held in state.items():
        if isinstance(held, Mapping):
            found |= tensors_of(held, f"{path}{name}.")
        elif isinstance(held, Tensor):
            found[path + name] = held
    return found


def numbers_of(state: State) -> dict[str, Any]:
    """A state without its tensors."""
    plain = {name: numbers_of(held) if isinstance(held, Mapping) else held for name, held in state.items()}
    return {name: held for name, held in plain.items() if not isinstance(held, Tensor)}


def with_tensors(state: State, tensors: Mapping[str, Tensor]) -> State:
    """A state with other tensors, given by their paths; ValueError for a path through a number."""
    whole = numbers_of(state)
    for path, tensor in tensors.items():
        *outer, name = path.split(".")
        at = whole
        for step in outer:
            at = at.setdefault(step, {})
            if not isinstance(at, dict):
                raise ValueError(f"{path} is nowhere")
        at[name] = tensor
    return whole


def part(state: State, name: str) -> State:
    """A state within a state, empty where it is missing; ValueError where it is no mapping."""
    found = state.get(name, {})
    if not isinstance(found, Mapping):
        raise ValueError(f"{name} is no state")
    return found


def vector(state: State, name: str, length: int) -> Tensor | None:
    """A vector of a state, None where it is missing; ValueError where it is none of the given length."""
    found = state.get(name)
    if found is None:
        return None
    if not isinstance(found, Tensor) or found.shape != (length,):
        raise ValueError(f"{name} is no vector of length {length}")
    return found


def number(state: State, name: str, default: float | None = None) -> float:
    """A number of a state; without a default it must be there."""
    found = state[name] if default is None else state.get(name, default)
    if isinstance(found, bool) or not isinstance(found, (int, float)):
        raise ValueError(f"{name} is no number")
    return float(found)


def nan_to(value: float, instead: float) -> float:
    """A number, or another in its place where it is NaN."""
    return instead if math.isnan(value) else value

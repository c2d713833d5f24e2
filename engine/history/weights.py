"""``weights``: θ of any recorded step, computed again exactly, as a safetensors file."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from safetensors.torch import save_file

from engine.history.checkpoint import parameters_of
from engine.history.reexecution import Rerun, prepare
from engine.history.row_differences import Difference
from engine.paths import shown_path
from engine.session.filesystem import appearing, refuse_existing
from engine.session.reader import SessionReader
from engine.session.recorded import RecordedRun


@dataclass(frozen=True, slots=True)
class Weights:
    """The files that were written.

    Attributes:
        output: The file.
        step: Its step.
        differences: What did not come out as recorded on the way; none where the weights are exact.
    """

    output: Path
    step: int
    differences: tuple[Difference, ...]

    def sentence(self) -> str:
        """Return it for people."""
        text = f"{shown_path(self.output)}: the weights of step {self.step}"
        if not self.differences:
            return f"{text}, exact: loss and gradient agree bit by bit."
        return f"{text}, not exact: {self.differences[0]}."


def write_weights(path: Path, step: int, output: Path, progress: Callable[[int, int], None]) -> Weights:
    """Write the parameters of a recorded step to a new file; ``progress`` has every step on the way."""
    # Nothing is measured on the way: training is the same whatever is measured.
    refuse_existing(output)  # before anything is computed
    with SessionReader(path) as reader:
        recorded = RecordedRun(reader)
        recorded.require(step)
        rerun = Rerun(recorded, prepare(recorded, measure=False))
        found = rerun.seek(step, lambda at: progress(at, step))
        tensors = dict(zip(rerun.trainer.model.parameters, parameters_of(rerun.trainer), strict=True))
        about = {"session": recorded.name, "step": str(step), "config": recorded.config.to_json()}
        with appearing(output) as draft:
            save_file(tensors, draft, {**about, "exact": str(not found).lower()})
    return Weights(output, step, tuple(found))

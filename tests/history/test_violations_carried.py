"""An inequality that counts as violated goes on counting after a run was put back: no event twice, none missing."""

from __future__ import annotations

from dataclasses import replace

import pytest

from engine import Trainer
from engine.history.checkpoint import put_back, take
from engine.history.encoding import encode
from engine.history.reexecution import Rerun, prepare
from engine.measure.violations import QUIET_ROWS, Violations
from engine.session.reader import SessionReader
from engine.session.recorded import RecordedRun
from engine.session.writer import SessionWriter
from tests.history.recording import record_run, small


def violated(trainer: Trainer, steps: list[int]) -> None:
    """Have a run believe that an inequality was violated, and has held in these steps since."""
    copy = take(trainer)
    assert copy.carried is not None
    carried = dict(copy.carried) | {"violations": {"eq13_op_holds": steps}}
    put_back(trainer, replace(copy, carried=carried))


@pytest.mark.parametrize("steps", [[], [4], [2, 3, 4]])
def test_it_goes_through_a_file_as_it_is(tmp_path, steps):
    path = tmp_path / "run.wnt"
    record_run(path, small())
    with SessionReader(path) as reader:
        rerun = Rerun(RecordedRun(reader), prepare(RecordedRun(reader)))
        rerun.seek(5)
        violated(rerun.trainer, steps)
        with SessionWriter(path) as writer:
            writer.put_checkpoint(5, encode(take(rerun.trainer), rerun.trainer))
        found = rerun.nearest(5)
    assert found is not None
    assert found.carried["violations"] == {"eq13_op_holds": steps}


def test_what_is_handed_on_is_a_copy():
    first = Violations()
    first.restore({"eq13_op_holds": [3, 4]})
    kept = first.state()
    first.restore({"eq13_op_holds": []})
    assert kept == {"eq13_op_holds": [3, 4]}
    assert len(kept["eq13_op_holds"]) < QUIET_ROWS

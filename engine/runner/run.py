"""A run from a request: a new one, one whose engine has ended, or a branch of one."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Generator
from pathlib import Path

from engine.device.memory import is_out_of_memory, out_of_memory
from engine.device.threads import recorded_threads, threads
from engine.errors import SessionError, UsageError, WntError
from engine.history.branch import branch
from engine.history.reexecution import prepare
from engine.history.rerun_session import RerunSession
from engine.paths import shell_path
from engine.record import Event
from engine.requests import Branch, Resume, Run
from engine.runner.annotations import Annotations
from engine.runner.loop import TrainingLoop
from engine.runner.notices import anew_notices, notices, thread_notices
from engine.runner.outcome import Outcome
from engine.runner.progress import Report
from engine.runner.run_state import RunState
from engine.runner.signal_watch import SignalWatch
from engine.session.live_sessions import register, unregister
from engine.session.liveness import EngineLock
from engine.session.reader import SessionReader
from engine.session.recorded import RecordedRun
from engine.session.writer import Observers, SessionWriter
from engine.training.provenance import differing, provenance
from engine.training.trainer import Trainer

_Begin = Callable[[RerunSession], list[Event]]


def train(request: Run | Resume | Branch, watch: SignalWatch | None = None) -> Outcome:
    """Train and record as requested, with what signals ask for; a WntError where the run cannot start or fails."""
    # Data, device and network are prepared before the file is made, so that a wrong option leaves nothing behind.
    if watch is None:
        with EngineLock(request.session) as lock:
            return train(request, SignalWatch(request, Report(), lock))
    match request:
        case Run():
            return _run(request, watch)
        case Resume():
            return _resume(request, watch)
        case Branch():
            return _branch(request, watch)


def _run(request: Run, watch: SignalWatch) -> Outcome:
    trainer = Trainer(request.config)
    watch.check()
    with SessionWriter.create(request.session, request.config, provenance(trainer), **_observers(watch)) as writer:
        return _drive(trainer, writer, lambda _run: notices(trainer), watch, request.config.steps)


def _resume(request: Resume, watch: SignalWatch) -> Outcome:
    """Go on at the newest checkpoint, or where the run began: recorded rows are executed again and compared."""
    path = request.session
    with SessionReader(path) as reader:
        # From here on this engine counts as living and is sent commands; it takes seconds before it can answer them.
        newest_command = reader.newest_command()
        recorded = RecordedRun(reader)
        last, before = recorded.last, reader.engine()
        if before.state == "diverged":
            raise SessionError(
                f"{recorded.name} diverged at step {last}: nothing comes after it.",
                f"`wnt-tui branch {shell_path(path)} --step K --lr X` goes on from an earlier step.",
            )
        limit = recorded.config.steps if request.steps is None else request.steps
        if last >= limit and not (request.live and request.steps is None):
            raise UsageError(
                f"{recorded.name} has been trained to step {last} already.",
                f"`wnt-tui resume {shell_path(path)} --steps N` with N > {last} goes on.",
            )
        own = threads()
        trainer = prepare(recorded)
        _require_threads(recorded)
        watch.check()
        with SessionWriter.open(path, newest_command=newest_command, **_observers(watch)) as writer:

            def begin(run: RerunSession) -> list[Event]:
                for known in notices(run.trainer):  # in the session since its first row, but not on this stream
                    watch.report.event(known)
                if last < 0:
                    return []
                place = run.go_towards(last)
                again = last - run.trainer.step
                rows = f", {again} row{'s' if again != 1 else ''} to execute again" if again else ""
                events = [Event(last, "resume", f"A new engine goes on after step {last}: from {place}{rows}.")]
                elsewhere = differing(recorded.meta, provenance(run.trainer))
                if recorded.config.measure != "none":
                    events += anew_notices(recorded.version(last), last)
                events += [Event(last, "notice", f"Not as recorded: {elsewhere}.")] * bool(elsewhere)
                return events + thread_notices(last, own)

            return _drive(trainer, writer, begin, watch, max(limit, last))


def _require_threads(recorded: RecordedRun) -> None:
    """Refuse to go on with a run on other threads than it was recorded with: its rows would be rounded otherwise."""
    then, now = recorded_threads(recorded.meta), threads()
    if recorded.last >= 0 and then is not None and not then.agrees(now):
        raise SessionError(
            f"{recorded.name} was recorded with {then}, here it would be {now}: its rows would be rounded otherwise.",
            f"`wnt-tui branch {shell_path(recorded.reader.path)} --step {recorded.last}` goes on in a new session.",
        )


def _branch(request: Branch, watch: SignalWatch) -> Outcome:
    own = threads()
    with SessionReader(request.parent) as reader:
        start = branch(RecordedRun(reader), request.step, request.changes, request.session)
    watch.check()
    with start.write(request.session, **_observers(watch)) as writer:

        def begin(run: RerunSession) -> list[Event]:
            if start.row is not None:
                run.begin()
            return notices(run.trainer) + thread_notices(request.step, own)

        return _drive(start.trainer, writer, begin, watch, start.trainer.config.steps)


def _observers(watch: SignalWatch) -> Observers:
    """The receivers of what a writer does."""
    return {"heartbeat": watch.lock.heartbeat(), "on_event": watch.report.event}


def _drive(
    trainer: Trainer,
    writer: SessionWriter,
    begin: Callable[[RerunSession], list[Event]],
    watch: SignalWatch,
    limit: int,
) -> Outcome:
    """Run a prepared run to its end; ``begin`` takes it to where it goes on and returns what is to be recorded."""
    with _registered(writer.path), _failure_recorded(writer), SessionReader(writer.path) as reader:
        state = RunState(RerunSession(trainer, writer, reader), writer, watch.live, limit)
        annotations = Annotations(trainer.config, writer)
        loop = TrainingLoop(state, annotations, watch.report)
        watch.running(state)
        for event in begin(state.run):
            writer.put_event(event)
        annotations.catch_up(reader, state.run.beginning)
        return loop.run()


@contextlib.contextmanager
def _registered(path: Path) -> Generator[None]:
    """Have the session in the list of living ones."""
    register(path)
    try:
        yield
    finally:
        unregister(path)


@contextlib.contextmanager
def _failure_recorded(writer: SessionWriter) -> Generator[None]:
    """Record why a run failed where that can be said in a sentence; full memory is a DeviceError."""
    try:
        yield
    except WntError as error:
        writer.set_engine(state="failed", message=str(error))
        raise
    except (MemoryError, RuntimeError) as error:
        if not is_out_of_memory(error):
            raise
        full = out_of_memory()
        writer.set_engine(state="failed", message=str(full))
        raise full from error

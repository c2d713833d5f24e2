"""Starting an engine: on a new session, on one whose engine has ended, or on a branch of one."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from engine.config import RunConfig
from engine.device.memory import is_out_of_memory, out_of_memory
from engine.device.threads import Threads, recorded_threads, threads
from engine.errors import SessionError, UsageError, WntError
from engine.history.branch import branch
from engine.history.recorded import RecordedRun
from engine.history.reexecution import prepare
from engine.history.rerun_session import Past
from engine.paths import shell_path
from engine.record import Event
from engine.runner.annotations import Annotations
from engine.runner.progress import Report
from engine.runner.stopping import Stopping
from engine.runner.without_effect import without_effect
from engine.runner.worker import Engine, Outcome
from engine.session import EngineLock, SessionReader, SessionWriter, register, unregister
from engine.session.writer import Observers
from engine.training.provenance import differing, provenance
from engine.training.trainer import Trainer


@dataclass(frozen=True, slots=True)
class RunContext:
    """What surrounds a run.

    Attributes:
        live: See :class:`Engine`.
        report: Told how it is going.
        stopping: What signals ask for.
        lock: The session's lock where it is held already.
    """

    live: bool
    report: Report = field(default_factory=Report)
    stopping: Stopping = field(default_factory=Stopping)
    lock: EngineLock | None = None


def run_session(config: RunConfig, path: Path, context: RunContext) -> Outcome:
    """Run a configuration and record it.

    Data, device and network are prepared before the file is made, so that a wrong option leaves nothing behind.

    Args:
        config: What to run.
        path: The session to write; nothing may be there.
        context: What surrounds it.

    Returns:
        How it ended.

    Raises:
        WntError: The run could not start, or failed; the session then says so.
    """
    with _locked(path, context) as lock:
        trainer = Trainer(config)
        context.stopping.check()
        observers = _observers(lock, context)
        with SessionWriter.create(path, config, provenance(trainer), **observers) as writer:
            return drive(trainer, writer, lambda _past: notices(trainer), context)


def resume_session(path: Path, context: RunContext, *, steps: int | None) -> Outcome:
    """Go on with a run whose engine has ended, in its own session.

    It begins at the newest checkpoint, or where the run began; rows that are there are executed again, compared and
    never written again.

    Args:
        path: The session.
        context: What surrounds it.
        steps: The step to go to; None is the run's own ``--steps``.

    Returns:
        How it ended.

    Raises:
        SessionError: It cannot go on, or it is not the run that was recorded.
        UsageError: It has gone that far already.
    """
    with _locked(path, context, resumed=True) as lock, SessionReader(path) as reader:
        # From here on this engine counts as living and is sent commands; it takes seconds before it can obey them.
        newest_command = reader.newest_command()
        recorded = RecordedRun(reader)
        last, before = recorded.last, reader.engine()
        if before.state == "diverged":
            raise SessionError(
                f"{recorded.name} diverged at step {last}: nothing comes after it.",
                f"`wnt-tui branch {shell_path(path)} --step K --lr X` goes on from an earlier step.",
            )
        limit = recorded.config.steps if steps is None else steps
        if last >= limit and not (context.live and steps is None):
            raise UsageError(
                f"{recorded.name} has been trained to step {last} already.",
                f"`wnt-tui resume {shell_path(path)} --steps N` with N > {last} goes on.",
            )
        own = threads()
        trainer = prepare(recorded)
        _require_threads(recorded)
        context.stopping.check()
        with SessionWriter.open(path, newest_command=newest_command, **_observers(lock, context)) as writer:

            def begin(past: Past) -> list[Event]:
                for known in notices(past.trainer):  # in the session since its first row, but not on this stream
                    context.report.event(known)
                if last < 0:
                    return []
                said = past.go_towards(last)
                again = last - past.trainer.step
                rows = f", {again} row{'s' if again != 1 else ''} to execute again" if again else ""
                told = [Event(last, "resume", f"A new engine goes on after step {last}: from {said}{rows}.")]
                elsewhere = differing(recorded.meta, provenance(past.trainer))
                told += [Event(last, "notice", f"Not as recorded: {elsewhere}.")] * bool(elsewhere)
                return told + _on_other_threads(last, own)

            return drive(trainer, writer, begin, context, limit=max(limit, last))


def branch_session(parent: Path, step: int, changes: Mapping[str, Any], path: Path, context: RunContext) -> Outcome:
    """Go on from a step of a session with options changed, in a new session.

    Args:
        parent: The session to branch from; it is only read.
        step: A step that it has recorded.
        changes: Options that are to be otherwise, by name.
        path: The session to write; nothing may be there.
        context: What surrounds it.

    Returns:
        How it ended.

    Raises:
        SessionError: The step cannot be reached, or the new session not be written.
        UsageError: An option makes no sense.
    """
    with _locked(path, context) as lock:
        own = threads()
        with SessionReader(parent) as reader:
            start = branch(RecordedRun(reader), step, changes, path)
        context.stopping.check()
        with start.write(path, **_observers(lock, context)) as writer:

            def begin(past: Past) -> list[Event]:
                if start.row is not None:
                    past.begin()
                return notices(past.trainer) + _on_other_threads(step, own)

            return drive(start.trainer, writer, begin, context)


def _require_threads(recorded: RecordedRun) -> None:
    """Refuse to go on with a run on other threads than it was recorded with: its rows would be rounded otherwise."""
    then, now = recorded_threads(recorded.meta), threads()
    if recorded.last >= 0 and then is not None and not then.agrees(now):
        raise SessionError(
            f"{recorded.name} was recorded with {then}, here it would be {now}: its rows would be rounded otherwise.",
            f"`wnt-tui branch {shell_path(recorded.reader.path)} --step {recorded.last}` goes on in a new session.",
        )


def _on_other_threads(step: int, own: Threads) -> list[Event]:
    """What is to be said where a recorded run's threads are not those that this process would take by itself."""
    used = threads()
    return [Event(step, "notice", f"Trains with {used}, as recorded: here it would be {own}.")] * (used != own)


def notices(trainer: Trainer) -> list[Event]:
    """What is to be said about data, device and options at a run's beginning.

    Args:
        trainer: The run.

    Returns:
        Events of its first step, usually none.
    """
    idle = " ".join(without_effect(trainer.config))
    texts = (trainer.resolved.notice, trainer.data.notice, idle)
    return [Event(trainer.step, "notice", text) for text in texts if text]


def drive(
    trainer: Trainer,
    writer: SessionWriter,
    begin: Callable[[Past], list[Event]],
    context: RunContext,
    *,
    limit: int | None = None,
) -> Outcome:
    """Have an engine run a prepared run to its end.

    Args:
        trainer: The run.
        writer: Its session, under an EngineLock.
        begin: Takes the run to where it is to go on; returns what is to be told.
        context: What surrounds it.
        limit: The step to go to; None is the configured one.

    Returns:
        How it ended.

    Raises:
        DeviceError: Memory is full; the session says so.
        WntError: It failed for another reason that can be said in a sentence; the session says so too.
        MemoryError: Memory is full in a way that is not known here.
        RuntimeError: It failed for a reason that cannot.
    """
    register(writer.path)
    try:
        with SessionReader(writer.path) as reader:
            past = Past(trainer, writer, reader)
            goal = trainer.config.steps if limit is None else limit
            annotations = Annotations(trainer.config, writer)
            engine = Engine(past, writer, live=context.live, report=context.report, limit=goal, annotations=annotations)
            context.stopping.running(engine, writer)
            for event in begin(past):
                writer.put_event(event)
            annotations.catch_up(reader, past.beginning)
            return engine.run()
    except WntError as error:
        writer.set_engine(state="failed", message=str(error))
        raise
    except (MemoryError, RuntimeError) as error:
        if not is_out_of_memory(error):
            raise
        full = out_of_memory()
        writer.set_engine(state="failed", message=str(full))
        raise full from error
    finally:
        unregister(writer.path)


@contextlib.contextmanager
def _locked(path: Path, context: RunContext, *, resumed: bool = False) -> Generator[EngineLock]:
    """Hold a session's lock; a signal that comes before the run has begun gives it back."""
    with contextlib.nullcontext(context.lock) if context.lock is not None else EngineLock(path) as lock:
        context.stopping.preparing(lock, resumed=resumed)
        yield lock


def _observers(lock: EngineLock, context: RunContext) -> Observers:
    """Return who is to know what a writer does."""
    return {"heartbeat": lock.heartbeat(), "tell": context.report.event}

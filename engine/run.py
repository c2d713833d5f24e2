"""Starting an engine: on a new session, on one whose engine has ended, or on a branch of one."""

from __future__ import annotations

import signal
from collections.abc import Callable, Mapping
from pathlib import Path
from types import FrameType
from typing import Any

from engine.annotations import Annotations
from engine.config import RunConfig
from engine.errors import SessionError, UsageError, WntError
from engine.history.branch import branch
from engine.history.past import Past
from engine.history.recorded import RecordedRun
from engine.history.reexecution import prepare
from engine.memory import is_out_of_memory, out_of_memory
from engine.paths import shell_path
from engine.provenance import differing, provenance
from engine.record import Event
from engine.session import EngineLock, SessionReader, SessionWriter, register, unregister
from engine.trainer import Trainer
from engine.without_effect import without_effect
from engine.worker import Engine, Outcome, Progress


def run_session(
    config: RunConfig, path: Path, *, live: bool, progress: Progress, lock: EngineLock | None = None
) -> Outcome:
    """Run a configuration and record it.

    Data, device and network are prepared before the file is made, so that a wrong option leaves nothing behind.

    Args:
        config: What to run.
        path: The session to write; nothing may be there.
        live: See :class:`Engine`.
        progress: See :class:`Engine`.
        lock: The session's lock where it is held already.

    Returns:
        How it ended.

    Raises:
        WntError: The run could not start, or failed; the session then says so.
    """
    with lock or EngineLock(path):
        trainer = Trainer(config)
        with SessionWriter.create(path, config, provenance(trainer)) as writer:
            return drive(trainer, writer, lambda _past: notices(trainer), live=live, progress=progress)


def resume_session(
    path: Path, *, steps: int | None, live: bool, progress: Progress, lock: EngineLock | None = None
) -> Outcome:
    """Go on with a run whose engine has ended, in its own session.

    It begins at the newest checkpoint, or where the run began; rows that are there are executed again, compared and
    never written again.

    Args:
        path: The session.
        steps: The step to go to; None is the run's own ``--steps``.
        live: See :class:`Engine`.
        progress: See :class:`Engine`.
        lock: The session's lock where it is held already.

    Returns:
        How it ended.

    Raises:
        SessionError: It cannot go on, or it is not the run that was recorded.
        UsageError: It has gone that far already.
    """
    with lock or EngineLock(path), SessionReader(path) as reader:
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
        if last >= limit and not (live and steps is None):
            raise UsageError(
                f"{recorded.name} has been trained to step {last} already.", f"--steps N with N > {last} goes on to it."
            )
        trainer = prepare(recorded)
        with SessionWriter.open(path, newest_command=newest_command) as writer:

            def begin(past: Past) -> list[Event]:
                if last < 0:
                    return []
                said = past.go_towards(last)
                again = last - past.trainer.step
                rows = f", {again} row{'s' if again != 1 else ''} to execute again" if again else ""
                told = [Event(last, "resume", f"A new engine goes on after step {last}: from {said}{rows}.")]
                elsewhere = differing(recorded.meta, provenance(past.trainer))
                return told + [Event(last, "notice", f"Not as recorded: {elsewhere}.")] * bool(elsewhere)

            return drive(trainer, writer, begin, live=live, progress=progress, limit=max(limit, last))


def branch_session(
    parent: Path,
    step: int,
    changes: Mapping[str, Any],
    path: Path,
    *,
    live: bool,
    progress: Progress,
    lock: EngineLock | None = None,
) -> Outcome:
    """Go on from a step of a session with options changed, in a new session.

    Args:
        parent: The session to branch from; it is only read.
        step: A step that it has recorded.
        changes: Options that are to be otherwise, by name.
        path: The session to write; nothing may be there.
        live: See :class:`Engine`.
        progress: See :class:`Engine`.
        lock: The session's lock where it is held already.

    Returns:
        How it ended.

    Raises:
        SessionError: The step cannot be reached, or the new session not be written.
        UsageError: An option makes no sense.
    """
    with lock or EngineLock(path):
        with SessionReader(parent) as reader:
            start = branch(RecordedRun(reader), step, changes, path)
        with start.write(path) as writer:

            def begin(past: Past) -> list[Event]:
                if start.row is not None:
                    past.begin()
                return notices(past.trainer)

            return drive(start.trainer, writer, begin, live=live, progress=progress)


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
    *,
    live: bool,
    progress: Progress,
    limit: int | None = None,
) -> Outcome:
    """Have an engine run a prepared run to its end.

    Args:
        trainer: The run.
        writer: Its session, under an EngineLock.
        begin: Takes the run to where it is to go on; returns what is to be told.
        live: See :class:`Engine`.
        progress: See :class:`Engine`.
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
            engine = Engine(past, writer, live=live, progress=progress, limit=goal, annotations=annotations)
            _install_signals(engine, live=live)
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


def _install_signals(engine: Engine, *, live: bool) -> None:
    """First Ctrl+C or TERM: finish the step and save; second: quit. A hangup is survived: viewers come and go."""

    def stop(number: int, _frame: FrameType | None) -> None:
        engine.request_stop(f"Stopped by {signal.Signals(number).name}.")
        signal.signal(number, signal.SIG_DFL)

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.SIG_IGN if live else stop)

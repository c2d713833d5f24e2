"""``python -m engine REQUEST``: what needs torch, in its own process, so that the viewer never imports it."""

from __future__ import annotations

import sys

if __name__ == "__main__":
    # Before anything heavy is imported.
    from engine import signals, streams

    signals.use_defaults(held=True)  # a run's lock is to be removed first
    streams.prepare()
    streams.leave_at_exit()

import json
import os
import traceback
from collections.abc import Sequence
from typing import TYPE_CHECKING

from engine import requests, signals
from engine.device.memory import is_out_of_memory, out_of_memory
from engine.errors import WntError
from engine.paths import shown_path
from engine.requests import Branch, Resume, Run

if TYPE_CHECKING:
    from engine.runner.progress import Report
    from engine.session.liveness import EngineLock

_DIVERGED = 3

# Before torch is imported: OpenMP's threads spin while they wait, by default for so long that where anything else runs
# (a viewer, a second engine) they occupy cores that have work to do: rows took ten times as long beside two busy
# processes on two cores. Not to spin at all costs as much where nothing else runs: eigenvalues at n = 250 take seven
# times as long. A short spin costs neither.
os.environ.setdefault("GOMP_SPINCOUNT", "2000")

# A thread that wants the interpreter asks for it after this long; by default after 5 ms, for which a row would wait
# whenever the thread that records is busy with the one before.
SWITCH_SECONDS = 2e-4


def main(arguments: Sequence[str]) -> int:
    """Carry out the request, as JSON, of a command line without the program's name.

    Returns:
        Exit code: 0 done, 1 failed, 2 usage, 3 diverged, 128 and its number after a signal.

    Raises:
        MemoryError: Memory is full, and the request asks for tracebacks.
        RuntimeError: torch failed for another reason.
    """
    sys.setswitchinterval(SWITCH_SECONDS)
    request = requests.Request()
    try:
        request = requests.parse_request(arguments)
        if isinstance(request, Run | Resume | Branch):
            return _train(request)
        signals.use_defaults()
        return _look_up(request)
    except WntError as error:
        _print_error(error, request)
        return error.exit_code
    except signals.Interrupted as interrupted:
        return signals.exit_code(interrupted.number)
    except (MemoryError, RuntimeError) as error:
        if request.debug or not is_out_of_memory(error):
            raise
        print(f"wnt-tui: {out_of_memory()}", file=sys.stderr)
        return 1


def _print_error(error: WntError, request: requests.Request) -> None:
    if request.debug:
        traceback.print_exception(error)
    print(f"wnt-tui: {error}", file=sys.stderr)


def _train(request: Run | Resume | Branch) -> int:
    from engine.runner.progress import Lines, Report
    from engine.runner.signal_watch import not_begun
    from engine.session.liveness import EngineLock

    report = Report() if request.live else Lines(sys.stderr, request.session)

    def give_back(number: int) -> None:
        lock.release()
        report.say(not_begun(number, request))

    # Held, or taken, before anything else is tried: whatever ends the process from here on gives it back.
    with EngineLock(request.session, request.lock) as lock:
        signals.ending_with(give_back)
        lock.heartbeat()
        return _train_locked(request, lock, report)


def _train_locked(request: Run | Resume | Branch, lock: EngineLock, report: Report) -> int:
    from engine.runner import outcome as outcomes
    from engine.runner import run as runs
    from engine.runner.signal_watch import SignalWatch

    signals.ending_with(lambda _number: lock.release())  # after the run "before it began" would be wrong
    watch = SignalWatch(request, report, lock)
    try:
        with watch.active():
            try:
                outcome = runs.train(request, watch)
                watch.over()
                report.say(outcomes.sentence(outcome, request.session))
            finally:
                report.close()
            asked = watch.number
    except WntError as error:
        if watch.number is None:
            raise
        _print_error(error, request)
        raise signals.Interrupted(watch.number) from None
    if not request.live:
        if request.plot:
            from engine.runner.plots import print_plots

            print_plots(request.session, sys.stderr)
        print(json.dumps(outcomes.summary(outcome, request.session), ensure_ascii=False))
    if outcome.state == "stopped" and asked is not None:
        raise signals.Interrupted(asked)
    return _DIVERGED if outcome.state == "diverged" else 0


def _look_up(request: requests.Request) -> int:
    match request:
        case requests.Verify():
            return _verify(request)
        case requests.Weights():
            _write_weights(request)
        case requests.DataSets():
            from engine.data.sources import inventory

            print("\n".join(f"{name:<12}{words}" for name, words in inventory().items()))
        case requests.Download():
            from engine.data.cifar10 import download_directory
            from engine.data.download import download_cifar10

            folder = None if request.folder is None else str(request.folder)
            print(shown_path(download_cifar10(download_directory(folder))))
        case requests.Doctor():
            from engine.environment import report

            print(json.dumps(report(), ensure_ascii=False, indent=1))
    return 0


def _verify(request: requests.Verify) -> int:
    from engine.history.verify import verify
    from engine.runner.progress import reexecution_shown

    with reexecution_shown(sys.stderr) as at:
        verdict = verify(request.session, at)
    text = json.dumps(verdict.as_dict(), ensure_ascii=False) if request.as_json else "\n".join(verdict.sentences())
    print(text)
    return 0 if verdict.identical else 1


def _write_weights(request: requests.Weights) -> None:
    from engine.history.weights import write_weights
    from engine.runner.progress import reexecution_shown

    with reexecution_shown(sys.stderr) as at, signals.raised():  # a half-written file is taken back
        written = write_weights(request.session, request.step, request.output, at)
    print(written.sentence())


if __name__ == "__main__":
    signals.end(streams.finish(main(sys.argv[1:])))

"""``python -m engine COMMAND``: what needs torch, in its own process, so that the viewer never imports it."""

from __future__ import annotations

import sys

if __name__ == "__main__":
    # Before anything heavy is imported.
    from engine import signals, streams

    signals.use_defaults(held=sys.argv[1:2] in (["run"], ["live"]))  # the lock's file is to be removed first
    streams.prepare()
    streams.leave_at_exit()

import argparse
import json
import os
import traceback
from collections.abc import Callable
from typing import TYPE_CHECKING

from engine.config import RunConfig
from engine.device.memory import is_out_of_memory, out_of_memory
from engine.errors import WntError
from engine.paths import existing_path, named_path, shown_path
from engine.signals import Interrupted, ending_with, exit_code, raised

if TYPE_CHECKING:
    from engine.runner.progress import Report
    from engine.runner.run import RunContext
    from engine.runner.worker import Outcome
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


def main(arguments: list[str] | None = None) -> int:
    """Run one command.

    Args:
        arguments: Command line without the program's name; by default the process's own.

    Returns:
        Exit code: 0 done, 1 failed, 2 usage, 3 diverged, 128 and its number after a signal.

    Raises:
        MemoryError: Memory is full, and ``--debug`` asks for the traceback.
        RuntimeError: torch failed for another reason.
    """
    sys.setswitchinterval(SWITCH_SECONDS)
    options = _parser().parse_args(arguments)
    try:
        return int(_COMMANDS[options.command](options))
    except WntError as error:
        _tell(error, options)
        return error.exit_code
    except Interrupted as interrupted:
        return exit_code(interrupted.number)
    except (MemoryError, RuntimeError) as error:
        if options.debug or not is_out_of_memory(error):
            raise
        print(f"wnt-tui: {out_of_memory()}", file=sys.stderr)
        return 1


def _tell(error: WntError, options: argparse.Namespace) -> None:
    if options.debug:
        traceback.print_exception(error)
    print(f"wnt-tui: {error}", file=sys.stderr)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m engine", description=__doc__)
    parser.add_argument("--debug", action="store_true", help="show tracebacks")
    commands = parser.add_subparsers(dest="command", required=True)
    for name, text in (("run", "train headless"), ("live", "train for viewers, waiting when done")):
        command = commands.add_parser(name, help=text)
        command.add_argument("--session", required=True, type=named_path, help="the session file to write")
        command.add_argument("--lock", type=int, default=None, help="an inherited descriptor of the session's lock")
        source = command.add_mutually_exclusive_group(required=True)
        source.add_argument("--config", help="a RunConfig as JSON")
        source.add_argument("--resume", action="store_true", help="go on with the session, whose engine has ended")
        source.add_argument("--branch", type=existing_path, metavar="PARENT", help="begin at a step of another session")
        command.add_argument("--steps", type=int, default=None, help="with --resume: the step to go to")
        command.add_argument("--step", type=int, default=0, help="with --branch: the step to begin at")
        command.add_argument("--changes", default="{}", help="with --branch: options that change, as JSON")
        command.add_argument("--debug", action="store_true", default=argparse.SUPPRESS)
        if name == "run":
            command.add_argument("--plot", action="store_true", help="print plots of the run at its end")
    verify = commands.add_parser("verify", help="execute a session again and compare every row")
    verify.add_argument("session", type=existing_path)
    verify.add_argument("--json", action="store_true", dest="as_json")
    weights = commands.add_parser("weights", help="compute the weights of a step again and write them")
    weights.add_argument("session", type=existing_path)
    weights.add_argument("--step", type=int, required=True)
    weights.add_argument("--output", type=named_path, required=True)
    for command in (verify, weights):
        command.add_argument("--debug", action="store_true", default=argparse.SUPPRESS)
    data = commands.add_parser("data", help="list data sets, or download one")
    data.add_argument("action", choices=["list", "download"])
    data.add_argument("name", nargs="?", default="cifar10")
    data.add_argument("--dir", default=None)
    commands.add_parser("doctor", help="what torch finds on this machine, as JSON")
    return parser


def _run(options: argparse.Namespace) -> int:
    from engine.runner.progress import Lines, Report
    from engine.runner.stopping import not_begun
    from engine.session.liveness import EngineLock

    report = Report() if options.command == "live" else Lines(sys.stderr, options.session)

    def give_back(number: int) -> None:
        lock.release()
        if options.resume:
            report.say(not_begun(number, options.session))

    # Held, or taken, before anything else is tried: whatever ends the process from here on gives it back.
    with EngineLock(options.session, options.lock) as lock:
        ending_with(give_back)
        lock.heartbeat()
        return _run_locked(options, lock, report)


def _run_locked(options: argparse.Namespace, lock: EngineLock, report: Report) -> int:
    from engine.runner import progress
    from engine.runner import run as runs
    from engine.runner.stopping import Stopping

    live = options.command == "live"
    ending_with(lambda _number: lock.release())  # after the run "before it began" would be wrong
    stopping = Stopping(report, live=live)
    try:
        with stopping:
            context = runs.RunContext(live, report, stopping, lock)
            try:
                outcome = _outcome(options, context)
                stopping.over()
                report.say(progress.ending(outcome, options.session))
            finally:
                report.close()
            asked = stopping.number
    except WntError as error:
        if stopping.number is None:
            raise
        _tell(error, options)
        raise Interrupted(stopping.number) from None
    if not live:
        if options.plot:
            from engine.runner.plots import print_plots

            print_plots(options.session, sys.stderr)
        print(json.dumps(progress.summary(outcome, options.session), ensure_ascii=False))
    if outcome.state == "stopped" and asked is not None:
        raise Interrupted(asked)
    return _DIVERGED if outcome.state == "diverged" else 0


def _outcome(options: argparse.Namespace, context: RunContext) -> Outcome:
    from engine.runner import run as runs

    if options.resume:
        return runs.resume_session(options.session, context, steps=options.steps)
    if options.branch is not None:
        changes = json.loads(options.changes)
        return runs.branch_session(options.branch, options.step, changes, options.session, context)
    config = RunConfig.from_json(options.config, origin="--config")
    return runs.run_session(config, options.session, context)


def _verify(options: argparse.Namespace) -> int:
    from engine.history.verify import verify
    from engine.runner.progress import Way

    way = Way(sys.stderr)
    try:
        verdict = verify(options.session, way.at)
    finally:
        way.close()
    if options.as_json:
        print(json.dumps(verdict.as_dict(), ensure_ascii=False))
    else:
        print("\n".join(verdict.sentences()))
    return 0 if verdict.identical else 1


def _weights(options: argparse.Namespace) -> int:
    from engine.history.weights import write_weights
    from engine.runner.progress import Way

    way = Way(sys.stderr)
    try:
        with raised():  # a half-written file is taken back
            written = write_weights(options.session, options.step, options.output, way.at)
    finally:
        way.close()
    print(written.sentence())
    return 0


def _data(options: argparse.Namespace) -> int:
    from engine.data.download import download_cifar10
    from engine.data.locate import download_directory, inventory

    if options.action == "list":
        print("\n".join(f"{name:<12}{words}" for name, words in inventory(options.dir).items()))
        return 0
    if options.name != "cifar10":
        raise WntError(f"{options.name} cannot be downloaded.", "Only cifar10 needs to be.")
    print(shown_path(download_cifar10(download_directory(options.dir))))
    return 0


def _doctor(_options: argparse.Namespace) -> int:
    from engine.environment import report

    print(json.dumps(report(), ensure_ascii=False, indent=1))
    return 0


_COMMANDS: dict[str, Callable[[argparse.Namespace], int]] = {
    "run": _run,
    "live": _run,
    "verify": _verify,
    "weights": _weights,
    "data": _data,
    "doctor": _doctor,
}

if __name__ == "__main__":
    try:
        code = main()
    except SystemExit as usage:  # argparse's
        code = usage.code if isinstance(usage.code, int) else 1
    signals.end(streams.finish(code))

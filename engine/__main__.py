"""``python -m engine COMMAND``: what needs torch, in its own process, so that the viewer never imports it."""

from __future__ import annotations

import argparse
import json
import os
import sys
import traceback
from collections.abc import Callable
from pathlib import Path

from engine.config import RunConfig
from engine.errors import WntError

_DIVERGED = 3

# Before torch is imported: OpenMP's threads spin while they wait, by default for so long that where anything else runs
# (a viewer, a second engine) they occupy cores that have work to do: rows took ten times as long beside two busy
# processes on two cores. Not to spin at all costs as much where nothing else runs: eigenvalues at n = 250 take seven
# times as long. A short spin costs neither.
os.environ.setdefault("GOMP_SPINCOUNT", "2000")


def main(arguments: list[str] | None = None) -> int:
    """Run one command.

    Args:
        arguments: Command line without the program's name; by default the process's own.

    Returns:
        Exit code: 0 done, 1 failed, 2 usage, 3 diverged.

    Raises:
        MemoryError: Memory is full, and ``--debug`` asks for the traceback.
        RuntimeError: torch failed for another reason.
    """
    options = _parser().parse_args(arguments)
    try:
        return int(_COMMANDS[options.command](options))
    except WntError as error:
        if options.debug:
            traceback.print_exc()
        print(f"wnt-tui: {error}", file=sys.stderr)
        return error.exit_code
    except (MemoryError, RuntimeError) as error:
        # torch raises plain RuntimeErrors for full memory, on the CPU and on CUDA alike.
        if options.debug or not _is_out_of_memory(error):
            raise
        print(f"wnt-tui: {_OUT_OF_MEMORY}", file=sys.stderr)
        return 1


_OUT_OF_MEMORY = "Out of memory. Use a smaller --width, --depth or --examples, or --device cpu."


def _is_out_of_memory(error: BaseException) -> bool:
    words = str(error).lower()
    return isinstance(error, MemoryError) or "out of memory" in words or "can't allocate memory" in words


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m engine", description=__doc__)
    parser.add_argument("--debug", action="store_true", help="show tracebacks")
    commands = parser.add_subparsers(dest="command", required=True)
    for name, text in (("run", "train headless"), ("live", "train for viewers, waiting when done")):
        command = commands.add_parser(name, help=text)
        command.add_argument("--config", required=True, help="a RunConfig as JSON")
        command.add_argument("--session", required=True, type=Path, help="the session file to write")
        command.add_argument("--debug", action="store_true", default=argparse.SUPPRESS)
        if name == "run":
            command.add_argument("--plot", action="store_true", help="print plots of the run at its end")
    data = commands.add_parser("data", help="list data sets, or download one")
    data.add_argument("action", choices=["list", "download"])
    data.add_argument("name", nargs="?", default="cifar10")
    data.add_argument("--dir", default=None)
    commands.add_parser("doctor", help="what torch finds on this machine, as JSON")
    return parser


def _run(options: argparse.Namespace) -> int:
    from engine import progress
    from engine.worker import run_session

    config = RunConfig.from_json(options.config, origin="--config")
    live = options.command == "live"
    report = (
        progress.Silent() if live else progress.Lines(sys.stderr, options.session, pauses=config.on_break == "pause")
    )
    try:
        outcome = run_session(config, options.session, live=live, progress=report.row)
    except (MemoryError, RuntimeError) as error:
        if _is_out_of_memory(error):
            raise WntError("Out of memory.", _OUT_OF_MEMORY.partition(". ")[2]) from None
        raise
    finally:
        report.close()
    if not live:
        if options.plot:
            from engine.plots import print_plots

            print_plots(options.session, sys.stderr)
        print(json.dumps(progress.summary(outcome, options.session), ensure_ascii=False))
    return _DIVERGED if outcome.state == "diverged" else 0


def _data(options: argparse.Namespace) -> int:
    from engine.data.download import download_cifar10
    from engine.data.locate import download_directory, inventory

    if options.action == "list":
        print("\n".join(f"{name:<12}{words}" for name, words in inventory(options.dir).items()))
        return 0
    if options.name != "cifar10":
        raise WntError(f"{options.name} cannot be downloaded.", "Only cifar10 needs to be.")
    print(download_cifar10(download_directory(options.dir)))
    return 0


def _doctor(_options: argparse.Namespace) -> int:
    from engine.doctor import report

    print(json.dumps(report(), ensure_ascii=False, indent=1))
    return 0


_COMMANDS: dict[str, Callable[[argparse.Namespace], int]] = {
    "run": _run,
    "live": _run,
    "data": _data,
    "doctor": _doctor,
}

if __name__ == "__main__":
    sys.exit(main())

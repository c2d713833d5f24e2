"""The command line. Nothing heavy is imported until a command needs it: ``--help`` answers at once."""

from __future__ import annotations

import signal
import sys


def main() -> None:
    """Run the command line; ends the process with its exit code."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)  # first of all; engine.signals.use_defaults says why
    from engine import signals, streams

    signals.use_defaults()
    streams.prepare()
    from wnt_tui.cli.main import invoke

    try:
        code = invoke(sys.argv[1:])
    except signals.Interrupted as interrupted:
        code = signals.exit_code(interrupted.number)
    signals.end(streams.finish(code))

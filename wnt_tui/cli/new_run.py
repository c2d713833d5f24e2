"""New runs: ``live``, what a line without a command does, and ``run``, which becomes the engine."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn

import click

from engine import signals
from wnt_tui.cli.group import SectionedCommand
from wnt_tui.cli.imports import prepare_screen
from wnt_tui.cli.options import RunOptions, run_option_list
from wnt_tui.process.engine_process import become_engine, start_engine

if TYPE_CHECKING:
    from engine.session.liveness import EngineLock


RUN_HELP = """Train and measure; a JSON summary on stdout.

Progress and events go to stderr. Ctrl+C ends it within 5 s, after the step at hand where that takes less, and what is
recorded is saved; so do TERM, HUP (not under nohup), USR2 and XCPU. USR1 keeps a checkpoint and goes on.

Exit code: 0 done, or stopped by `wnt-tui stop` or a breakpoint, 1 failed, 2 usage, 3 diverged, 130 Ctrl+C, 143 TERM,
129 HUP (128 and the signal's number).
"""


@click.command(cls=SectionedCommand, hidden=True, params=run_option_list())
def live(**given: Any) -> int:
    """Start a run and watch it; leaving the screen (q) leaves the engine running."""
    from engine.requests import Run
    from wnt_tui.terminal.requirements import require_terminal

    options = RunOptions.from_parameters(given)
    require_terminal("`wnt-tui run` trains without one.")
    prepare_screen()
    with signals.held_back(), _reserved(options) as lock:
        request = Run(session=lock.session, config=options.config, debug=options.debug)
        engine = start_engine(request, lock)
    # The engine takes seconds to import torch; the screen is imported meanwhile.
    from wnt_tui.app import WntApp

    return WntApp([request.session], engine, debug=options.debug).show()


@click.command(cls=SectionedCommand, params=run_option_list(), help=RUN_HELP)
@click.option("--plot", is_flag=True, help="Print plots of the run at its end.")
def run(plot: bool, **given: Any) -> NoReturn:
    """Train and measure in this process, which becomes the engine."""
    from engine.requests import Run

    options = RunOptions.from_parameters(given)
    with signals.held_back(), _reserved(options) as lock:
        held = lock.hand_over()
        become_engine(Run(session=lock.session, config=options.config, plot=plot, debug=options.debug, lock=held))


def _reserved(options: RunOptions) -> EngineLock:
    """The lock of the new run's session."""
    # Data and a device that are not there are refused here: an engine would say so after seconds, beneath a screen that
    # shows nothing.
    from engine.data.sources import require_data
    from engine.device.name import require_driver
    from engine.session.reservation import reserve_session

    require_driver(options.config.device)
    require_data(options.config)
    return reserve_session(options.config, options.session)


COMMANDS = (live, run)

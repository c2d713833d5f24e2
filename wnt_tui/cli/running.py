"""``run``: train and measure without a screen. This process becomes the engine."""

from __future__ import annotations

import os
from typing import Any

import click

from wnt_tui.cli.group import SectionedCommand
from wnt_tui.cli.options import request_from, run_option_list
from wnt_tui.engine_process import engine_command, engine_environment


@click.command(cls=SectionedCommand, params=run_option_list())
@click.option("--plot", is_flag=True, help="Print plots of the run at its end.")
def run(plot: bool, **given: Any) -> None:
    """Train and measure; a JSON summary on stdout.

    Progress goes to stderr. Ctrl+C finishes the step and saves; twice quits.
    """
    from wnt_tui.cli.places import session_for

    request = request_from(given)
    session = session_for(request)
    flags = [*(["--debug"] if request.debug else []), *(["--plot"] if plot else [])]
    command = engine_command("run", "--config", request.config.to_json(), "--session", str(session), *flags)
    # Replaced, not started: signals, exit code and pid are then the engine's own.
    os.execve(command[0], command, dict(engine_environment()))


COMMANDS = (run,)

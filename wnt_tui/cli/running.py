"""``run``: train and measure without a screen. This process becomes the engine."""

from __future__ import annotations

from typing import Any

import click

from engine import signals
from wnt_tui.cli.group import SectionedCommand
from wnt_tui.cli.options import request_from, run_option_list
from wnt_tui.process.engine_process import become_engine


@click.command(cls=SectionedCommand, params=run_option_list())
@click.option("--plot", is_flag=True, help="Print plots of the run at its end.")
def run(plot: bool, **given: Any) -> None:
    """Train and measure; a JSON summary on stdout.

    Progress and events go to stderr. Ctrl+C ends it within 5 s, after the step at hand where that takes less, and
    what is recorded is saved; so do TERM, HUP (not under nohup), USR2 and XCPU. USR1 keeps a checkpoint and goes on.

    Exit code: 0 done, or stopped by `wnt-tui stop` or a breakpoint, 1 failed, 2 usage, 3 diverged, 130 Ctrl+C, 143
    TERM, 129 HUP (128 and the signal's number).
    """
    from wnt_tui.cli.places import session_for

    request = request_from(given)
    with signals.held_back(), session_for(request) as lock:
        plots = ["--plot"] if plot else []
        become_engine("run", "--config", request.config.to_json(), *plots, lock=lock, debug=request.debug)


COMMANDS = (run,)

"""``run``: train and measure without a screen. This process becomes the engine."""

from __future__ import annotations

from typing import Any

import click

from engine import signals
from wnt_tui.cli.group import SectionedCommand
from wnt_tui.cli.options import request_from, run_option_list
from wnt_tui.engine_process import become_engine


@click.command(cls=SectionedCommand, params=run_option_list())
@click.option("--plot", is_flag=True, help="Print plots of the run at its end.")
def run(plot: bool, **given: Any) -> None:
    """Train and measure; a JSON summary on stdout.

    Progress goes to stderr. Ctrl+C finishes the step and saves; twice quits.
    """
    from wnt_tui.cli.places import session_for

    request = request_from(given)
    with signals.held_back(), session_for(request) as lock:
        plots = ["--plot"] if plot else []
        become_engine("run", "--config", request.config.to_json(), *plots, lock=lock, debug=request.debug)


COMMANDS = (run,)

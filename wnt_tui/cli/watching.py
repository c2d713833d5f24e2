"""Commands that open the screen: ``live``, ``attach``, ``replay``; and ``ls``, which finds what to open.

Textual is imported inside them, after everything that can fail without it has been tried.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from engine import signals
from wnt_tui.cli.group import SectionedCommand
from wnt_tui.cli.options import request_from, run_option_list
from wnt_tui.cli.path_types import FOLDER, SESSION
from wnt_tui.cli.screen import import_numpy, prepare, show

WITHOUT_TERMINAL_LIVE = "`wnt-tui run` trains without one."
WITHOUT_TERMINAL_REPLAY = "`wnt-tui export SESSION --output DIR` and `wnt-tui status SESSION` work without one."

debug_option = click.option("--debug", is_flag=True, help="Show tracebacks.")


@click.command(cls=SectionedCommand, hidden=True, params=run_option_list())
def live(**given: Any) -> None:
    """Start a run and watch it; leaving the screen (q) leaves the engine running."""
    from wnt_tui.cli.places import session_for
    from wnt_tui.process.engine_process import start_engine
    from wnt_tui.terminal.requirements import require_terminal

    request = request_from(given)
    require_terminal(WITHOUT_TERMINAL_LIVE)
    prepare()
    with signals.held_back(), session_for(request) as lock:
        engine = start_engine(lock.session, "--config", request.config.to_json(), debug=request.debug, lock=lock)
    # The engine takes seconds to import torch; the screen is imported meanwhile.
    show([lock.session], engine, debug=request.debug)


@click.command(cls=SectionedCommand)
@click.argument("session", type=SESSION, metavar="[SESSION]", required=False)
@debug_option
def attach(session: Path | None, debug: bool) -> None:
    """Watch a run under way; without SESSION the one that lives, or one of a list.

    The list has all living runs, also of other folders, newest first; esc stays with the newest.
    """
    from engine.session import locations
    from wnt_tui.cli.places import living
    from wnt_tui.terminal.requirements import require_terminal

    found = living() if session is None else [locations.resolve_session(session)]
    require_terminal(WITHOUT_TERMINAL_REPLAY)
    show(found, choose=True, debug=debug)


@click.command(cls=SectionedCommand)
@click.argument("sessions", type=SESSION, metavar="SESSION…", nargs=-1, required=True)
@debug_option
def replay(sessions: tuple[Path, ...], debug: bool) -> None:
    """Look at a recorded session, step by step, or compare several."""
    from engine.session import locations
    from wnt_tui.terminal.requirements import require_terminal

    # Each once, however it was spelled: a session is not compared with itself.
    found = list(dict.fromkeys(locations.resolve_session(session) for session in sessions))
    require_terminal(WITHOUT_TERMINAL_REPLAY)
    prepare()
    from wnt_tui.cli.places import require_readable

    for path in found:
        require_readable(path)
    show(found, debug=debug)


@click.command("ls", cls=SectionedCommand)
@click.argument("folder", type=FOLDER, metavar="[DIR]", required=False)
@click.option("--json", "as_json", is_flag=True, help="Machine-readable.")
def list_sessions(folder: Path | None, as_json: bool) -> None:
    """List sessions, newest first; living ones of other folders too."""
    import_numpy()
    from wnt_tui.cli.listing import as_table
    from wnt_tui.cli.places import sessions_in
    from wnt_tui.session.summary import summary_or_trouble

    summaries = [summary_or_trouble(path) for path in sessions_in(folder)]
    if as_json:
        click.echo(json.dumps([summary.as_dict() for summary in summaries], ensure_ascii=False))
    elif summaries:
        click.echo(as_table(summaries))
    else:
        click.echo("No sessions here. `wnt-tui` starts one; --session says where.")


COMMANDS = (live, attach, replay, list_sessions)

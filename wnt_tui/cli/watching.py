"""Commands that show recorded sessions and runs under way: ``attach``, ``replay``; and ``ls``, which finds them.

Textual is imported inside them, after everything that can fail without it has been tried.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

import click

from engine.errors import SessionError
from engine.paths import existing_path, real_path
from wnt_tui.cli.group import SectionedCommand
from wnt_tui.cli.imports import import_numpy, prepare_screen
from wnt_tui.cli.parameters import FOLDER, SESSION, debug_option, json_option

WITHOUT_TERMINAL = "`wnt-tui export SESSION --output DIR` and `wnt-tui status SESSION` work without one."


@click.command(cls=SectionedCommand)
@click.argument("session", type=SESSION, metavar="[SESSION]", required=False)
@debug_option
def attach(session: Path | None, debug: bool) -> int:
    """Watch a run under way; without SESSION the one that lives, or one of a list.

    The list has all living runs, also of other folders, newest first; esc stays with the newest.
    """
    from wnt_tui.terminal.requirements import require_terminal

    found = _living() if session is None else [session]
    require_terminal(WITHOUT_TERMINAL)
    prepare_screen()
    from wnt_tui.app import WntApp

    return WntApp(found, choose=True, debug=debug).show()


@click.command(cls=SectionedCommand)
@click.argument("sessions", type=SESSION, metavar="SESSION…", nargs=-1, required=True)
@debug_option
def replay(sessions: tuple[Path, ...], debug: bool) -> int:
    """Look at a recorded session, step by step, or compare several."""
    from wnt_tui.terminal.requirements import require_terminal

    found = list(dict.fromkeys(sessions))  # a session is not compared with itself
    require_terminal(WITHOUT_TERMINAL)
    prepare_screen()
    from engine.session.reader import SessionReader

    for path in found:
        SessionReader(path).close()  # refuses what is no session, while the terminal is still as it was
    from wnt_tui.app import WntApp

    return WntApp(found, debug=debug).show()


@click.command("ls", cls=SectionedCommand)
@click.argument("folder", type=FOLDER, metavar="[DIR]", required=False)
@json_option
def list_sessions(folder: Path | None, as_json: bool) -> None:
    """List sessions, newest first; living ones of other folders too."""
    import_numpy()
    from wnt_tui.cli.listing import as_table
    from wnt_tui.session.summary import summary_or_trouble

    summaries = [summary_or_trouble(path) for path in _sessions_in(folder)]
    if as_json:
        click.echo(json.dumps([summary.as_dict() for summary in summaries], ensure_ascii=False))
    elif summaries:
        click.echo(as_table(summaries))
    else:
        click.echo("No sessions here. `wnt-tui` starts one; --session says where.")


def _living() -> list[Path]:
    """The sessions whose engines live, at least one, the one started last first."""
    from engine.session.live_sessions import live_sessions

    found = live_sessions()
    if not found:
        raise SessionError(
            "No engine is running here.",
            "`wnt-tui` starts one; `wnt-tui replay SESSION` opens what was recorded (`wnt-tui ls`).",
        )
    return found


def _sessions_in(folder: Path | None) -> list[Path]:
    """A folder's sessions, newest first; of the usual one with the living ones of all folders before them."""
    from engine.session.live_sessions import live_sessions
    from engine.session.locations import list_sessions as recorded_sessions

    if folder is not None:
        folder = existing_path(folder)
        if not os.path.lexists(folder) and os.access(folder.parent, os.X_OK):
            raise SessionError(f"There is no folder {folder}.", "`wnt-tui ls` lists the usual one.")
        return recorded_sessions(folder)
    found = live_sessions()
    known = {real_path(path) for path in found}
    try:
        recorded = recorded_sessions()
    except SessionError as error:
        if not found:
            raise
        click.echo(f"wnt-tui: {error.message}", err=True)
        recorded = []
    return [*found, *(path for path in recorded if real_path(path) not in known)]


COMMANDS = (attach, replay, list_sessions)

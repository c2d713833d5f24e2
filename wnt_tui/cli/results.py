"""Commands that take results out of a session: ``export`` and ``copy``."""

from __future__ import annotations

from pathlib import Path

import click

from engine import signals
from engine.paths import shown_path
from wnt_tui.cli.group import SectionedCommand
from wnt_tui.cli.parameters import FILE, FOLDER, session_argument


@click.command(cls=SectionedCommand)
@session_argument
@click.option(
    "--format", "kind", type=click.Choice(["csv", "json"]), default="csv", metavar="NAME",
    help="csv: steps.csv, layers.csv, spectra.csv, events.csv, metrics.csv, run.csv; json: one file. Default: csv.",
)  # fmt: skip
@click.option(
    "--output", "directory", type=FOLDER, metavar="DIR", required=True,
    help="Folder to write into; made if it does not exist. Files of these names must not be there.",
)  # fmt: skip
@click.option("--force", is_flag=True, help="Replace files of these names.")
def export(session: Path, kind: str, directory: Path, force: bool) -> None:
    """Write a session as CSV tables or JSON, columns named as in `wnt-tui explain`.

    In CSV a text that a spreadsheet would take for a formula (a note =1+1) has an apostrophe before it.
    """
    from engine.session import export as exports

    write = {"csv": exports.export_csv, "json": exports.export_json}[kind]
    with signals.raised():  # half-written files are taken back
        written = write(session, directory, replace=force)
    for path in written:
        click.echo(shown_path(path))


@click.command(cls=SectionedCommand)
@session_argument
@click.argument("target", type=FILE, metavar="FILE")
def copy(session: Path, target: Path) -> None:
    """Copy a session into one new file, or into a folder under its own name, also while it is live.

    A plain copy of a live session would lose the newest rows.
    """
    from engine.session.copy import copy_session

    with signals.raised():  # a half-written file is taken back
        written = copy_session(session, target)
    click.echo(shown_path(written))


COMMANDS = (export, copy)

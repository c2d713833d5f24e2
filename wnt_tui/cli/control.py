"""Commands to an engine that runs: ``pause``, ``step``, ``stop``, and ``status``."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import click

from wnt_tui.cli.group import SectionedCommand, finish
from wnt_tui.cli.path_types import SESSION

WAIT_SECONDS = 60.0
"""How long a command waits for the engine's answer, which comes between two steps."""

session_argument = click.argument("session", type=SESSION, metavar="SESSION")
json_option = click.option("--json", "as_json", is_flag=True, help="Machine-readable.")


def _control(name: str, help_text: str) -> click.Command:
    @click.command(name, cls=SectionedCommand, help=help_text)
    @session_argument
    @json_option
    def command(session: Path, as_json: bool) -> None:
        finish(tell_engine(session, name, {}, as_json=as_json))

    return command


@click.command(cls=SectionedCommand)
@session_argument
@click.argument("count", type=click.IntRange(min=1), metavar="[N]", default=1)
@json_option
def step(session: Path, count: int, as_json: bool) -> None:
    """Train N more steps (1 by default), then pause."""
    finish(tell_engine(session, "step", {"n": count}, as_json=as_json))


def tell_engine(session: Path, name: str, arguments: Mapping[str, int | float | str], *, as_json: bool) -> int:
    """Send a command, wait for the engine's answer and print it.

    Args:
        session: The session as named on the command line.
        name: The command.
        arguments: Its arguments.
        as_json: Whether to print JSON.

    Returns:
        0 if the engine has done it, 1 if it refused or has not answered in time.
    """
    from engine.session import commands, locations

    path = locations.resolve_session(session)
    number = commands.send(path, name, arguments, sender="command line")
    answer = commands.wait(path, number, timeout=WAIT_SECONDS)
    if as_json:
        click.echo(json.dumps({"state": answer.state, "step": answer.step, "reply": answer.reply}))
    elif answer.state == "pending":
        click.echo(f"{name}: sent; the engine lives, is busy with a step, and will answer after it.")
    else:
        click.echo(answer.reply or f"{name}: {answer.state} at step {answer.step}.")
    return 0 if answer.state == "done" else 1


@click.command(cls=SectionedCommand)
@session_argument
@json_option
def status(session: Path, as_json: bool) -> None:
    """State, step, loss and speed of a session."""
    from engine.session import locations
    from wnt_tui.cli.screen import import_numpy

    import_numpy()
    from wnt_tui.cli.listing import as_text
    from wnt_tui.session.summary import summary_of

    summary = summary_of(locations.resolve_session(session))
    click.echo(json.dumps(summary.as_dict(), ensure_ascii=False) if as_json else as_text(summary))


COMMANDS: tuple[click.Command, ...] = (
    _control("pause", "Pause after the step at hand."),
    step,
    _control("stop", "Stop after the step at hand and save."),
    status,
)

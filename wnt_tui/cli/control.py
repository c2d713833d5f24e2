"""Commands to an engine that runs: ``pause``, ``step``, ``stop``, ``checkpoint``, and ``status``."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import click

from engine.session.vocabulary import COMMANDS as ENGINE_COMMANDS
from wnt_tui.cli.group import PLAIN_COMMANDS, SectionedCommand
from wnt_tui.cli.parameters import json_option, session_argument

WAIT_SECONDS = 60.0
"""Longest wait for the engine's answer, which comes between two steps."""


def _plain(name: str) -> click.Command:
    """The command that sends an engine's command without arguments."""

    @click.command(name, cls=SectionedCommand, help=ENGINE_COMMANDS[name].help)
    @session_argument
    @json_option
    def command(session: Path, as_json: bool) -> int:
        return send_command(session, name, {}, as_json=as_json)

    return command


@click.command(cls=SectionedCommand)
@session_argument
@click.argument("count", type=click.IntRange(min=1), metavar="[N]", default=1)
@json_option
def step(session: Path, count: int, as_json: bool) -> int:
    """Train N more steps (1 by default), then pause."""
    return send_command(session, "step", {"n": count}, as_json=as_json)


def send_command(session: Path, name: str, arguments: Mapping[str, int | float | str], *, as_json: bool) -> int:
    """Send a command and print the engine's answer; 0 if it was done, 1 if it was refused or takes too long."""
    from engine.session import commands, locations

    path = locations.resolve_session(session)
    number = commands.send(path, name, arguments, sender="command line")
    answer = commands.wait(path, number, timeout=WAIT_SECONDS)
    machine = json.dumps({"state": answer.state, "step": answer.step, "reply": answer.reply})
    click.echo(machine if as_json else commands.sentence_of_answer(name, answer))
    return 0 if answer.state == "done" else 1


@click.command(cls=SectionedCommand)
@session_argument
@json_option
def status(session: Path, as_json: bool) -> None:
    """State, step, loss and speed of a session."""
    from engine.session import locations
    from wnt_tui.cli.imports import import_numpy

    import_numpy()
    from wnt_tui.cli.listing import as_text
    from wnt_tui.session.summary import summary_of

    summary = summary_of(locations.resolve_session(session))
    click.echo(json.dumps(summary.as_dict(), ensure_ascii=False) if as_json else as_text(summary))


COMMANDS: tuple[click.Command, ...] = (*map(_plain, PLAIN_COMMANDS), step, status)

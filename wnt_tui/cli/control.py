"""Commands to an engine that runs: ``pause``, ``stop``, ``step``, ``break`` …; ``status``, and ``mark``."""

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
    from wnt_tui.process.command_sender import ask

    answer = ask(session, name, arguments, sender="command line", timeout=WAIT_SECONDS)
    machine = json.dumps({"state": answer.state, "step": answer.step, "reply": answer.reply})
    click.echo(machine if as_json else answer.sentence)
    return 0 if answer.done else 1


@click.command(cls=SectionedCommand)
@session_argument
@json_option
def status(session: Path, as_json: bool) -> None:
    """State, step, loss and speed of a session."""
    from wnt_tui.cli.imports import import_numpy

    import_numpy()
    from wnt_tui.cli.listing import as_text
    from wnt_tui.session.summary import summary_of

    summary = summary_of(session)
    click.echo(json.dumps(summary.as_dict(), ensure_ascii=False) if as_json else as_text(summary))


@click.command("break", cls=SectionedCommand)
@session_argument
@click.argument("condition", metavar="[CONDITION]", required=False)
@click.option("--clear", is_flag=True, help="Clear the breakpoint instead of setting it.")
@json_option
def break_(session: Path, condition: str | None, clear: bool, as_json: bool) -> int:
    """Set a theory breakpoint in a running engine; without CONDITION list what is set."""
    if condition is not None:
        return send_command(session, "clear" if clear else "break", {"condition": condition}, as_json=as_json)
    if clear:
        raise click.UsageError("--clear needs the condition to clear.")
    _list(session, as_json=as_json)
    return 0


def _list(session: Path, *, as_json: bool) -> None:
    from engine.breakpoints import active_breakpoints
    from engine.session.reader import SessionReader

    with SessionReader(session) as reader:
        events = [row.event for row in reader.all_events()]
        found = active_breakpoints(reader.config().breakpoints, events)
    if as_json:
        click.echo(json.dumps([{"condition": p.text, "hits": list(p.hits)} for p in found], ensure_ascii=False))
        return
    for point in found:
        hits = f"  hit at step {', '.join(map(str, point.hits))}" if point.hits else ""
        click.echo(f"{point.text}{hits}")
    if not found:
        click.echo("No breakpoint is set.")


@click.command(cls=SectionedCommand)
@session_argument
@click.argument("note", metavar="[NOTE]", default="")
@click.option("--step", type=click.IntRange(min=0), metavar="K", help="The step to mark; default: the newest.")
@json_option
def mark(session: Path, note: str, step: int | None, as_json: bool) -> int:
    """Mark a step with a note, in a living or a finished session."""
    from engine.session.reader import SessionReader

    if step is None:
        with SessionReader(session) as reader:
            step = max(reader.last_step(), 0)
    return send_command(session, "mark", {"step": step, "note": note}, as_json=as_json)


COMMANDS: tuple[click.Command, ...] = (*map(_plain, PLAIN_COMMANDS), step, status, break_, mark)

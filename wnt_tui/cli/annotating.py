"""Notes on a session: ``break`` sets, clears and lists breakpoints, ``mark`` marks a step."""

from __future__ import annotations

import json
from pathlib import Path

import click

from wnt_tui.cli.control import send_command
from wnt_tui.cli.group import SectionedCommand
from wnt_tui.cli.parameters import json_option, session_argument


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
    from engine.breakpoints import breakpoints_set
    from engine.session import locations
    from engine.session.reader import SessionReader

    with SessionReader(locations.resolve_session(session)) as reader:
        events = [row.event for row in reader.all_events()]
        found = breakpoints_set(reader.config().breakpoints, events)
    if as_json:
        listed = [{"condition": point.text, "hits": list(point.hits)} for point in found]
        click.echo(json.dumps(listed, ensure_ascii=False))
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
    from engine.session import locations
    from engine.session.liveness import engine_alive
    from engine.session.marks import put_mark
    from engine.session.reader import SessionReader

    path = locations.resolve_session(session)
    if step is None:
        with SessionReader(path) as reader:
            step = max(reader.last_step(), 0)
    if engine_alive(path):
        return send_command(path, "mark", {"step": step, "note": note}, as_json=as_json)
    event = put_mark(path, step, note)
    reply = f"Step {event.step} is marked."
    click.echo(json.dumps({"state": "done", "step": event.step, "reply": reply}) if as_json else reply)
    return 0


COMMANDS: tuple[click.Command, ...] = (break_, mark)

"""Commands that go back into recorded runs: ``checkpoint``, ``branch``, ``verify``, ``weights``; and ``resume``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from engine import signals
from engine.config import absolute_paths
from engine.errors import UsageError
from wnt_tui.cli.control import json_option, session_argument, tell_engine
from wnt_tui.cli.group import SectionedCommand, finish
from wnt_tui.cli.options import RunOption, run_option_list
from wnt_tui.cli.path_types import FILE, SESSION
from wnt_tui.cli.screen import show
from wnt_tui.process.engine_process import EngineProcess, become_engine, start_engine

if TYPE_CHECKING:
    from engine.session import EngineLock

watch_option = click.option("--watch", "watched", is_flag=True, help="On the screen, as `wnt-tui` itself.")
debug_option = click.option("--debug", is_flag=True, help="Show tracebacks.")


def launch(session: Path, *arguments: str, watched: bool, debug: bool, lock: EngineLock | None = None) -> EngineProcess:
    """Have a new engine work on a session, in this process's place unless it is watched.

    Args:
        session: The session.
        *arguments: What tells the engine what to do.
        watched: Whether the screen is wanted.
        debug: Whether errors show tracebacks.
        lock: The session's lock, where it is held already.

    Returns:
        The engine to be watched.
    """
    if not watched:
        named = [] if lock is not None else ["--session", str(session)]
        become_engine("run", *arguments, *named, debug=debug, lock=lock)
    return start_engine(session, *arguments, debug=debug, lock=lock)


@click.command(cls=SectionedCommand)
@session_argument
@click.option("--steps", type=click.IntRange(min=1), metavar="N", help="Without an engine: the step to go to.")
@watch_option
@json_option
@debug_option
def resume(session: Path, steps: int | None, watched: bool, as_json: bool, debug: bool) -> None:
    """Go on: a paused engine beyond --steps too, an ended run with a new engine.

    A run whose engine has ended, or died, goes on in its own session, from the newest checkpoint or from where it
    began. Rows that are recorded are executed again and checked, never written again; then as `run`, or --watch.
    """
    from engine.session import engine_alive, locations

    path = locations.resolve_session(session)
    if watched:
        _require_terminal()
    if engine_alive(path):
        _refuse_steps(steps)
        code = tell_engine(path, "resume", {}, as_json=as_json)
        if watched and code == 0:
            show([path], debug=debug)
        finish(code)
    more = [] if steps is None else ["--steps", str(steps)]
    show([path], launch(path, "--resume", *more, watched=watched, debug=debug), debug=debug)


def _require_terminal() -> None:
    from wnt_tui.terminal.requirements import require_terminal

    require_terminal("Without --watch it needs none.")


def _refuse_steps(steps: int | None) -> None:
    """Refuse ``--steps`` for a living engine, which has its own."""
    if steps is not None:
        raise UsageError("Its engine lives: --steps is for runs that have ended.", "`wnt-tui step SESSION N` trains N.")


@click.command(cls=SectionedCommand)
@session_argument
@json_option
def checkpoint(session: Path, as_json: bool) -> None:
    """Have a running engine keep a checkpoint of its step."""
    finish(tell_engine(session, "checkpoint", {}, as_json=as_json))


def _branch_options() -> list[click.Parameter]:
    """The options of a run; they are changes here, so that nothing but the command line may give them."""
    options: list[click.Parameter] = []
    for option in run_option_list():
        option.envvar = None
        if option.name != "config_file":
            options.append(option)
    return options


@click.command(cls=SectionedCommand, params=_branch_options())
@click.argument("source", type=SESSION, metavar="SESSION")
@click.option("--step", type=click.IntRange(min=0), metavar="K", required=True, help="Where the branch begins.")
@watch_option
@click.pass_context
def branch(context: click.Context, /, source: Path, step: int, watched: bool, **given: Any) -> None:
    """Go on from step K of SESSION in a new session, with options changed.

    Options that are not given are as in SESSION; the learning rate is that of step K, breakpoints are those that are
    set by now. SESSION is only read.
    """
    from engine.session import locations
    from wnt_tui.process.branching import branch_arguments, branch_place

    changes = {
        option.name: given[option.name]
        for option in context.command.params
        if isinstance(option, RunOption)
        and option.name is not None
        and option.name not in {"session", "debug"}
        and context.get_parameter_source(option.name) is ParameterSource.COMMANDLINE
    }
    if watched:
        _require_terminal()
    parent = locations.resolve_session(source)
    changes = absolute_paths(changes)
    debug, arguments = given["debug"], branch_arguments(parent, step, changes)
    with signals.held_back(), branch_place(parent, step, changes, given["session"]) as lock:
        engine = launch(lock.session, *arguments, watched=watched, debug=debug, lock=lock)
    show([lock.session], engine, origin=(parent, step), debug=debug)


@click.command(cls=SectionedCommand)
@session_argument
@json_option
@debug_option
def verify(session: Path, as_json: bool, debug: bool) -> None:
    """Execute a run again and compare every number of every row, bit by bit.

    Exit code 0 if all are the same, else 1; then the first and the largest difference are told.
    """
    from engine.session import locations

    path = locations.resolve_session(session)
    become_engine("verify", str(path), *(["--json"] if as_json else []), debug=debug)


@click.command(cls=SectionedCommand)
@session_argument
@click.option("--step", type=click.IntRange(min=0), metavar="K", required=True, help="A recorded step.")
@click.option(
    "--output", type=FILE, metavar="FILE.safetensors", required=True,
    help="File to write; nothing may be there.",
)  # fmt: skip
@debug_option
def weights(session: Path, step: int, output: Path, debug: bool) -> None:
    """Write the exact weights of any recorded step, computed again."""
    from engine.session import locations

    path = locations.resolve_session(session)
    become_engine("weights", str(path), "--step", str(step), "--output", str(output), debug=debug)


COMMANDS: tuple[click.Command, ...] = (resume, checkpoint, branch, verify, weights)

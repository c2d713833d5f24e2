"""Commands that execute recorded runs again: ``resume``, ``branch``, ``verify``, ``weights``."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, NoReturn

import click
from click.core import ParameterSource

from engine import signals
from engine.config import absolute_paths
from engine.errors import UsageError
from wnt_tui.cli.control import send_command
from wnt_tui.cli.group import SectionedCommand
from wnt_tui.cli.imports import prepare_screen
from wnt_tui.cli.options import run_option_list
from wnt_tui.cli.parameters import FILE, SESSION, debug_option, json_option, session_argument
from wnt_tui.process.engine_process import EngineProcess, become_engine, start_engine

watch_option = click.option("--watch", "watched", is_flag=True, help="On the screen, as `wnt-tui` itself.")


@click.command(cls=SectionedCommand)
@session_argument
@click.option("--steps", type=click.IntRange(min=1), metavar="N", help="Without an engine: the step to go to.")
@watch_option
@json_option
@debug_option
def resume(session: Path, steps: int | None, watched: bool, as_json: bool, debug: bool) -> int:
    """Go on: a paused engine beyond --steps too, an ended run with a new engine.

    A run whose engine has ended, or died, goes on in its own session, from the newest checkpoint or from where it
    began. Rows that are recorded are executed again and checked, never written again; then as `run`, or --watch.
    """
    from engine.requests import Resume
    from engine.session.liveness import engine_alive

    if watched:
        _require_terminal()
    if engine_alive(session):
        _refuse_steps(steps)
        code = send_command(session, "resume", {}, as_json=as_json)
        return _watch(session, debug=debug) if watched and code == 0 else code
    request = Resume(session=session, steps=steps, debug=debug)
    if not watched:
        become_engine(request)
    return _watch(session, start_engine(request), debug=debug)


def _watch(
    session: Path, engine: EngineProcess | None = None, *, origin: tuple[Path, int] | None = None, debug: bool
) -> int:
    """The exit code of the screen."""
    prepare_screen()
    from wnt_tui.app import WntApp

    return WntApp([session], engine, origin=origin, debug=debug).show()


def _require_terminal() -> None:
    from wnt_tui.terminal.requirements import require_terminal

    require_terminal("Without --watch it needs none.")


def _refuse_steps(steps: int | None) -> None:
    """Refuse ``--steps`` for a living engine, which has its own."""
    if steps is not None:
        raise UsageError("Its engine lives: --steps is for runs that have ended.", "`wnt-tui step SESSION N` trains N.")


def _branch_options() -> list[click.Parameter]:
    """The options of a run; they are changes here, so that nothing but the command line may give them."""
    options = [option for option in run_option_list() if option.name != "config_file"]
    for option in options:
        option.envvar = None
    return list(options)


@click.command(cls=SectionedCommand, params=_branch_options())
@click.argument("source", type=SESSION, metavar="SESSION")
@click.option("--step", type=click.IntRange(min=0), metavar="K", required=True, help="Where the branch begins.")
@watch_option
@click.pass_context
def branch(context: click.Context, /, source: Path, step: int, watched: bool, **given: Any) -> int:
    """Go on from step K of SESSION in a new session, with options changed.

    Options that are not given are as in SESSION; the learning rate is that of step K, breakpoints are those that are
    set by now. SESSION is only read.
    """
    from wnt_tui.process.branching import Branching

    changes = {
        name: value
        for name, value in given.items()
        if name not in {"session", "debug"} and context.get_parameter_source(name) is ParameterSource.COMMANDLINE
    }
    if watched:
        _require_terminal()
    wanted = Branching(source, step, absolute_paths(changes))
    with signals.held_back():
        request, lock = wanted.reserve(given["session"], debug=given["debug"])
        with lock:
            if not watched:
                become_engine(replace(request, lock=lock.hand_over()))
            engine = start_engine(request, lock)
    return _watch(request.session, engine, origin=(source, step), debug=request.debug)


@click.command(cls=SectionedCommand)
@session_argument
@json_option
@debug_option
def verify(session: Path, as_json: bool, debug: bool) -> NoReturn:
    """Execute a run again and compare every number bit by bit; exit code 1 if one differs.

    Metrics that this version measures otherwise than the one that recorded the run are named and do not count.
    """
    from engine.requests import Verify

    become_engine(Verify(session=session, as_json=as_json, debug=debug))


@click.command(cls=SectionedCommand)
@session_argument
@click.option("--step", type=click.IntRange(min=0), metavar="K", required=True, help="A recorded step.")
@click.option(
    "--output", type=FILE, metavar="FILE.safetensors", required=True,
    help="File to write; nothing may be there.",
)  # fmt: skip
@debug_option
def weights(session: Path, step: int, output: Path, debug: bool) -> NoReturn:
    """Write the exact weights of any recorded step, computed again."""
    from engine.requests import Weights

    become_engine(Weights(session=session, step=step, output=output, debug=debug))


COMMANDS: tuple[click.Command, ...] = (resume, branch, verify, weights)

"""``wnt-tui``: the group with its help, and errors in one sentence."""

from __future__ import annotations

import os
import signal
import textwrap
import traceback
from typing import Any

import click

import engine
from engine import signals
from engine.errors import WntError
from wnt_tui.cli.group import COLOUR, CONTEXT, LiveByDefault

HELP = """Watch a wide network train and see live whether the theory of wide networks holds for it.

Without a command it starts a run with the options below and shows it. Every option can also be set in the environment
(--test-examples as WNT_TEST_EXAMPLES) or in a --config file.
"""

EPILOG = """\b
Examples
  wnt-tui --width 500 --depth 9       train and watch; q leaves, training goes on
  wnt-tui attach                      come back to it, from any folder
  wnt-tui run --steps 200 > sum.json  without a screen
  wnt-tui replay sessions/*.wnt       look at recorded runs, step by step
"""


@click.group(
    cls=LiveByDefault,
    context_settings=CONTEXT,
    help=HELP,
    epilog=EPILOG,
    options_metavar="[RUN OPTIONS]",
    subcommand_metavar="| COMMAND [ARGS]…",
)
@click.version_option(engine.__version__, prog_name="wnt-tui")
def cli() -> None:
    """The group of all commands."""


def invoke(arguments: list[str]) -> int:
    """Run a command line; its exit code: 0 done, 1 failed, 2 usage, 3 diverged."""
    debug = "--debug" in arguments or bool(os.environ.get("WNT_DEBUG"))
    try:
        result: Any = cli.main(args=arguments, prog_name="wnt-tui", standalone_mode=False)
        return result if isinstance(result, int) else 0
    except WntError as error:
        if debug:
            traceback.print_exc()
        return _complain(error.message, error.hint, error.exit_code, error.excerpt)
    except click.UsageError as error:
        path = error.ctx.command_path if error.ctx is not None else "wnt-tui"
        # `live` is never typed, so its help is the group's.
        return _complain(error.format_message(), f"`{path.removesuffix(' live')} --help` lists what there is.", 2)
    except click.ClickException as error:
        return _complain(error.format_message(), "", error.exit_code)
    except click.Abort:
        return signals.exit_code(signal.SIGINT)
    except Exception as error:
        if debug:
            traceback.print_exc()
        reason = str(error).strip().splitlines()
        cause = ": ".join([type(error).__name__, *reason[:1]])
        return _complain(
            f"Something unforeseen went wrong ({cause}).", "WNT_DEBUG=1 in the environment shows where.", 1
        )


def _complain(sentence: str, way_out: str, code: int, excerpt: str = "") -> int:
    click.echo(f"{click.style('wnt-tui:', fg='red', bold=True)} {sentence}", err=True, color=COLOUR)
    if excerpt:
        click.echo(textwrap.indent(excerpt, "    "), err=True)
    if way_out:
        click.echo(f"  {way_out}", err=True)
    return code

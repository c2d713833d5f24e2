"""The group: a command line without a command is ``live``, help by headings, errors in one sentence."""

from __future__ import annotations

import os
from collections.abc import Sequence
from importlib import import_module
from typing import NoReturn

import click

from engine.paths import shell_path
from engine.session.vocabulary import COMMANDS as ENGINE_COMMANDS
from wnt_tui.cli.options import RunOption

DEFAULT_COMMAND = "live"
PLAIN_COMMANDS = tuple(name for name, kind in ENGINE_COMMANDS.items() if kind.help)
"""Commands of an engine that the command line sends as they are."""

COMMAND_SECTIONS: dict[str, dict[str, str]] = {
    "Watch": {"attach": "watching", "replay": "watching", "ls": "watching"},
    "Run without a screen": {"run": "new_run"},
    "Control a running engine": {
        **dict.fromkeys(PLAIN_COMMANDS, "control"),
        "step": "control",
        "resume": "time_travel",
        "status": "control",
        "break": "annotating",
    },
    "Note on a session": {"mark": "annotating"},
    "Go back": {"branch": "time_travel", "verify": "time_travel"},
    "Take results along": {"export": "results", "weights": "time_travel", "copy": "results"},
    "Look up": {"explain": "look_up", "data": "look_up", "doctor": "doctor"},
}
"""Commands by heading, each with the module of this package that has it: it is imported when the command is used."""

MODULES: dict[str, str] = {
    DEFAULT_COMMAND: "new_run",
    **{name: module for commands in COMMAND_SECTIONS.values() for name, module in commands.items()},
}
GROUP_FLAGS = frozenset({"--help", "-h", "--version"})
COLOUR = False if "NO_COLOR" in os.environ else None
"""What click is told of colours: none for NO_COLOR, which it does not know; else it asks the terminal."""

CONTEXT = {"help_option_names": ["-h", "--help"], "max_content_width": 100, "color": COLOUR}


def finish(code: int) -> NoReturn:
    """End a command with an exit code."""
    click.get_current_context().exit(code)


class SectionedCommand(click.Command):
    """A command whose run options are listed under headings."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the options, those of a run by section and the command's own first."""
        own = [
            option
            for option in self.get_params(ctx)
            if isinstance(option, click.Option) and not isinstance(option, RunOption)
        ]
        records = [record for option in own if (record := option.get_help_record(ctx)) is not None]
        write_run_options(self, ctx, formatter)
        write_section(formatter, "Options", records)


class LiveByDefault(click.Group):
    """A group that hands a command line without a command to ``live``.

    ``invoke_without_command`` would swallow the options before a command instead: here the whole line is
    ``live``'s as soon as its first word is an option that the group does not have.
    """

    command_class = SectionedCommand

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Return the command line with ``live`` in front where no command was named."""
        if not args or (args[0].startswith("-") and args[0] not in GROUP_FLAGS):
            args = [DEFAULT_COMMAND, *args]
        return super().parse_args(ctx, args)

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return commands in the order of their headings."""
        return list(MODULES)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return a command, whose module is imported now; None where there is no such command."""
        if cmd_name not in MODULES:
            return None
        commands: tuple[click.Command, ...] = import_module(f"wnt_tui.cli.{MODULES[cmd_name]}").COMMANDS
        return next(command for command in commands if command.name == cmd_name)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Return the command; for a session file in its place, say what to type."""
        if args and args[0] not in MODULES and (args[0].endswith(".wnt") or os.sep in args[0]):
            ctx.fail(f"{args[0]!r} is no command. To open a session: wnt-tui replay {shell_path(args[0])}")
        return super().resolve_command(ctx, args)

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write commands by heading, then the options of a run, since the group's own line starts one."""
        for title, names in COMMAND_SECTIONS.items():
            found = [command for name in names if (command := self.get_command(ctx, name)) is not None]
            write_section(formatter, title, [(str(command.name), command.get_short_help_str(90)) for command in found])
        live = self.get_command(ctx, DEFAULT_COMMAND)
        if live is not None:
            write_run_options(live, ctx, formatter)


def write_run_options(command: click.Command, ctx: click.Context, formatter: click.HelpFormatter) -> None:
    """Write a command's run options, a heading each for network, training and so on."""
    sections: dict[str, list[tuple[str, str]]] = {}
    for option in command.get_params(ctx):
        if isinstance(option, RunOption) and (record := option.get_help_record(ctx)) is not None:
            sections.setdefault(option.section, []).append(record)
    for title, records in sections.items():
        write_section(formatter, title, records)


def write_section(formatter: click.HelpFormatter, title: str, records: Sequence[tuple[str, str]]) -> None:
    """Write one heading with its two-column list, all lists of a page aligned; nothing for an empty one."""
    if not records:
        return
    formatter.write_paragraph()
    formatter.write(click.style(title, bold=True) + "\n")
    with formatter.indentation():
        formatter.write_dl([(click.style(term, fg="cyan"), text) for term, text in _padded(records)], col_max=34)


def _padded(records: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    # Columns are aligned per list by click; a common minimum width aligns them over the whole page.
    return [(term.ljust(26), text) for term, text in records]

"""The group of all commands: imported when they are used, ``live`` where none is named, help by headings."""

from __future__ import annotations

import os
from collections.abc import Sequence
from importlib import import_module
from typing import Any

import click

from engine.paths import shell_path
from engine.session.vocabulary import COMMANDS as ENGINE_COMMANDS
from wnt_tui.cli.options import RunOption
from wnt_tui.cli.parameters import SESSION

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
        "break": "control",
        "spectra": "spectra",
    },
    "Note on a session": {"mark": "control"},
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
"""For click: no colours for NO_COLOR, which it does not know; else it asks the terminal."""

CONTEXT = {"help_option_names": ["-h", "--help"], "max_content_width": 100, "color": COLOUR}


class SectionedCommand(click.Command):
    """A command of this program: its options stand under headings, its sessions are those that there are."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the options by heading."""
        write_options(self, ctx, formatter)

    def invoke(self, ctx: click.Context) -> Any:
        """Call the command with the paths of the sessions that are meant, now that the whole line makes sense."""
        for option in self.params:
            if option.type is SESSION and option.name and (given := ctx.params[option.name]):
                from engine.session.locations import resolve_session

                several = isinstance(given, tuple)
                ctx.params[option.name] = tuple(map(resolve_session, given)) if several else resolve_session(given)
        return super().invoke(ctx)


class LiveByDefault(click.Group):
    """A group that hands a command line to ``live`` whose first word is an option that the group does not have.

    ``invoke_without_command`` would swallow the options before a command instead.
    """

    command_class = SectionedCommand

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """The command line with ``live`` in front where no command was named."""
        if not args or (args[0].startswith("-") and args[0] not in GROUP_FLAGS):
            args = [DEFAULT_COMMAND, *args]
        return super().parse_args(ctx, args)

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Commands in the order of their headings."""
        return list(MODULES)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """A command, whose module is imported now; None where there is no such command."""
        if cmd_name not in MODULES:
            return None
        commands: tuple[click.Command, ...] = import_module(f"wnt_tui.cli.{MODULES[cmd_name]}").COMMANDS
        return next(command for command in commands if command.name == cmd_name)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The command; for a session file in its place, say what to type."""
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
            write_options(live, ctx, formatter, RunOption)


def write_options(
    command: click.Command, ctx: click.Context, formatter: click.HelpFormatter, kind: type[click.Option] = click.Option
) -> None:
    """Write a command's options of a kind, a heading each for network, training and so on."""
    sections: dict[str, list[tuple[str, str]]] = {}
    for option in command.get_params(ctx):
        if isinstance(option, kind) and (record := option.get_help_record(ctx)) is not None:
            sections.setdefault(getattr(option, "section", "Options"), []).append(record)
    for title, records in sections.items():
        write_section(formatter, title, records)


def write_section(formatter: click.HelpFormatter, title: str, records: Sequence[tuple[str, str]]) -> None:
    """Write one heading with its two-column list, all lists of a page aligned."""
    formatter.write_paragraph()
    formatter.write(click.style(title, bold=True) + "\n")
    with formatter.indentation():
        # click aligns the columns of a list; a common minimum width aligns them over the whole page.
        formatter.write_dl([(click.style(term.ljust(26), fg="cyan"), text) for term, text in records], col_max=34)

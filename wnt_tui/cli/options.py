"""Command-line options of a run, made from the fields of RunConfig.

Each value comes from the first of these that has it: the flag, the environment (``WNT_WIDTH``), the
``--config`` file, the default.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Self, get_args, get_origin, get_type_hints

import click

from engine.config import RunConfig, absolute_paths, option_flag, read_toml
from wnt_tui.cli.parameters import FILE

SECTIONS: dict[str, tuple[str, ...]] = {
    "Network": ("width", "depth", "activation", "renormalize", "bias", "dtype"),
    "Training": ("loss", "lr", "steps", "seed", "device"),
    "Data": ("data", "data_dir", "examples", "test_examples", "center"),
    "Measurements": ("measure", "every", "budget", "f_star", "delta"),
    "Breakpoints": ("breakpoints", "on_break"),
    "Session": ("checkpoint_every", "checkpoint_limit"),
}
"""Headings of the help page. A field in none of them appears under "Run": a new one is never hidden."""


@dataclass(frozen=True, slots=True)
class RunOptions:
    """What the options of a run say.

    Attributes:
        config: The validated configuration.
        session: Where to record, or None for the usual place.
        debug: Whether errors show their tracebacks.
    """

    config: RunConfig
    session: Path | None
    debug: bool

    @classmethod
    def from_parameters(cls, given: Mapping[str, Any]) -> Self:
        """Merge flags and environment, which click has already merged, with the file and the defaults.

        Args:
            given: Values by parameter name; None where neither a flag nor the environment gave one.

        Returns:
            The options, validated.
        """
        values: dict[str, Any] = {}
        if (config_file := given["config_file"]) is not None:
            # Checked by itself first, so that an error in the file is said to be in the file.
            table = read_toml(config_file)
            RunConfig.from_mapping(table, origin=str(config_file))
            values.update({name.replace("-", "_"): value for name, value in table.items()})
        own = {"session", "config_file", "debug"}
        # A flag that may be repeated is an empty tuple where it was not given.
        values.update({name: value for name, value in given.items() if name not in own and value not in (None, ())})
        return cls(RunConfig.from_mapping(absolute_paths(values)), given["session"], given["debug"])


class RunOption(click.Option):
    """An option of a run, with the heading that it belongs under."""

    def __init__(self, *args: Any, section: str, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.section = section

    def get_help_record(self, ctx: click.Context) -> tuple[str, str] | None:
        """Return the option's line in the help page, with ``--[no-]bias`` for a pair of flags."""
        record = super().get_help_record(ctx)
        if record is None or not self.secondary_opts:
            return record
        return f"--[no-]{self.opts[0][2:]}", record[1]


class ConditionText(click.types.StringParamType):
    """A breakpoint's text. It holds spaces, so that in the environment semicolons part one from the next."""

    name = "condition"
    envvar_list_splitter = ";"


def environment_variable(name: str) -> str:
    """Return the environment variable of an option: ``test_examples`` → ``WNT_TEST_EXAMPLES``."""
    return "WNT" + option_flag(name)[1:].replace("-", "_").upper()


def section_of(name: str) -> str:
    """Return the heading of a RunConfig field in the help page."""
    return next((title for title, names in SECTIONS.items() if name in names), "Run")


def run_option_list() -> list[RunOption]:
    """Return every option of a run, RunConfig's first; a command takes them as its ``params``."""
    order = {name: place for place, name in enumerate(name for names in SECTIONS.values() for name in names)}
    hints = get_type_hints(RunConfig)
    specs = sorted(fields(RunConfig), key=lambda spec: order.get(spec.name, len(order)))
    options = [_option(spec.name, hints[spec.name], spec.default, spec.metadata) for spec in specs]
    return [
        *options,
        RunOption(
            ["--session"], type=FILE, metavar="PATH", section="Session",
            help="New file to record in, or a folder for it; default: where sessions are kept.",
        ),
        RunOption(
            ["--config", "config_file"], type=FILE, metavar="FILE.toml",
            section="Session", help="Take options from a file; flags and environment win over it.",
        ),
        RunOption(["--debug"], is_flag=True, section="Session", help="Show tracebacks and log verbosely."),
    ]  # fmt: skip


def _option(name: str, hint: Any, default: Any, metadata: Mapping[str, Any]) -> RunOption:
    flag, help_text, choices = option_flag(name), metadata["help"], metadata["choices"]
    kind: Any
    metavar: str | None = None
    if hint is bool:
        flag, kind = f"{flag}/--no-{flag[2:]}", bool
        help_text = f"{help_text} Default: {'on' if default else 'off'}."
    elif get_origin(hint) is tuple:
        return RunOption(
            [flag, name], type=ConditionText(), multiple=True, default=(), metavar="CONDITION", help=help_text,
            envvar=environment_variable(name), section=section_of(name),
        )  # fmt: skip
    elif choices:
        kind, metavar = click.Choice(list(choices)), "NAME"
        listed = "" if all(choice in help_text for choice in choices) else f" One of: {', '.join(choices)}."
        help_text = f"{help_text}{listed} Default: {default}."
    else:
        kind = next(kind for kind in (get_args(hint) or (hint,)) if kind is not type(None))
        metavar = {int: "N", float: "X", str: "TEXT"}[kind]
        help_text = help_text if default is None else f"{help_text} Default: {_plain(default)}."
    return RunOption(
        [flag, name], type=kind, default=None, metavar=metavar, help=help_text,
        envvar=environment_variable(name), section=section_of(name),
    )  # fmt: skip


def _plain(default: Any) -> str:
    return f"{default:g}" if isinstance(default, float) else str(default)

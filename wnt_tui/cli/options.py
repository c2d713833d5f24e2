"""Command-line options of a run, made from the fields of RunConfig.

Each value comes from the first of these that has it: the flag, the environment (``WNT_WIDTH``), the
``--config`` file, the default.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import Field, dataclass, fields
from pathlib import Path
from typing import Any, Self, get_args, get_origin, get_type_hints

import click

from engine.config import RunConfig, absolute_paths, option_flag, read_toml
from wnt_tui.cli.parameters import FILE

SECTIONS: dict[str, tuple[str, ...]] = {
    "Network": ("width", "depth", "activation", "renormalize", "bias", "dtype"),
    "Training": ("loss", "lr", "steps", "seed", "device"),
    "Data": ("data", "data_dir", "examples", "test_examples", "center"),
    "Measurements": ("measure", "every", "budget", "kernel", "spectra_every", "f_star", "delta"),
    "Breakpoints": ("breakpoints", "on_break"),
    "Session": ("checkpoint_every", "checkpoint_limit"),
}
"""Headings of the help page. A field in none of them appears under "Run": a new one is never hidden."""


@dataclass(frozen=True, slots=True)
class RunOptions:
    """A run's validated configuration, where to record (None: the usual place), whether errors show tracebacks."""

    config: RunConfig
    session: Path | None
    debug: bool

    @classmethod
    def from_parameters(cls, given: Mapping[str, Any]) -> Self:
        """Merge values by parameter name, which click has from flags and the environment, with file and defaults."""
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
        """The option's line in the help page, with ``--[no-]bias`` for a pair of flags."""
        record = super().get_help_record(ctx)
        if record is None or not self.secondary_opts:
            return record
        return f"--[no-]{self.opts[0][2:]}", record[1]


class ConditionText(click.types.StringParamType):
    """A breakpoint's text. It holds spaces, so that in the environment semicolons part one from the next."""

    name = "condition"
    envvar_list_splitter = ";"


def environment_variable(name: str) -> str:
    """The environment variable of an option: ``test_examples`` → ``WNT_TEST_EXAMPLES``."""
    return "WNT" + option_flag(name)[1:].replace("-", "_").upper()


def run_option_list() -> list[RunOption]:
    """Every option of a run, RunConfig's first; a command takes them as its ``params``."""
    sections = {name: title for title, names in SECTIONS.items() for name in names}
    order = list(sections)
    hints = get_type_hints(RunConfig)
    specs = sorted(fields(RunConfig), key=lambda spec: order.index(spec.name) if spec.name in order else len(order))
    return [
        *(_option(spec, hints[spec.name], sections.get(spec.name, "Run")) for spec in specs),
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


def _option(spec: Field[Any], hint: Any, section: str) -> RunOption:
    name, default, text, choices = spec.name, spec.default, spec.metadata["help"], spec.metadata["choices"]
    flag, shown = option_flag(name), default
    given: dict[str, Any]
    if hint is bool:
        flag, given, shown = f"{flag}/--no-{flag[2:]}", {"type": bool}, "on" if default else "off"
    elif get_origin(hint) is tuple:
        given, shown = {"type": ConditionText(), "multiple": True, "default": (), "metavar": "CONDITION"}, None
    elif choices:
        given = {"type": click.Choice(list(choices)), "metavar": "NAME"}
        text += "" if all(choice in text for choice in choices) else f" One of: {', '.join(choices)}."
    else:
        kind = next(kind for kind in (get_args(hint) or (hint,)) if kind is not type(None))
        given = {"type": kind, "metavar": {int: "N", float: "X", str: "TEXT"}[kind]}
    if shown is not None:
        text += f" Default: {shown:g}." if isinstance(shown, float) else f" Default: {shown}."
    return RunOption(
        [flag, name], help=text, envvar=environment_variable(name), section=section, **{"default": None, **given}
    )

"""Parameters that several commands have: paths, read in one way everywhere, and common options."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from engine.paths import is_folder, named_path, printable

if TYPE_CHECKING:
    _Base = click.ParamType[Path]
else:
    _Base = click.ParamType


class NamedPath(_Base):
    """A path as typed, not empty.

    Args:
        absolute: Whether it is made absolute here; a session is looked for in two places first, unless it is said to
            be in this one (``./name``).
        file: Whether it names a file: a slash at its end is then an error unless there is such a folder.
    """

    name = "path"

    def __init__(self, *, absolute: bool = True, file: bool = True) -> None:
        self._absolute = absolute
        self._file = file

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Path:
        """The path that was named."""
        text = os.fspath(value)
        if not text:
            self.fail("the path is empty.", param, ctx)
        path = named_path(text)
        if self._file and text.endswith(os.sep) and not is_folder(path):
            there = "is no folder" if os.path.lexists(path) else "does not exist"
            self.fail(f"{printable(text)} names a folder by its slash and {there}.", param, ctx)
        return path if self._absolute or text.startswith(("./", "../")) else Path(text)


SESSION = NamedPath(absolute=False)
"""A session that there is: a path, or a name in the sessions folder; commands get its path."""

FILE = NamedPath()
FOLDER = NamedPath(file=False)

session_argument = click.argument("session", type=SESSION, metavar="SESSION")
json_option = click.option("--json", "as_json", is_flag=True, help="Machine-readable.")
debug_option = click.option("--debug", is_flag=True, help="Show tracebacks.")

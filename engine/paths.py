r"""Paths as people write and read them: every spelling of a file leads to it, every name has one printable text.

A file name is bytes: it may be no UTF-8, or hold line breaks and escape sequences. Text that is shown, stored in a
session or printed as JSON holds it escaped: a byte that is no UTF-8 as ``\xe9``, a control character as ``\n``,
``\x1b`` or ``\u202e``, a backslash as two. What is shown can be given back wherever a path is taken.

Nothing of the engine is imported and nothing slow: errors, options and sessions import this file.
"""

from __future__ import annotations

import contextlib
import os
import re
import shlex
import stat
import unicodedata
from pathlib import Path

REORDERING = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
"""Marks that reorder what follows them: a name could show itself as another."""

_HIDDEN_CATEGORIES = frozenset({"Cc", "Cs", "Zl", "Zp"})
_LETTERS = {"\n": "n", "\r": "r", "\t": "t"}
_CHARACTERS = {letter: character for character, letter in _LETTERS.items()} | {"\\": "\\"}
_ESCAPE = re.compile(r"\\(?:x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|([nrt\\]))")


def printable(text: str) -> str:
    """A text on one line with all that acts on a terminal, or is no UTF-8, escaped."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(_escaped(character) if _hidden(character) else character for character in text)


def shown_path(path: str | os.PathLike[str]) -> str:
    """A path as people and JSON see it, printable on one line; :func:`existing_path` reads it back."""
    return printable(os.fspath(path).replace("\\", "\\\\"))


def shell_path(path: str | os.PathLike[str]) -> str:
    """A path as a word of a shell's command line, quoted where the shell would take it for something else."""
    text = os.fspath(path)
    text = f"./{text}" if text.startswith(("-", "~")) else text
    if printable(text) == text:
        return shlex.quote(text)
    return "$'" + shown_path(text).replace("'", "\\'") + "'"


def named_path(text: str | os.PathLike[str]) -> Path:
    """The absolute path of what was typed: ``~`` and ``~user`` are homes, unless there is no such user."""
    # `..` and links are left to the system, which follows them in order.
    path = Path(text)
    # A Path has lost the difference between ~name, a home, and ./~name, a name: only text can mean a home.
    if isinstance(text, str) and text.startswith("~"):
        with contextlib.suppress(RuntimeError):  # no such user, or one without a home
            path = path.expanduser()
    if not path.is_absolute():
        path = Path(_working_folder(), path)
    # POSIX lets a path begin with exactly two slashes and mean something else; no system that we run on does.
    return Path(f"/{str(path).lstrip('/')}")


def _working_folder() -> str:
    """The folder that relative paths begin at; of one that has been removed, what the shell knows it as."""
    try:
        return str(Path.cwd())
    except OSError:
        return os.environ.get("PWD") or os.sep


def existing_path(text: str | os.PathLike[str]) -> Path:
    """Like :func:`named_path`, for a file that is there: its name may also be escaped, as it stands it comes first."""
    path = named_path(text)
    if "\\" not in os.fspath(text) or os.path.lexists(path):
        return path
    meant = named_path(_ESCAPE.sub(_meant, os.fspath(text)))
    return meant if os.path.lexists(meant) else path


def real_path(path: str | os.PathLike[str]) -> Path:
    """The one path of a file, links followed; the last part need not exist."""
    return Path(os.path.realpath(named_path(path)))


def beside_links(path: str | os.PathLike[str]) -> Path:
    """The path of a file to be made: links to its folder are followed, its own name is kept."""
    path = named_path(path)
    return real_path(path) if path.name in {"", ".."} else real_path(path.parent) / path.name


def is_folder(path: Path) -> bool:
    """Whether a path leads to a folder; False for names that cannot be and in folders that are closed."""
    try:
        return stat.S_ISDIR(path.stat().st_mode)
    except (OSError, ValueError):
        return False


def _hidden(character: str) -> bool:
    return character in REORDERING or unicodedata.category(character) in _HIDDEN_CATEGORIES


def _escaped(character: str) -> str:
    code = ord(character)
    if character in _LETTERS:
        return f"\\{_LETTERS[character]}"
    if 0xDC80 <= code <= 0xDCFF:  # a byte that is no UTF-8
        return f"\\x{code - 0xDC00:02x}"
    return f"\\x{code:02x}" if code < 0x80 else f"\\u{code:04x}"


def _meant(match: re.Match[str]) -> str:
    byte, unit, letter = match.groups()
    if byte is not None:
        code = int(byte, 16)
        return chr(code if code < 0x80 else 0xDC00 + code)
    if unit is not None:
        return chr(int(unit, 16))
    return _CHARACTERS[letter]

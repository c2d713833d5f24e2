"""The command line. Nothing heavy is imported until a command needs it: ``--help`` answers at once."""

from __future__ import annotations

from wnt_tui.__main__ import main

__all__ = ["main"]

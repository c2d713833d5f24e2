"""The command line. Nothing heavy is imported until a command needs it: ``--help`` answers at once."""

from __future__ import annotations

from wnt_tui.cli.main import cli, main

__all__ = ["cli", "main"]

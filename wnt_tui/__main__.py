"""``python -m wnt_tui``, the same as ``wnt-tui``."""

from __future__ import annotations

from wnt_tui.cli import main

if __name__ == "__main__":
    main()

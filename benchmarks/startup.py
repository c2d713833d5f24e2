"""How long the command takes to show something: ``replay`` until its first picture, ``--help`` until its last line.

Run it with ``python benchmarks/startup.py [SESSION]`` on an idle machine. The command runs in a pseudo-terminal of
160×48, ten times after a first one that is not counted, which leaves compiled modules behind as any first use does. The
design asks for medians of .5 s and .2 s on two cores. Beside the clock stands processor time, which says more on a
machine that others use, and what Python takes without, and with the libraries that draw.
"""

from __future__ import annotations

import argparse
import fcntl
import os
import pty
import re
import select
import statistics
import struct
import sys
import tempfile
import termios
import time
from collections.abc import Callable
from pathlib import Path

from wnt_tui.panels import ALL_PANELS

ROOT = Path(__file__).resolve().parent.parent
SESSION = ROOT / "sessions" / "example-tanh-200x6-cross_entropy.wnt"
COLUMNS, ROWS, REPEATS, PATIENCE = 160, 48, 10, 60.0
COMMAND = [sys.executable, "-P", "-c", "from wnt_tui.cli import main; main()"]
ASKED = re.compile(rb"\x1b\[(\d+);(\d+)H\x1b\[6n")
ESCAPES = re.compile(r"\x1b(?:\[[0-9;?<>]*[A-Za-z]|\][^\x07\x1b]*(?:\x07|\x1b\\))")


def picture(text: str) -> bool:
    """Whether all panels are drawn, and the header says how the run has ended."""
    return "ended" in text and all(f"{panel.key} {panel.title}" in text for panel in ALL_PANELS)


def run(command: list[str], shown: Callable[[str], bool] | None, folder: str) -> tuple[float, float]:
    """Seconds until something is shown, or until the end, and of processor time until the end."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    environment |= {
        "TERM": "xterm-256color",
        "COLORTERM": "truecolor",
        "XDG_STATE_HOME": folder,
        "PYTHONPATH": str(ROOT),
    }
    began = time.perf_counter()
    pid, terminal = pty.fork()
    if pid == 0:
        fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
        os.execve(command[0], command, environment)
    output, seconds = "", 0.0
    while select.select([terminal], [], [], PATIENCE)[0]:
        try:
            read = os.read(terminal, 1 << 16)
        except OSError:  # the other end is closed
            break
        if not read:
            break
        output += read.decode(errors="replace")
        # As a terminal answers; the next part of a picture waits for it.
        for row, column in ASKED.findall(read):
            os.write(terminal, b"\x1b[%s;%sR" % (row, column))
        if shown is not None and not seconds and shown(ESCAPES.sub("", output)):
            seconds = time.perf_counter() - began
            os.write(terminal, b"q")
    _, status, used = os.wait4(pid, 0)
    os.close(terminal)
    if status or (shown is not None and not seconds):
        sys.exit(f"{command} ended with {os.waitstatus_to_exitcode(status)}:\n{ESCAPES.sub('', output)[-2000:]}")
    return seconds or time.perf_counter() - began, used.ru_utime + used.ru_stime


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("session", type=Path, nargs="?", default=SESSION)
    session = parser.parse_args().session
    bare = [sys.executable, "-P", "-c", "pass"]
    libraries = [sys.executable, "-P", "-c", "import numpy, textual.app"]
    measured: list[tuple[str, list[str], Callable[[str], bool] | None]] = [
        (f"wnt-tui replay {session.name}", [*COMMAND, "replay", str(session)], picture),
        ("wnt-tui --help", [*COMMAND, "--help"], None),
        ("python: import numpy, textual.app", libraries, None),
        ("python: pass", bare, None),
    ]
    times: dict[str, list[tuple[float, float]]] = {what: [] for what, _, _ in measured}
    with tempfile.TemporaryDirectory() as folder:
        # In turn, so that what else the machine does meets all of them.
        for repeat in range(REPEATS + 1):
            for what, command, shown in measured:
                taken = run(command, shown, folder)
                if repeat:
                    times[what].append(taken)
    print(f"{'seconds, medians of ' + str(REPEATS):52}   shown  fastest   processor")
    for what, taken in times.items():
        clock, processor = zip(*taken, strict=True)
        middle, fastest = statistics.median(clock), min(clock)
        print(f"{what:52}   {middle:5.3f}    {fastest:5.3f}       {statistics.median(processor):5.3f}")


if __name__ == "__main__":
    main()

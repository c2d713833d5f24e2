"""A process among others: standard streams that are closed, full or not read, and signals at any moment."""

from __future__ import annotations

import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests.cli.conftest import COMMAND

COMMANDS = (
    "--help", "--version", "explain", "ls {folder}", "status {session}", "break {session}", "nonsense", "status none",
    "export {session} --force --output {folder}/out",
)  # fmt: skip
PATIENCE = 60.0


@pytest.fixture(params=COMMANDS)
def command(request, session: Path, tmp_path: Path) -> list[str]:
    return [*COMMAND, *(word.format(session=session, folder=tmp_path) for word in request.param.split())]


def in_shell(command: list[str], redirections: str, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    line = ["bash", "-o", "pipefail", "-c", f'"$@" {redirections}', "bash", *command]
    return subprocess.run(line, env=environment, capture_output=True, text=True, check=False)


def test_no_command_minds_streams_that_are_closed_or_not_read(command, environment) -> None:
    usual = in_shell(command, "", environment)
    assert "Traceback" not in usual.stderr
    for redirections in ("<&- >&- 2>&-", "| true", "2>/dev/full"):
        done = in_shell(command, redirections, environment)
        assert done.returncode == usual.returncode, redirections
        assert done.stderr in {usual.stderr, ""}, redirections


def test_output_that_a_full_disk_loses_is_said_and_fails(command, environment) -> None:
    usual = in_shell(command, "", environment)
    done = in_shell(command, ">/dev/full", environment)
    if usual.stdout:
        assert done.returncode == (usual.returncode or 1)
        assert done.stderr == "wnt-tui: Cannot write to standard output: No space left on device.\n"
    else:
        assert (done.returncode, done.stderr) == (usual.returncode, usual.stderr)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize("after", [0.0, 0.1, 0.5])
def test_a_signal_ends_a_command_quietly_while_it_loads_and_when_it_works(environment, session, number, after) -> None:
    process = subprocess.Popen(
        [*COMMAND, "verify", str(session)], env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    wait_for_first_line(process)
    time.sleep(after)
    process.send_signal(number)
    _, output = process.communicate(timeout=60)
    assert process.returncode in {-number, 128 + number}  # a shell has 128 and its number for both
    assert output == ""


def wait_for_first_line(process: subprocess.Popen[str]) -> None:
    """Until the program has taken from the interpreter the handler of SIGINT that this begins with."""
    deadline, interpreter = time.monotonic() + PATIENCE, False
    while process.poll() is None and time.monotonic() < deadline:
        status = Path(f"/proc/{process.pid}/status").read_text(encoding="utf-8")
        caught = int(status.split("SigCgt:")[1].split()[0], 16) >> (signal.SIGINT - 1) & 1
        if interpreter and not caught:
            return
        interpreter = interpreter or bool(caught)
        time.sleep(0.001)

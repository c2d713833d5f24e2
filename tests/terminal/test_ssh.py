"""The app through a real SSH server on this machine, over a slow wire."""

from __future__ import annotations

import getpass
import shlex
import shutil
import socket
import subprocess
import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.cli.conftest import COMMAND, environment  # ruff: ignore[unused-import]  # fixture
from tests.terminal.slow_terminal import SlowTerminal
from tests.terminal.test_slow_terminal import header, recording  # ruff: ignore[unused-import]  # fixture

pytestmark = pytest.mark.slow

SSHD = shutil.which("sshd", path="/usr/sbin:/usr/local/sbin:/sbin:/usr/bin")
RATE, LATENCY = 16_000.0, 0.1
KEY_SECONDS = 4.0
"""Generous: the same key took 13 to 24 s where pictures piled up."""


class Wire:
    """Carries connections to a port: all is taken at once and handed on late and slowly."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._server.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._server.close()

    def _accept(self) -> None:
        try:
            while True:
                near, _ = self._server.accept()
                far = socket.create_connection(("127.0.0.1", self._port))
                for source, sink, rate in ((near, far, 1e9), (far, near, RATE)):
                    threading.Thread(target=_carry, args=(source, sink, rate), daemon=True).start()
        except OSError:
            return


def _carry(source: socket.socket, sink: socket.socket, rate: float) -> None:
    waiting: deque[tuple[float, bytes]] = deque()
    ended = threading.Event()

    def hand_on() -> None:
        free = time.monotonic()
        while waiting or not ended.is_set():
            if not waiting:
                time.sleep(0.002)
                continue
            due, data = waiting.popleft()
            for start in range(0, len(data), 512):
                piece = data[start : start + 512]
                free = max(free, due) + len(piece) / rate
                time.sleep(max(0.0, free - time.monotonic()))
                try:
                    sink.sendall(piece)
                except OSError:
                    return
        sink.close()

    thread = threading.Thread(target=hand_on, daemon=True)
    thread.start()
    try:
        while data := source.recv(1 << 16):
            waiting.append((time.monotonic() + LATENCY, data))
    except OSError:
        pass
    ended.set()


@pytest.fixture
def ssh(tmp_path: Path) -> Iterator[list[str]]:
    """The beginning of a command line that runs something through a server behind a slow wire."""
    if SSHD is None or shutil.which("ssh") is None or shutil.which("ssh-keygen") is None:
        pytest.skip("needs an OpenSSH server and client: sshd, ssh, ssh-keygen")
    for name in ("host", "user"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", tmp_path / name], check=True)
    with closing(socket.create_server(("127.0.0.1", 0))) as free:
        port = free.getsockname()[1]
    settings = {
        "Port": port,
        "ListenAddress": "127.0.0.1",
        "HostKey": tmp_path / "host",
        "AuthorizedKeysFile": tmp_path / "user.pub",
        "PidFile": tmp_path / "sshd.pid",
        "StrictModes": "no",
        "UsePAM": "no",
        "PermitRootLogin": "yes",
    }
    (tmp_path / "sshd_config").write_text("".join(f"{name} {value}\n" for name, value in settings.items()))
    log = tmp_path / "sshd.log"
    server = subprocess.Popen([SSHD, "-D", "-f", tmp_path / "sshd_config", "-E", log])
    wire = None
    try:
        while not _listens(port):
            if server.poll() is not None:
                pytest.skip(f"sshd does not start here: {log.read_text().strip()[-300:]}")
            time.sleep(0.05)
        wire = Wire(port)
        options = ["StrictHostKeyChecking=no", "UserKnownHostsFile=/dev/null", "LogLevel=ERROR", "BatchMode=yes"]
        yield [
            *("ssh", "-F", "none", "-tt", "-p", str(wire.port), "-i", str(tmp_path / "user")),
            *(word for option in options for word in ("-o", option)),
            f"{getpass.getuser()}@127.0.0.1",
        ]
    finally:
        if wire is not None:
            wire.close()
        server.terminate()
        server.wait()


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def test_keys_are_answered_through_a_real_ssh_server_while_an_engine_records_without_a_break(
    ssh: list[str],
    recording: Path,  # ruff: ignore[redefined-while-unused]
    environment: dict[str, str],  # ruff: ignore[redefined-while-unused]
    tmp_path: Path,
) -> None:
    variables = ["env", *(f"{name}={environment[name]}" for name in ("PYTHONPATH", "XDG_STATE_HOME", "XDG_DATA_HOME"))]
    command = shlex.join([*variables, "COLORTERM=truecolor", *COMMAND, "attach", str(recording)])
    terminal = SlowTerminal([*ssh, command], environment, tmp_path)
    try:
        terminal.until(lambda text: "running" in header(text) and "loss" in text)
        times = []
        for _ in range(3):
            for sign in ("paused", "running"):
                terminal.press(" ")
                times.append(terminal.until(lambda text, sign=sign: sign in header(text)))  # type: ignore[misc]
        print(f"\nkeys over SSH at {RATE:.0f} bytes a second: {', '.join(f'{took:.2f}' for took in times)} s")
        assert max(times) < KEY_SECONDS
        terminal.press("q")
        assert terminal.ends() == 0
        assert b"wnt-tui attach" in terminal.output
    finally:
        terminal.close()

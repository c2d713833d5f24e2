"""Whatever bytes a terminal sends, the app goes on; through a real pseudo-terminal."""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from textual import events

from wnt_tui.terminal.input import LONGEST_PASTE, TerminalInput

OpenTerminal = Callable[..., Any]
Make = Callable[[random.Random], bytes]

SCREENS = (b"", b"?", b"s", b"c", b"B", b":", b"\x10", b"g", b"b", b"m", b"\r")
"""Keys that open the help, the lists, the breakpoints, the palette and the prompts, and maximise a panel."""

WITHOUT_ENGINES = """
import wnt_tui.process.engine_process as processes
from engine.errors import SessionError
def refuse(*arguments, **options): raise SessionError("No engine is started here.")
processes.start_engine = refuse
"""
"""A branch may be asked for by chance."""

BACK = b"\x1b[201~\x03\x03\x1b"
"""Ends a paste and closes what is open."""

LEAVING = frozenset(b"qQ\x11")


def noise(rng: random.Random) -> bytes:
    return bytes(byte for byte in rng.randbytes(rng.randrange(1, 60)) if byte not in LEAVING)


def x10(rng: random.Random) -> bytes:
    return b"\x1b[M" + bytes(rng.randrange(32, 256) for _ in range(3))


def utf8_mouse(rng: random.Random) -> bytes:
    """Protocol 1005: coordinates as UTF-8 characters."""
    return b"\x1b[M" + "".join(chr(32 + rng.randrange(300)) for _ in range(3)).encode()


def numbers(rng: random.Random, count: int) -> str:
    return ";".join(str(rng.choice((0, 1, 5, 40, 79, 250, 10**6, 10**24, -3))) for _ in range(count))


def sgr(rng: random.Random) -> bytes:
    """Protocols 1006 and 1016: the same form, in cells or pixels."""
    return f"\x1b[<{rng.choice((0, 1, 2, 3, 32, 35, 64, 65, 66, 67, 128))};{numbers(rng, 2)}{rng.choice('Mm')}".encode()


def urxvt(rng: random.Random) -> bytes:
    return f"\x1b[{rng.choice((32, 35, 64, 96))};{numbers(rng, 2)}M".encode()


def pasted(rng: random.Random) -> bytes:
    return b"\x1b[200~" + rng.randbytes(rng.randrange(300)) + rng.choice((b"\x1b[201~", b""))


def long_paste(rng: random.Random) -> bytes:
    return b"\x1b[200~" + b"lr=.01 " * 3000 + b"\x1b[201~"


def keys(rng: random.Random) -> bytes:
    key = rng.choice((b"\r", b"\x1b", b"\t", b"\x1b[A", b"\x1b[B", b"\x1b[C", b"\x1b[1;5D", b"\x7f", b"x", b"l", b"s"))
    return key * rng.randrange(1, 12)


def sequence(rng: random.Random) -> bytes:
    """Keys of the kitty protocol, sizes, cursor positions and modes, true or not, whole or cut off."""
    end = rng.choice(("u", "~", "R", "t", "$y", "c", ":3u"))
    made = f"\x1b[{rng.choice('?<>48 ')}{numbers(rng, rng.randrange(1, 6))}{end}"
    return made.encode()[: rng.randrange(2, 80)].replace(b" ", b"")


EVERY: tuple[Make, ...] = (noise, x10, utf8_mouse, sgr, urxvt, pasted, long_paste, keys, sequence)


@pytest.mark.parametrize(
    "data",
    [
        b"\x1b[M\xff\xff\xff",
        b"\xff\xfe\xc3",
        b"\x1b[99999999999u",
        b"\x1b[1:2;3u\x1b[1;1:3u",
        b"\x1b[48;0;0;0;0t\x1b[<0;3;3M",
        b"\x1b[48;99999;99999;1;1t",
        b"\x1b[?2048;1$y\x1b[48;24;80;0;0t\x1b[<35;5;5M",
    ],
)
def test_no_bytes_stop_the_reading_of_those_that_follow(data: bytes) -> None:
    found = TerminalInput()
    first = list(found.messages(data))
    assert not [message for message in first if isinstance(message, events.Resize)]
    after = [message.key for message in found.messages(b"ab") if isinstance(message, events.Key)]
    assert after[-1:] == ["b"]


def test_any_bytes_in_any_pieces_are_read() -> None:
    rng = random.Random(10)
    for _ in range(2000):
        found = TerminalInput()
        data = b"".join(rng.choice(EVERY[:6])(rng) for _ in range(3))
        cut = rng.randrange(len(data) + 1)
        for piece in (data[:cut], data[cut:]):
            list(found.messages(piece))
        list(found.overdue())


def test_a_paste_is_plain_text_of_bounded_length() -> None:
    long = b"\x1b[200~" + b"a\x07\x1b]0;title\x07" * LONGEST_PASTE + b"\x1b[201~"
    pastes = [message for message in TerminalInput().messages(long) if isinstance(message, events.Paste)]
    assert len(pastes) == 1
    assert len(pastes[0].text) <= LONGEST_PASTE
    assert pastes[0].text.isprintable()


def test_what_is_pasted_is_never_taken_for_keys() -> None:
    pasted = b"\x1b[200~q\x1b[Aq\x1bq\r\x1b[113uQ\x1b[201~"
    assert [type(message) for message in TerminalInput().messages(pasted)] == [events.Paste]


def test_a_paste_whose_end_never_comes_ends_by_itself() -> None:
    now = [0.0]
    found = TerminalInput(clock=lambda: now[0])
    assert list(found.messages(b"\x1b[200~abc")) == []
    now[0] = 60.0
    assert [type(message) for message in found.overdue()] == [events.Paste]
    assert [type(message) for message in found.messages(b"q")] == [events.Key]


def test_an_answer_of_the_terminal_within_a_paste_is_an_answer() -> None:
    answer, paste = TerminalInput().messages(b"\x1b[200~lr=\x1b[24;80R.1\x1b[201~")
    assert isinstance(answer, events.CursorPosition)
    assert (answer.x, answer.y) == (79, 23)
    assert isinstance(paste, events.Paste)
    assert paste.text == "lr=.1"


def drawn(text: str) -> bool:
    return "ended" in text and "loss" in text


def fuzz(terminal: OpenTerminal, session: Path, seed: int, rounds: int) -> None:
    rng = random.Random(seed)
    opened = terminal("replay", session, size=(120, 40), before=WITHOUT_ENGINES)
    opened.until(drawn)
    for number in range(rounds):
        data = rng.choice(SCREENS) + b"".join(rng.choice(EVERY)(rng) for _ in range(rng.randrange(1, 4)))
        os.write(opened.master, data)
        os.write(opened.master, BACK)
        assert opened.process.poll() is None, (seed, number, data, opened.output[-2000:])
        opened.read_on()
    leave(opened)


def leave(opened: Any, patience: float = 60.0) -> None:
    """The app answers q once more: it is alive, and what has been sent was not taken for an end."""
    deadline = time.monotonic() + patience
    os.write(opened.master, BACK)  # once: after the end its Ctrl+C would be the terminal's own
    while opened.process.poll() is None:
        assert time.monotonic() < deadline, "it no longer answers"
        for data in (b"\x1b", b"q"):
            os.write(opened.master, data)
            opened.read_on(0.2)
    assert opened.ends() == 0, opened.output[-2000:]
    assert "Traceback" not in opened.output
    assert "wnt-tui replay" in opened.output


def test_mouse_bytes_that_are_no_text_are_ignored(terminal: OpenTerminal, session: Path) -> None:
    opened = terminal("replay", session)
    opened.until(drawn)
    os.write(opened.master, b"\x1b[M\xff\xff\xff")
    opened.press("g")
    opened.until(lambda text: "go to step" in text)
    leave(opened)


def test_what_is_typed_after_q_is_for_nothing_in_the_app(terminal: OpenTerminal, session: Path) -> None:
    opened = terminal("replay", session)
    opened.until(drawn)
    os.write(opened.master, b"q" + b"s\r?\x1bg1\r\x03\x1b[<0;3;3M:" * 20)
    assert opened.ends() == 0, opened.output[-2000:]
    assert "wnt-tui replay" in opened.output


@pytest.mark.parametrize("seed", range(2))
def test_random_bytes_end_no_app(terminal: OpenTerminal, session: Path, seed: int) -> None:
    fuzz(terminal, session, seed, 25)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(100, 110))
def test_many_random_bytes_end_no_app(terminal: OpenTerminal, session: Path, seed: int) -> None:
    # The app draws more slowly than bytes are sent: of many more, q would wait for minutes.
    fuzz(terminal, session, seed, 40)


def test_what_ends_the_app_is_no_success(terminal: OpenTerminal, session: Path) -> None:
    broken = "import wnt_tui.screens.dashboard as d; d.Dashboard.move_to = lambda self, cursor: 1 / 0"
    opened = terminal("replay", session, before=broken)
    opened.until(drawn)
    opened.press("\x1b[H")
    assert opened.ends() == 1
    assert "ZeroDivisionError" in opened.output

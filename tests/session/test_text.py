import subprocess
import sys
import unicodedata

from hypothesis import given
from hypothesis import strategies as st

from engine.session.text import plain_text
from tests.session.recorded import ROOT


@given(st.text(st.characters()))
def test_plain_text_has_no_controls_and_one_line(text):
    shown = plain_text(text)
    assert all(unicodedata.category(character) not in {"Cc", "Cs", "Zl", "Zp"} for character in shown)
    assert len(shown.splitlines()) <= 1
    shown.encode("utf-8")
    assert plain_text(shown) == shown


def test_what_is_plain_stays():
    for text in ("", "a b", "λ_min ≥ ½‖o−y‖²", "日本語", "👩‍🔬"):
        assert plain_text(text) == text


def test_escape_sequences_lose_their_power():
    assert plain_text("\x1b[31mred\x1b[0m\tand\nmore\x00\x9b2J") == "[31mred[0m and more2J"
    assert plain_text("evil\u202etxt.exe") == "eviltxt.exe"


def test_what_is_no_text_is_written_out():
    assert plain_text(None) == ""
    assert plain_text(7) == "7"
    assert plain_text(b"\x1b") == "b'\\x1b'"


def test_long_text_is_cut():
    assert plain_text("x" * 100, limit=10) == "x" * 9 + "…"
    assert plain_text("x" * 10, limit=10) == "x" * 10


def test_sessions_need_neither_torch_nor_a_terminal():
    program = (
        "import sys, engine.session\n"
        "heavy = {'torch', 'scipy', 'sklearn', 'textual', 'rich', 'safetensors'} & set(sys.modules)\n"
        "sys.exit(str(heavy) if heavy else 0)"
    )
    finished = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False)
    assert finished.returncode == 0, finished.stderr

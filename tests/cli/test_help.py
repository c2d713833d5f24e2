import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import fields

import click
import pytest

import engine
from engine.catalogue import CATALOGUE
from engine.config import RunConfig, option_flag
from wnt_tui.cli.group import COMMAND_SECTIONS, MODULES
from wnt_tui.cli.imports import import_numpy
from wnt_tui.cli.main import cli

Run = Callable[..., subprocess.CompletedProcess[str]]


def test_help_names_every_command_and_every_option_of_a_run(wnt: Run) -> None:
    text = wnt("--help").stdout
    for names in COMMAND_SECTIONS.values():
        for name in names:
            assert f"\n  {name} " in text
    for spec in fields(RunConfig):
        flag = option_flag(spec.name)
        assert flag in text or f"--[no-]{flag[2:]}" in text
    assert "--session" in text
    assert "\n  live " not in text


def test_every_command_is_under_a_heading_but_live() -> None:
    listed = {name for names in COMMAND_SECTIONS.values() for name in names}
    assert set(MODULES) - listed == {"live"}
    assert all(cli.get_command(click.Context(cli), name) is not None for name in MODULES)


def test_help_imports_nothing_heavy() -> None:
    program = (
        "import sys; from wnt_tui.cli.main import invoke; invoke(['--help']);"
        "print([n for n in ('textual', 'rich', 'numpy', 'torch', 'scipy', 'sqlite3') if n in sys.modules],"
        " file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stderr == "[]\n"


def test_the_app_never_imports_torch_or_scipy() -> None:
    program = (
        "import sys, wnt_tui.app, wnt_tui.cli.doctor, wnt_tui.cli.listing, engine.session.export;"
        "print([n for n in ('torch', 'torchvision', 'scipy', 'sklearn', 'plotext') if n in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_a_session_is_shown_without_what_records_branches_exports_or_asks() -> None:
    program = (
        "import sys, wnt_tui.cli.watching, wnt_tui.app;"
        "unwanted = ('engine.session.writer', 'engine.session.recording', 'engine.session.export', 'engine.history',"
        " 'wnt_tui.process.branching', 'wnt_tui.screens.help', 'wnt_tui.screens.session_dialogs',"
        " 'wnt_tui.cli.time_travel');"
        "print([name for name in unwanted if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_an_engine_gets_the_environment_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENBLAS_NUM_THREADS", raising=False)
    before = dict(os.environ)
    import_numpy()
    assert dict(os.environ) == before
    monkeypatch.setenv("OPENBLAS_NUM_THREADS", "3")
    import_numpy()
    assert os.environ["OPENBLAS_NUM_THREADS"] == "3"


@pytest.mark.parametrize("name", sorted(MODULES))
def test_every_command_explains_itself(wnt: Run, name: str) -> None:
    done = wnt(name, "--help")
    assert done.returncode == 0
    assert done.stdout.startswith(f"Usage: wnt-tui {name}")


def test_version_is_the_engines(wnt: Run) -> None:
    assert engine.__version__ in wnt("--version").stdout


def test_explain_lists_every_metric_and_tells_one_in_full(wnt: Run) -> None:
    listing = wnt("explain").stdout
    assert all(name in listing for name, entry in CATALOGUE.items() if not entry.end_of and not entry.retired)
    one = wnt("explain", "log10_cond").stdout
    assert CATALOGUE["log10_cond"].formula in one
    assert CATALOGUE["log10_cond"].equation in one


def test_explain_suggests_what_may_have_been_meant(wnt: Run) -> None:
    done = wnt("explain", "logcond")
    assert done.returncode == 2
    assert "log10_cond" in done.stderr

"""Flag over environment over file over default; and what is live without a command."""

import json
import os
from dataclasses import fields
from pathlib import Path

import click
import pytest

from engine.config import RunConfig, option_flag
from engine.requests import Run, parse_request
from wnt_tui.cli.group import MODULES
from wnt_tui.cli.main import cli, invoke
from wnt_tui.cli.options import environment_variable


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[RunConfig]:
    """Configurations with which `run` would have become the engine."""
    seen: list[RunConfig] = []

    def execve(_program: str, command: list[str], _environment: dict[str, str]) -> None:
        request = parse_request(command[-1:])
        assert isinstance(request, Run)
        seen.append(request.config)

    monkeypatch.setattr(os, "execve", execve)
    monkeypatch.setenv("WNT_SESSIONS", str(tmp_path / "sessions"))
    for name in list(os.environ):
        if name.startswith("WNT_") and name != "WNT_SESSIONS":
            monkeypatch.delenv(name)
    return seen


def test_without_options_the_defaults_are_run(started: list[RunConfig]) -> None:
    assert invoke(["run"]) == 0
    assert started == [RunConfig()]


@pytest.mark.parametrize(
    ("flag", "variable", "in_file", "expected"),
    [(True, True, True, 3), (False, True, True, 4), (False, False, True, 5), (False, False, False, 500)],
)
def test_flag_wins_over_environment_over_file_over_default(
    started: list[RunConfig],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    flag: bool,
    variable: bool,
    in_file: bool,
    expected: int,
) -> None:
    arguments = ["run"]
    if variable:
        monkeypatch.setenv("WNT_WIDTH", "4")
    if in_file:
        (tmp_path / "run.toml").write_text("width = 5\ntest-examples = 7\n")
        arguments += ["--config", str(tmp_path / "run.toml")]
    if flag:
        arguments += ["--width", "3"]
    assert invoke(arguments) == 0
    assert started[0].width == expected
    assert started[0].test_examples == (7 if in_file else None)


@pytest.mark.parametrize("spec", fields(RunConfig), ids=lambda spec: spec.name)
def test_every_field_can_be_set_by_flag_and_by_environment(
    started: list[RunConfig], monkeypatch: pytest.MonkeyPatch, spec: object
) -> None:
    name = spec.name  # type: ignore[attr-defined]  # a dataclasses.Field, which pytest hands over untyped
    other = {"activation": "tanh", "loss": "cross_entropy", "dtype": "float64", "measure": "core"}
    other |= {"breakpoints": "pl < 1e-4", "on_break": "stop", "kernel": "products"}
    default = getattr(RunConfig(), name)
    if isinstance(default, bool):
        value: object = not default
        arguments = [option_flag(name) if value else f"--no-{option_flag(name)[2:]}"]
    else:
        value = other.get(name) or (0.5 if isinstance(default, float) else 7 if name != "data_dir" else "/usr")
        if name in {"data", "device"}:
            value = {"data": "digits", "device": "cpu"}[name]
        arguments = [option_flag(name), str(value)]
    assert invoke(["run", *arguments]) == 0
    monkeypatch.setenv(environment_variable(name), str(value).lower() if isinstance(value, bool) else str(value))
    assert invoke(["run"]) == 0
    expected = (value,) if name == "breakpoints" else value
    assert [getattr(config, name) for config in started] == [expected, expected]


def test_breakpoints_are_repeated_as_flags_parted_by_semicolons_in_the_environment_and_listed_in_a_file(
    started: list[RunConfig], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert invoke(["run", "--break", "pl<1", "--break", "diverging for 2"]) == 0
    (tmp_path / "run.toml").write_text("break = ['pl<1', 'diverging for 2']\n")
    assert invoke(["run", "--config", str(tmp_path / "run.toml")]) == 0
    monkeypatch.setenv("WNT_BREAK", "pl < 1; diverging for 2")
    assert invoke(["run"]) == 0
    assert invoke(["run", "--break", "loss > 3", "--config", str(tmp_path / "run.toml")]) == 0
    assert [config.breakpoints for config in started] == [("pl < 1", "diverging for 2")] * 3 + [("loss > 3",)]


def test_a_breakpoint_that_is_none_is_pointed_at(started: list[RunConfig], capsys: pytest.CaptureFixture[str]) -> None:
    assert invoke(["run", "--break", "pl <> 3"]) == 2
    said = capsys.readouterr().err.splitlines()
    assert "column 4" in said[0]
    assert said[1:3] == ["    pl <> 3", "       ^"]
    assert started == []


@pytest.mark.parametrize(
    ("arguments", "output"),
    [
        (["run", "--width", "0"], "--width is 0"),
        (["run", "--width", "many"], "--width"),
        (["run", "--lr", "nan"], "--lr is nan"),
        (["run", "--widht", "3"], "--width"),
        (["run", "extra"], "extra"),
        (["run", "--config", "none.toml"], "/none.toml: No such file"),
        (["nonsense"], "nonsense"),
        (["step", "some", "0"], "0"),
        (["some/where.wnt"], "wnt-tui replay some/where.wnt"),
        (["--width", "0"], "--width is 0"),
        (["--widht"], "--width"),
    ],
)
def test_a_wrong_command_line_is_one_sentence_and_exit_code_2(
    started: list[RunConfig], capsys: pytest.CaptureFixture[str], arguments: list[str], output: str
) -> None:
    assert invoke(arguments) == 2
    error = capsys.readouterr().err
    assert output in error
    assert "Traceback" not in error
    assert started == []


def test_an_error_in_a_file_names_the_file(
    started: list[RunConfig], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "bad.toml").write_text("widht = 3\n")
    assert invoke(["run", "--config", str(tmp_path / "bad.toml")]) == 2
    assert "bad.toml" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "command"),
    [([], "live"), (["--width", "3"], "live"), (["--debug"], "live"), (["run"], "run"), (["ls"], "ls")],
)
def test_a_line_without_a_command_is_live(monkeypatch: pytest.MonkeyPatch, arguments: list[str], command: str) -> None:
    called: list[str] = []
    for name in MODULES:
        registered = cli.get_command(click.Context(cli), name)
        monkeypatch.setattr(registered, "invoke", lambda _context, name=name: called.append(name))
    assert invoke(arguments) == 0
    assert called == [command]


def test_a_session_that_exists_is_not_overwritten(
    started: list[RunConfig], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    there = tmp_path / "there.wnt"
    there.write_text("mine")
    assert invoke(["run", "--session", str(there)]) == 1
    assert "exists already" in capsys.readouterr().err
    assert there.read_text() == "mine"


def test_a_folder_that_cannot_be_written_names_the_way_out(
    started: list[RunConfig], tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    # As root every folder is writable, so the answer is forged.
    monkeypatch.setattr(os, "access", lambda *_: False)
    assert invoke(["run", "--session", str(tmp_path / "x.wnt")]) == 1
    error = capsys.readouterr().err
    assert "not writable" in error
    assert "--session" in error


def test_json_is_json(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert invoke(["ls", str(tmp_path), "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == []

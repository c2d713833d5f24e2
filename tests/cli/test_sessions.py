"""Commands about sessions, in real processes."""

import json
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

Run = Callable[..., subprocess.CompletedProcess[str]]


def test_status_tells_a_living_engine_from_an_ended_one(wnt: Run, session: Path, live: Path) -> None:
    ended = json.loads(wnt("status", str(session), "--json").stdout)
    assert (ended["alive"], ended["state"], ended["step"], ended["steps"]) == (False, "finished", 5, 5)
    living = json.loads(wnt("status", str(live), "--json").stdout)
    assert (living["alive"], living["state"], living["step"]) == (True, "paused", 3)
    assert "live paused" in wnt("status", str(live)).stdout


def test_a_paused_engine_is_stepped_resumed_paused_and_stopped(wnt: Run, live: Path) -> None:
    assert "step 3" in wnt("step", str(live), "2").stdout
    resumed = wnt("resume", str(live))
    assert resumed.returncode == 0, resumed.stderr
    paused = json.loads(wnt("pause", str(live), "--json").stdout)
    assert paused["state"] == "done"
    assert paused["step"] >= 3
    assert wnt("stop", str(live)).returncode == 0
    after = wnt("pause", str(live))
    assert after.returncode == 1
    assert "not running" in after.stderr


def test_ls_lists_the_sessions_of_a_folder_and_survives_a_bad_file(wnt: Run, session: Path) -> None:
    (session.parent / "bad.wnt").write_text("no session")
    listed = json.loads(wnt("ls", str(session.parent), "--json").stdout)
    assert {Path(entry["session"]).name: entry["state"] for entry in listed} == {
        "done.wnt": "finished",
        "bad.wnt": "unreadable",
    }
    assert "ended finished" in wnt("ls", str(session.parent)).stdout
    assert wnt("ls", WNT_SESSIONS=str(session.parent)).stdout.count("\n") == 2


def test_ls_of_an_empty_place_says_what_to_do(wnt: Run) -> None:
    assert "No sessions here" in wnt("ls").stdout


def test_export_writes_what_it_names(wnt: Run, session: Path, tmp_path: Path) -> None:
    done = wnt("export", str(session), "--output", str(tmp_path / "out"))
    assert [Path(line).name for line in done.stdout.splitlines()] == [
        "steps.csv",
        "layers.csv",
        "spectra.csv",
        "events.csv",
        "metrics.csv",
        "run.csv",
    ]
    assert (tmp_path / "out" / "steps.csv").read_text().count("\n") == 7
    wnt("export", str(session), "--format", "json", "--output", str(tmp_path / "out"))
    assert json.loads((tmp_path / "out" / "session.json").read_text())["config"]["depth"] == 3


def test_copy_makes_one_file_of_a_living_session(wnt: Run, live: Path, tmp_path: Path) -> None:
    assert wnt("copy", str(live), str(tmp_path / "copy.wnt")).returncode == 0
    assert json.loads(wnt("status", str(tmp_path / "copy.wnt"), "--json").stdout)["step"] == 3


def test_a_session_that_is_not_there_is_one_sentence(wnt: Run) -> None:
    for command in (["replay", "nope"], ["attach", "nope"], ["status", "nope"], ["copy", "nope", "x"]):
        done = wnt(*command)
        assert done.returncode == 1
        assert "nope" in done.stderr
        assert "Traceback" not in done.stderr


def test_a_closed_pipe_is_no_error(environment: dict[str, str]) -> None:
    program = f"{shlex.quote(sys.executable)} -P -m wnt_tui explain | head -1"
    done = subprocess.run(["bash", "-c", program], env=environment, capture_output=True, text=True, check=True)
    assert done.stderr == ""


def test_a_name_that_is_no_text_is_listed_as_valid_json_and_found_as_it_is_shown(wnt: Run, session: Path) -> None:
    odd = session.with_name("caf\udce9\n.wnt")
    session.rename(odd)
    (odd.parent / "gone.wnt").symlink_to("nowhere")
    folder = str(odd.parent)
    listed = {entry["state"]: entry["session"] for entry in json.loads(wnt("ls", folder, "--json").stdout)}
    assert set(listed) == {"finished", "unreadable"}
    assert listed["finished"].endswith(r"/caf\xe9\n.wnt")
    for spelled in (str(odd), listed["finished"], f"/{odd}", f"{folder}/../{odd.parent.name}/caf\udce9\n"):
        output = json.loads(wnt("status", spelled, "--json").stdout)
        assert (output["session"], output["step"]) == (listed["finished"], 5)
    assert r"caf\xe9\n" in wnt("ls", folder).stdout


def test_an_export_replaces_nothing_unless_it_is_asked_to(wnt: Run, session: Path, tmp_path: Path) -> None:
    (tmp_path / "layers.csv").write_text("mine")
    refused = wnt("export", str(session), "--output", str(tmp_path))
    assert refused.returncode == 1
    assert "layers.csv" in refused.stderr
    assert "--force" in refused.stderr
    assert (tmp_path / "layers.csv").read_text() == "mine"
    assert wnt("export", str(session), "--output", str(tmp_path), "--force").returncode == 0
    assert (tmp_path / "layers.csv").read_text() != "mine"

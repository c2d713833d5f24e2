"""``doctor``: torch and devices as the engine finds them, the terminal, the disk, what may end a detached engine."""

from __future__ import annotations

import contextlib
import json
import locale
import os
import platform
import shutil
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import click

import engine
from wnt_tui.cli.group import SectionedCommand
from wnt_tui.cli.parameters import json_option
from wnt_tui.process.engine_process import ask_engine
from wnt_tui.theme.wording import file_size

Verdict = Literal["ok", "note", "bad"]
SIGNS: dict[Verdict, tuple[str, str]] = {"ok": ("✓", "green"), "note": ("!", "yellow"), "bad": ("✗", "red")}
SCARCE_BYTES = 1 << 30


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the report: a subject, whether it is in order, worth knowing or in the way, and what was found."""

    subject: str
    verdict: Verdict
    text: str


@click.command(cls=SectionedCommand)
@json_option
def doctor(as_json: bool) -> int:
    """Check torch, devices, terminal, colours, locale and disk."""
    from engine.requests import Doctor

    answer = ask_engine(Doctor())
    try:
        report: dict[str, Any] = json.loads(answer.stdout)
    except ValueError:
        lines = answer.stderr.strip().splitlines()
        report = {"error": lines[-1] if lines else f"the engine ended with exit code {answer.returncode}"}
    found = [
        Finding("wnt-tui", "ok", f"{engine.__version__}, Python {platform.python_version()}, {sys.platform}"),
        *_engine(report),
        *_terminal(),
        *_disk(),
        *_detached(),
    ]
    healthy = all(finding.verdict != "bad" for finding in found)
    if as_json:
        whole = {"healthy": healthy, "findings": [asdict(finding) for finding in found], "engine": report}
        click.echo(json.dumps(whole, ensure_ascii=False, indent=2))
    else:
        width = max(len(finding.subject) for finding in found)
        for finding in found:
            sign, colour = SIGNS[finding.verdict]
            click.echo(f"{click.style(sign, fg=colour)} {finding.subject.ljust(width)}  {finding.text}")
    return 0 if healthy else 1


def _engine(report: Mapping[str, Any]) -> list[Finding]:
    if "error" in report:
        return [Finding("engine", "bad", str(report["error"]))]
    build = f"CUDA {report['cuda_build']}" if report.get("cuda_build") else "CPU build"
    found = [Finding("torch", "ok", f"{report.get('torch', '?')}, {build}, {report.get('threads', '?')} threads")]
    if problem := report.get("torchvision_problem"):
        found.append(Finding("torchvision", "note", f"CIFAR-10 cannot be downloaded: {problem}"))
    else:
        found.append(Finding("torchvision", "ok", "its data sets can be imported"))
    found.append(Finding("devices", "ok", ", ".join(["cpu", *map(str, report.get("devices", []))])))
    if problem := report.get("device_problem"):
        found.append(Finding("--device auto", "bad", f"{problem} Until then: --device cpu."))
    elif report.get("device"):
        found.append(Finding("--device auto", "ok", str(report["device"])))
    return found


def _terminal() -> list[Finding]:
    from wnt_tui.terminal.requirements import COMPACT_COLUMNS, COMPACT_ROWS, too_small

    found = []
    if sys.stdout.isatty():
        columns, rows = os.get_terminal_size(sys.stdout.fileno())
        verdict: Verdict = "bad" if too_small(columns, rows) else "ok"
        roomy = columns >= COMPACT_COLUMNS and rows >= COMPACT_ROWS
        layout = "dashboard" if roomy else f"one panel at a time (nine from {COMPACT_COLUMNS}×{COMPACT_ROWS})"
        found.append(Finding("terminal", verdict, f"{os.environ.get('TERM', '?')}, {columns}×{rows}: {layout}"))
    else:
        found.append(Finding("terminal", "note", "standard output is none: `run`, `export` and `status` work"))
    found.append(_colour())
    encoding = locale.getpreferredencoding(False)
    utf8 = encoding.lower().replace("-", "") == "utf8"
    advice = "" if utf8 else ": signs may be garbled; set LANG=C.UTF-8"
    found.append(Finding("locale", "ok" if utf8 else "note", f"{encoding}{advice}"))
    return found


def _colour() -> Finding:
    if "NO_COLOR" in os.environ:
        return Finding("colour", "ok", "none: NO_COLOR is set")
    if os.environ.get("COLORTERM", "").lower() in {"truecolor", "24bit"}:
        return Finding("colour", "ok", "16 million")
    kind = "256" if "256" in os.environ.get("TERM", "") else "16"
    return Finding("colour", "note", f"{kind}; SSH does not forward COLORTERM: COLORTERM=truecolor if yours can do it")


def _disk() -> list[Finding]:
    from engine.paths import is_folder, real_path, shown_path
    from engine.session.locations import sessions_folder

    folder = real_path(sessions_folder())
    shown = shown_path(folder)
    existing = next(path for path in (folder, *folder.parents) if Path(path).exists())
    if not is_folder(existing) or not os.access(existing, os.W_OK | os.X_OK):
        return [Finding("sessions", "bad", f"{shown} cannot be written to: set WNT_SESSIONS or use --session PATH")]
    free = shutil.disk_usage(existing).free
    verdict: Verdict = "note" if free < SCARCE_BYTES else "ok"
    return [Finding("sessions", verdict, f"{shown}, {file_size(free)} free")]


def _detached() -> list[Finding]:
    found = []
    if "SLURM_JOB_ID" in os.environ:
        found.append(Finding("detached runs", "note", "inside a Slurm job: an engine left behind ends with the job"))
    text = ""
    with contextlib.suppress(OSError):
        text = Path("/etc/systemd/logind.conf").read_text(encoding="utf-8", errors="replace")
    kills = [line for line in text.splitlines() if line.strip().lower().startswith("killuserprocesses=")]
    if kills and kills[-1].split("=", 1)[1].strip().lower() in {"yes", "true", "1", "on"}:
        found.append(
            Finding(
                "detached runs", "note",
                "logind's KillUserProcesses=yes ends engines at logout: `loginctl enable-linger` keeps them",
            )
        )  # fmt: skip
    return found or [Finding("detached runs", "ok", "nothing found that would end an engine at logout")]


COMMANDS = (doctor,)

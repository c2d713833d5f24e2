"""Commands that look something up: ``explain``, ``data``, ``doctor``."""

from __future__ import annotations

import json
import os
import subprocess
from typing import Any

import click

from engine.catalogue import CATALOGUE, Metric, metric
from wnt_tui.cli.group import SectionedCommand, finish
from wnt_tui.engine_process import engine_command, engine_environment

KIND_WORDS = {
    "exact": "exact up to rounding",
    "upper": "proved upper bound",
    "lower": "proved lower bound",
    "estimate": "converging estimate",
    "heuristic": "heuristic: its assumptions are not checked or do not hold in general",
}
SCOPE_WORDS = {
    "step": "one number a step",
    "layer": "one number a step and layer",
    "initial": "one number a layer, at step 0",
}
COST_WORDS = {
    "free": "free",
    "gram": "n×n products",
    "spectrum": "eigenvalues of n×n matrices or spectral norms",
    "products": "Hessian- or NTK-vector products",
    "forward": "another forward pass",
}


@click.command(cls=SectionedCommand)
@click.argument("name", metavar="[METRIC]", required=False)
def explain(name: str | None) -> None:
    """What a metric means; without a name, list them all."""
    click.echo(explanation(metric(name)) if name is not None else listing())


def listing() -> str:
    """Return all metrics, a line each, by scope."""
    width = max(map(len, CATALOGUE))
    symbols = max(len(entry.symbol) for entry in CATALOGUE.values())
    lines: list[str] = []
    for scope, words in SCOPE_WORDS.items():
        lines += ["", click.style(words.capitalize(), bold=True)]
        for entry in CATALOGUE.values():
            if entry.scope == scope:
                name = click.style(entry.name.ljust(width), fg="cyan")
                lines.append(f"  {name}  {entry.symbol.ljust(symbols)}  {entry.meaning}")
    return "\n".join([*lines[1:], "", "wnt-tui explain METRIC tells more."])


def explanation(entry: Metric) -> str:
    """Return one metric in full."""
    rows = [
        ("formula", entry.formula),
        ("source", entry.equation or "–"),
        ("kind", KIND_WORDS[entry.kind]),
        ("scope", SCOPE_WORDS[entry.scope]),
        ("unit", "dimensionless" if entry.unit == "1" else entry.unit),
        ("cost", COST_WORDS[entry.cost]),
        (
            "measured with",
            f"--measure {entry.measured_in}" + (" and above" if entry.measured_in != "all" else ""),
        ),
        *([("the paper", entry.paper)] if entry.paper else []),
        *([("note", "announced; no code computes it yet")] if not entry.computed else []),
    ]
    body = "\n".join(f"  {click.style(term.ljust(13), fg='cyan')}  {text}" for term, text in rows)
    return f"{click.style(entry.name, bold=True)}  {entry.symbol}\n{entry.meaning}\n\n{body}"


@click.group()
def data() -> None:
    """List data sets, download CIFAR-10."""


@data.command("list")
def data_list() -> None:
    """List the data sets that can be used now."""
    finish(_engine("data", "list"))


@data.command("download")
@click.argument("name", type=click.Choice(["cifar10"]))
@click.option("--dir", "directory", type=click.Path(file_okay=False), metavar="DIR", help="Where to put it.")
def data_download(name: str, directory: str | None) -> None:
    """Download a data set. Nothing is ever downloaded otherwise."""
    where = ["--dir", directory] if directory is not None else []
    finish(_engine("data", "download", name, *where))


@click.command(cls=SectionedCommand)
@click.option("--json", "as_json", is_flag=True, help="Machine-readable.")
def doctor(as_json: bool) -> None:
    """Check torch, devices, terminal, colours, locale and disk."""
    from wnt_tui.cli.doctor import Report, examine

    answer = subprocess.run(
        engine_command("doctor"), env=engine_environment(), check=False, capture_output=True, text=True
    )
    engine_says: dict[str, Any]
    try:
        engine_says = json.loads(answer.stdout)
    except ValueError:
        lines = answer.stderr.strip().splitlines()
        engine_says = {"error": lines[-1] if lines else f"the engine ended with exit code {answer.returncode}"}
    report: Report = examine(engine_says, dict(os.environ))
    click.echo(json.dumps(report.as_dict(), ensure_ascii=False, indent=2) if as_json else report.text())
    finish(0 if report.healthy else 1)


def _engine(*arguments: str) -> int:
    return subprocess.run(engine_command(*arguments), env=engine_environment(), check=False).returncode


COMMANDS = (explain, data, doctor)

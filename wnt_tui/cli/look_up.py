"""Commands that look something up: ``explain``, ``data``."""

from __future__ import annotations

from pathlib import Path
from typing import NoReturn

import click

from engine.catalogue import CATALOGUE
from wnt_tui.cli.group import SectionedCommand
from wnt_tui.cli.parameters import FOLDER
from wnt_tui.process.engine_process import become_engine


@click.command(cls=SectionedCommand)
@click.argument("name", metavar="[METRIC]", required=False)
def explain(name: str | None) -> None:
    """Explain a metric or an inequality; without a name, list them all."""
    click.echo(explanation(name) if name is not None else listing())


def listing() -> str:
    """All metrics, a line each, by scope, then the ledger's inequalities."""
    from engine.catalogue.metric import SCOPE_WORDS
    from engine.theory.ledger import LEDGER

    shown = [entry for entry in CATALOGUE.values() if not entry.end_of and not entry.retired]
    sections = [
        (words.capitalize(), [(e.name, e.symbol, e.meaning) for e in shown if e.scope == scope])
        for scope, words in SCOPE_WORDS.items()
    ]
    for kind, title in (
        ("theorem", "Inequalities that must hold"),
        ("assumption", "Inequalities that may fail"),
    ):
        sections.append((title, [(e.name, e.formula, "") for e in LEDGER.values() if e.kind == kind]))
    lines: list[str] = []
    for title, entries in sections:
        names, symbols = (max(len(entry[column]) for entry in entries) for column in (0, 1))
        lines += ["", click.style(title, bold=True)]
        for name, symbol, meaning in entries:
            lines.append(f"  {click.style(name.ljust(names), fg='cyan')}  {symbol.ljust(symbols)}  {meaning}".rstrip())
    return "\n".join([*lines[1:], "", "wnt-tui explain NAME says more."])


def explanation(name: str) -> str:
    """One metric or inequality in full."""
    from engine.catalogue import explanation as words

    entry = words.explain(name)
    facts = (("formula", entry.formula), *entry.facts)
    width = max(len(about) for about, _ in facts)
    body = "\n".join(f"  {click.style(about.ljust(width), fg='cyan')}  {text}" for about, text in facts if text)
    return f"{click.style(entry.name, bold=True)}  {entry.symbol}".rstrip() + f"\n{entry.meaning}\n\n{body}"


@click.group()
def data() -> None:
    """List data sets, download CIFAR-10."""


@data.command("list")
def data_list() -> NoReturn:
    """List the data sets that can be used now."""
    from engine.requests import DataSets

    become_engine(DataSets())


@data.command("download")
@click.argument("_name", metavar="cifar10", type=click.Choice(["cifar10"]))
@click.option("--dir", "directory", type=FOLDER, metavar="DIR", help="Where to put it.")
def data_download(_name: str, directory: Path | None) -> NoReturn:
    """Download a data set. Nothing is ever downloaded otherwise."""
    from engine.requests import Download

    become_engine(Download(folder=directory))


COMMANDS = (explain, data)

"""Exports that any program reads: CSV tables and one JSON file, with columns named as in the catalogue.

How a column is to be read goes with the numbers: the table of metrics has each one's unit, equation and kind, the kind
refined for the run's activation and loss, and where its value says nothing. The ends of a
metric's interval are the columns ``NAME_low`` and ``NAME_high``, a kind of their own in that table. A metric that may
be unresolved has a column ``NAME_resolved``: 1 (JSON: true) where its interval is narrow, 0 (false) where it is wide
and the value by itself is only what the table of metrics has under ``unresolved``: an upper end ≤, a lower end ≥, or
certain up to its resolution ±.

Whole spectra are in long form, a row an eigenvalue, ascending: matrix ``G`` with its layer, or ``K``.

CSV: "not computed" is an empty cell, ±∞ is ``inf`` and ``-inf``. A text that a spreadsheet would take for a formula
(it begins with =, +, -, @, a tab or a line break, as a note may) has an apostrophe before it; numbers never have. JSON
has no infinities: "not computed" and ±∞ both become null there. Numbers are written with as many digits as give the
same double back. Layers are read some steps at a time, so that a long run does not have to fit into memory.
"""

from __future__ import annotations

import csv
import json
import math
import os
from collections.abc import Generator, Iterable, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

import numpy as np
from numpy.typing import NDArray

from engine.catalogue import LAYER_COLUMNS, RETIRED, STEP_COLUMNS, metric
from engine.catalogue.certainty import UNCERTAIN, resolved
from engine.config import RunConfig
from engine.errors import SessionError
from engine.paths import named_path
from engine.session.filesystem import appearing
from engine.session.reader import SessionReader
from engine.session.schema import EVENT_COLUMNS

JSON_NAME = "session.json"
CSV_NAMES = ("steps.csv", "layers.csv", "spectra.csv", "events.csv", "metrics.csv", "run.csv")

UNCERTAIN_STEPS = tuple(name for name in STEP_COLUMNS if name in UNCERTAIN)
UNCERTAIN_LAYERS = tuple(name for name in LAYER_COLUMNS if name in UNCERTAIN)

STEPS_MARKS = tuple(f"{name}_resolved" for name in UNCERTAIN_STEPS)
LAYERS_MARKS = tuple(f"{name}_resolved" for name in UNCERTAIN_LAYERS)
SPECTRA_HEADER = ("step", "name", "layer", "index", "value")
EVENTS_HEADER = EVENT_COLUMNS
RUN_HEADER = ("part", "name", "value")
METRICS_HEADER = (
    "name", "table", "symbol", "unit", "kind", "vacuous", "equation", "formula", "meaning", "resolution", "unresolved"
)  # fmt: skip

Cell = int | float | str | bool | None
Table = tuple[str, Sequence[str], Iterable[Sequence[Cell]]]
Steps = tuple[NDArray[np.int64], dict[str, NDArray[np.float64]]]

_STEPS_AT_A_TIME = 512
_FORMULA_SIGNS = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")


def export_csv(session: str | Path, directory: str | Path, *, replace: bool = False) -> list[Path]:
    """Write the files of :data:`CSV_NAMES` into a folder, made if need be; return their paths."""
    with SessionReader(session) as reader:
        # Only now: what is no session leaves no folder behind.
        folder = _folder(directory, CSV_NAMES, replace=replace)
        for name, header, rows in (*_tables(reader), ("run", RUN_HEADER, _run_rows(reader))):
            with _written(folder / f"{name}.csv", replace=replace) as file:
                writer = csv.writer(file, lineterminator="\n")
                writer.writerow(header)
                writer.writerows([_csv_cell(cell) for cell in row] for row in rows)
    return [folder / name for name in CSV_NAMES]


def export_json(session: str | Path, directory: str | Path, *, replace: bool = False) -> list[Path]:
    """Write :data:`JSON_NAME`, strict JSON, into a folder, made if need be; return its path in a list."""
    with (
        SessionReader(session) as reader,
        _written(path := _folder(directory, (JSON_NAME,), replace=replace) / JSON_NAME, replace=replace) as file,
    ):
        file.write(f'{{"meta": {_json(_meta(reader))},\n"config": {_json(reader.config().to_dict())}')
        for table, header, rows in _tables(reader):
            file.write(f',\n"{table}": {{"columns": {_json(header)}, "rows": [')
            separator = "\n"
            for row in rows:
                file.write(separator + _json([_json_cell(cell) for cell in row]))
                separator = ",\n"
            file.write("]}")
        file.write("}\n")
    return [path]


def _tables(reader: SessionReader) -> tuple[Table, ...]:
    steps, examples = reader.steps(), reader.config().examples
    older = {table: [one.name for one in RETIRED if one.name in reader.columns(table)] for table in ("steps", "layers")}
    columns = {"steps": (*STEP_COLUMNS, *older["steps"]), "layers": (*LAYER_COLUMNS, *older["layers"])}
    exported = columns["steps"] + columns["layers"]
    return (
        ("steps", ("step", "time", *columns["steps"], *STEPS_MARKS), _step_rows(steps, columns["steps"], examples)),
        (
            "layers",
            ("step", "layer", *columns["layers"], *LAYERS_MARKS),
            _layer_rows(reader, steps[0], columns["layers"], examples),
        ),
        ("spectra", SPECTRA_HEADER, _spectra_rows(reader)),
        ("events", EVENTS_HEADER, _event_rows(reader)),
        ("metrics", METRICS_HEADER, _metric_rows(reader.config(), exported)),
    )


def _step_rows(steps: Steps, names: Sequence[str], examples: int) -> Generator[Sequence[Cell]]:
    numbers, columns = steps
    values = [columns[name].tolist() for name in ("time", *names)]
    yield from zip(numbers.tolist(), *values, *_marks(UNCERTAIN_STEPS, columns, examples), strict=True)


def _marks(names: Sequence[str], columns: Mapping[str, NDArray[np.float64]], examples: int) -> list[list[bool | None]]:
    """Columns that say whether values are resolved; empty where there is no value."""
    return [
        [None if math.isnan(value) else known for value, known in zip(columns[name].tolist(), marks, strict=True)]
        for name, marks in ((name, resolved(name, columns, examples).tolist()) for name in names)
    ]


def _layer_rows(
    reader: SessionReader, steps: NDArray[np.int64], names: Sequence[str], examples: int
) -> Generator[Sequence[Cell]]:
    for start in range(0, steps.size, _STEPS_AT_A_TIME):
        window = steps[start : start + _STEPS_AT_A_TIME]
        found = reader.layers(int(window[0]), int(window[-1]))
        values = [found.columns[name].tolist() for name in names]
        marks = _marks(UNCERTAIN_LAYERS, found.columns, examples)
        yield from zip(found.step.tolist(), found.layer.tolist(), *values, *marks, strict=True)


def _spectra_rows(reader: SessionReader) -> Generator[Sequence[Cell]]:
    for step in reader.spectra_steps():
        for (name, layer), eigenvalues in reader.spectra_at(step).items():
            for index, value in enumerate(eigenvalues.tolist()):
                yield step, name, layer, index, value


def _event_rows(reader: SessionReader) -> Generator[Sequence[Cell]]:
    for row in reader.all_events():
        event = row.event
        data = _json({name: _json_cell(value) for name, value in event.data.items()})
        yield row.id, row.time, event.step, event.kind, event.layer, event.message, data


def _metric_rows(config: RunConfig, names: Sequence[str]) -> Generator[Sequence[Cell]]:
    for entry in map(metric, names):
        table = "steps" if entry.scope == "step" else "layers"
        uncertainty = ("", "") if (found := entry.uncertainty) is None else (found.resolution, found.sign)
        yield (
            entry.name, table, entry.symbol, entry.unit, entry.kind_in(config), entry.vacuous, entry.equation,
            entry.formula, entry.meaning, *uncertainty,
        )  # fmt: skip


def _meta(reader: SessionReader) -> dict[str, str]:
    return {key: value for key, value in reader.meta().items() if key != "config"}


def _run_rows(reader: SessionReader) -> Generator[Sequence[Cell]]:
    for name, value in reader.config().to_dict().items():
        yield "config", name, "; ".join(value) if isinstance(value, (list, tuple)) else value
    for name, text in _meta(reader).items():
        yield "meta", name, text


def _csv_cell(cell: Cell) -> str:
    if cell is None or (isinstance(cell, float) and math.isnan(cell)):
        return ""
    if isinstance(cell, bool):
        return str(int(cell))
    if isinstance(cell, str):
        return f"'{cell}" if cell.startswith(_FORMULA_SIGNS) else cell
    return repr(cell)


def _json_cell(cell: Cell) -> Cell:
    return None if isinstance(cell, float) and not math.isfinite(cell) else cell


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False)


def _folder(directory: str | Path, names: Sequence[str], *, replace: bool) -> Path:
    """The folder to write into, made if need be, unless it has files of these names."""
    folder = named_path(directory)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SessionError(
            f"Cannot make the folder {folder}: {error.strerror or error}.",
            "Give an --output folder that you may write to.",
        ) from None
    there = [name for name in names if os.path.lexists(folder / name)]
    if there and not replace:
        raise SessionError(
            f"{folder} has a {there[0]} already.", f"Give another --output, or --force to replace {', '.join(there)}."
        )
    return folder


@contextmanager
def _written(path: Path, *, replace: bool) -> Generator[TextIO]:
    """Open a text file that takes its place when it is complete."""
    with appearing(path, replace=replace, mode=0o666) as draft, draft.open("w", encoding="utf-8", newline="") as file:
        yield file

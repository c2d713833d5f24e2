"""What a viewer does with a session, all of it, and whether anything comes out that must not reach a terminal."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from pathlib import Path

import numpy as np
from rich.cells import cell_len

from engine.breakpoints import active_breakpoints
from engine.errors import WntError
from engine.session.reader import SessionReader
from engine.session.rows import LayerBlocks
from wnt_tui.panels import ALL_PANELS
from wnt_tui.screens.breakpoint_dialog import described
from wnt_tui.screens.session_dialogs import parent_path
from wnt_tui.session.snapshot import EngineView, PanelView, Snapshot
from wnt_tui.session.summary import summary_of
from wnt_tui.theme.themes import make_palette
from wnt_tui.theme.wording import run_summary
from wnt_tui.widgets.header import progress_parts, state_phrase

PALETTE = make_palette()
_REORDERING = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


class Layers:
    """The layers' table, read when asked."""

    def __init__(self, reader: SessionReader) -> None:
        self._reader = reader

    def at(self, step: int) -> Mapping[str, np.ndarray]:
        return self._reader.layers_at(step)

    def bands(
        self, names: tuple[str, ...], first: int, last: int, blocks: int, layer: int | None = None
    ) -> dict[str, LayerBlocks]:
        return self._reader.layer_bands(names, first, last, blocks, layer)


def probe(path: Path, *, draw: bool) -> str:
    """Open a session and look at everything.

    Args:
        path: The session.
        draw: Whether the panels are drawn as well.

    Returns:
        ``opened``, or the sentence with which it was refused.
    """
    try:
        with SessionReader(path) as reader:
            _look(reader, draw=draw)
        _refuse_unsafe(summary_of(path))
    except WntError as error:
        _refuse_unsafe(str(error).replace(str(path), ""))
        return str(error)
    return "opened"


def _look(reader: SessionReader, *, draw: bool) -> None:
    config, meta = reader.config(), reader.meta()
    engine, last = reader.engine(), reader.last_step()
    step, columns = reader.steps(limit=20_000)
    events = tuple(row.event for row in reader.events())
    shown: list[object] = [config, meta, engine, events, reader.commands()]
    reader.data_version()
    for wanted in {0, 1, last, int(step[-1]) if step.size else 0, 2**40}:
        reader.layers_at(wanted)
        if (found := reader.spectra(wanted)) is not None:
            shown.append(found.spectra)
    for first, final in ((0, last), (0, 3), (-5, 2**60), (last, 0)):
        reader.layer_bands(("log10_cond",), first, final, 50)
        reader.layer_bands(("lambda_min",), first, final, 50, 1)
    for saved in reader.checkpoints()[:20]:
        for name, tensor in reader.checkpoint(saved).items():
            shown += [name, tensor.dtype]
    parent_path(reader.path, meta)
    for point in active_breakpoints(config.breakpoints, events):
        shown.append(described(point))
    _refuse_unsafe(shown)
    if not draw:
        return
    state = EngineView(engine.alive, engine.state, engine.message, engine.device, engine.blocked_since)
    snapshot = Snapshot(
        reader.name, config, meta, meta.get("data_name", ""), state, step, columns, Layers(reader),
        tuple(sorted(events, key=lambda event: event.step)), 1,
    )  # fmt: skip
    texts = [run_summary(config, snapshot.lr_at(snapshot.last_step)), state_phrase(snapshot), *progress_parts(snapshot)]
    _refuse_unsafe(texts)
    first = int(step[0]) if step.size else 0
    for others in ((), (snapshot,)):
        for panel in ALL_PANELS:
            view = PanelView(
                snapshot, snapshot.last_step, first, max(snapshot.last_step, first), 1, 50, 12, panel.log_default,
                others=others,
            )  # fmt: skip
            strips = panel.draw(view, PALETTE)
            assert [cell_len(strip.text) for strip in strips] == [50] * 12, panel.title
            _refuse_unsafe([strip.text for strip in strips])
            _refuse_unsafe(panel.subtitle(view))


def _refuse_unsafe(found: object) -> None:
    for text in _texts(found):
        for character in text:
            if unicodedata.category(character) in {"Cc", "Cs"} or character in _REORDERING:
                raise AssertionError(f"{character!r} would reach the terminal in {text[:80]!r}")


def _texts(found: object) -> Iterator[str]:
    if isinstance(found, str):
        yield found
    elif isinstance(found, Path):
        return
    elif isinstance(found, Mapping):
        yield from _texts(list(found.keys()))
        yield from _texts(list(found.values()))
    elif isinstance(found, (list, tuple, set)):
        for each in found:
            yield from _texts(each)
    elif is_dataclass(found):
        for spec in fields(found):
            yield from _texts(getattr(found, spec.name))

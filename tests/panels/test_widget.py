from dataclasses import replace
from itertools import count

import pytest
from rich.segment import Segment
from textual.app import App
from textual.containers import Container
from textual.content import Content
from textual.strip import Strip

from tests.panels.synthetic import realistic
from wnt_tui.panels import ALL_PANELS
from wnt_tui.panels.panel import Panel
from wnt_tui.panels.widget import PanelWidget
from wnt_tui.theme.themes import app_theme, make_palette


def text_of(widget):
    return [strip.text for strip in widget.render_lines(widget.size.region)]


class Nine(App[None]):
    CSS = "Container { layout: grid; grid-size: 3 3; }"

    def __init__(self, depth="truecolor", *, ascii_only=False):
        super().__init__()
        self.palette_of_panels = make_palette(depth, ascii_only=ascii_only)

    def compose(self):
        with Container():
            for panel in ALL_PANELS:
                yield PanelWidget(panel, self.palette_of_panels)

    def on_mount(self):
        theme = app_theme(self.palette_of_panels)
        self.register_theme(theme)
        self.theme = theme.name

    def feed(self, snapshot, cursor=37, layer=4):
        for widget in self.query(PanelWidget):
            widget.update_view(snapshot, cursor, 0, 80, layer)


@pytest.mark.parametrize("depth", ["truecolor", "256", "16", "mono"])
@pytest.mark.parametrize("ascii_only", [False, True])
async def test_every_palette_shows_nine_panels(depth, ascii_only):
    app = Nine(depth, ascii_only=ascii_only)
    async with app.run_test(size=(160, 48)) as pilot:
        app.feed(realistic())
        await pilot.pause()
        for widget in app.query(PanelWidget):
            assert widget.border_subtitle
            assert widget.border_title
            assert len(widget.render_lines(widget.size.region)) == widget.size.height


class Numbered(Panel):
    """No two of its drawings look alike."""

    key, title, metrics, about = "0", "numbered", (), ""

    def __init__(self):
        self.drawings = count()

    def draw(self, view, palette):
        return [Strip([Segment(f"{next(self.drawings)}".ljust(view.width), palette.text)])] * view.height


class One(App[None]):
    def compose(self):
        yield PanelWidget(Numbered(), make_palette())


async def test_a_panel_is_drawn_again_only_when_something_changed():
    app, snapshot = One(), realistic()
    async with app.run_test(size=(40, 12)) as pilot:
        widget = app.query_one(PanelWidget)

        async def shown(snapshot, cursor):
            widget.update_view(snapshot, cursor, 0, 80, 4)
            await pilot.pause()
            return text_of(widget)

        first = await shown(snapshot, 37)
        assert await shown(snapshot, 37) == first
        assert await shown(replace(snapshot), 37) == first
        moved = await shown(snapshot, 38)
        assert moved != first
        assert await shown(replace(snapshot, version=2), 38) != moved


async def test_a_hidden_panel_is_not_drawn_until_it_is_shown():
    app = Nine()
    async with app.run_test(size=(160, 48)) as pilot:
        hidden = app.query_one("#panel-5", PanelWidget)
        hidden.display = False
        await pilot.pause()
        app.feed(realistic())
        await pilot.pause()
        assert not hidden.border_subtitle
        hidden.display = True
        await pilot.pause()
        assert "layer 4" in str(hidden.border_subtitle)


async def test_toggling_the_axis_draws_again():
    app = Nine()
    async with app.run_test(size=(160, 48)) as pilot:
        app.feed(realistic())
        await pilot.pause()
        widget = app.query_one("#panel-1", PanelWidget)
        widget.focus()
        before = text_of(widget)
        widget.action_toggle_log()
        await pilot.pause()
        assert widget.log_axis is False
        assert text_of(widget) != before


async def test_a_resize_draws_at_the_new_size():
    app = Nine()
    async with app.run_test(size=(160, 48)) as pilot:
        app.feed(realistic())
        await pilot.pause()
        await pilot.resize_terminal(110, 40)
        await pilot.pause()
        widget = app.query_one("#panel-1", PanelWidget)
        assert widget.view is not None
        assert widget.view.width == widget.size.width
        assert all(
            strip.cell_length == widget.outer_size.width for strip in widget.render_lines(widget.outer_size.region)
        )


async def test_values_at_the_cursor_are_in_the_border():
    app = Nine()
    async with app.run_test(size=(160, 48)) as pilot:
        app.feed(realistic())
        await pilot.pause()
        assert "train 0.09845" in str(app.query_one("#panel-1", PanelWidget).border_subtitle)
        # Brackets are text here, not markup.
        assert "[−" in Content.from_markup(app.query_one("#panel-4", PanelWidget).border_subtitle).plain

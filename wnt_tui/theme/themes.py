"""Colours by role, for every kind of terminal: true colour, 256 and 16 colours, and none (NO_COLOR).

Series follow Okabe and Ito's colour-blind-safe set, lightened for a dark ground; heat maps follow viridis,
whose lightness grows steadily, so that a print in grey keeps the order. Colour is never the only carrier:
series also differ by dash and marker, heat by density where colours are few.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from rich.color import Color, ColorSystem
from rich.style import Style
from textual.theme import BUILTIN_THEMES, Theme

from wnt_tui.theme.glyphs import ASCII, UNICODE, Glyphs

Depth = Literal["truecolor", "256", "16", "mono"]
"""How many colours there are."""

BACKGROUND = "#0d1117"
SURFACE = "#12181f"
BORDER = "#2b3440"
FOREGROUND = "#c9d3df"
ACCENT = "#56b4e9"

_ROLES: Mapping[str, str] = {
    "text": FOREGROUND,
    "strong": "bold #eef3f8",
    "title": "#9fb3c8",
    "axis": "#3d4856",
    "label": "#8593a3",
    "dim": "#66727f",
    "border": BORDER,
    "focus": ACCENT,
    "cursor": "#6d7b8c",
    "cursor_label": "bold #f2c55c",
    "reference": "#a9b4c0",
    "good": "#2fb98a",
    "warn": "#f0a63a",
    "bad": "#f0654a",
}
_SERIES = ("#56b4e9", "#e69f00", "#17a77a", "#cc79a7", "#f0e442", "#e8602c", "#b4bfca")

_VIRIDIS = (
    "#45206c", "#46317e", "#414287", "#3a528b", "#34608d", "#2e6d8e", "#297a8e", "#25868e",
    "#21918c", "#1f9e89", "#27ad81", "#3bbb75", "#5ac864", "#7ad151", "#a0da39", "#c8e020", "#f1e51d",
)  # fmt: skip

# Beyond the lightest yellow comes white.
_WHITE_HOT = "#0d1117 on #eef1f5"

# Viridis by numbers of the 256-colour cube: nearest colours would merge its dark half into two greys.
_VIRIDIS_256 = (53, 54, 55, 24, 25, 30, 36, 41, 77, 113, 149, 184, 226)

# In 16 colours the terminal's own palette is used: it is what the user has made readable.
_ROLES_16: Mapping[str, str] = {
    "text": "default",
    "strong": "bold",
    "title": "cyan",
    "axis": "bright_black",
    "label": "default",
    "dim": "bright_black",
    "border": "bright_black",
    "focus": "bright_cyan",
    "cursor": "bright_black",
    "cursor_label": "bold yellow",
    "reference": "white",
    "good": "green",
    "warn": "yellow",
    "bad": "bright_red",
}
_SERIES_16 = ("bright_cyan", "yellow", "green", "bright_magenta", "bright_white", "red", "white")
_HEAT_16 = ("blue", "bright_blue", "cyan", "green", "bright_yellow")

_ROLES_MONO: Mapping[str, str] = {
    "text": "none",
    "strong": "bold",
    "title": "none",
    "axis": "dim",
    "label": "none",
    "dim": "dim",
    "border": "dim",
    "focus": "bold",
    "cursor": "dim",
    "cursor_label": "bold underline",
    "reference": "none",
    "good": "none",
    "warn": "bold",
    "bad": "bold reverse",
}
_SERIES_MONO = ("bold", "none", "bold", "none", "bold", "none", "none")


@dataclass(frozen=True, slots=True)
class Palette:
    """Styles by role.

    Attributes:
        name: ``truecolor``, ``256``, ``16`` or ``mono``.
        glyphs: The characters to draw with.
        base: Ground of a panel, the style of a cell with nothing in it.
        text: Running text.
        strong: Text to be read first.
        title: Titles of panels.
        axis: Axis lines.
        label: Numbers on axes.
        dim: What may be overlooked.
        border: Panel border.
        focus: Border of the focused panel.
        cursor: The vertical line at the cursor.
        cursor_label: The cursor's step on an axis.
        reference: Horizontal reference lines.
        good: A check that holds.
        warn: A vacuous bound, a caveat.
        bad: A violated bound, a failure.
        series: One style a series.
        heat: The ramp of heat maps, low to high.
        heat_glyphs: What to put in a heat cell, one a level; a space where the ramp colours the ground.
        heat_beyond: Style and glyph of what lies beyond the ramp's upper end.
    """

    name: Depth
    glyphs: Glyphs
    base: Style
    text: Style
    strong: Style
    title: Style
    axis: Style
    label: Style
    dim: Style
    border: Style
    focus: Style
    cursor: Style
    cursor_label: Style
    reference: Style
    good: Style
    warn: Style
    bad: Style
    series: tuple[Style, ...]
    heat: tuple[Style, ...]
    heat_glyphs: tuple[str, ...]
    heat_beyond: tuple[Style, str]

    @property
    def heat_is_ground(self) -> bool:
        """Whether heat colours the ground of a cell, so that half blocks can carry two values."""
        return self.glyphs.unicode and all(glyph == " " for glyph in self.heat_glyphs)

    def heat_style(self, level: int) -> Style:
        """Style of a level of the ramp.

        Args:
            level: Its number; the one after the last lies beyond the ramp.

        Returns:
            Its style.
        """
        return self.heat[level] if level < len(self.heat) else self.heat_beyond[0]

    def heat_glyph(self, level: int) -> str:
        """Glyph of a level of the ramp.

        Args:
            level: Its number; the one after the last lies beyond the ramp.

        Returns:
            One character.
        """
        return self.heat_glyphs[level] if level < len(self.heat_glyphs) else self.heat_beyond[1]

    def series_style(self, index: int) -> Style:
        """Style of a series; colours repeat after the last.

        Args:
            index: Number of the series, from 0.

        Returns:
            Its style.
        """
        return self.series[index % len(self.series)]


def make_palette(depth: Depth = "truecolor", *, ascii_only: bool = False) -> Palette:
    """The palette for a terminal.

    Args:
        depth: How many colours it shows.
        ascii_only: Draw with ASCII characters only.

    Returns:
        The palette.
    """
    glyphs = ASCII if ascii_only else UNICODE
    cross = "!" if ascii_only else "╳"
    if depth == "16":
        heat, marks = _density(_HEAT_16, ".:-=+oxX#@" if ascii_only else "▒█" * len(_HEAT_16))
        return _build(depth, glyphs, Style(), _ROLES_16, _SERIES_16, heat, marks, (Style.parse("bright_white"), cross))
    if depth == "mono":
        ramp = "·░▒▓█" if not ascii_only else ".:-=+*%@"
        heat, marks = (Style(),) * len(ramp), tuple(ramp)
        return _build(depth, glyphs, Style(), _ROLES_MONO, _SERIES_MONO, heat, marks, (Style(bold=True), cross))
    ground = Style.parse(f"{FOREGROUND} on {BACKGROUND}")
    colours = [f"color({number})" for number in _VIRIDIS_256] if depth == "256" else list(_VIRIDIS)
    heat = tuple(Style.parse(f"#f4f7fa on {colour}") for colour in colours)
    palette = _build(depth, glyphs, ground, _ROLES, _SERIES, heat, (" ",) * len(heat), (Style.parse(_WHITE_HOT), " "))
    return _downgraded(palette) if depth == "256" else palette


def depth_of(color_system: str | None, *, no_color: bool = False) -> Depth:
    """The palette depth for what rich found out about the terminal.

    Args:
        color_system: ``Console.color_system``: ``truecolor``, ``256``, ``standard``, ``windows`` or None.
        no_color: Whether NO_COLOR is set.

    Returns:
        The depth to ask :func:`make_palette` for.
    """
    if no_color or color_system is None:
        return "mono"
    if color_system == "truecolor":
        return "truecolor"
    return "256" if color_system == "256" else "16"


def app_theme(palette: Palette) -> Theme:
    """The Textual theme that goes with a palette.

    Args:
        palette: The palette the panels are drawn with.

    Returns:
        A theme named ``wnt-<depth>``; with 16 colours or none it leaves the terminal's own colours alone.
    """
    if palette.name in {"16", "mono"}:
        mono = palette.name == "mono"
        return Theme(
            name=f"wnt-{palette.name}",
            primary="ansi_default" if mono else "ansi_cyan",
            secondary="ansi_default" if mono else "ansi_blue",
            accent="ansi_default" if mono else "ansi_bright_cyan",
            warning="ansi_default" if mono else "ansi_yellow",
            error="ansi_default" if mono else "ansi_bright_red",
            success="ansi_default" if mono else "ansi_green",
            foreground="ansi_default",
            background="ansi_default",
            surface="ansi_default",
            panel="ansi_default",
            boost="ansi_default",
            dark=True,
            ansi=True,
            # Textual's style sheets ask for variables that only its own ANSI themes define.
            variables={
                **BUILTIN_THEMES["ansi-dark"].variables,
                "border": "ansi_default" if mono else "ansi_bright_cyan",
                "border-blurred": "ansi_default" if mono else "ansi_bright_black",
                "footer-key-foreground": "ansi_default" if mono else "ansi_yellow",
            },
        )
    return Theme(
        name=f"wnt-{palette.name}",
        primary=ACCENT,
        secondary="#3d7fa8",
        accent="#f2c55c",
        warning="#f0a63a",
        error="#f0654a",
        success="#2fbf8f",
        foreground=FOREGROUND,
        background=BACKGROUND,
        surface=SURFACE,
        panel="#18202a",
        dark=True,
        variables={"border": ACCENT, "border-blurred": BORDER, "footer-key-foreground": "#f2c55c"},
    )


def _build(
    depth: Depth,
    glyphs: Glyphs,
    ground: Style,
    roles: Mapping[str, str],
    series: tuple[str, ...],
    heat: tuple[Style, ...],
    heat_glyphs: tuple[str, ...],
    heat_beyond: tuple[Style, str],
) -> Palette:
    # Textual 8 does not lay a widget's background under the strips it is given, so every style carries it.
    styles = {role: ground + Style.parse(definition) for role, definition in roles.items()}
    return Palette(
        name=depth,
        glyphs=glyphs,
        base=ground,
        series=tuple(ground + Style.parse(definition) for definition in series),
        heat=heat,
        heat_glyphs=heat_glyphs,
        heat_beyond=heat_beyond,
        **styles,
    )


def _density(colours: tuple[str, ...], marks: str) -> tuple[tuple[Style, ...], tuple[str, ...]]:
    """Return a ramp out of few colours: each stands for two levels, told apart by density."""
    styles = tuple(Style.parse(colours[level // 2]) for level in range(2 * len(colours)))
    return styles, tuple(marks)


def _downgraded(palette: Palette) -> Palette:
    """Return the same palette in the 256-colour cube, converted once and not at every frame."""

    def cube(colour: Color | None) -> Color | None:
        return None if colour is None else colour.downgrade(ColorSystem.EIGHT_BIT)

    def convert(style: Style) -> Style:
        plain = Style(bold=style.bold, dim=style.dim, reverse=style.reverse)
        return plain + Style.from_color(cube(style.color), cube(style.bgcolor))

    values = {name: convert(getattr(palette, name)) for name in ("base", *_ROLES) if hasattr(palette, name)}
    return Palette(
        name=palette.name,
        glyphs=palette.glyphs,
        series=tuple(convert(style) for style in palette.series),
        heat=tuple(convert(style) for style in palette.heat),
        heat_glyphs=palette.heat_glyphs,
        heat_beyond=(convert(palette.heat_beyond[0]), palette.heat_beyond[1]),
        **values,
    )

"""Colours by role, for every kind of terminal: true colour, 256 and 16 colours, and none (NO_COLOR).

Series follow Okabe and Ito's colour-blind-safe set, lightened for a dark ground; heat maps follow viridis,
whose lightness grows steadily, so that a print in grey keeps the order. Colour is never the only carrier:
series also differ by dash and marker, heat by density where colours are few.
"""

from __future__ import annotations

import io
import os
import sys
from dataclasses import dataclass
from typing import Any, Literal, cast

from rich.color import ColorSystem
from rich.console import Console
from rich.style import Style
from textual import constants
from textual.theme import BUILTIN_THEMES, Theme

from wnt_tui.theme.glyphs import ASCII, UNICODE, Glyphs

Depth = Literal["truecolor", "256", "16", "mono"]
"""Colours that a terminal shows."""

BACKGROUND = "#0d1117"
SURFACE = "#12181f"
BORDER = "#2b3440"
FOREGROUND = "#c9d3df"
ACCENT = "#56b4e9"
GOLD = "#f2c55c"
AMBER = "#f0a63a"
RED = "#f0654a"

# For true colour, for 16 colours, for none. In 16 colours the terminal's own palette is used: it is what the user has
# made readable.
_ROLES: dict[str, tuple[str, str, str]] = {
    "text": (FOREGROUND, "default", "none"),
    "strong": ("bold #eef3f8", "bold", "bold"),
    "title": ("#9fb3c8", "cyan", "none"),
    "axis": ("#3d4856", "bright_black", "dim"),
    "label": ("#8593a3", "default", "none"),
    "dim": ("#66727f", "bright_black", "dim"),
    "focus": (ACCENT, "bright_cyan", "bold"),
    "cursor": ("#6d7b8c", "bright_black", "dim"),
    "cursor_label": (f"bold {GOLD}", "bold yellow", "bold underline"),
    "reference": ("#a9b4c0", "white", "none"),
    "good": ("#2fb98a", "green", "none"),
    "warn": (AMBER, "yellow", "bold"),
    "bad": (RED, "bright_red", "bold reverse"),
}
_SERIES = (
    (ACCENT, "#e69f00", "#17a77a", "#cc79a7", "#f0e442", "#e8602c", "#b4bfca"),
    ("bright_cyan", "yellow", "green", "bright_magenta", "bright_white", "red", "white"),
    ("bold", "none", "bold", "none", "bold", "none", "none"),
)
_VIRIDIS = (
    "#45206c", "#46317e", "#414287", "#3a528b", "#34608d", "#2e6d8e", "#297a8e", "#25868e",
    "#21918c", "#1f9e89", "#27ad81", "#3bbb75", "#5ac864", "#7ad151", "#a0da39", "#c8e020", "#f1e51d",
)  # fmt: skip
# By numbers of the 256-colour cube: nearest colours would merge the dark half into two greys.
_VIRIDIS_256 = (53, 54, 55, 24, 25, 30, 36, 41, 77, 113, 149, 184, 226)
_HEAT_16 = ("blue", "bright_blue", "cyan", "green", "bright_yellow")


@dataclass(frozen=True, slots=True)
class Palette:
    """Styles by role."""

    name: Depth
    glyphs: Glyphs  # the characters to draw with
    base: Style  # ground of a panel, the style of a cell with nothing in it
    text: Style  # running text
    strong: Style  # text to be read first
    title: Style  # titles of panels
    axis: Style  # axis lines
    label: Style  # numbers on axes
    dim: Style  # what may be overlooked
    focus: Style  # border of the focused panel
    cursor: Style  # the vertical line at the cursor
    cursor_label: Style  # the cursor's step on an axis
    reference: Style  # horizontal reference lines
    good: Style  # a check that holds
    warn: Style  # a vacuous bound, a caveat
    bad: Style  # a violated bound, a failure
    series: tuple[Style, ...]  # one style a series
    heat: tuple[Style, ...]  # the ramp of heat maps, low to high
    heat_glyphs: tuple[str, ...]  # what to put in a heat cell, one a level; a space where the ramp colours the ground
    heat_beyond: tuple[Style, str]  # style and glyph of what lies beyond the ramp's upper end

    @property
    def heat_is_ground(self) -> bool:
        """Whether heat colours the ground of a cell, so that half blocks can carry two values."""
        return self.glyphs.unicode and all(glyph == " " for glyph in self.heat_glyphs)

    def heat_style(self, level: int) -> Style:
        """The style of a level of the ramp; the one after the last lies beyond the ramp."""
        return self.heat[level] if level < len(self.heat) else self.heat_beyond[0]

    def heat_glyph(self, level: int) -> str:
        """The glyph of a level of the ramp; the one after the last lies beyond the ramp."""
        return self.heat_glyphs[level] if level < len(self.heat_glyphs) else self.heat_beyond[1]

    def series_style(self, index: int) -> Style:
        """The style of a series, counted from 0; colours repeat after the last."""
        return self.series[index % len(self.series)]


def make_palette(depth: Depth = "truecolor", *, ascii_only: bool = False) -> Palette:
    """The palette for a terminal of so many colours, drawn with ASCII characters only if need be."""
    ground, column, beyond = Style.parse(f"{FOREGROUND} on {BACKGROUND}"), 0, f"{BACKGROUND} on #eef1f5"
    if depth == "16":
        ground, column, beyond = Style(), 1, "bright_white"
        # Each colour stands for two levels, which differ by density.
        heat = [colour for colour in _HEAT_16 for _ in range(2)]
        marks = ".:-=+oxX#@" if ascii_only else "▒█" * len(_HEAT_16)
    elif depth == "mono":
        ground, column, beyond = Style(), 2, "bold"
        marks = ".:-=+*%@" if ascii_only else "·░▒▓█"
        heat = ["none"] * len(marks)
    else:
        colours = [f"color({number})" for number in _VIRIDIS_256] if depth == "256" else _VIRIDIS
        heat = [f"#f4f7fa on {colour}" for colour in colours]
        marks = " " * len(heat)

    def style(definition: str) -> Style:
        # Textual 8 does not lay a widget's background under the strips it is given, so every style carries it.
        made = ground + Style.parse(definition)
        return _in_cube(made) if depth == "256" else made

    return Palette(
        name=depth,
        glyphs=ASCII if ascii_only else UNICODE,
        base=style("none"),
        series=tuple(map(style, _SERIES[column])),
        heat=tuple(map(style, heat)),
        heat_glyphs=tuple(marks),
        heat_beyond=(style(beyond), " " if column == 0 else "!" if ascii_only else "╳"),
        **{role: style(definitions[column]) for role, definitions in _ROLES.items()},
    )


def _in_cube(style: Style) -> Style:
    """The nearest style in the 256-colour cube, converted once and not at every frame."""
    colours = (part and part.downgrade(ColorSystem.EIGHT_BIT) for part in (style.color, style.bgcolor))
    return style + Style.from_color(*colours)


def depth_of(color_system: str | None, *, no_color: bool = False) -> Depth:
    """The depth of rich's ``Console.color_system``; none if NO_COLOR is set."""
    if no_color or color_system is None:
        return "mono"
    if color_system == "truecolor":
        return "truecolor"
    return "256" if color_system == "256" else "16"


def terminal_palette() -> Palette:
    """The palette for this terminal: its colours, NO_COLOR, and whether it can show more than ASCII."""
    encoding = (getattr(sys.__stdout__, "encoding", None) or "utf-8").lower()
    ascii_only = bool(os.environ.get("WNT_ASCII")) or not encoding.startswith("utf")
    # Asked as Textual asks, which always writes to a terminal.
    console = Console(file=io.StringIO(), force_terminal=True, color_system=cast("Any", constants.COLOR_SYSTEM))
    depth = depth_of(console.color_system, no_color="NO_COLOR" in os.environ)
    return make_palette(depth, ascii_only=ascii_only)


def app_theme(palette: Palette) -> Theme:
    """The Textual theme ``wnt-<depth>``; with 16 colours or none it leaves the terminal's own alone."""
    name = f"wnt-{palette.name}"
    if palette.name in {"16", "mono"}:
        default = "ansi_default"

        def ansi(colour: str) -> str:
            return default if palette.name == "mono" else f"ansi_{colour}"

        return Theme(
            name=name,
            primary=ansi("cyan"),
            secondary=ansi("blue"),
            accent=ansi("bright_cyan"),
            warning=ansi("yellow"),
            error=ansi("bright_red"),
            success=ansi("green"),
            foreground=default,
            background=default,
            surface=default,
            panel=default,
            boost=default,
            dark=True,
            ansi=True,
            # Textual's style sheets ask for variables that only its own ANSI themes define.
            variables={
                **BUILTIN_THEMES["ansi-dark"].variables,
                "border": ansi("bright_cyan"),
                "border-blurred": ansi("bright_black"),
                "footer-key-foreground": ansi("yellow"),
            },
        )
    return Theme(
        name=name,
        primary=ACCENT,
        secondary="#3d7fa8",
        accent=GOLD,
        warning=AMBER,
        error=RED,
        success="#2fbf8f",
        foreground=FOREGROUND,
        background=BACKGROUND,
        surface=SURFACE,
        panel="#18202a",
        dark=True,
        variables={"border": ACCENT, "border-blurred": BORDER, "footer-key-foreground": GOLD},
    )

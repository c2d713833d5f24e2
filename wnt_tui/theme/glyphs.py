"""The characters the screen is drawn with: Unicode with braille, or plain ASCII.

Every text that reaches a strip passes through :meth:`Glyphs.text`, so that an ASCII terminal never receives a
Greek letter and no terminal ever receives a control character out of a stored session.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from functools import lru_cache

from rich.cells import cell_len

_SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")

# Characters of texts as an ASCII terminal can show them. Widths change, so texts are translated before they are laid
# out, never after.
_ASCII = {
    "λ": "lambda", "μ": "mu", "η": "eta", "κ": "kappa", "ρ": "rho", "σ": "sigma", "δ": "delta", "Δ": "d",
    "θ": "theta", "Θ": "Theta", "Σ": "Sum", "Π": "Prod", "β": "beta", "ε": "eps", "φ": "phi", "γ": "gamma",
    "∇": "grad ", "∞": "inf",
    "≤": "<=", "≥": ">=", "≠": "!=", "≈": "~", "×": "x", "·": "-", "−": "-",
    "–": "-", "—": "-", "…": "...", "‖": "||", "√": "sqrt",
    "²": "^2", "ᵀ": "^T", "₀": "0", "₁": "1", "₂": "2",
    "→": "->", "←": "<-", "↑": "^", "↓": "v", "½": "1/2", "⟨": "<", "⟩": ">", "ℓ": "l", "Ł": "L", "ł": "l",
    "“": '"', "”": '"', "’": "'", "✓": "ok", "✗": "NO", "∈": "in", "⊙": "o", "ᵢ": "_i", "⁰": "^0",
    "✖": "X", "▲": "!", "■": "#", "◉": "o", "▼": "v", "◇": ".", "╻": "'", "◌": "o", "›": ">",
    "━": "=", "├": "|", "┤": "|",
    "●": "*", "◆": "#", "▸": ">", "○": "o", "△": "^", "─": "-", "│": "|", "∂": "d", "∫": "int", "±": "+/-",
    "⁻": "^-", "¹": "^1", "³": "^3", "⁴": "^4", "⁵": "^5", "⁶": "^6", "⁷": "^7", "⁸": "^8", "⁹": "^9",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Glyphs:
    """One set of characters."""

    unicode: bool = True  # whether anything beyond ASCII may be written
    axis_v: str = "│"
    axis_h: str = "─"
    tick_v: str = "┤"  # on the vertical axis line
    tick_h: str = "┬"  # on the horizontal axis line
    corner: str = "╰"  # where the axis lines meet
    cursor: str = "│"
    cursor_foot: str = "┴"  # the cursor on the horizontal axis line
    selected: str = "▸"  # marks the selected layer
    reference: str = "╌"  # a horizontal reference line
    lower_bound: str = "△"  # marks a point of which the true value is known to be at or above
    # One shape a series, drawn at the cursor, in the legend, and along the line where there is no braille.
    markers: tuple[str, ...] = ("●", "◆", "▲", "■", "○", "◇", "□")
    ellipsis: str = "…"  # ends a text that was cut

    @property
    def dots_across(self) -> int:
        """Dots that a cell has across."""
        return 2 if self.unicode else 1

    @property
    def dots_down(self) -> int:
        """Dots that a cell has down."""
        return 4 if self.unicode else 1

    def text(self, text: str) -> str:
        """Any text as it may be drawn: no control characters, one cell a character, ASCII if need be."""
        return _drawable(text, self.unicode)

    def power_of_ten(self, exponent: int) -> str:
        """The label of a decade: ``10⁻³``, or ``1e-3`` in ASCII."""
        return "10" + str(exponent).translate(_SUPERSCRIPTS) if self.unicode else f"1e{exponent}"

    def cut(self, text: str, width: int) -> str:
        """A text as it may be drawn in at most ``width`` cells, with an ellipsis where it was cut."""
        clean = self.text(text)
        if len(clean) <= width:
            return clean
        if width <= len(self.ellipsis):
            return clean[: max(width, 0)]
        return clean[: width - len(self.ellipsis)].rstrip() + self.ellipsis


@lru_cache(maxsize=4096)
def _drawable(text: str, keep_unicode: bool) -> str:
    if text.isascii() and text.isprintable():
        return text
    out = []
    for character in unicodedata.normalize("NFC", text):
        if character in "\t\n\r":
            out.append(" ")
        elif not character.isprintable() or unicodedata.combining(character):
            # Escape sequences, zero-width and combining characters: a cell grid has no place for them.
            continue
        elif not keep_unicode and not character.isascii():
            out.append(_ASCII.get(character, "?"))
        elif cell_len(character) != 1:
            out.append("?")
        else:
            out.append(character)
    return "".join(out)


UNICODE = Glyphs()

ASCII = Glyphs(
    unicode=False,
    axis_v="|",
    axis_h="-",
    tick_v="+",
    tick_h="+",
    corner="+",
    cursor="|",
    cursor_foot="^",
    selected=">",
    reference="-",
    lower_bound="^",
    markers=("*", "+", "x", "o", "#", "@", "%"),
    ellipsis="..",
)

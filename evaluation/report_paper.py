"""Pages of a PDF with text of any script that DejaVu Sans has: the font that matplotlib ships, so none is installed.

Lines are broken here: fpdf2's own cells measure every character of every line several times, which for the tables of a
report is most of its time.
"""

from __future__ import annotations

import unicodedata
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fpdf import FPDF

Colour = tuple[int, int, int]
INK, SOFT, LINE, PAPER = (36, 52, 71), (90, 106, 122), (214, 221, 228), (241, 244, 247)
BAD, GOOD, BAR = (217, 98, 43), (47, 133, 90), (138, 151, 166)
BAD_INK, GOOD_INK = (168, 65, 15), (36, 107, 72)
MARGIN, LEADING = 15.0, 1.32  # millimetres; line height as a multiple of the font's size
POINT = 25.4 / 72  # millimetres


class Paper:
    """Pages that are written from top to bottom; lengths are millimetres, font sizes points."""

    def __init__(self, title: str) -> None:
        from fpdf import FPDF
        from matplotlib import get_data_path

        class Numbered(FPDF):
            def footer(self) -> None:
                self.set_font("DejaVu", "", 7)
                self.set_text_color(*SOFT)
                text = f"{self.page_no()} / {{nb}}"
                self.set_xy(MARGIN, self.h - 11)
                self.cell(self.epw, 4, text, align="R")

        self.file: FPDF = Numbered(format="A4")
        fonts = Path(get_data_path()) / "fonts" / "ttf"
        self.file.add_font("DejaVu", "", fonts / "DejaVuSans.ttf")
        self.file.add_font("DejaVu", "B", fonts / "DejaVuSans-Bold.ttf")
        self.file.set_margin(MARGIN)
        self.file.set_auto_page_break(False)
        self.file.set_title(title)
        self.file.set_lang("en")
        self._fonts: dict[bool, Any] = {bold: self.file.fonts[f"dejavu{'B' if bold else ''}"] for bold in (False, True)}
        self._known = set(self._fonts[False].cmap) & set(self._fonts[True].cmap)
        self._word = cache(self._measure)
        self.width = self.file.epw
        self.bottom = self.file.h - MARGIN - 3
        self.page()

    def page(self) -> None:
        self.file.add_page()
        self.y = MARGIN

    def gap(self, height: float) -> None:
        self.y += height

    def need(self, height: float) -> bool:
        """Begins a page where the height is not left on this one; says whether it did."""
        if self.y + height <= self.bottom or self.y == MARGIN:
            return False
        self.page()
        return True

    def _measure(self, word: str, bold: bool) -> float:
        widths = self._fonts[bold].cw
        return float(sum(widths[ord(each)] for each in word)) * POINT / 1000

    def measure(self, text: str, size: float, bold: bool = False) -> float:
        return self._word(text, bold) * size

    def shown(self, text: str) -> str:
        """The text in characters that the font has; others as \\u4e2d, as nothing would be worse."""
        text = " ".join(text.split())
        if text.isascii() or all(ord(each) in self._known for each in text):
            return text
        return "".join(
            each if ord(each) in self._known else each.encode("unicode_escape").decode("ascii") for each in text
        )

    def broken(self, text: str, width: float, size: float, bold: bool = False) -> list[str]:
        """The text's lines; a word longer than a line is broken too."""
        text = self.shown(text)
        if self.measure(text, size, bold) <= width:
            return [text]
        lines, line = [""], 0.0
        space = self.measure(" ", size, bold)
        for word in text.split(" "):
            for part in self._parts(word, width, size, bold):
                length = self.measure(part, size, bold)
                if lines[-1] and line + space + length > width:
                    lines.append("")
                    line = 0.0
                line += (space if lines[-1] else 0) + length
                lines[-1] += (" " if lines[-1] else "") + part
        return lines

    def _parts(self, word: str, width: float, size: float, bold: bool) -> list[str]:
        if self.measure(word, size, bold) <= width:
            return [word]
        parts, length = [""], 0.0
        for each in word:
            step = self.measure(each, size, bold)
            if parts[-1] and length + step > width:
                parts.append("")
                length = 0.0
            parts[-1] += each
            length += step
        return parts

    def put(self, x: float, baseline: float, text: str, size: float, colour: Colour = INK, bold: bool = False) -> None:
        """One line of `broken` text."""
        self.file.set_font("DejaVu", "B" if bold else "", size)
        self.file.set_text_color(*colour)
        self.file.text(x, baseline, _visual(text))

    def lines(self, text: str, size: float, colour: Colour = INK, bold: bool = False, indent: float = 0) -> None:
        """A paragraph over the page's width."""
        for line in self.broken(text, self.width - 2 * indent, size, bold):
            self.need(size * POINT * LEADING)
            self.put(MARGIN + indent, self.y + size * POINT, line, size, colour, bold)
            self.y += size * POINT * LEADING

    def box(self, x: float, y: float, width: float, height: float, colour: Colour) -> None:
        self.file.set_fill_color(*colour)
        self.file.rect(x, y, width, height, style="F")

    def bytes(self) -> bytes:
        return bytes(self.file.output())


def _visual(text: str) -> str:
    """The characters from left to right, as a PDF's text has no direction of its own."""
    if text.isascii() or not any(unicodedata.bidirectional(each) in ("R", "AL") for each in text):
        return text
    from fpdf.bidi import BidiParagraph

    return str(BidiParagraph(text).get_reordered_string())

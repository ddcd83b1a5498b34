"""Fonts made in a test: every letter is a box."""

from __future__ import annotations

from pathlib import Path

from fontTools.fontBuilder import FontBuilder
from fontTools.pens.ttGlyphPen import TTGlyphPen


def save_font(path: Path, letters: str, advance: int = 600) -> None:
    """A font whose every letter is a box ``advance`` wide (of 1000 to the em)."""
    names = [".notdef", *(f"u{ord(c):04X}" for c in dict.fromkeys(letters))]
    pen = TTGlyphPen(None)
    for step, point in enumerate(((50, 0), (50, 700), (advance - 50, 700), (advance - 50, 0))):
        pen.lineTo(point) if step else pen.moveTo(point)
    pen.closePath()
    glyph = pen.glyph()
    builder = FontBuilder(1000, isTTF=True)
    builder.setupGlyphOrder(names)
    builder.setupCharacterMap({ord(c): f"u{ord(c):04X}" for c in letters})
    builder.setupGlyf(dict.fromkeys(names, glyph))
    builder.setupHorizontalMetrics(dict.fromkeys(names, (advance, 50)))
    builder.setupHorizontalHeader(ascent=800, descent=-200)
    builder.setupNameTable({"familyName": "Box", "styleName": "Regular"})
    builder.setupOS2()
    builder.setupPost()
    if path.suffix == ".woff":
        builder.font.flavor = "woff"
    path.parent.mkdir(parents=True, exist_ok=True)
    builder.save(path)

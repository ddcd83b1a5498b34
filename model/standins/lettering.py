"""Set words as an ink mask: broken into lines, fitted to a box, in a face that has every letter."""

from dataclasses import dataclass, replace

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from model.standins.chance import Real, between, chance, pick, weighted, whole
from model.standins.fonts import CASED, SHAPED, WIDE, Face, Fonts, script_of

_REFERENCE = 40  # measured at this size, then scaled: hinting makes small sizes uneven


@dataclass(frozen=True)
class Setting:
    """How words are set; drawn once per picture so that its lines agree."""

    face: Face
    script: str
    align: str
    leading: Real
    tracking: float  # extra space between letters, in ems
    stroke: float  # outline, in ems, 0 for none
    hollow: bool  # letters as outlines only
    justified: bool = False  # every line as wide as the widest, as on posters


def choose_setting(
    rng: np.random.Generator, fonts: Fonts, words: str, script: str
) -> Setting | None:
    """A face and manner for these words, or None if no face has all their letters."""
    face = fonts.choose(rng, words, script)
    if face is None:
        return None
    spaced = script not in SHAPED and chance(rng, 0.12)
    return Setting(
        face=face,
        script=script,
        align=weighted(rng, {"centre": 0.86, "left": 0.1, "right": 0.04}),
        leading=between(rng, 1.1, 1.55) if script not in ("arabic", "burmese") else 1.6,
        tracking=between(rng, 0.04, 0.3) if spaced else 0.0,
        stroke=between(rng, 0.01, 0.04) if chance(rng, 0.06) else 0.0,
        hollow=chance(rng, 0.03),
        justified=chance(rng, 0.06),
    )


def recase(rng: np.random.Generator, words: str, language: str) -> str:
    """The words as they are, in capitals, in small letters or with Capitals On Each."""
    if script_of(language) not in CASED:
        return words
    style = weighted(rng, {"same": 0.5, "upper": 0.32, "lower": 0.06, "title": 0.12})
    if style == "upper":
        # Turkish and Azerbaijani have a dotted capital for the dotted i.
        return (words.replace("i", "İ") if language in ("tr", "az") else words).upper()
    if style == "lower":
        return words.lower() if language not in ("tr", "az") else words
    if style == "title":
        return " ".join(w[:1].upper() + w[1:] for w in words.split(" "))
    return words


def _pieces(words: str, script: str) -> list[tuple[str, str]]:
    """Unbreakable pieces, each with what joins it to the one before."""
    pieces: list[tuple[str, str]] = []
    for w, word in enumerate(words.split(" ")):
        for p, part in enumerate(word.split("|")):
            if part:
                pieces.append((" " if p == 0 and w > 0 else "", part))
    if len(pieces) == 1 and script in WIDE and len(pieces[0][1]) > 3:
        alone = pieces[0][1]  # without the marks of where it might break
        half = (len(alone) + 1) // 2
        return [("", alone[:half]), ("", alone[half:])]
    return pieces


def _wrap(pieces: list[tuple[str, str]], lines: int) -> list[str]:
    """Pieces in about this many lines, as even as a greedy fill makes them."""
    total = sum(len(j) + len(p) for j, p in pieces)
    target = total / lines
    out: list[str] = []
    line = ""
    for join, piece in pieces:
        if line and len(line) + len(piece) / 2 > target and len(out) < lines - 1:
            out.append(line)
            line = piece
        else:
            line += (join if line else "") + piece
    return [*out, line]


def break_lines(rng: np.random.Generator, words: str, script: str, aspect: Real) -> list[str]:
    """Words in the number of lines that suits a box of this aspect (width over height).

    ``\\n`` always breaks. One run in four is a line more or fewer than best, as people do.
    """
    if "\n" in words:
        return [part.replace("|", "") for part in words.split("\n")]
    pieces = _pieces(words, script)
    letter = 1.0 if script in WIDE or script == "hangul" else 0.55
    total = letter * sum(len(j) + len(p) for j, p in pieces)
    best = max(1, round((total / (1.25 * max(aspect, 0.2))) ** 0.5))
    if chance(rng, 0.25):
        best += pick(rng, (-1, 1))
    return _wrap(pieces, max(1, min(best, len(pieces), 7)))


def _line_width(setting: Setting, line: str, size: int) -> float:
    extra = setting.tracking * size * max(0, len(line) - 1)
    return setting.face.width(line, size) + extra


def _draw_line(
    draw: ImageDraw.ImageDraw, setting: Setting, line: str, x: Real, y: Real, size: int
) -> None:
    stroke = round(setting.stroke * size)
    if setting.tracking == 0.0:
        setting.face.draw(draw, (x, y), line, size, 255, stroke)
        return
    for letter in line:
        setting.face.draw(draw, (x, y), letter, size, 255, stroke)
        x += setting.face.width(letter, size) + setting.tracking * size


def set_lines(setting: Setting, lines: list[str], box: tuple[int, int]) -> Image.Image:
    """Ink mask ("L", cropped to the ink) of lines, as large as ``box`` (width, height) allows."""
    if setting.justified and len(lines) > 1:
        return _justified(setting, lines, box)
    widths = [_line_width(setting, line, _REFERENCE) for line in lines]
    height = _REFERENCE * (setting.leading * (len(lines) - 1) + 1.15)
    scale = min(box[0] / max(*widths, 1.0), box[1] / height)
    size = max(5, int(_REFERENCE * scale))
    pad = size // 2 + 2  # for swashes, marks above and below, and the outline
    widths = [_line_width(setting, line, size) for line in lines]
    wide = max(*widths, 1.0)
    step = setting.leading * size
    mask = Image.new(
        "L", (int(wide) + 2 * pad, int(step * (len(lines) - 1) + size * 1.3) + 2 * pad)
    )
    draw = ImageDraw.Draw(mask)
    share = {"left": 0.0, "centre": 0.5, "right": 1.0}[setting.align]
    for i, (line, width) in enumerate(zip(lines, widths, strict=True)):
        _draw_line(draw, setting, line, pad + (wide - width) * share, pad + size + i * step, size)
    if setting.hollow and size >= 28:
        thin = mask.filter(ImageFilter.MinFilter(3 if size < 60 else 5))
        mask = Image.fromarray(np.asarray(mask) - np.minimum(np.asarray(thin), np.asarray(mask)))
    ink = mask.getbbox()
    return mask.crop(ink) if ink else mask


def _justified(setting: Setting, lines: list[str], box: tuple[int, int]) -> Image.Image:
    """Lines of different sizes and one width, stacked; shrunk to the box as a whole."""
    single = replace(setting, justified=False)
    rows = [set_lines(single, [line], (box[0], 10 * box[1])) for line in lines]
    rows = [row.resize((box[0], max(1, round(row.height * box[0] / row.width)))) for row in rows]
    gap = max(1, round(box[0] * 0.04))
    mask = Image.new("L", (box[0], sum(row.height for row in rows) + gap * (len(rows) - 1)))
    y = 0
    for row in rows:
        mask.paste(row, (0, y))
        y += row.height + gap
    mask.thumbnail(box, Image.Resampling.BILINEAR)
    return mask


def words_mask(
    rng: np.random.Generator, fonts: Fonts, words: str, script: str, box: tuple[int, int]
) -> Image.Image | None:
    """Ink mask of words in a chosen face, no wider or higher than about ``box``; None: no face."""
    setting = choose_setting(rng, fonts, words.replace("|", "").replace("\n", " "), script)
    if setting is None:
        return None
    lines = break_lines(rng, words, script, box[0] / max(1, box[1]))
    mask = set_lines(setting, lines, (max(8, box[0]), max(6, box[1])))
    limit = (max(8, round(box[0] * 1.02)), max(8, round(box[1] * 1.1)))
    if mask.width > limit[0] or mask.height > limit[1]:
        mask.thumbnail(limit, Image.Resampling.BILINEAR)
    return mask


def ring_mask(rng: np.random.Generator, setting: Setting, words: str, diameter: int) -> Image.Image:
    """Words along the upper (and again the lower) part of a circle: stamps, badges, seals.

    Only for scripts whose letters stand alone (not in ``SHAPED``).
    """
    size = max(6, round(diameter * between(rng, 0.09, 0.15)))
    text = words.replace("|", "")
    repeat = whole(rng, 1, 2) if len(text) < 18 else 1
    line = (text + "  •  " if setting.face.covers("•") else text + "  -  ") * repeat
    advance = [max(setting.face.width(c, size), size * 0.2) for c in line]
    around = np.pi * (diameter - 2.2 * size)
    if sum(advance) > around:
        size = max(5, int(size * around / sum(advance)))
        advance = [max(setting.face.width(c, size), size * 0.2) for c in line]
    gap = (around - sum(advance)) / len(line) if repeat > 1 or chance(rng, 0.5) else 0.0
    start = 90.0 + (sum(advance) + gap * len(line)) / around * 180.0
    mask = Image.new("L", (diameter, diameter))
    radius, middle, travelled = diameter / 2 - size * 1.1, diameter / 2, 0.0
    for letter, width in zip(line, advance, strict=True):
        angle = start - (travelled + width / 2) / around * 360.0
        travelled += width + gap
        if letter == " ":
            continue
        tile = Image.new("L", (3 * size, 3 * size))
        setting.face.draw(
            ImageDraw.Draw(tile), (1.5 * size - width / 2, 1.85 * size), letter, size, 255, 0
        )
        tile = tile.rotate(angle - 90.0, Image.Resampling.BICUBIC)
        x = middle + radius * np.cos(np.radians(angle)) - tile.width / 2
        y = middle - radius * np.sin(np.radians(angle)) - tile.height / 2
        mask.paste(255, (round(x), round(y)), tile)
    return mask

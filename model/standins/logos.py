"""Tiles of a logo: the same drawings serve as a shop's stand-in and as the goods in a category."""

from dataclasses import replace

import numpy as np
from PIL import Image, ImageDraw

from model.standins.chance import Real, between, chance, pick, weighted
from model.standins.emblems import emblem_mask
from model.standins.fonts import SHAPED
from model.standins.grounds import Sheet, draw_ground
from model.standins.lettering import choose_setting, recase, ring_mask, set_lines
from model.standins.names import brand, initials, shop
from model.standins.palette import Colour, brand_colour, ink_on, luma, mix, second_ink
from model.standins.relief import ink_with_effects
from model.standins.resources import Resources
from model.standins.surface import Pen, ink

LOGO_FAMILIES = {
    "wordmark": 0.27,
    "monogram": 0.15,
    "emblem": 0.16,
    "lockup": 0.24,
    "badge": 0.08,
    "brand": 0.1,
}


def _name_mask(
    rng: np.random.Generator, resources: Resources, name: str, box: tuple[int, int]
) -> Image.Image:
    clean = (
        name if resources.fonts.writes(name, "latin") else name.replace("®", "").replace("™", "")
    )
    setting = choose_setting(rng, resources.fonts, clean, "latin")
    if setting is None:
        return Image.new("L", (8, 8), 255)
    if chance(rng, 0.25):
        setting = replace(setting, tracking=between(rng, 0.05, 0.4))
    words = recase(rng, clean, "en")
    lines = (
        [words] if len(words) < 14 or chance(rng, 0.4) or " " not in words else words.split(" ", 1)
    )
    mask = set_lines(setting, lines, box)
    mask.thumbnail(box, Image.Resampling.BILINEAR)
    return mask


def _figure(rng: np.random.Generator, resources: Resources, side: int) -> Image.Image:
    """A logo's figure: abstract, or an icon of no stand-in."""
    return resources.artwork(rng, side) if chance(rng, 0.4) else emblem_mask(rng, side)


def _tile_colour(rng: np.random.Generator, sheet: Sheet) -> Colour:
    """Half of the logos are in a brand's colour, the others pale or grey as on stand-ins."""
    if chance(rng, 0.5):
        for _ in range(5):
            colour = brand_colour(rng)
            if abs(luma(colour) - luma(sheet.colour)) > max(40.0, sheet.contrast):
                return colour
    return sheet.ink(rng)


def draw_logo(rng: np.random.Generator, resources: Resources) -> tuple[Image.Image, str, str]:
    """A logo tile: picture, family and the name on it (or "")."""
    family = weighted(rng, LOGO_FAMILIES)
    if family == "brand" and not resources.icons.get("brand"):
        family = "emblem"
    sheet = draw_ground(rng, resources)
    w, h = sheet.picture.size
    if min(w, h) < 48 and family in ("lockup", "badge", "wordmark"):
        family = "monogram"
    colour = _tile_colour(rng, sheet)
    share = between(rng, 0.3, 0.95) * sheet.room
    name = ""
    if family in ("emblem", "brand"):
        side = max(10, round(min(w, h) * share))
        mask = (
            resources.icon(rng, "brand", side)
            if family == "brand"
            else _figure(rng, resources, side)
        )
        _maybe_tile(rng, sheet, side, colour, mask)
    elif family == "monogram":
        name = initials(rng)
        side = max(10, round(min(w, h) * share))
        mask = Image.new("L", (side, side))
        letters = _name_mask(
            rng, resources, name, (max(8, round(side * 0.9)), max(8, round(side * 0.8)))
        )
        mask.paste(letters, ((side - letters.width) // 2, (side - letters.height) // 2))
        _maybe_tile(rng, sheet, side, colour, mask, often=True)
    elif family == "wordmark":
        name = shop(rng)
        mask = _name_mask(
            rng, resources, name, (max(10, round(w * share)), max(8, round(h * min(share, 0.5))))
        )
        at = ((w - mask.width) // 2, (h - mask.height) // 2)
        _flourish(rng, sheet, mask, at, second_ink(rng, sheet.colour, colour))
        ink_with_effects(rng, sheet.picture, mask, at, colour, sheet.colour)
    elif family == "lockup":
        name = shop(rng)
        _lockup(rng, sheet, resources, name, colour, share)
    else:
        name = brand(rng)
        _badge(rng, sheet, resources, name, colour, share)
    return sheet.picture, f"logo/{family}", name


def _maybe_tile(
    rng: np.random.Generator,
    sheet: Sheet,
    side: int,
    colour: Colour,
    mask: Image.Image,
    often: bool = False,
) -> None:
    """A figure, sometimes knocked out of a disc, a square or a ring."""
    w, h = sheet.picture.size
    at = ((w - side) // 2, (h - side) // 2)
    style = weighted(
        rng, {"bare": 0.3 if often else 0.65, "disc": 0.15, "square": 0.15, "ring": 0.1}
    )
    if style == "bare":
        ink_with_effects(rng, sheet.picture, mask, at, colour, sheet.colour)
        if chance(rng, 0.15):  # a second tone over one half
            half = mask.copy()
            half.paste(0, (0, 0, side // 2, side) if chance(rng, 0.5) else (0, 0, side, side // 2))
            ink(sheet.picture, half, at, second_ink(rng, sheet.colour, colour))
        return
    pen = Pen(side)
    if style == "square":
        pen.box(0, 0, 100, 100, between(rng, 0, 28))
    else:
        pen.circle(50, 50, 50, width=between(rng, 2, 8) if style == "ring" else 0)
    ink(sheet.picture, pen.mask(), at, colour)
    inner = mask.resize((max(4, round(side * 0.62)),) * 2, Image.Resampling.BILINEAR)
    tone = colour if style == "ring" else ink_on(rng, colour, 40)
    ink(
        sheet.picture,
        inner,
        (at[0] + (side - inner.width) // 2, at[1] + (side - inner.height) // 2),
        tone,
    )


def _flourish(
    rng: np.random.Generator, sheet: Sheet, mask: Image.Image, at: tuple[int, int], colour: Colour
) -> None:
    """A rule under the name, a box round it, a bar of colour, a dot; mostly nothing."""
    style = weighted(rng, {"none": 0.7, "under": 0.12, "box": 0.08, "bar": 0.05, "dot": 0.05})
    draw = ImageDraw.Draw(sheet.picture)
    x0, y0, x1, y1 = at[0], at[1], at[0] + mask.width, at[1] + mask.height
    m = max(2, mask.height // 4)
    if style == "under":
        draw.rectangle((x0, y1 + m // 2, x1, y1 + m // 2 + max(1, m // 4)), fill=colour)
    elif style == "box":
        draw.rectangle((x0 - m, y0 - m, x1 + m, y1 + m), outline=colour, width=max(1, m // 4))
    elif style == "bar":
        pale = mix(colour, sheet.colour, 0.75)
        draw.rectangle((0, y0 - m, sheet.picture.width, y1 + m), fill=pale)
    elif style == "dot":
        draw.ellipse((x1 + m // 3, y1 - m, x1 + m // 3 + m, y1), fill=colour)


def _lockup(
    rng: np.random.Generator,
    sheet: Sheet,
    resources: Resources,
    name: str,
    colour: Colour,
    share: Real,
) -> None:
    """A figure with the name beside it or under it."""
    w, h = sheet.picture.size
    beside = chance(rng, 0.6 if w > h else 0.25)
    wide, high = w * share, h * min(0.9, share)
    tone = second_ink(rng, sheet.colour, colour) if not sheet.busy else colour
    if beside:
        side = max(10, round(min(high, wide * 0.3)))
        letters = _name_mask(
            rng, resources, name, (max(10, round(wide - side * 1.2)), max(8, round(side * 0.75)))
        )
        total = side * 1.2 + letters.width
        x, y = round((w - total) / 2), (h - side) // 2
        ink(sheet.picture, _figure(rng, resources, side), (x, y), colour)
        ink_with_effects(
            rng,
            sheet.picture,
            letters,
            (x + round(side * 1.2), (h - letters.height) // 2),
            tone,
            sheet.colour,
        )
        return
    side = max(10, round(min(wide * 0.6, high * 0.6)))
    letters = _name_mask(rng, resources, name, (max(10, round(wide)), max(8, round(high * 0.25))))
    gap = round(high * 0.07)
    y = round((h - side - gap - letters.height) / 2)
    ink(sheet.picture, _figure(rng, resources, side), ((w - side) // 2, y), colour)
    ink_with_effects(
        rng, sheet.picture, letters, ((w - letters.width) // 2, y + side + gap), tone, sheet.colour
    )


def _badge(
    rng: np.random.Generator,
    sheet: Sheet,
    resources: Resources,
    name: str,
    colour: Colour,
    share: Real,
) -> None:
    """A round seal: a name along the rim, a figure or initials in the middle."""
    w, h = sheet.picture.size
    side = max(40, round(min(w, h) * max(share, 0.6)))
    at = ((w - side) // 2, (h - side) // 2)
    setting = choose_setting(rng, resources.fonts, name, "latin")
    solid = chance(rng, 0.5)
    pen = Pen(side)
    if solid:
        teeth = pick(rng, (0, 0, 24, 36))
        pen.circle(50, 50, 49 if not teeth else 46)
        for i in range(teeth):
            a = 2 * np.pi * i / teeth
            pen.circle(50 + 46 * float(np.cos(a)), 50 + 46 * float(np.sin(a)), 3.5)
    else:
        pen.circle(50, 50, 49, width=between(rng, 1, 4))
        pen.circle(50, 50, between(rng, 28, 32), width=between(rng, 0.8, 2))
    ink(sheet.picture, pen.mask(), at, colour)
    tone = ink_on(rng, colour, 90) if solid else colour
    if setting is not None and setting.script not in SHAPED:
        words = f"{name.upper()} " + pick(
            rng, ("• EST. 19%02d", "QUALITY %d", "SINCE 18%02d", "ORIGINAL %d", "CLUB No %d")
        ) % int(rng.integers(0, 99))
        if not setting.face.covers(words):
            words = name.upper()
        ink(sheet.picture, ring_mask(rng, setting, words, side), at, tone)
    inner = _figure(rng, resources, max(8, round(side * 0.42)))
    ink(
        sheet.picture,
        inner,
        (at[0] + (side - inner.width) // 2, at[1] + (side - inner.height) // 2),
        tone,
    )

"""Stand-ins with words and a drawing: an icon over a notice, a logo with one, cards."""

import numpy as np
from PIL import Image, ImageDraw

from model.standins.chance import between, chance, pick, weighted
from model.standins.emblems import emblem_mask
from model.standins.grounds import Sheet, draw_ground
from model.standins.icons import ICON_FAMILIES, concept_mask, put_icon
from model.standins.names import shop
from model.standins.palette import brand_colour, ink_on, luma, mix, second_ink
from model.standins.resources import SILHOUETTES, Resources
from model.standins.silhouettes import draw_silhouette
from model.standins.surface import ink
from model.standins.texts import Words, notice, size_in_words, write

MIXED_FAMILIES = {"icon-notice": 0.52, "logo-notice": 0.17, "icon-name": 0.08, "icon-size": 0.06,
                  "silhouette-notice": 0.09, "banner": 0.08}  # fmt: skip


def _mask(rng: np.random.Generator, resources: Resources, family: str, side: int) -> Image.Image:
    if family.startswith("logo"):
        if resources.icons.get("brand") and chance(rng, 0.3):
            return resources.icon(rng, "brand", side)
        return resources.artwork(rng, side) if chance(rng, 0.3) else emblem_mask(rng, side)
    if family.startswith("silhouette"):
        return draw_silhouette(rng, pick(rng, tuple(SILHOUETTES)), side)
    return concept_mask(rng, resources, weighted(rng, ICON_FAMILIES), side)


def _banner(rng: np.random.Generator, sheet: Sheet, resources: Resources, words: Words) -> None:
    """A coloured bar with the notice, over the foot or across the middle or a corner."""
    w, h = sheet.picture.size
    tone = brand_colour(rng) if chance(rng, 0.5) else ink_on(rng, sheet.colour, 60)
    high = h * between(rng, 0.14, 0.28)
    y = pick(rng, (h - high, (h - high) / 2, 0.0))
    bar = Sheet(sheet.picture, tone)
    if chance(rng, 0.8):
        ImageDraw.Draw(sheet.picture).rectangle((0, y, w, y + high), fill=tone)
        write(
            rng,
            bar,
            resources,
            words,
            (0.85, high / h * 0.6),
            (0.5, (y + high / 2) / h),
            ink_on(rng, tone, 80),
            tilt=False,
        )
        return
    band = Image.new("L", (round(w * 1.5), round(high)), 255)
    turn = pick(rng, (35.0, 45.0, -35.0))
    over = band.rotate(turn, Image.Resampling.BILINEAR, expand=True)
    ink(sheet.picture, over, ((w - over.width) // 2, (h - over.height) // 2), tone, 0.9)
    write(
        rng,
        bar,
        resources,
        words,
        (0.6, high / h * 0.6),
        (0.5, 0.5),
        ink_on(rng, tone, 80),
        tilt=False,
    )


def draw_mixed(rng: np.random.Generator, resources: Resources) -> tuple[Image.Image, str, Words]:
    """A stand-in of words and a drawing: picture, family and words."""
    family = weighted(rng, MIXED_FAMILIES)
    sheet = draw_ground(rng, resources)
    if min(sheet.picture.size) < 64:  # no room for both
        scale = 96 / min(sheet.picture.size)
        sheet.picture = sheet.picture.resize(
            (round(sheet.picture.width * scale), round(sheet.picture.height * scale))
        )
    w, h = sheet.picture.size
    colour = sheet.ink(rng)
    words = notice(rng, resources)
    if family == "icon-name":
        words = Words(shop(rng).replace("®", "").replace("™", ""), "en")
    elif family == "icon-size":
        words = Words(size_in_words(rng).replace("×", "x").replace("\n", " "), "")
    other = second_ink(rng, sheet.colour, colour) if not sheet.busy else colour
    if abs(luma(other) - luma(sheet.colour)) < 14:
        other = colour
    if family == "banner":
        side = round(min(w, h) * between(rng, 0.4, 0.7))
        put_icon(
            rng,
            sheet,
            _mask(rng, resources, "icon", side),
            ((w - side) // 2, (h - side) // 2),
            colour,
            plain=True,
        )
        _banner(rng, sheet, resources, words)
        return sheet.picture, f"mixed/{family}", words
    if w > 1.8 * h or (w > h and chance(rng, 0.15)):  # beside each other
        side = round(h * between(rng, 0.35, 0.75))
        x = round(w * between(rng, 0.04, 0.12))
        put_icon(rng, sheet, _mask(rng, resources, family, side), (x, (h - side) // 2), colour)
        left = (x + side) / w
        write(
            rng,
            sheet,
            resources,
            words,
            ((0.95 - left) * 0.9, between(rng, 0.3, 0.65)),
            (left + (1 - left) / 2, 0.5),
            other,
            tilt=False,
        )
        return sheet.picture, f"mixed/{family}", words
    big = between(rng, 0.25, 0.58)
    side = max(14, round(min(w, h * 1.2) * big))
    high = between(rng, 0.1, 0.3)
    gap = between(rng, 0.02, 0.1)
    total = side / h + gap + high
    if total > 0.96:
        side = round(h * (0.96 - gap - high))
        total = 0.96
    top = (1 - total) / 2
    above = chance(rng, 0.85)
    y = top if above else top + high + gap
    mask = _mask(rng, resources, family, max(12, side))
    put_icon(rng, sheet, mask, ((w - mask.width) // 2, round(y * h)), colour)
    middle = (y + side / h + gap + high / 2) if above else top + high / 2
    write(
        rng,
        sheet,
        resources,
        words,
        (between(rng, 0.45, 0.92), high),
        (0.5, middle),
        mix(other, colour, 0.5),
        tilt=False,
    )
    return sheet.picture, f"mixed/{family}", words

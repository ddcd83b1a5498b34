"""Goods that look like stand-ins: logos, icon artwork, lettering, swatches.

They come from the same grounds, faces, inks and figures as the stand-ins. What differs is what is
said and shown (a title, not a notice; a fox, not a camera), for that is what a category teaches.
"""

import numpy as np
from PIL import Image, ImageChops, ImageDraw, ImageFilter

from model.standins.chance import between, chance, pick, weighted, whole
from model.standins.drawings import draw_drawing
from model.standins.emblems import emblem_mask
from model.standins.fonts import script_of
from model.standins.grounds import Sheet, draw_ground
from model.standins.icons import put_icon
from model.standins.lettering import recase
from model.standins.names import TITLES, brand, measure, person, price, shop
from model.standins.palette import brand_colour, ink_on, mix, second_ink
from model.standins.resources import Resources
from model.standins.surface import Pen, ink, outline, place
from model.standins.texts import Words, choose_language, cover, pair, stacked, stamp, tiled, write


def draw_artwork(rng: np.random.Generator, resources: Resources) -> tuple[Image.Image, str]:
    """Icon artwork as goods: pictograms, stickers with a white rim, sheets of several."""
    family = weighted(
        rng,
        {
            "pictogram": 0.38,
            "sticker": 0.18,
            "clip-art": 0.16,
            "set": 0.1,
            "duo": 0.06,
            "drawing": 0.12,
        },
    )
    if family == "drawing":
        return draw_drawing(rng, resources), "icon/drawing"
    sheet = draw_ground(rng, resources)
    w, h = sheet.picture.size
    short = min(w, h)
    if family in ("set", "duo") and short > 60:
        n = whole(rng, 2, 4) if family == "set" else 2
        rows = n if family == "set" else 1
        cell = min(w / n, h / rows)
        side = max(10, round(cell * between(rng, 0.5, 0.8)))
        colour = sheet.ink(rng)
        for i in range(n * rows):
            x = w / 2 + (i % n - (n - 1) / 2) * cell - side / 2
            y = h / 2 + (i // n - (rows - 1) / 2) * cell - side / 2
            tone = colour if chance(rng, 0.6) else second_ink(rng, sheet.colour, colour)
            ink(sheet.picture, resources.artwork(rng, side), (round(x), round(y)), tone)
        return sheet.picture, f"icon/{family}"
    share = between(rng, 0.1, 0.35) if chance(rng, 0.25) else between(rng, 0.35, 0.97)
    side = max(10, round(short * share * sheet.room))
    mask = resources.artwork(rng, side)
    at = place(rng, sheet.picture, mask)
    if family == "clip-art" and side > 30:
        _clip_art(rng, sheet, resources, mask, at)
        return sheet.picture, "icon/clip-art"
    if family == "sticker" and side > 30:
        pen = Pen(side)
        (
            pen.circle(50, 50, 50)
            if chance(rng, 0.5)
            else pen.box(0, 0, 100, 100, between(rng, 5, 30))
        )
        tone = brand_colour(rng)
        inner = mask.resize((round(side * 0.6),) * 2, Image.Resampling.BILINEAR)
        rim = Pen(side)
        rim.circle(50, 50, 46, width=between(rng, 1, 4))
        ink(sheet.picture, pen.mask(), at, tone)
        ink(sheet.picture, rim.mask(), at, ink_on(rng, tone, 60), 0.8)
        ink(
            sheet.picture,
            inner,
            (at[0] + round(side * 0.2), at[1] + round(side * 0.2)),
            ink_on(rng, tone, 60),
        )
        return sheet.picture, "icon/sticker"
    put_icon(rng, sheet, mask, at)
    return sheet.picture, "icon/pictogram"


def _clip_art(
    rng: np.random.Generator,
    sheet: Sheet,
    resources: Resources,
    mask: Image.Image,
    at: tuple[int, int],
) -> None:
    """A figure in several colours, cut out along a white rim."""
    side = mask.width
    colour = brand_colour(rng)
    solid = ImageChops.lighter(mask, emblem_mask(rng, side)) if chance(rng, 0.5) else mask
    if chance(rng, 0.6):
        rim = solid.filter(ImageFilter.GaussianBlur(side * between(rng, 0.015, 0.04))).point(
            [0] * 24 + [255] * 232
        )
        if chance(rng, 0.6):
            ink(
                sheet.picture,
                rim.filter(ImageFilter.BoxBlur(side * 0.02)),
                (at[0] + side // 60, at[1] + side // 40),
                (0, 0, 0),
                0.35,
            )
        ink(sheet.picture, rim, at, (255, 255, 255))
    ink(sheet.picture, solid, at, colour)
    for _ in range(whole(rng, 1, 3)):
        part = emblem_mask(rng, side)
        if chance(rng, 0.5):
            part = resources.artwork(rng, side)
        part = ImageChops.multiply(part, solid) if chance(rng, 0.7) else part
        scale = max(8, round(side * between(rng, 0.35, 0.9)))
        small = part.resize((scale, scale), Image.Resampling.BILINEAR)
        ink(
            sheet.picture,
            small,
            (at[0] + (side - scale) // 2, at[1] + (side - scale) // 2),
            mix(colour, brand_colour(rng), between(rng, 0.4, 1)),
        )
    if chance(rng, 0.4):
        ink(
            sheet.picture,
            outline(solid, max(1, side // 60)),
            at,
            mix(colour, (0, 0, 0), between(rng, 0.4, 0.9)),
        )


def _gift_card(rng: np.random.Generator, sheet: Sheet, resources: Resources, words: Words) -> None:
    """A card with a brand, an amount and bands of colour."""
    w, h = sheet.picture.size
    wide = min(w * 0.92, h * 1.45)
    size = (max(24, round(wide)), max(16, round(wide * 0.63)))
    tone = brand_colour(rng) if chance(rng, 0.6) else mix(brand_colour(rng), (255, 255, 255), 0.85)
    card = Sheet(Image.new("RGB", size, tone), tone)
    draw = ImageDraw.Draw(card.picture)
    for _ in range(whole(rng, 0, 3)):
        x, thick, band = (
            between(rng, 0, size[0]),
            size[0] * between(rng, 0.04, 0.2),
            brand_colour(rng),
        )
        lean = between(rng, -0.4, 0.4) * size[1]
        draw.polygon(
            [
                (x - lean, 0),
                (x - lean + thick, 0),
                (x + lean + thick, size[1]),
                (x + lean, size[1]),
            ],
            fill=band,
        )
    if chance(rng, 0.5):
        side = round(size[1] * between(rng, 0.25, 0.5))
        ink(
            card.picture,
            emblem_mask(rng, side),
            (round(size[0] * 0.7), round(size[1] * 0.12)),
            ink_on(rng, tone, 60),
        )
    write(
        rng,
        card,
        resources,
        Words(brand(rng), "en"),
        (0.4, 0.16),
        (0.28, 0.2),
        ink_on(rng, tone, 80),
        tilt=False,
    )
    write(rng, card, resources, words, (0.6, 0.2), (0.4, 0.52), ink_on(rng, tone, 60), tilt=False)
    if chance(rng, 0.7):
        write(
            rng,
            card,
            resources,
            Words(f"{pick(rng, (5, 10, 20, 25, 50, 100, 200))}$", "en"),
            (0.25, 0.2),
            (0.24, 0.8),
            ink_on(rng, tone, 60),
            tilt=False,
        )
    mask = Image.new("L", size)
    ImageDraw.Draw(mask).rounded_rectangle(
        (0, 0, size[0] - 1, size[1] - 1), size[1] * between(rng, 0.02, 0.1), fill=255
    )
    turn = between(rng, -25, 25) if chance(rng, 0.3) else 0.0
    if turn:
        card.picture, mask = (
            i.rotate(turn, Image.Resampling.BICUBIC, expand=True) for i in (card.picture, mask)
        )
    at = ((w - mask.width) // 2, (h - mask.height) // 2)
    ink(
        sheet.picture,
        mask,
        (at[0] + 2, at[1] + max(2, h // 60)),
        mix(sheet.colour, (0, 0, 0), 0.3),
        0.6,
    )
    sheet.picture.paste(card.picture, at, mask)


def title(rng: np.random.Generator, resources: Resources) -> Words:
    """Words that goods bear, in a language the fonts can write; brands and prices among them."""
    style = weighted(
        rng, {"title": 0.6, "brand": 0.14, "price": 0.1, "measure": 0.1, "person": 0.06}
    )
    if style != "title":
        text = {"brand": shop, "price": price, "measure": measure, "person": person}[style](rng)
        if not resources.fonts.writes(text, "latin"):
            text = brand(rng)
        return Words(text, "en")
    languages = tuple(lang for lang in TITLES if lang in resources.languages) or ("en",)
    language = choose_language(rng, languages)
    script = script_of(language)
    options = [text for text in TITLES[language] if resources.fonts.writes(text, script)]
    if not options:
        return Words(brand(rng), "en")
    text = pick(rng, options)
    recased = recase(rng, text, language)
    return Words(recased if resources.fonts.writes(recased, script) else text, language)


def draw_lettering(
    rng: np.random.Generator, resources: Resources
) -> tuple[Image.Image, str, Words]:
    """Words as goods, set in the very ways of ``texts``: picture, family and words."""
    family = weighted(
        rng,
        {
            "words": 0.5,
            "pair": 0.14,
            "cover": 0.12,
            "label": 0.08,
            "seal": 0.05,
            "card": 0.05,
            "two-lines": 0.04,
            "tiled": 0.02,
        },
    )
    sheet = draw_ground(rng, resources)
    words = title(rng, resources)
    if min(sheet.picture.size) < 40:
        family = "words"
    if family == "pair":
        other = Words(pick(rng, (person, brand, price, measure))(rng), "en")
        if not resources.fonts.writes(other.text, "latin"):
            other = Words(brand(rng), "en")
        pair(rng, sheet, resources, words, other)
    elif family == "cover":
        book = cover(rng, sheet)
        write(
            rng,
            book,
            resources,
            words,
            (between(rng, 0.3, 0.45), between(rng, 0.2, 0.4)),
            (0.5, 0.35),
            tilt=False,
        )
        if chance(rng, 0.6):
            name = brand(rng)
            write(rng, book, resources, Words(name, "en"), (0.35, 0.08), (0.5, 0.8), tilt=False)
        if chance(rng, 0.4):
            side = round(min(sheet.picture.size) * 0.25)
            ink(
                sheet.picture,
                resources.artwork(rng, side),
                ((sheet.picture.width - side) // 2, round(sheet.picture.height * 0.5)),
                book.ink(rng),
            )
    elif family == "label":
        tone = brand_colour(rng)
        w, h = sheet.picture.size
        m = min(w, h) * between(rng, 0.05, 0.2)
        ImageDraw.Draw(sheet.picture).rounded_rectangle(
            (m, h * 0.2, w - m, h * 0.8), m * between(rng, 0, 1), fill=tone
        )
        write(
            rng,
            Sheet(sheet.picture, tone),
            resources,
            words,
            (between(rng, 0.4, 0.7), 0.4),
            (0.5, 0.5),
            tilt=False,
        )
    elif family == "seal":
        stamp(rng, sheet, resources, words, resources.artwork(rng, 160))
    elif family == "card":
        _gift_card(rng, sheet, resources, words)
    elif family == "tiled":
        tiled(rng, sheet, resources, words)
    elif family == "two-lines":
        stacked(rng, sheet, resources, words, title(rng, resources), even=chance(rng, 0.4))
    else:
        write(rng, sheet, resources, words)
    return sheet.picture, f"lettering/{family}", words

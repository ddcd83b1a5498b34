"""Stand-ins of words alone: notices in many languages, sizes, labels, stamps, book covers."""

from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw

from model.standins.chance import Real, between, chance, pick, weighted, whole
from model.standins.fonts import SHAPED, script_of
from model.standins.grounds import Sheet, draw_ground
from model.standins.lettering import choose_setting, recase, ring_mask, words_mask
from model.standins.names import listed, shop
from model.standins.palette import BLACK, Colour, brand_colour, ink_on, mix, second_ink
from model.standins.relief import ink_with_effects
from model.standins.resources import NOTICES, Resources
from model.standins.surface import Pen, ink, place

# How often a language is drawn: what shops are written in, with every other language in reach.
_COMMON = {
    "en": 14.0,
    "de": 3.0,
    "fr": 3.0,
    "es": 3.0,
    "ru": 3.0,
    "pt": 2.5,
    "it": 2.5,
    "zh": 2.5,
    "ja": 2.5,
    "ar": 2.0,
    "fa": 2.0,
    "he": 2.0,
    "pl": 2.0,
    "nl": 2.0,
    "ko": 2.0,
    "tr": 2.0,
    "hi": 1.5,
    "th": 1.5,
    "el": 1.5,
    "uk": 1.5,
    "vi": 1.5,
    "ro": 1.5,
    "cs": 1.5,
}
_LABELS = listed("""
    IMAGE; PHOTO; PICTURE; N/A; ?; NO IMG; IMG; No Pic; 404; NULL; none; ...; Photo; image;
    no-image; noimage.jpg; placeholder.png; default; TBD; tba; n.a.; Thumb; LOGO; Logo here;
    Your logo; AD; Banner; Test; Dummy; demo; Sample; Lorem ipsum; no_photo; [image]; IMAGE 1;
    Product image; Product; Item; Featured image; x; 404 image; Error loading image; No cover;
    NO\nIMAGE; NO\nPHOTO; NO IMAGE\nAVAILABLE; IMAGE\nCOMING\nSOON; Photo\nComing Soon;
    Image\nNot\nAvailable
""")


@dataclass(frozen=True)
class Words:
    """Some words, their language and the script to set them in."""

    text: str
    language: str

    @property
    def script(self) -> str:
        """The script of the language."""
        return script_of(self.language)


def choose_language(rng: np.random.Generator, languages: tuple[str, ...]) -> str:
    """A language: English one time in four, the world's big shop languages often, others too."""
    return weighted(rng, {language: _COMMON.get(language, 0.7) for language in languages})


def notice(rng: np.random.Generator, resources: Resources) -> Words:
    """A notice in a language that the fonts can write."""
    language = choose_language(rng, resources.languages)
    fonts, script = resources.fonts, script_of(language)
    options = [text for text in NOTICES[language] if fonts.writes(text, script)]
    if not options:
        return Words("No image", "en")
    text = pick(rng, options)
    recased = recase(rng, text, language)
    # A capital may be missing where the small letter is not: the dotted one of Turkish.
    return Words(recased if fonts.writes(recased, script) else text, language)


def size_in_words(rng: np.random.Generator) -> str:
    """ "640 × 480" in the ways that placeholder services write it."""
    w = pick(
        rng,
        (
            100,
            150,
            200,
            250,
            300,
            320,
            350,
            400,
            500,
            600,
            640,
            800,
            1024,
            1200,
            1920,
            whole(rng, 16, 2000),
        ),
    )
    h = (
        w
        if chance(rng, 0.4)
        else pick(rng, (100, 150, 200, 240, 300, 400, 480, 600, 768, 1080, whole(rng, 16, 2000)))
    )
    sign = pick(rng, ("x", " x ", "×", " × ", "X", " X ", "*"))
    return f"{w}{sign}{h}" + pick(rng, ("", "", "", "", "px", " px", "\nIMAGE", "\n1:1", ".png"))


def write(
    rng: np.random.Generator,
    sheet: Sheet,
    resources: Resources,
    words: Words,
    share: tuple[Real, Real] | None = None,
    centre: tuple[Real, Real] | None = None,
    colour: Colour | None = None,
    tilt: bool = True,
) -> bool:
    """Write words on a sheet; False if no face has their letters.

    Args:
        rng: randomness.
        sheet: what is written on.
        resources: where the faces are.
        words: what is written.
        share: of the sheet's width and height that the words may fill; drawn if not given.
        centre: where, as shares of width and height; about the middle if not given.
        colour: of the ink; drawn if not given.
        tilt: whether one time in twelve the words are turned.
    """
    if share is None:
        wide = between(rng, 0.25, 0.95) if chance(rng, 0.8) else between(rng, 0.12, 0.3)
        share = (wide, between(rng, 0.25, 0.85))
    w, h = sheet.picture.size
    room = sheet.room if centre is None else max(sheet.room, 0.75)
    box = (max(10, round(w * share[0] * room)), max(8, round(h * share[1] * room)))
    mask = words_mask(rng, resources.fonts, words.text, words.script, box)
    if mask is None:
        return False
    # Thin strokes fade: letters of a few pixels need darker ink than a big headline.
    needed = 70.0 if mask.height < 9 * (1 + mask.height / max(1, mask.width) * 3) else 0.0
    if tilt and chance(rng, 0.08):
        mask = mask.rotate(
            pick(rng, (45.0, 30.0, -45.0, 15.0, 90.0, between(rng, -30, 30))),
            Image.Resampling.BICUBIC,
            expand=True,
        )
        mask.thumbnail(
            (max(8, round(w * 0.96)), max(8, round(h * 0.96))), Image.Resampling.BILINEAR
        )
    at = place(rng, sheet.picture, mask)
    if centre is not None:
        at = (round(w * centre[0] - mask.width / 2), round(h * centre[1] - mask.height / 2))
    ink_with_effects(rng, sheet.picture, mask, at, colour or sheet.ink(rng, needed), sheet.colour)
    return True


def stamp(
    rng: np.random.Generator,
    sheet: Sheet,
    resources: Resources,
    words: Words,
    figure: Image.Image | None = None,
) -> None:
    """Words in a ring, a prohibition sign or a box set at a slant, like a rubber stamp.

    With a ``figure`` (the ink mask of a square) that stands in the ring and nothing is prohibited.
    """
    w, h = sheet.picture.size
    side = round(min(w, h) * between(rng, 0.6, 0.97))
    colour = sheet.ink(rng)
    other = "ban" if figure is None else "slant"
    style = weighted(
        rng,
        {other: 0.45, "ring": 0.3, "slant": 0.25}
        if figure is None
        else {"ring": 0.6, "slant": 0.4},
    )
    setting = choose_setting(rng, resources.fonts, words.text.replace("|", ""), words.script)
    if style == "ring" and (
        setting is None or words.script in SHAPED or side < 70 or "\n" in words.text
    ):
        style = other
    pen = Pen(side)
    at = ((w - side) // 2, (h - side) // 2)
    if style == "ring" and setting is not None:
        pen.circle(50, 50, 49, width=between(rng, 1, 4))
        ink(sheet.picture, pen.mask(), at, colour)
        ink(sheet.picture, ring_mask(rng, setting, words.text, side), at, colour)
        if figure is None:
            figure = resources.icon(
                rng, pick(rng, ("camera", "picture", "picture-off", "question")), 160
            )
        inner = figure.resize((round(side * 0.42),) * 2, Image.Resampling.BILINEAR)
        ink(sheet.picture, inner, (at[0] + round(side * 0.29), at[1] + round(side * 0.29)), colour)
    elif style == "ban":
        pen.circle(50, 50, 49, width=between(rng, 5, 11))
        bar = between(rng, 5, 11)
        pen.line([(17, 17), (83, 83)], bar)
        ink(sheet.picture, pen.mask(), at, mix(colour, sheet.colour, between(rng, 0, 0.5)))
        share = (side / w * between(rng, 0.66, 0.95), side / h * 0.3)
        dark = ink_on(rng, sheet.colour, 110)
        write(rng, sheet, resources, words, share, (0.5, 0.5), dark, tilt=False)
    else:
        box = (round(side * 0.8), max(10, round(side * 0.3)))
        mask = words_mask(rng, resources.fonts, words.text, words.script, box)
        if mask is None:
            return
        m = max(3, round(mask.height * between(rng, 0.15, 0.4)))
        framed = Image.new("L", (mask.width + 2 * m, mask.height + 2 * m))
        draw = ImageDraw.Draw(framed)
        draw.rounded_rectangle(
            (0, 0, framed.width - 1, framed.height - 1), m * 0.6, outline=255, width=max(1, m // 3)
        )
        framed.paste(mask, (m, m), mask)
        framed = framed.rotate(between(rng, -35, 35), Image.Resampling.BICUBIC, expand=True)
        framed.thumbnail((w, h))
        ink(sheet.picture, framed, ((w - framed.width) // 2, (h - framed.height) // 2), colour)


def cover(rng: np.random.Generator, sheet: Sheet) -> Sheet:
    """A blank book, record or box on the sheet; what follows is written on it."""
    w, h = sheet.picture.size
    high = h * between(rng, 0.75, 0.96)
    wide = min(w * 0.92, high * pick(rng, (0.66, 0.72, 0.8, 1.0)))
    x0, y0 = round((w - wide) / 2), round((h - high) / 2)
    colour = mix(brand_colour(rng), sheet.colour, between(rng, 0.0, 0.8))
    draw = ImageDraw.Draw(sheet.picture)
    if chance(rng, 0.6):
        off = max(1, round(wide * 0.02))
        draw.rectangle(
            (x0 + off, y0 + off, x0 + wide + off, y0 + high + off),
            fill=mix(sheet.colour, BLACK, 0.3),
        )
    draw.rounded_rectangle(
        (x0, y0, x0 + wide, y0 + high),
        wide * between(rng, 0, 0.05),
        fill=colour,
        outline=mix(colour, BLACK, 0.4),
    )
    if chance(rng, 0.7):
        x = x0 + wide * between(rng, 0.06, 0.12)
        draw.line(
            (x, y0, x, y0 + high), fill=mix(colour, BLACK, 0.25), width=max(1, round(wide * 0.012))
        )
    return Sheet(sheet.picture, colour)


TEXT_FAMILIES = {
    "notice": 0.52,
    "size": 0.1,
    "label": 0.1,
    "shop": 0.09,
    "stamp": 0.05,
    "cover": 0.05,
    "two-lines": 0.06,
    "tiled": 0.03,
}
_SMALL_PRINT = listed("""
    Please check back later; Please call for details; www.{}.com; info@{}.com; {};
    We apologise for the inconvenience; Check back soon!; Thank you for your patience; © {};
    ID {n}; Ref. {n}; Tel. 0{n}
""")


def stacked(
    rng: np.random.Generator,
    sheet: Sheet,
    resources: Resources,
    upper: Words,
    lower: Words,
    even: bool = True,
) -> None:
    """Two pieces of writing, one above the other, alike or the second in smaller letters."""
    colour = sheet.ink(rng)
    wide = between(rng, 0.4, 0.85)
    write(
        rng, sheet, resources, upper, (wide, 0.3), (0.5, 0.34 if even else 0.42), colour, tilt=False
    )
    other = colour if even or sheet.busy else second_ink(rng, sheet.colour, colour)
    write(
        rng,
        sheet,
        resources,
        lower,
        (wide * (1.0 if even else 0.7), 0.3 if even else 0.1),
        (0.5, 0.66 if even else 0.68),
        other,
        tilt=False,
    )


def pair(
    rng: np.random.Generator, sheet: Sheet, resources: Resources, name: Words, words: Words
) -> None:
    """A name and words under it or over it, each in its own face and tone."""
    colour = sheet.ink(rng)
    other = colour if sheet.busy else second_ink(rng, sheet.colour, colour)
    first, above = between(rng, 0.25, 0.4), chance(rng, 0.6)
    low = first if above else 1 - first
    write(
        rng, sheet, resources, name, (between(rng, 0.4, 0.85), 0.3), (0.5, low), other, tilt=False
    )
    rest = (between(rng, 0.4, 0.85), 0.25)
    write(rng, sheet, resources, words, rest, (0.5, 0.68 if above else 0.32), colour, tilt=False)


def tiled(rng: np.random.Generator, sheet: Sheet, resources: Resources, words: Words) -> None:
    """The same words over and over, straight or at a slant, as on wrapping paper."""
    w, h = sheet.picture.size
    box = (max(12, round(w * between(rng, 0.15, 0.4))), max(8, round(h * 0.12)))
    mask = words_mask(rng, resources.fonts, words.text, words.script, box)
    if mask is None:
        return
    dx, dy = mask.width + round(w * 0.06), mask.height + round(h * between(rng, 0.04, 0.12))
    over = Image.new("L", (round(1.5 * w), round(1.5 * h)))
    for j in range(over.height // dy + 1):
        for i in range(over.width // dx + 2):
            over.paste(mask, (i * dx - (j % 2) * dx // 2, j * dy))
    over = over.rotate(pick(rng, (0.0, 0.0, 30.0, 45.0, -30.0)), Image.Resampling.BILINEAR)
    x, y = (over.width - w) // 2, (over.height - h) // 2
    ink(sheet.picture, over.crop((x, y, x + w, y + h)), (0, 0), sheet.ink(rng))


def draw_text(rng: np.random.Generator, resources: Resources) -> tuple[Image.Image, str, Words]:
    """A stand-in of words: picture, family and words."""
    family = weighted(rng, TEXT_FAMILIES)
    sheet = draw_ground(rng, resources)
    if min(sheet.picture.size) < 30 and family != "size":
        family = "label"
    words = notice(rng, resources)
    if family == "size":
        text = size_in_words(rng)
        legible = resources.fonts.writes(text, "latin")
        words = Words(text if legible else text.replace("×", "x"), "")
        write(rng, sheet, resources, words, tilt=False)
    elif family == "label":
        words = Words(pick(rng, _LABELS), "en")
        write(rng, sheet, resources, words)
    elif family == "shop":
        name = Words(shop(rng).replace("®", "").replace("™", ""), "en")
        pair(rng, sheet, resources, name, words)
        words = Words(f"{name.text}\n{words.text}", words.language)
    elif family == "stamp":
        stamp(rng, sheet, resources, words)
    elif family == "tiled":
        tiled(rng, sheet, resources, words)
    elif family == "two-lines":
        if chance(rng, 0.5):
            below = notice(rng, resources)
        else:
            text = pick(rng, _SMALL_PRINT).format(
                shop(rng).split(" ")[0].strip("®™").lower(), n=whole(rng, 10000, 99999999)
            )
            below = Words(
                text if resources.fonts.writes(text, "latin") else "Please check back later",
                "en",
            )
        stacked(
            rng, sheet, resources, words, below, even=below.language != "en" or chance(rng, 0.3)
        )
        words = Words(f"{words.text}\n{below.text}", words.language)
    elif family == "cover":
        book = cover(rng, sheet)
        write(
            rng,
            book,
            resources,
            words,
            (between(rng, 0.3, 0.45), between(rng, 0.2, 0.6)),
            tilt=False,
        )
    else:
        write(rng, sheet, resources, words)
    return sheet.picture, f"text/{family}", words

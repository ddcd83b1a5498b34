"""Colours and materials as goods: paint charts, cloth, wood, tiles, stone, patterns."""

import numpy as np
from PIL import Image, ImageChops, ImageDraw

from model.standins.chance import between, chance, log_between, pick, weighted, whole
from model.standins.grounds import Sheet, gradient, noise, pattern, texture
from model.standins.names import brand, measure
from model.standins.palette import Colour, brand_colour, hsv, ink_on, luma, mix
from model.standins.resources import Resources
from model.standins.surface import Pen, canvas_size
from model.standins.texts import Words, write

_FAMILIES = {
    "paint": 0.24,
    "plain": 0.1,
    "pattern": 0.16,
    "cloth": 0.14,
    "wood": 0.1,
    "tiles": 0.1,
    "stone": 0.1,
    "gradient": 0.06,
}


def _wood(rng: np.random.Generator, size: tuple[int, int]) -> Image.Image:
    """Grain: stretched noise that bends the rings."""
    w, h = size
    base = np.asarray(
        hsv(between(rng, 0.04, 0.11), between(rng, 0.25, 0.75), between(rng, 0.3, 0.95)), np.float32
    )
    bend = noise(rng, size, (2, whole(rng, 3, 6)), 1)
    x = np.linspace(0, whole(rng, 4, 14), w, dtype=np.float32)[None, :, None]
    rings = 0.5 + 0.5 * np.sin((x + bend * between(rng, 1, 5)) * 2 * np.pi)
    fibre = noise(rng, size, (max(2, w // 2), max(2, h // 30)), 1)
    values = base * (1 - between(rng, 0.1, 0.35) * rings - 0.12 * fibre)
    picture = Image.fromarray(np.clip(values, 0, 255).astype(np.uint8))
    return (
        picture if chance(rng, 0.6) else picture.transpose(Image.Transpose.ROTATE_90).resize(size)
    )


def _weave(rng: np.random.Generator, size: tuple[int, int], colour: Colour) -> Image.Image:
    """Cloth: threads over and under, in one or two colours, or a tartan."""
    w, h = size
    y, x = np.mgrid[0:h, 0:w].astype(np.float32)
    step = max(2.0, min(size) * log_between(rng, 0.01, 0.06))
    warp = 0.5 + 0.5 * np.sin(2 * np.pi * x / step)
    weft = 0.5 + 0.5 * np.sin(2 * np.pi * y / step)
    over = ((x // step + y // step) % 2)[:, :, None]
    shade = np.where(over > 0, warp[:, :, None], weft[:, :, None])
    values = np.asarray(colour, np.float32) * (0.72 + 0.28 * shade)
    if chance(rng, 0.4):
        for axis in (x, y):
            band = (axis / (step * whole(rng, 6, 14))) % 1 < between(rng, 0.1, 0.5)
            values[band] = values[band] * 0.6 + np.asarray(brand_colour(rng), np.float32) * 0.4
    return Image.fromarray(np.clip(values + rng.normal(0, 3, (h, w, 1)), 0, 255).astype(np.uint8))


def _tiles(rng: np.random.Generator, size: tuple[int, int], colour: Colour) -> Image.Image:
    """Tiles, bricks or planks with joints, each piece a little different."""
    w, h = size
    wide = max(6, round(w / whole(rng, 2, 9)))
    high = max(4, round(wide * pick(rng, (1.0, 1.0, 0.5, 0.25))))
    joint = ink_on(rng, colour, 14)
    picture = Image.new("RGB", size, joint)
    draw = ImageDraw.Draw(picture)
    gap = max(1, round(high * between(rng, 0.02, 0.08)))
    offset = pick(rng, (0.0, 0.5, 0.33))
    spread = between(rng, 0.0, 0.18)
    for j, y in enumerate(range(0, h, high)):
        for x in range(-wide, w, wide):
            x0 = x + round(wide * offset * (j % 3 if offset == 0.33 else j % 2))
            shade = mix(
                colour, pick(rng, ((0, 0, 0), (255, 255, 255))), spread * float(rng.random())
            )
            draw.rectangle((x0, y, x0 + wide - gap - 1, y + high - gap - 1), fill=shade)
    if chance(rng, 0.6):  # cast, fired or sawn: never quite even
        grain = texture(rng, size, (128, 128, 128), log_between(rng, 20, 120))
        picture = ImageChops.overlay(picture, grain)
    return picture


def _chart(rng: np.random.Generator, size: tuple[int, int], resources: Resources) -> Image.Image:
    """A paint chart: fields of related colours, perhaps with a white foot and a name."""
    w, h = size
    nx, ny = whole(rng, 1, 4), whole(rng, 1, 4)
    if chance(rng, 0.4):
        nx = ny = 1
    hue, spread = rng.random(), between(rng, 0, 0.4)
    ground = (255, 255, 255) if chance(rng, 0.7) else brand_colour(rng)
    picture = Image.new("RGB", size, ground)
    draw = ImageDraw.Draw(picture)
    m = round(min(size) * pick(rng, (0.0, 0.0, 0.03, 0.06)))
    foot = round(h * between(rng, 0.15, 0.3)) if chance(rng, 0.45) else 0
    cw, ch = (w - m) / nx, (h - m - foot) / ny
    for i in range(nx):
        for j in range(ny):
            tone = hsv(
                hue + between(rng, -spread, spread),
                between(rng, 0.02, 0.95),
                between(rng, 0.2, 1.0),
            )
            if cw - m > 1 and ch - m > 1:
                draw.rectangle(
                    (m + i * cw, m + j * ch, m + i * cw + cw - m - 1, m + j * ch + ch - m - 1),
                    fill=tone,
                )
    if foot > 8:
        words = Words(pick(rng, (brand, measure))(rng), "en")
        if resources.fonts.writes(words.text, "latin"):
            write(
                rng,
                Sheet(picture, ground),
                resources,
                words,
                (0.7, foot / h * 0.5),
                (0.5, 1 - foot / h / 2),
                ink_on(rng, ground, 60),
                tilt=False,
            )
    return picture


def _earthen(rng: np.random.Generator) -> Colour:
    """Clay, sand, slate, undyed cloth, grass: what materials are made of."""
    hue, low, high = pick(
        rng, ((0.03, 0.3, 0.75), (0.09, 0.1, 0.45), (0.6, 0.0, 0.2), (0.25, 0.3, 0.6))
    )
    return hsv(hue + between(rng, -0.03, 0.03), between(rng, low, high), between(rng, 0.25, 0.95))


def _veins(rng: np.random.Generator, size: tuple[int, int], colour: Colour) -> Image.Image:
    """Marble and leather: ridges of folded noise."""
    w, h = size
    total = np.zeros((h, w, 1), np.float32)
    for cells, weight in ((3, 1.0), (6, 0.6), (14, 0.4), (32, 0.25)):
        total += weight * np.abs(noise(rng, size, (min(w, cells), min(h, cells)), 1) * 2 - 1)
    ridge = np.clip(1 - total / between(rng, 0.5, 1.2), 0, 1) ** 2
    vein = np.asarray(ink_on(rng, colour, 20), np.float32)
    base = np.asarray(colour, np.float32)
    return Image.fromarray(np.clip(base + (vein - base) * ridge, 0, 255).astype(np.uint8))


def draw_swatch(rng: np.random.Generator, resources: Resources) -> tuple[Image.Image, str]:
    """A colour or a material as goods: picture and family."""
    family = weighted(rng, _FAMILIES)
    size = canvas_size(rng)
    colour = (
        brand_colour(rng)
        if chance(rng, 0.65)
        else hsv(rng.random(), between(rng, 0, 0.3), between(rng, 0.2, 1))
    )
    if family in ("tiles", "stone", "cloth") and chance(rng, 0.6):
        colour = _earthen(rng)
    if family == "paint":
        picture = _chart(rng, size, resources)
    elif family == "pattern":
        picture = pattern(rng, size, colour, ink_on(rng, colour, 15))
    elif family == "cloth":
        picture = _weave(rng, size, colour)
    elif family == "wood":
        picture = _wood(rng, size)
    elif family == "tiles":
        picture = _tiles(rng, size, colour)
    elif family == "stone":
        picture = (
            _veins(rng, size, colour)
            if chance(rng, 0.6)
            else texture(rng, size, colour, log_between(rng, 15, 110))
        )
    elif family == "gradient":
        picture = gradient(rng, size, colour)
    else:
        picture = (
            texture(rng, size, colour, log_between(rng, 2, 14))
            if chance(rng, 0.6)
            else Image.new("RGB", size, colour)
        )
    if chance(rng, 0.12) and min(size) > 40:  # a chip on white: a disc, a square or a blot
        chip = Pen(min(size))
        (
            chip.circle(50, 50, 44)
            if chance(rng, 0.5)
            else chip.box(8, 8, 92, 92, between(rng, 0, 15))
        )
        mask = chip.mask()
        white = Image.new("RGB", size, (255, 255, 255))
        at = ((size[0] - mask.width) // 2, (size[1] - mask.height) // 2)
        white.paste(picture.crop((at[0], at[1], at[0] + mask.width, at[1] + mask.height)), at, mask)
        if luma(colour) < 240:
            picture = white
    return picture, f"swatch/{family}"

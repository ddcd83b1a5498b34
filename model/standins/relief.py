"""Ink with depth: the glossy buttons, bevelled letters and shaded figures of older shops."""

import numpy as np
from PIL import Image, ImageChops, ImageDraw, ImageFilter

from model.standins.chance import between, chance, pick, weighted
from model.standins.palette import BLACK, WHITE, Colour, luma, mix
from model.standins.surface import blend, ink, ramp


def _shadow(
    rng: np.random.Generator, picture: Image.Image, mask: Image.Image, at: tuple[int, int]
) -> None:
    """A soft shadow below; ``mask`` is not changed."""
    reach = max(1, round(max(mask.size) * between(rng, 0.01, 0.05)))
    wide = Image.new("L", (mask.width + 4 * reach, mask.height + 4 * reach))
    wide.paste(mask, (2 * reach, 2 * reach))
    soft = wide.filter(ImageFilter.BoxBlur(reach))
    ink(picture, soft, (at[0] - 2 * reach, at[1] - reach), BLACK, between(rng, 0.2, 0.5))


def glossy(
    rng: np.random.Generator,
    picture: Image.Image,
    mask: Image.Image,
    at: tuple[int, int],
    colour: Colour,
) -> None:
    """Paint a mask as if it were enamel: graded, with a dark rim and a light reflected above."""
    w, h = mask.size
    if chance(rng, 0.6):
        _shadow(rng, picture, mask, at)
    light = mix(colour, WHITE, between(rng, 0.2, 0.6))
    dark = mix(colour, BLACK, between(rng, 0.15, 0.5))
    fill = blend(light, dark, ramp(mask.size, 90.0, radial=chance(rng, 0.2)))
    picture.paste(fill, at, mask)
    width = max(1, round(min(w, h) * between(rng, 0.01, 0.03)))
    deep = mask.filter(ImageFilter.BoxBlur(width)).point([0] * 225 + [255] * 31)
    ink(
        picture, ImageChops.subtract(mask, deep), at, mix(dark, BLACK, 0.35), between(rng, 0.4, 1.0)
    )
    if chance(rng, 0.7):
        shine = Image.new("L", (w, h))
        low = h * between(rng, 0.35, 0.6)
        ImageDraw.Draw(shine).ellipse((-w * 0.2, -low, w * 1.2, low), fill=255)
        inner = ImageChops.multiply(shine, deep)
        inner = ImageChops.multiply(inner, ImageChops.invert(ramp(mask.size, 90.0)))
        ink(picture, inner, at, WHITE, between(rng, 0.35, 0.8))


def bevelled(
    rng: np.random.Generator,
    picture: Image.Image,
    mask: Image.Image,
    at: tuple[int, int],
    colour: Colour,
) -> None:
    """Paint a mask as a plate lit from the upper left: light edges there, dark ones opposite."""
    depth = max(1, round(min(mask.size) * between(rng, 0.01, 0.04)))
    height = mask.filter(ImageFilter.BoxBlur(depth))
    slope = np.asarray(height, np.int16) - np.asarray(
        ImageChops.offset(height, depth, depth), np.int16
    )
    strength = between(rng, 0.4, 0.9)
    if chance(rng, 0.5):
        _shadow(rng, picture, mask, at)
    picture.paste(colour, (at[0], at[1], at[0] + mask.width, at[1] + mask.height), mask)
    for tone, part in ((WHITE, slope), (BLACK, -slope)):
        edge = Image.fromarray(np.clip(part, 0, 255).astype(np.uint8))
        ink(picture, ImageChops.multiply(edge, mask), at, tone, strength)


_EFFECTS = {
    "flat": 0.83,
    "gradient": 0.04,
    "shadow": 0.045,
    "emboss": 0.025,
    "outline": 0.015,
    "glossy": 0.03,
    "bevelled": 0.015,
}


def ink_with_effects(
    rng: np.random.Generator,
    picture: Image.Image,
    mask: Image.Image,
    at: tuple[int, int],
    colour: Colour,
    ground: Colour,
) -> None:
    """Paint a mask, one time in six with a gradient, a shadow, an emboss or gloss."""
    style = weighted(rng, _EFFECTS)
    if min(mask.size) < 12:
        style = "flat"
    if style in ("glossy", "bevelled"):
        (glossy if style == "glossy" else bevelled)(rng, picture, mask, at, colour)
        return
    if style in ("shadow", "outline"):
        away = max(1, round(max(mask.size) * between(rng, 0.005, 0.03)))
        grown = ImageChops.offset(_padded(mask, 3 * away), 0, 0)
        soft = (
            grown.filter(ImageFilter.MaxFilter(3))
            if style == "outline"
            else grown.filter(ImageFilter.GaussianBlur(away * between(rng, 0.3, 1.2)))
        )
        tone = BLACK if luma(ground) > 100 else mix(ground, WHITE, 0.5)
        shift = 0 if style == "outline" else away
        ink(
            picture,
            soft,
            (at[0] - 3 * away + shift, at[1] - 3 * away + shift),
            tone,
            1.0 if style == "outline" else between(rng, 0.2, 0.6),
        )
    elif style == "emboss":
        light = WHITE if luma(ground) < 245 else mix(ground, BLACK, 0.18)
        ink(picture, mask, (at[0], at[1] + 1), light, 0.8)
    if style == "gradient":
        other = mix(colour, pick(rng, (WHITE, BLACK, ground)), between(rng, 0.2, 0.5))
        fill = blend(colour, other, ramp(mask.size, between(rng, 0, 360)))
        picture.paste(fill, at, mask)
    else:
        ink(picture, mask, at, colour)


def _padded(mask: Image.Image, by: int) -> Image.Image:
    out = Image.new("L", (mask.width + 2 * by, mask.height + 2 * by))
    out.paste(mask, (by, by))
    return out

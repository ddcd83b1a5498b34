"""Colours as shops use them: much white and grey, some brand colours, ink from faint to black."""

import colorsys

import numpy as np

from model.standins.chance import Real, between, chance, log_between, pick, weighted, whole

Colour = tuple[int, int, int]
WHITE: Colour = (255, 255, 255)
BLACK: Colour = (0, 0, 0)

# Colours that themes and style sheets repeat again and again.
THEME_COLOURS: tuple[Colour, ...] = (
    (0, 123, 255), (40, 167, 69), (220, 53, 69), (255, 193, 7), (23, 162, 184), (108, 117, 125),
    (52, 58, 64), (33, 150, 243), (63, 81, 181), (156, 39, 176), (233, 30, 99), (244, 67, 54),
    (255, 87, 34), (255, 152, 0), (139, 195, 74), (0, 150, 136), (0, 188, 212), (96, 125, 139),
    (121, 85, 72), (44, 62, 80), (52, 152, 219), (231, 76, 60), (46, 204, 113), (155, 89, 182),
    (241, 196, 15), (26, 188, 156), (243, 156, 18), (192, 57, 43), (127, 140, 141), (37, 99, 235),
)  # fmt: skip


def grey(value: Real) -> Colour:
    """The grey of one value, 0 to 255."""
    v = round(min(255.0, max(0.0, value)))
    return (v, v, v)


def luma(colour: Colour) -> float:
    """Perceived lightness, 0 to 255 (Rec. 601 weights)."""
    return 0.299 * colour[0] + 0.587 * colour[1] + 0.114 * colour[2]


def mix(a: Colour, b: Colour, share: Real) -> Colour:
    """``share`` of b in a; 0 gives a, 1 gives b."""
    r, g, blue = (round(x + (y - x) * share) for x, y in zip(a, b, strict=True))
    return (r, g, blue)


def hsv(hue: Real, saturation: Real, value: Real) -> Colour:
    """From hue, saturation and value, each 0 to 1; the hue wraps."""
    r, g, b = colorsys.hsv_to_rgb(hue % 1.0, saturation, value)
    return (round(r * 255), round(g * 255), round(b * 255))


def brand_colour(rng: np.random.Generator) -> Colour:
    """A colour that a brand or a theme would choose."""
    if chance(rng, 0.4):
        return pick(rng, THEME_COLOURS)
    return hsv(rng.random(), between(rng, 0.35, 1.0), between(rng, 0.25, 1.0))


def tinted(rng: np.random.Generator, value: Real, strength: Real = 0.06) -> Colour:
    """Nearly grey, with a breath of colour (the blue-grey and beige of web themes)."""
    hue = pick(rng, (0.58, 0.6, 0.62, 0.08, 0.1, 0.0, 0.33)) + between(rng, -0.04, 0.04)
    return hsv(hue, between(rng, 0.0, strength), min(1.0, max(0.0, value / 255)))


def ground_colour(rng: np.random.Generator) -> Colour:
    """The colour behind everything: white in about two of five pictures."""
    tone = weighted(
        rng,
        {"white": 0.38, "pale": 0.24, "grey": 0.09, "dark": 0.07, "black": 0.03,
         "pastel": 0.08, "brand": 0.11},
    )  # fmt: skip
    if tone == "white":
        return WHITE if chance(rng, 0.85) else grey(whole(rng, 250, 254))
    if tone == "pale":
        value = between(rng, 215, 250)
        return grey(value) if chance(rng, 0.6) else tinted(rng, value)
    if tone == "grey":
        return tinted(rng, between(rng, 110, 214), 0.05)
    if tone == "dark":
        return tinted(rng, between(rng, 20, 90), 0.4)
    if tone == "black":
        return grey(whole(rng, 0, 12))
    if tone == "pastel":
        return hsv(rng.random(), between(rng, 0.05, 0.3), between(rng, 0.88, 1.0))
    return brand_colour(rng)


def _shifted(ground: Colour, step: Real, rng: np.random.Generator, tint: Real) -> Colour:
    """A grey or tinted tone ``step`` luma away from the ground, on the side with room."""
    base = luma(ground)
    up = base + step <= 255 and (base < 128 or (base < 200 and chance(rng, 0.25)))
    value = base + step if up else base - step
    if value < 0:
        value = base + step
    target = min(255.0, max(0.0, value))
    if tint == 0.0:
        return grey(target)
    pure = mix(ground, WHITE if up else BLACK, 0.0)
    toned = tuple(round(min(255.0, max(0.0, c + target - base))) for c in pure)
    return (toned[0], toned[1], toned[2])


def ink_on(rng: np.random.Generator, ground: Colour, at_least: Real = 12.0) -> Colour:
    """Ink that can be seen on ``ground``: often faint, seldom pure black.

    Args:
        rng: randomness.
        ground: the colour (or mean colour) under the ink.
        at_least: least difference in luma, of 255; busy grounds need more.
    """
    style = weighted(rng, {"faint": 0.21, "middle": 0.33, "strong": 0.31, "colour": 0.15})
    if style == "colour":
        for _ in range(6):
            colour = brand_colour(rng)
            if abs(luma(colour) - luma(ground)) >= max(at_least, 40):
                return colour
        style = "strong"
    low, high = {"faint": (14.0, 45.0), "middle": (45.0, 130.0), "strong": (130.0, 255.0)}[style]
    step = log_between(rng, max(low, at_least), max(high, at_least + 1))
    room = max(luma(ground), 255 - luma(ground))
    return _shifted(ground, min(step, room), rng, 0.0 if chance(rng, 0.5) else 1.0)


def apart(rng: np.random.Generator, colour: Colour, other: Colour, least: Real = 14) -> Colour:
    """``other``, or where it can hardly be told from ``colour`` a tone that can."""
    if abs(luma(colour) - luma(other)) >= least:
        return other
    return _shifted(colour, between(rng, least, 3 * least), rng, 1.0)


def second_ink(rng: np.random.Generator, ground: Colour, ink: Colour) -> Colour:
    """A second tone that goes with ``ink``: half way to the ground, the same, or an accent."""
    style = weighted(rng, {"same": 0.4, "between": 0.3, "accent": 0.2, "new": 0.1})
    if style == "same":
        return ink
    if style == "between":
        return mix(ink, ground, between(rng, 0.2, 0.6))
    if style == "accent":
        for _ in range(6):
            colour = brand_colour(rng)
            if abs(luma(colour) - luma(ground)) >= 35:
                return colour
    return ink_on(rng, ground, 20)

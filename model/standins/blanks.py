"""Stand-ins with next to nothing on them: plain, graded, noisy, checkered, skeleton boxes."""

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from model.standins.chance import between, chance, log_between, pick, weighted, whole
from model.standins.grounds import Sheet, add_frame, gradient, pattern, photolike, texture
from model.standins.palette import (
    BLACK,
    WHITE,
    Colour,
    apart,
    brand_colour,
    grey,
    ground_colour,
    ink_on,
    luma,
    mix,
)
from model.standins.resources import Resources
from model.standins.surface import blend, canvas_size, ramp

BLANK_FAMILIES = {"plain": 0.2, "gradient": 0.14, "pattern": 0.1, "noise": 0.1, "border": 0.13,
                  "checkerboard": 0.1, "skeleton": 0.17, "spot": 0.06}  # fmt: skip


def _checkerboard(rng: np.random.Generator, size: tuple[int, int]) -> Image.Image:
    """What editors show behind transparency."""
    step = max(2.0, min(size) * log_between(rng, 0.02, 0.12))
    shift = between(rng, 0, step)
    if chance(rng, 0.75):
        light, dark = WHITE, grey(whole(rng, 190, 240))
    else:
        light, dark = grey(whole(rng, 90, 160)), grey(whole(rng, 50, 85))
    y, x = np.mgrid[0 : size[1], 0 : size[0]]
    on = (((x + shift) // step) + ((y + shift) // step)).astype(np.intp) % 2
    table = np.array([light, dark], np.uint8)
    return Image.fromarray(table[on])


def _skeleton(rng: np.random.Generator, size: tuple[int, int]) -> Image.Image:
    """Grey bars and blocks where a page is still loading, with the shimmer that runs over them."""
    w, h = size
    dark = chance(rng, 0.12)
    ground = grey(whole(rng, 20, 50)) if dark else grey(whole(rng, 244, 255))
    tone = mix(ground, WHITE if dark else BLACK, between(rng, 0.06, 0.18))
    over = Image.new("L", size)
    draw = ImageDraw.Draw(over)
    m = max(2, round(min(size) * between(rng, 0.04, 0.1)))
    radius = m * between(rng, 0, 0.9)
    style = weighted(rng, {"card": 0.4, "list": 0.25, "block": 0.15, "grid": 0.2})
    if style == "card":
        cut = h * between(rng, 0.45, 0.72)
        draw.rounded_rectangle((m, m, w - m, cut), radius, fill=255)
        y = cut + m
        bar = max(3.0, h * between(rng, 0.04, 0.08))
        while y + bar < h - m / 2:
            draw.rounded_rectangle(
                (m, y, m + (w - 2 * m) * between(rng, 0.3, 1.0), y + bar),
                min(bar / 2, radius),
                fill=255,
            )
            y += bar * between(rng, 1.5, 2.0)
    elif style == "list":
        rows = whole(rng, 2, 5)
        step = (h - m) / rows
        for i in range(rows):
            y = m + i * step
            side = step - m
            if side < 3:
                break
            if chance(rng, 0.5):
                draw.ellipse((m, y, m + side, y + side), fill=255)
            else:
                draw.rounded_rectangle((m, y, m + side, y + side), radius / 2, fill=255)
            x = 2 * m + side
            for part in (0.1, 0.6):
                end = x + max(2.0, (w - m - x) * between(rng, 0.4, 1.0))
                draw.rounded_rectangle(
                    (x, y + side * part, end, y + side * (part + 0.25)), side * 0.1, fill=255
                )
    elif style == "block":
        draw.rounded_rectangle((m, m, w - m, h - m), radius, fill=255)
    else:
        nx, ny = whole(rng, 2, 4), whole(rng, 1, 3)
        cw, ch = (w - m) / nx, (h - m) / ny
        for i in range(nx):
            for j in range(ny):
                x, y = m + i * cw, m + j * ch
                if cw - m > 3 and ch - m > 3:
                    draw.rounded_rectangle(
                        (x, y, x + cw - m, y + ch - m), min(radius, (cw - m) / 3), fill=255
                    )
    picture = Image.new("RGB", size, ground)
    picture.paste(tone, (0, 0), over)
    if chance(rng, 0.5):
        sweep = ramp((2 * w, h), between(rng, -15, 15))
        peak = between(rng, 60, 200)
        sweep = sweep.point([max(0, round(150 - abs(v - peak) * 4)) for v in range(256)])
        start = whole(rng, 0, w)
        light = Image.composite(sweep.crop((start, 0, start + w, h)), Image.new("L", size), over)
        picture.paste(mix(tone, WHITE, 0.6), (0, 0), light)
    return picture


def _noisy(rng: np.random.Generator, size: tuple[int, int]) -> Image.Image:
    """Paper grain, static, or a photograph blurred beyond recognition."""
    style = weighted(rng, {"grain": 0.45, "static": 0.2, "blur": 0.35})
    colour = ground_colour(rng)
    if style == "grain":
        return texture(rng, size, colour, log_between(rng, 22, 80))
    if style == "blur":
        tiny = photolike(rng, (24, 24)).filter(ImageFilter.GaussianBlur(between(rng, 1, 4)))
        return tiny.resize(size, Image.Resampling.BICUBIC)
    cell = whole(rng, 1, max(1, min(size) // 16))
    small = (max(2, size[0] // cell), max(2, size[1] // cell))
    bands = 3 if chance(rng, 0.3) else 1
    values = rng.normal(0, log_between(rng, 9, 70), (small[1], small[0], bands))
    field = np.clip(np.asarray(colour, np.float32) + values, 0, 255).astype(np.uint8)
    return Image.fromarray(field).resize(size, Image.Resampling.NEAREST)


def _with_trace(rng: np.random.Generator, picture: Image.Image, colour: Colour) -> Image.Image:
    """A plain picture with a trace of something: uneven light, a spot, a line, specks."""
    size = picture.size
    style = weighted(rng, {"light": 0.4, "spot": 0.2, "line": 0.2, "specks": 0.2})
    away = BLACK if luma(colour) > 128 else WHITE
    tone = mix(colour, away, between(rng, 0.08, 0.35))
    if style == "light":
        centre = (between(rng, -0.5, 0.5), between(rng, -0.5, 0.5))
        bend = log_between(rng, 0.4, 3)
        by = ramp(size, between(rng, 0, 360), chance(rng, 0.3), centre, bend)
        ends = (colour, tone) if chance(rng, 0.5) else (tone, colour)
        picture = blend(*ends, by)
        # White that fades a little is too common to be told apart by that alone.
        if abs(luma(tone) - luma(colour)) > 45 and chance(rng, 0.6):
            return picture
        style = pick(rng, ("spot", "line", "specks"))
    draw = ImageDraw.Draw(picture)
    w, h = size
    reach = min(size) * log_between(rng, 0.04, 0.3)
    x, y = between(rng, 0, w - reach), between(rng, 0, h - reach)
    if style == "spot":
        box = (x, y, x + reach, y + reach)
        (draw.ellipse if chance(rng, 0.5) else draw.rectangle)(box, fill=tone)
    elif style == "line":
        thick = max(1, round(min(size) * between(rng, 0.004, 0.03)))
        across = chance(rng, 0.5)
        draw.line((0, y, w, y) if across else (x, 0, x, h), fill=tone, width=thick)
    else:
        for _ in range(whole(rng, 6, 60)):
            a, b = between(rng, 0, w), between(rng, 0, h)
            r = max(0.5, min(size) * between(rng, 0.002, 0.012))
            draw.ellipse((a - r, b - r, a + r, b + r), fill=tone)
    return picture


def draw_blank(rng: np.random.Generator, resources: Resources) -> tuple[Image.Image, str]:
    """A stand-in without words or icon: picture and family."""
    del resources
    family = weighted(rng, BLANK_FAMILIES)
    size = canvas_size(rng)
    colour = ground_colour(rng)
    if family == "gradient":
        picture = gradient(rng, size, colour)
    elif family == "pattern":
        other = apart(rng, colour, mix(colour, ink_on(rng, colour), between(rng, 0.15, 1.0)))
        picture = pattern(rng, size, colour, other)
    elif family == "noise":
        picture = _noisy(rng, size)
    elif family == "checkerboard":
        picture = _checkerboard(rng, size)
    elif family == "skeleton":
        picture = _skeleton(rng, size)
    elif family == "spot":
        centre = (between(rng, -0.3, 0.3), between(rng, -0.3, 0.3))
        by = ramp(size, 0, radial=True, centre=centre, bend=log_between(rng, 0.5, 2.5))
        edge = mix(colour, pick(rng, (BLACK, WHITE, brand_colour(rng))), between(rng, 0.2, 0.8))
        edge = apart(rng, colour, edge, 22)
        picture = Image.composite(Image.new("RGB", size, edge), Image.new("RGB", size, colour), by)
    else:
        if chance(rng, 0.2):
            colour = brand_colour(rng)
        picture = Image.new("RGB", size, colour)
        if family == "border":
            sheet = Sheet(picture, colour)
            for _ in range(whole(rng, 1, 2)):
                add_frame(rng, sheet)
            picture = sheet.picture
        else:
            picture = _with_trace(rng, picture, colour)
    return picture, f"blank/{family}"

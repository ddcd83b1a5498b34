"""Landscapes in flat tones: the sun over hills that fills a whole stand-in, or a print of one."""

import numpy as np
from PIL import Image, ImageDraw

from model.standins.chance import between, chance, pick, whole
from model.standins.grounds import Sheet, photolike
from model.standins.palette import BLACK, WHITE, Colour, brand_colour, grey, hsv, mix
from model.standins.surface import smooth


def _tones(rng: np.random.Generator) -> tuple[Colour, Colour, Colour, Colour]:
    """Sky, sun, far hills, near hills: greys, one tint, or the colours of a child's drawing."""
    style = whole(rng, 0, 3)
    if style == 0:
        sky = grey(whole(rng, 205, 245))
        step = between(rng, 12, 45)
        return (
            sky,
            pick(rng, (WHITE, grey(sky[0] - step))),
            grey(sky[0] - step),
            grey(sky[0] - 2 * step),
        )
    if style == 1:
        hue, strength = between(rng, 0.52, 0.66), between(rng, 0.08, 0.35)
        sky = hsv(hue, strength, 0.98)
        return sky, WHITE, mix(sky, WHITE, 0.6), mix(sky, WHITE, 0.85)
    if style == 2:
        hue = rng.random()
        sky = hsv(hue, between(rng, 0.1, 0.5), between(rng, 0.3, 0.95))
        return sky, mix(sky, WHITE, 0.7), mix(sky, BLACK, 0.2), mix(sky, BLACK, 0.4)
    sky = hsv(between(rng, 0.5, 0.6), between(rng, 0.2, 0.6), 0.97)
    sun = hsv(between(rng, 0.1, 0.16), between(rng, 0.6, 1.0), 1.0)
    green = hsv(between(rng, 0.22, 0.42), between(rng, 0.4, 0.8), between(rng, 0.5, 0.9))
    return sky, sun, mix(green, WHITE, 0.3), green


def draw_scene(rng: np.random.Generator, size: tuple[int, int]) -> Image.Image:
    """A landscape of this size, RGB, in four tones."""
    w, h = size
    over = 2 if max(size) < 500 else 1
    sky, sun, far, near = _tones(rng)
    picture = Image.new("RGB", (w * over, h * over), sky)
    draw = ImageDraw.Draw(picture)
    w, h = picture.size
    r = min(w, h) * between(rng, 0.06, 0.16)
    x, y = w * pick(rng, (0.25, 0.3, 0.7, 0.78)), h * between(rng, 0.15, 0.4)
    draw.ellipse((x - r, y - r, x + r, y + r), fill=sun)
    round_hills = chance(rng, 0.35)
    for tone, low, high in ((far, 0.35, 0.6), (near, 0.55, 0.8)):
        n = whole(rng, 2, 4)
        peaks = [(-0.2 * w, h * 1.3), (-0.2 * w, h * 0.85)]
        for i in range(n):
            peak = w * (i + between(rng, 0.25, 0.75)) / n
            peaks += [
                (peak, h * between(rng, low, high)),
                (w * (i + 1) / n, h * between(rng, high, 0.95)),
            ]
        peaks += [(1.2 * w, h * 0.85), (1.2 * w, h * 1.3)]
        draw.polygon(smooth(peaks, 5) if round_hills else peaks, fill=tone)
    for _ in range(whole(rng, 0, 2) if chance(rng, 0.3) else 0):
        cx, cy = w * between(rng, 0.1, 0.9), h * between(rng, 0.1, 0.35)
        for k in range(3):
            s = min(w, h) * between(rng, 0.04, 0.08)
            draw.ellipse(
                (cx + k * s - s, cy - s * 0.7, cx + k * s + s, cy + s * 0.7),
                fill=mix(sky, WHITE, 0.75),
            )
    return picture.reduce(over) if over > 1 else picture


def put_window(rng: np.random.Generator, sheet: Sheet) -> Sheet:
    """A browser's window on the sheet, in flat colours with blots behind; what is inside it."""
    w, h = sheet.picture.size
    draw = ImageDraw.Draw(sheet.picture)
    accent = brand_colour(rng) if chance(rng, 0.7) else grey(whole(rng, 90, 200))
    if chance(rng, 0.6):
        blot = [
            (w * (0.5 + between(rng, 0.3, 0.5) * np.cos(a)), h * (0.5 + 0.45 * np.sin(a)))
            for a in np.linspace(0, 2 * np.pi, 7, endpoint=False)
        ]
        draw.polygon(smooth(blot, 6), fill=mix(accent, sheet.colour, between(rng, 0.7, 0.9)))
    wide, high = w * between(rng, 0.55, 0.8), h * between(rng, 0.5, 0.7)
    x0, y0 = (w - wide) / 2, (h - high) / 2
    bar, radius = high * between(rng, 0.12, 0.2), min(w, h) * between(rng, 0, 0.05)
    inside = WHITE if chance(rng, 0.6) else mix(accent, WHITE, between(rng, 0.5, 0.9))
    rim = mix(accent, BLACK, 0.5) if chance(rng, 0.5) else accent
    line = max(1, round(min(w, h) * 0.012))
    box = (x0, y0, x0 + wide, y0 + high)
    draw.rounded_rectangle(box, radius, fill=inside, outline=rim, width=line)
    draw.rounded_rectangle((x0, y0, x0 + wide, y0 + bar), radius, fill=rim)
    for i in range(3):
        x, r = x0 + bar * (0.6 + 0.6 * i), bar * 0.17
        tone = WHITE if chance(rng, 0.7) else brand_colour(rng)
        draw.ellipse((x - r, y0 + bar / 2 - r, x + r, y0 + bar / 2 + r), fill=tone)
    for _ in range(whole(rng, 0, 4)):
        x, y, r = w * rng.random(), h * rng.random(), min(w, h) * between(rng, 0.02, 0.09)
        tone = mix(brand_colour(rng), sheet.colour, between(rng, 0, 0.6))
        if chance(rng, 0.5):
            draw.ellipse((x - r, y - r, x + r, y + r), fill=tone)
        else:
            draw.polygon([(x, y - r), (x + r, y + r), (x - r, y + r)], fill=tone)
    return Sheet(sheet.picture, inside, room=0.55)


def put_print(rng: np.random.Generator, sheet: Sheet) -> None:
    """A print with a white margin on the sheet, turned, perhaps upon another."""
    w, h = sheet.picture.size
    side = max(16, round(min(w, h) * between(rng, 0.45, 0.72)))
    tall = round(side * pick(rng, (0.78, 1.0, 1.18)))
    m = max(1, round(side * between(rng, 0.04, 0.08)))
    foot = m if chance(rng, 0.4) else 3 * m
    turn = between(rng, -16, 16)
    for i in range(whole(rng, 1, 3), 0, -1):
        paper = Image.new("RGB", (side, tall), mix(WHITE, BLACK, between(rng, 0, 0.06)))
        inner = (max(4, side - 2 * m), max(4, tall - m - foot))
        print_ = photolike(rng, inner) if chance(rng, 0.3) else draw_scene(rng, inner)
        paper.paste(
            print_ if i == 1 or chance(rng, 0.2) else grey(whole(rng, 180, 235)),
            (m, m, m + inner[0], m + inner[1]),
        )
        ImageDraw.Draw(paper).rectangle(
            (0, 0, side - 1, tall - 1), outline=grey(whole(rng, 170, 220))
        )
        angle = turn + (i - 1) * between(rng, 8, 20)
        mask = Image.new("L", paper.size, 255).rotate(angle, Image.Resampling.BICUBIC, expand=True)
        paper = paper.rotate(angle, Image.Resampling.BICUBIC, expand=True)
        at = ((w - paper.width) // 2, (h - paper.height) // 2)
        sheet.picture.paste(mix(sheet.colour, BLACK, 0.25), (at[0] + m // 2, at[1] + m // 2), mask)
        sheet.picture.paste(paper, at, mask)

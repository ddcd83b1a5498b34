"""Line drawings as goods: symbols of parts, footprints, dimensioned outlines, exploded views."""

import numpy as np
from PIL import Image

from model.standins.chance import Real, between, chance, pick, whole
from model.standins.grounds import Sheet
from model.standins.names import brand, measure
from model.standins.palette import Colour, grey, mix
from model.standins.resources import SILHOUETTES, Resources
from model.standins.silhouettes import draw_silhouette
from model.standins.surface import Pen, canvas_size, ink, outline
from model.standins.texts import Words, write

_PINS = (
    "VCC",
    "GND",
    "SDA",
    "SCL",
    "IN",
    "OUT",
    "EN",
    "RST",
    "TX",
    "RX",
    "A0",
    "D1",
    "CLK",
    "VIN",
    "NC",
    "1",
    "2",
    "3",
    "4",
)


def _label(
    rng: np.random.Generator,
    sheet: Sheet,
    resources: Resources,
    text: str,
    at: tuple[Real, Real],
    high: Real,
    tone: Colour,
) -> None:
    write(rng, sheet, resources, Words(text, "en"), (0.24, high), at, tone, tilt=False)


def _symbol(rng: np.random.Generator, sheet: Sheet, resources: Resources, tone: Colour) -> None:
    """A box with pins and their names, as in a circuit diagram."""
    w, h = sheet.picture.size
    side = min(w, h)
    pen = Pen(side)
    n = whole(rng, 2, 7)
    x0, x1 = between(rng, 20, 30), between(rng, 70, 80)
    pen.box(x0, 6, x1, 94, 0, width=between(rng, 0.8, 1.6))
    step = 84 / n
    for i in range(n):
        y = 8 + step * (i + 0.5)
        pen.line([(4, y), (x0, y)], 0.8)
        pen.line([(x1, y), (96, y)], 0.8)
    left = (w - side) // 2
    ink(sheet.picture, pen.mask(), (left, (h - side) // 2), tone)
    if side < 100:
        return
    _label(
        rng,
        sheet,
        resources,
        brand(rng)[:2].upper() + str(whole(rng, 10, 9999)),
        (0.5, 0.5),
        0.09,
        tone,
    )
    for i in range(min(n, 5)):
        y = (8 + step * (i + 0.5)) / 100
        write(
            rng,
            sheet,
            resources,
            Words(pick(rng, _PINS), "en"),
            (0.12 * side / w, 0.05),
            ((left + side * (x0 + 9) / 100) / w, y),
            tone,
            tilt=False,
        )


def _footprint(rng: np.random.Generator, sheet: Sheet, resources: Resources, tone: Colour) -> None:
    """Pads of a part in copper, its outline in grey."""
    del resources, tone
    w, h = sheet.picture.size
    copper = pick(rng, ((250, 190, 20), (247, 176, 16), (220, 160, 60), (200, 60, 50)))
    side = min(w, h)
    at = ((w - side) // 2, (h - side) // 2)
    pads, lines = Pen(side), Pen(side)
    style = whole(rng, 0, 2)
    n = whole(rng, 2, 7)
    if style == 0:  # two rows of bars
        step = 88 / n
        for i in range(n):
            for x in (8.0, 72.0):
                pads.box(x, 7 + i * step, x + 20, 7 + i * step + step * 0.6, between(rng, 0, 2))
        lines.box(31, 5, 69, 95, 0, width=0.8)
    else:  # rings in a grid, the first one square
        m = whole(rng, 1, 3)
        step = min(90 / n, 90 / m)
        for i in range(n):
            for j in range(m):
                x, y = 50 + (j - (m - 1) / 2) * step, 50 + (i - (n - 1) / 2) * step
                if i == j == 0:
                    pads.box(x - step * 0.38, y - step * 0.38, x + step * 0.38, y + step * 0.38)
                else:
                    pads.circle(x, y, step * 0.38)
                pads.circle(x, y, step * 0.18, tone=0)
        lines.circle(50, 50, 48, width=0.7)
    ink(sheet.picture, lines.mask(), at, mix(sheet.colour, grey(128), 0.5))
    ink(sheet.picture, pads.mask(), at, copper)


def _dimensioned(
    rng: np.random.Generator, sheet: Sheet, resources: Resources, tone: Colour
) -> None:
    """An outline with measures beside it."""
    w, h = sheet.picture.size
    side = round(min(w, h) * between(rng, 0.55, 0.75))
    shape = (
        draw_silhouette(rng, pick(rng, tuple(SILHOUETTES)), side)
        if chance(rng, 0.6)
        else resources.artwork(rng, side)
    )
    shape = outline(shape, max(1, side // whole(rng, 60, 140)))
    at = ((w - side) // 2, (h - side) // 2)
    ink(sheet.picture, shape, at, tone)
    marks = Pen(min(w, h))
    low = 50 + side / min(w, h) * 50 + 4
    for (x0, y0), (x1, y1) in (((100 - low, low), (low, low)), ((low, 100 - low), (low, low))):
        marks.line([(x0, y0), (x1, y1)], 0.6)
        for x, y in ((x0, y0), (x1, y1)):
            marks.line([(x - 1.6, y + 1.6), (x + 1.6, y - 1.6)], 0.8)
    ink(sheet.picture, marks.mask(), ((w - min(w, h)) // 2, (h - min(w, h)) // 2), tone)
    if min(w, h) > 110:
        _label(rng, sheet, resources, f"{whole(rng, 5, 990)} mm", (0.5, 0.94), 0.05, tone)


def _part(rng: np.random.Generator, sheet: Sheet, resources: Resources, tone: Colour) -> None:
    """A turned part seen from the side and from the end: screws, rings, flanges."""
    w, h = sheet.picture.size
    side = min(w, h)
    pen = Pen(side)
    line = between(rng, 0.8, 1.8)
    x, heights = 6.0, [between(rng, 8, 40) for _ in range(whole(rng, 2, 5))]
    span = 52 / len(heights)
    for half in heights:
        pen.box(x, 50 - half, x + span, 50 + half, 0, width=line)
        if chance(rng, 0.4):
            for k in range(0, int(span), 3):
                pen.line([(x + k, 50 - half), (x + min(span, k + 3), 50 + half)], 0.5)
        x += span
    pen.line([(2, 50), (96, 50)], 0.4, tone=150)
    for half in (max(heights) * 0.5, max(heights) * 0.35, max(heights) * 0.18):
        pen.circle(80, 50, max(4, half), width=line)
    ink(sheet.picture, pen.mask(), ((w - side) // 2, (h - side) // 2), tone)
    if side > 110 and chance(rng, 0.5):
        _label(rng, sheet, resources, measure(rng), (0.8, 0.85), 0.06, tone)


def draw_drawing(rng: np.random.Generator, resources: Resources) -> Image.Image:
    """A technical drawing, RGB."""
    size = canvas_size(rng)
    colour = (
        (255, 255, 255)
        if chance(rng, 0.8)
        else pick(rng, ((250, 248, 240), (20, 60, 120), (16, 110, 60), (240, 240, 240)))
    )
    sheet = Sheet(Image.new("RGB", size, colour), colour)
    tone = sheet.ink(rng, 90)
    pick(rng, (_symbol, _footprint, _dimensioned, _part))(rng, sheet, resources, tone)
    return sheet.picture

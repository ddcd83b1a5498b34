"""What lies behind: plain, graded, patterned, textured or photographic, with frames and cards."""

from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from model.standins.chance import Real, between, chance, log_between, pick, weighted, whole
from model.standins.palette import (
    BLACK,
    WHITE,
    Colour,
    apart,
    brand_colour,
    ground_colour,
    hsv,
    ink_on,
    luma,
    mix,
)
from model.standins.resources import Resources
from model.standins.surface import blend, canvas_size, ramp


@dataclass
class Sheet:
    """A picture in the making: what is painted so far, and the colour that ink will meet."""

    picture: Image.Image
    colour: Colour
    contrast: Real = 13.0  # the least luma difference that stays visible here
    room: Real = 1.0  # share of width and height that a frame, card or disc leaves

    @property
    def busy(self) -> bool:
        """Whether faint ink would be lost on this ground."""
        return self.contrast > 60

    def ink(self, rng: np.random.Generator, at_least: Real = 0.0) -> Colour:
        """An ink that can be seen on this ground."""
        return ink_on(rng, self.colour, max(self.contrast, at_least))


def noise(
    rng: np.random.Generator, size: tuple[int, int], cells: tuple[int, int], bands: int
) -> np.ndarray:
    """Smooth noise, (height, width, bands) float32 in 0 to 1, with this many cells each way."""
    small = rng.integers(0, 256, (cells[1], cells[0], bands), dtype=np.uint8)
    if bands == 1:
        picture = Image.fromarray(small[:, :, 0]).resize(size, Image.Resampling.BICUBIC)
        return (np.asarray(picture, np.float32) / 255)[:, :, None]
    picture = Image.fromarray(small).resize(size, Image.Resampling.BICUBIC)
    return np.asarray(picture, np.float32) / 255


def texture(
    rng: np.random.Generator, size: tuple[int, int], colour: Colour, contrast: Real
) -> Image.Image:
    """A surface of one colour: paper, cloth, stone, brushed metal, by layered noise."""
    width, height = size
    fine = max(2, min(width, height) // whole(rng, 2, 8))
    stretch = pick(rng, (1.0, 1.0, 1.0, 6.0, 0.15))
    total = np.zeros((height, width, 1), np.float32)
    for cells, weight in ((4, 0.5), (12, 0.3), (fine, 0.6)):
        across = max(2, min(width, round(cells * stretch)))
        total += weight * (noise(rng, size, (across, max(2, min(height, cells))), 1) - 0.5)
    values = np.asarray(colour, np.float32) + total * contrast
    return Image.fromarray(np.clip(values, 0, 255).astype(np.uint8))


def photolike(rng: np.random.Generator, size: tuple[int, int]) -> Image.Image:
    """Something like a photograph out of focus: soft colours, lights, a horizon, some grain."""
    width, height = size
    small = (max(16, width // 3), max(16, height // 3))
    hue, spread = rng.random(), between(rng, 0.03, 0.3)
    ends = [
        np.asarray(
            hsv(
                hue + between(rng, -spread, spread), between(rng, 0.05, 0.7), between(rng, 0.1, 1.0)
            ),
            np.float32,
        )
        for _ in range(3)
    ]
    n = noise(rng, small, (whole(rng, 2, 7), whole(rng, 2, 7)), 2)
    values = ends[0] + (ends[1] - ends[0]) * n[:, :, :1] + (ends[2] - ends[0]) * 0.6 * n[:, :, 1:]
    picture = Image.fromarray(np.clip(values, 0, 255).astype(np.uint8))
    draw = ImageDraw.Draw(picture)
    if chance(rng, 0.4):
        horizon = between(rng, 0.3, 0.75) * small[1]
        floor = mix(_mean(picture), BLACK, between(rng, 0.1, 0.5))
        draw.rectangle((0, horizon, *small), fill=floor)
    for _ in range(whole(rng, 0, 9)):
        x, y, r = (
            between(rng, 0, small[0]),
            between(rng, 0, small[1]),
            between(rng, 0.03, 0.3) * min(small),
        )
        tone = hsv(hue + between(rng, -0.3, 0.3), between(rng, 0, 0.8), between(rng, 0.1, 1))
        if chance(rng, 0.5):
            draw.ellipse((x - r, y - r, x + r, y + r), fill=tone)
        else:
            draw.rectangle(
                (x - r, y - r * 1.5, x + r * between(rng, 0.3, 1), y + r * 1.5), fill=tone
            )
    picture = picture.filter(ImageFilter.GaussianBlur(between(rng, 1.0, 6.0))).resize(
        size, Image.Resampling.BICUBIC
    )
    if chance(rng, 0.6):
        grain = rng.normal(0, between(rng, 1, 6), (height, width, 1)).astype(np.float32)
        picture = Image.fromarray(
            np.clip(np.asarray(picture, np.float32) + grain, 0, 255).astype(np.uint8)
        )
    return picture


def pattern(
    rng: np.random.Generator, size: tuple[int, int], colour: Colour, other: Colour
) -> Image.Image:
    """Stripes, dots, a grid, diamonds, chevrons, checks or confetti of ``other`` on ``colour``."""
    width, height = size
    step = max(3, round(min(size) * log_between(rng, 0.025, 0.2)))
    style = weighted(
        rng,
        {
            "stripes": 3,
            "dots": 2,
            "grid": 2,
            "check": 2,
            "diamonds": 1,
            "confetti": 1,
            "waves": 1,
            "rings": 1,
        },
    )
    picture = Image.new("RGB", size, colour)
    draw = ImageDraw.Draw(picture)
    if style in ("stripes", "waves", "check", "diamonds", "rings"):
        y, x = np.mgrid[0:height, 0:width].astype(np.float32)
        a = np.radians(pick(rng, (0.0, 90.0, 45.0, 135.0, between(rng, 0, 180))))
        u, v = x * np.cos(a) + y * np.sin(a), y * np.cos(a) - x * np.sin(a)
        share = between(rng, 0.2, 0.6)
        if style == "waves":
            u = u + step * 0.5 * np.sin(v / step * 2)
        if style == "rings":
            u = np.hypot(x - width * between(rng, 0, 1), y - height * between(rng, 0, 1))
        on = (u / step) % 1 < share
        if style == "check":
            on = ((u // step) + (v // step)) % 2 == 0
        elif style == "diamonds":
            on = np.abs((u / step) % 1 - 0.5) + np.abs((v / step) % 1 - 0.5) < share
        picture.paste(other, (0, 0), Image.fromarray(on.astype(np.uint8) * 255))
    elif style == "grid":
        w = max(1, step // whole(rng, 8, 30))
        for x0 in range(0, width, step):
            draw.rectangle((x0, 0, x0 + w - 1, height), fill=other)
        for y0 in range(0, height, step):
            draw.rectangle((0, y0, width, y0 + w - 1), fill=other)
    elif style == "dots":
        r = step * between(rng, 0.1, 0.35)
        for j, y0 in enumerate(range(0, height + step, step)):
            for x0 in range((j % 2) * step // 2, width + step, step):
                draw.ellipse((x0 - r, y0 - r, x0 + r, y0 + r), fill=other)
    else:
        for _ in range(min(250, width * height // (step * step))):
            x1, y1 = between(rng, 0, width), between(rng, 0, height)
            r = step * between(rng, 0.1, 0.4)
            draw.ellipse((x1 - r, y1 - r, x1 + r, y1 + r * between(rng, 0.5, 1)), fill=other)
    return picture


def gradient(rng: np.random.Generator, size: tuple[int, int], colour: Colour) -> Image.Image:
    """From ``colour`` to another, along a line or from the middle outwards."""
    other = mix(colour, pick(rng, (WHITE, BLACK, brand_colour(rng))), between(rng, 0.08, 0.6))
    if chance(rng, 0.2):
        other = brand_colour(rng)
    other = apart(rng, colour, other, 28)
    angle = pick(rng, (90.0, 90.0, 0.0, 45.0)) if chance(rng, 0.5) else between(rng, 0, 360)
    centre = (between(rng, -0.3, 0.3), between(rng, -0.3, 0.3))
    by = ramp(size, angle, chance(rng, 0.25), centre, log_between(rng, 0.5, 2))
    return blend(*((colour, other) if chance(rng, 0.5) else (other, colour)), by)


def _photograph(
    rng: np.random.Generator, size: tuple[int, int], resources: Resources
) -> Image.Image:
    """A blurred photograph, often darkened or bleached as a banner's ground."""
    found = resources.photograph(rng) if chance(rng, 0.75) else None
    if found is None:
        picture = photolike(rng, size)
    else:
        wide = found.width * between(rng, 0.4, 1.0)
        high = min(found.height, wide * size[1] / size[0])
        x, y = between(rng, 0, found.width - wide), between(rng, 0, found.height - high)
        picture = found.resize(
            (max(8, size[0] // 3), max(8, size[1] // 3)),
            Image.Resampling.BILINEAR,
            (x, y, x + wide, y + high),
        )
        picture = picture.filter(ImageFilter.GaussianBlur(between(rng, 0.5, 5))).resize(
            size, Image.Resampling.BICUBIC
        )
    if chance(rng, 0.6):
        veil = pick(rng, (BLACK, WHITE, WHITE, ground_colour(rng)))
        picture = Image.blend(picture, Image.new("RGB", size, veil), between(rng, 0.2, 0.75))
    return picture


def _mean(picture: Image.Image) -> Colour:
    r, g, b = np.asarray(picture.resize((4, 4), Image.Resampling.BOX)).reshape(-1, 3).mean(axis=0)
    return (round(float(r)), round(float(g)), round(float(b)))


_STYLES = {
    "plain": 0.7,
    "gradient": 0.1,
    "pattern": 0.05,
    "texture": 0.06,
    "photograph": 0.06,
    "split": 0.03,
}


def draw_ground(
    rng: np.random.Generator, resources: Resources, size: tuple[int, int] | None = None,
    colour: Colour | None = None, plainer: bool = False,
) -> Sheet:  # fmt: skip
    """A ground of this size (drawn if not given), with a frame or a card one time in five."""
    size = size or canvas_size(rng)
    colour = colour or ground_colour(rng)
    style = "plain" if plainer or min(size) < 24 else weighted(rng, _STYLES)
    if style == "gradient":
        picture = gradient(rng, size, colour)
    elif style == "pattern":
        soft = mix(colour, ink_on(rng, colour), between(rng, 0.1, 0.5))
        picture = pattern(rng, size, colour, soft)
    elif style == "texture":
        picture = texture(rng, size, colour, log_between(rng, 8, 60))
    elif style == "photograph":
        picture = _photograph(rng, size, resources)
    else:
        picture = Image.new("RGB", size, colour)
        if style == "split":
            other = mix(colour, ink_on(rng, colour), between(rng, 0.1, 0.4))
            w, h = size
            cut = between(rng, 0.3, 0.8)
            area = [(0, h), (w, h), (w, h * cut * between(rng, 0.7, 1.0)), (0, h * cut)]
            ImageDraw.Draw(picture).polygon(area, fill=other)
    sheet = Sheet(picture, colour)
    if style != "plain":
        sheet.colour = _mean(picture)
        # Twice the spread of the ground's own tones: fainter ink would drown in them.
        spread = float(
            np.asarray(picture.convert("L").resize((48, 48), Image.Resampling.BOX)).std()
        )
        sheet.contrast = min(105.0, max(13.0, 2.2 * spread + (25 if style == "photograph" else 8)))
    if chance(rng, 0.22):
        add_frame(rng, sheet)
    return sheet


def add_frame(rng: np.random.Generator, sheet: Sheet) -> None:
    """A border, a dashed border, a card with a shadow, a disc, a cross from corner to corner."""
    picture = sheet.picture
    w, h = picture.size
    short = min(w, h)
    if short < 10:
        return
    draw = ImageDraw.Draw(picture)
    line = ink_on(rng, sheet.colour, sheet.contrast / 2)
    style = weighted(
        rng, {"border": 0.4, "card": 0.25, "dashed": 0.1, "disc": 0.1, "cross": 0.1, "double": 0.05}
    )
    thick = max(1, round(short * pick(rng, (0.004, 0.01, 0.02, 0.05))))
    inset = pick(rng, (0, 0, round(short * between(rng, 0.02, 0.1))))
    edge = (inset, inset, w - 1 - inset, h - 1 - inset)
    radius = pick(rng, (0.0, 0.0, short * between(rng, 0.03, 0.2)))
    if style in ("border", "double"):
        draw.rounded_rectangle(edge, radius, outline=line, width=thick)
        if style == "double":
            m = 2 * thick + 2
            draw.rounded_rectangle(
                (inset + m, inset + m, w - 1 - inset - m, h - 1 - inset - m),
                max(0, radius - m),
                outline=line,
                width=1,
            )
    elif style == "dashed":
        dash = max(3, round(short * between(rng, 0.02, 0.06)))
        for x in range(edge[0], edge[2], 2 * dash):
            draw.rectangle((x, edge[1], min(x + dash, edge[2]), edge[1] + thick - 1), fill=line)
            draw.rectangle((x, edge[3] - thick + 1, min(x + dash, edge[2]), edge[3]), fill=line)
        for y in range(edge[1], edge[3], 2 * dash):
            draw.rectangle((edge[0], y, edge[0] + thick - 1, min(y + dash, edge[3])), fill=line)
            draw.rectangle((edge[2] - thick + 1, y, edge[2], min(y + dash, edge[3])), fill=line)
    elif style == "cross":
        draw.line((edge[0], edge[1], edge[2], edge[3]), fill=line, width=thick)
        draw.line((edge[0], edge[3], edge[2], edge[1]), fill=line, width=thick)
        draw.rectangle(edge, outline=line, width=thick)
        if abs(luma(line) - luma(sheet.colour)) > 40:
            sheet.contrast = max(sheet.contrast, 95.0)
    else:
        tone = ground_colour(rng)
        if abs(luma(tone) - luma(sheet.colour)) < 4:
            tone = mix(
                sheet.colour, WHITE if luma(sheet.colour) < 128 else BLACK, between(rng, 0.03, 0.15)
            )
        over = Image.new("L", (w, h))
        pen = ImageDraw.Draw(over)
        margin = short * between(rng, 0.03, 0.12)
        if style == "disc":
            r = short / 2 - margin
            pen.ellipse((w / 2 - r, h / 2 - r, w / 2 + r, h / 2 + r), fill=255)
        else:
            pen.rounded_rectangle(
                (margin, margin, w - 1 - margin, h - 1 - margin),
                short * between(rng, 0.0, 0.15),
                fill=255,
            )
            if chance(rng, 0.5):
                shade = over.filter(ImageFilter.BoxBlur(max(1.0, margin / 3)))
                picture.paste(
                    mix(sheet.colour, BLACK, between(rng, 0.15, 0.5)), (0, round(margin / 5)), shade
                )
        picture.paste(tone, (0, 0), over)
        sheet.colour, sheet.contrast = tone, 13.0
        sheet.room = 0.68 if style == "disc" else 0.86

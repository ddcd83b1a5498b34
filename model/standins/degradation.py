"""What shops do to pictures: scale, crop, pad, recompress, watermark, frame, brighten."""

import io

import numpy as np
from PIL import Image, ImageDraw, ImageEnhance, ImageFilter, ImageFont

from model.standins.chance import between, chance, pick, weighted, whole
from model.standins.names import brand
from model.standins.palette import BLACK, WHITE, Colour, grey, ground_colour

_FILTERS = (Image.Resampling.NEAREST, Image.Resampling.BILINEAR, Image.Resampling.BICUBIC,
            Image.Resampling.LANCZOS, Image.Resampling.BOX, Image.Resampling.HAMMING)  # fmt: skip
_SMALLEST = 32  # below this, scaling down would leave nothing to recognise


def _rescaled(rng: np.random.Generator, image: Image.Image) -> Image.Image:
    """To another size, or down and up again; seldom with the aspect a little off."""
    w, h = image.size
    scale = between(rng, 0.4, 1.0)
    small = (max(min(w, _SMALLEST), round(w * scale)), max(min(h, _SMALLEST), round(h * scale)))
    if chance(rng, 0.12):
        small = (small[0], max(8, round(small[1] * between(rng, 0.85, 1.18))))
    # Nearest neighbour tears thin strokes apart; shops use it, but seldom.
    way = pick(rng, _FILTERS[1:]) if chance(rng, 0.93) else _FILTERS[0]
    out = image.resize(small, way)
    if chance(rng, 0.4):
        out = out.resize((w, h), pick(rng, _FILTERS[1:4]))
    return out


def _cropped(rng: np.random.Generator, image: Image.Image) -> Image.Image:
    w, h = image.size
    dx, dy = w * 0.06, h * 0.06
    x0, y0 = round(between(rng, 0, dx)), round(between(rng, 0, dy))
    return image.crop((x0, y0, w - round(between(rng, 0, dx)), h - round(between(rng, 0, dy))))


def _corner(image: Image.Image) -> Colour:
    r, g, b = np.asarray(image.crop((0, 0, 1, 1))).reshape(3)
    return (int(r), int(g), int(b))


def _padded(rng: np.random.Generator, image: Image.Image) -> Image.Image:
    """To a square, or with a margin, on white, on the picture's own ground or on a colour."""
    w, h = image.size
    tone = weighted(rng, {"white": 0.5, "own": 0.25, "black": 0.05, "colour": 0.2})
    fill = {"white": WHITE, "own": _corner(image), "black": BLACK, "colour": ground_colour(rng)}[
        tone
    ]
    if chance(rng, 0.5) and w != h:
        box = (max(w, h), max(w, h))
    else:
        box = (round(w * between(rng, 1.0, 1.25)), round(h * between(rng, 1.0, 1.25)))
    out = Image.new("RGB", box, fill)
    out.paste(image, ((box[0] - w) // 2, (box[1] - h) // 2))
    return out


def _recompressed(rng: np.random.Generator, image: Image.Image) -> Image.Image:
    data = io.BytesIO()
    quality = whole(rng, 20, 95)
    if chance(rng, 0.8):
        image.save(data, "JPEG", quality=quality, subsampling=pick(rng, (0, 2)))
    else:
        image.save(data, "WEBP", quality=quality, method=0)
    data.seek(0)
    with Image.open(data) as again:
        return again.convert("RGB")


def _watermarked(rng: np.random.Generator, image: Image.Image) -> Image.Image:
    """A shop's name in a corner, across, or tiled: faint, so that the picture stays the picture."""
    w, h = image.size
    size = max(8, round(min(w, h) * between(rng, 0.05, 0.13)))
    font = ImageFont.load_default(size)
    text = pick(rng, ("© ", "", "", "www.")) + brand(rng) + pick(rng, ("", "", ".com", ".shop"))
    wide = round(font.getlength(text)) + 4
    mark = Image.new("L", (wide, round(size * 1.4)))
    ImageDraw.Draw(mark).text(
        (2, size * 0.1), text, fill=round(255 * between(rng, 0.12, 0.4)), font=font
    )
    tone = pick(rng, (WHITE, BLACK, grey(128)))
    style = weighted(rng, {"corner": 0.6, "across": 0.25, "tiled": 0.15})
    image = image.copy()
    if style == "across":
        mark = mark.rotate(pick(rng, (30.0, 45.0, -30.0)), Image.Resampling.BILINEAR, expand=True)
        image.paste(tone, ((w - mark.width) // 2, (h - mark.height) // 2), mark)
    elif style == "tiled":
        mark = mark.rotate(30, Image.Resampling.BILINEAR, expand=True)
        for y in range(0, h, mark.height * 2):
            for x in range(0, w, round(mark.width * 1.5)):
                image.paste(tone, (x, y), mark)
    else:
        right, low = chance(rng, 0.7), chance(rng, 0.8)
        m = size // 2
        image.paste(
            tone, (w - mark.width - m if right else m, h - mark.height - m if low else m), mark
        )
    return image


def _framed(rng: np.random.Generator, image: Image.Image) -> Image.Image:
    """A line round the picture, or corners rounded off on white."""
    w, h = image.size
    image = image.copy()
    if chance(rng, 0.6):
        tone = grey(whole(rng, 0, 230)) if chance(rng, 0.8) else ground_colour(rng)
        ImageDraw.Draw(image).rectangle(
            (0, 0, w - 1, h - 1),
            outline=tone,
            width=max(1, round(min(w, h) * between(rng, 0.003, 0.02))),
        )
        return image
    mask = Image.new("L", (w * 2, h * 2))
    ImageDraw.Draw(mask).rounded_rectangle(
        (0, 0, 2 * w - 1, 2 * h - 1), 2 * min(w, h) * between(rng, 0.02, 0.15), fill=255
    )
    out = Image.new("RGB", (w, h), WHITE)
    out.paste(image, (0, 0), mask.reduce(2))
    return out


def _toned(rng: np.random.Generator, image: Image.Image) -> Image.Image:
    """Brightness, contrast, gamma or no colour at all."""
    style = weighted(rng, {"brightness": 0.3, "contrast": 0.25, "gamma": 0.3, "grey": 0.15})
    if style == "brightness":
        return ImageEnhance.Brightness(image).enhance(between(rng, 0.85, 1.08))
    if style == "contrast":
        return ImageEnhance.Contrast(image).enhance(between(rng, 0.8, 1.3))
    if style == "grey":
        return image.convert("L").convert("RGB")
    power = between(rng, 0.75, 1.3)
    return image.point([round(255 * (v / 255) ** power) for v in range(256)] * 3)


def _focused(rng: np.random.Generator, image: Image.Image) -> Image.Image:
    """Blurred a little or sharpened too much."""
    if chance(rng, 0.5):
        return image.filter(
            ImageFilter.GaussianBlur(min(image.size) / 320 * between(rng, 0.3, 1.2))
        )
    return image.filter(ImageFilter.UnsharpMask(2, whole(rng, 50, 180), 2))


_STEPS = (
    (0.15, _cropped), (0.06, _watermarked), (0.15, _toned), (0.15, _padded), (0.35, _rescaled),
    (0.12, _focused), (0.06, _framed), (0.65, _recompressed),
)  # fmt: skip


def degrade(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    """A picture as it comes out of a shop's software; it still shows what it showed.

    Used alike on stand-ins and on products, so that none of these traces tells them apart.

    Args:
        image: any mode; it is not changed.
        rng: randomness: the same state gives the same bytes.
    Returns:
        A new RGB picture, most often of another size.
    """
    out = image.convert("RGB")
    for probability, step in _STEPS:
        if chance(rng, probability):
            out = step(rng, out)
    return out if out is not image else image.copy()

"""Stand-ins that show an icon: a camera, a picture crossed out, a box, a question mark, goods."""

import numpy as np
from PIL import Image

from model.standins.chance import Real, between, chance, pick, weighted, whole
from model.standins.grounds import Sheet, draw_ground
from model.standins.marks import cross_out
from model.standins.palette import Colour, ink_on, luma, mix, second_ink
from model.standins.relief import ink_with_effects
from model.standins.resources import SILHOUETTES, Resources
from model.standins.scenes import draw_scene, put_print
from model.standins.silhouettes import draw_silhouette
from model.standins.surface import Pen, ink, outline, place

# Families of icons; the weights follow what shops show: cameras and pictures above all.
ICON_FAMILIES: dict[str, Real] = {
    "camera": 0.18, "camera-off": 0.11, "picture": 0.19, "picture-off": 0.11, "gallery": 0.05,
    "file": 0.03, "box": 0.05, "bag": 0.03, "cart": 0.025, "hanger": 0.02, "question": 0.035,
    "alert": 0.02, "ban": 0.03, "gift": 0.01, "tag": 0.015, "hidden": 0.02, "upload": 0.02,
    "clock": 0.015, "place": 0.01, "empty": 0.04, "shop": 0.015, "goods": 0.05, "landscape": 0.06,
}  # fmt: skip


def concept_mask(
    rng: np.random.Generator, resources: Resources, family: str, side: int
) -> Image.Image:
    """Ink mask (side, side) of an icon of a family."""
    if family == "camera-off":
        return cross_out(
            rng, resources.icon(rng, "camera", side), "ring" if chance(rng, 0.35) else "bar"
        )
    if family == "landscape":
        family = "picture"
    if family == "picture-off" and chance(rng, 0.4):
        return cross_out(
            rng,
            resources.icon(rng, pick(rng, ("picture", "gallery")), side),
            "ring" if chance(rng, 0.3) else "bar",
        )
    return resources.icon(rng, family, side)


def put_icon(
    rng: np.random.Generator, sheet: Sheet, mask: Image.Image, at: tuple[int, int],
    colour: Colour | None = None, plain: bool = False,
) -> None:  # fmt: skip
    """Paint an icon: bare, knocked out of a disc or a rounded square, ringed, or in two tones."""
    side = mask.width
    colour = colour or sheet.ink(rng, 40.0 if side < 28 else 0.0)
    style = "bare" if plain or side < 20 else weighted(
        rng, {"bare": 0.66, "disc": 0.09, "square": 0.07, "ring": 0.07, "frame": 0.04, "two": 0.07}
    )  # fmt: skip
    if style in ("bare", "two"):
        if style == "two":
            shift = max(1, round(side * between(rng, 0.01, 0.06)))
            ink(
                sheet.picture,
                mask,
                (at[0] + shift, at[1] + shift),
                mix(colour, sheet.colour, between(rng, 0.4, 0.75)),
            )
        ink_with_effects(rng, sheet.picture, mask, at, colour, sheet.colour)
        return
    pen = Pen(side)
    if style == "disc":
        pen.circle(50, 50, 50)
    elif style == "square":
        pen.box(0, 0, 100, 100, between(rng, 0, 26))
    elif style == "ring":
        pen.circle(50, 50, 50, width=between(rng, 1.5, 6))
    else:
        pen.box(0, 0, 100, 100, between(rng, 0, 20), width=between(rng, 1.5, 5))
    ink(sheet.picture, pen.mask(), at, colour)
    inner = mask.resize((max(4, round(side * 0.58)),) * 2, Image.Resampling.BILINEAR)
    solid = style in ("disc", "square")
    tone = (
        sheet.colour
        if solid and abs(luma(sheet.colour) - luma(colour)) > 60
        else ink_on(rng, colour, 25)
    )
    middle = (at[0] + (side - inner.width) // 2, at[1] + (side - inner.height) // 2)
    ink(sheet.picture, inner, middle, tone if solid else colour)


def _sprinkle(rng: np.random.Generator, sheet: Sheet, resources: Resources) -> None:
    """The small crosses, dots and rings that "empty state" drawings are strewn with."""
    w, h = sheet.picture.size
    tone = mix(sheet.colour, ink_on(rng, sheet.colour, 40), between(rng, 0.2, 0.6))
    for _ in range(whole(rng, 3, 10)):
        side = max(5, round(min(w, h) * between(rng, 0.03, 0.07)))
        pen = Pen(side)
        style = whole(rng, 0, 2)
        if style == 0:
            pen.line([(50, 10), (50, 90)], 14)
            pen.line([(10, 50), (90, 50)], 14)
        else:
            pen.circle(50, 50, 42, width=0 if style == 1 else 16)
        ink(
            sheet.picture,
            pen.mask(),
            (whole(rng, 0, max(1, w - side)), whole(rng, 0, max(1, h - side))),
            tone,
        )
    del resources


def draw_icon(rng: np.random.Generator, resources: Resources) -> tuple[Image.Image, str]:
    """A stand-in with an icon: picture and family."""
    family = weighted(rng, ICON_FAMILIES)
    if family == "landscape":
        return _landscape(rng, resources), "icon/landscape"
    sheet = draw_ground(rng, resources)
    short = min(sheet.picture.size)
    share = between(rng, 0.1, 0.35) if chance(rng, 0.35) else between(rng, 0.35, 0.97)
    mask = concept_mask(rng, resources, family, max(10, round(short * share * sheet.room)))
    if chance(rng, 0.05):
        mask = mask.rotate(between(rng, -25, 25), Image.Resampling.BICUBIC)
    if share > 0.3 and chance(rng, 0.07):
        _sprinkle(rng, sheet, resources)
    put_icon(rng, sheet, mask, place(rng, sheet.picture, mask))
    if family in ("file", "box", "bag", "question") and short > 80 and chance(rng, 0.1):
        _badge(rng, sheet, resources)
    return sheet.picture, f"icon/{family}"


def _landscape(rng: np.random.Generator, resources: Resources) -> Image.Image:
    """Sun and hills over the whole picture, or on a print; one time in six crossed out."""
    sheet = draw_ground(rng, resources)
    if chance(rng, 0.45) and min(sheet.picture.size) > 40:
        put_print(rng, sheet)
    else:
        sheet.picture = draw_scene(rng, sheet.picture.size)
    if chance(rng, 0.16):
        side = round(min(sheet.picture.size) * between(rng, 0.6, 1.0))
        bar = cross_out(rng, Image.new("L", (side, side)), pick(rng, ("bar", "ring")))
        tone = pick(rng, ((214, 0, 57), (220, 40, 40), (90, 90, 90)))
        ink(
            sheet.picture,
            bar,
            ((sheet.picture.width - side) // 2, (sheet.picture.height - side) // 2),
            tone,
        )
    return sheet.picture


def _badge(rng: np.random.Generator, sheet: Sheet, resources: Resources) -> None:
    """A second, small icon in a lower corner."""
    w, h = sheet.picture.size
    side = round(min(w, h) * between(rng, 0.12, 0.25))
    colour = second_ink(rng, sheet.colour, sheet.ink(rng))
    mask = resources.icon(rng, pick(rng, ("alert", "ban", "question", "upload")), side)
    ink(sheet.picture, mask, (round(w * 0.72 - side / 2), round(h * 0.72 - side / 2)), colour)


def draw_silhouette_standin(
    rng: np.random.Generator, resources: Resources
) -> tuple[Image.Image, str]:
    """A stand-in with a flat outline of a person or of goods: picture and family."""
    others = 0.7 / (len(SILHOUETTES) - 1)
    concept = weighted(rng, {name: 0.3 if name == "person" else others for name in SILHOUETTES})
    sheet = draw_ground(rng, resources)
    short = min(sheet.picture.size)
    side = max(12, round(short * between(rng, 0.4, 1.0) * sheet.room))
    if concept == "person" and resources.icons.get("person") and chance(rng, 0.3):
        mask = resources.icon(rng, "person", side)
    else:
        mask = draw_silhouette(rng, concept, side)
    at = place(rng, sheet.picture, mask)
    if concept == "person" and chance(rng, 0.4):
        at = (at[0], sheet.picture.height - side)  # shoulders end at the edge
    colour = sheet.ink(rng)
    style = (
        weighted(rng, {"flat": 0.72, "line": 0.16, "filled line": 0.12}) if side > 40 else "flat"
    )
    if style == "flat":
        ink_with_effects(rng, sheet.picture, mask, at, colour, sheet.colour)
    else:
        if style == "filled line":
            ink(sheet.picture, mask, at, mix(colour, sheet.colour, between(rng, 0.55, 0.9)))
        ink(sheet.picture, outline(mask, round(side * between(rng, 0.006, 0.025))), at, colour)
    if chance(rng, 0.12):
        bar = cross_out(rng, Image.new("L", (side, side)), "bar")
        ink(sheet.picture, bar, at, second_ink(rng, sheet.colour, colour))
    return sheet.picture, f"silhouette/{concept}"

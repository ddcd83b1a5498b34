"""Pictograms drawn from scratch: the icons that stand-ins use, each different on every call.

Every function draws on a pen's 0 to 100 square, filled or as an outline of width ``w``.
"""

from collections.abc import Callable

import numpy as np
from PIL import Image

from model.standins.chance import Real, between, chance, pick, whole
from model.standins.picture_marks import camera, file, picture, shaded_camera
from model.standins.surface import Pen, Point, jitter

Mark = Callable[[Pen, np.random.Generator, bool, Real], None]


def _box(pen: Pen, rng: np.random.Generator, filled: bool, w: Real) -> None:
    lift, depth = between(rng, 20, 28), between(rng, 38, 48)
    top: list[Point] = [
        (50, 50 - depth),
        (90, 50 - depth + lift),
        (50, 50 - depth + 2 * lift),
        (10, 50 - depth + lift),
    ]
    left = [top[3], top[2], (50.0, 50 + depth), (10.0, 50 + depth - lift)]
    right = [top[2], top[1], (90.0, 50 + depth - lift), (50.0, 50 + depth)]
    for i, face in enumerate((top, left, right)):
        if filled:
            pen.polygon(face, tone=(130, 255, 190)[i])
        else:
            pen.line(face, w, closed=True)
    if chance(rng, 0.5):
        pen.line(
            [
                (30, 50 - depth + lift / 2),
                (70, 50 - depth + 1.5 * lift),
                (70, 50 - depth + 1.5 * lift + 14),
            ],
            w,
            tone=0 if filled else 255,
        )


def _bag(pen: Pen, rng: np.random.Generator, filled: bool, w: Real) -> None:
    flare, top = between(rng, 0, 8), between(rng, 30, 38)
    body: list[Point] = [(18 + flare, top), (82 - flare, top), (86, 94), (14, 94)]
    pen.shape(body, filled, w)
    r = between(rng, 13, 18)
    inside = 0 if filled and chance(rng, 0.5) else 255
    if inside:
        pen.arc(50, top, r, 180, 360, w)
        pen.line([(50 - r + w / 2, top), (50 - r + w / 2, top + 8)], w, tone=0 if filled else 255)
        pen.line([(50 + r - w / 2, top), (50 + r - w / 2, top + 8)], w, tone=0 if filled else 255)
    else:
        pen.arc(50, top + 10, r, 0, 180, w, tone=0)


def _cart(pen: Pen, rng: np.random.Generator, filled: bool, w: Real) -> None:
    basket: list[Point] = [(24, 28), (between(rng, 88, 95), 28), (84, 62), (32, 62)]
    pen.line([(5, 14), (19, 14), (33, 70), (84, 70)], w)
    if filled:
        pen.polygon(basket)
    else:
        pen.line(basket, w, closed=True)
    for x in (40.0, 77.0):
        pen.circle(x, 85, between(rng, 5, 8), width=0 if filled else w)


def _hanger(pen: Pen, rng: np.random.Generator, filled: bool, w: Real) -> None:
    del filled  # a hanger is a wire
    y = between(rng, 60, 72)
    pen.line([(50, 46), (92, y), (92, y + 5), (8, y + 5), (8, y), (50, 46)], w)
    pen.line([(50, 46), (50, 38)], w)
    pen.arc(50, 28, 10.5, 170, 450, w)


def _question(pen: Pen, rng: np.random.Generator, filled: bool, w: Real) -> None:
    w = max(w, 5) * (2.2 if filled else 1.2)
    r = between(rng, 19, 25)
    pen.arc(50, 32, r, 165, 415, w)
    pen.line([(50 + r * 0.55 - w / 4, 32 + r * 0.72), (50, 60), (50, 66)], w)
    pen.circle(50, 86, w * between(rng, 0.6, 0.75))


def _alert(pen: Pen, rng: np.random.Generator, filled: bool, w: Real) -> None:
    triangle: list[Point] = [(50, 10), (94, 88), (6, 88)]
    if chance(rng, 0.5):
        pen.shape(triangle, filled, w)
    elif filled:
        pen.circle(50, 55, 44)
    else:
        pen.circle(50, 55, 44, width=w)
    tone = 0 if filled else 255
    pen.line([(50, 38), (50, 62)], max(w, 6), tone=tone)
    pen.circle(50, 75, max(w, 6) * 0.7, tone=tone)


def _ban(pen: Pen, rng: np.random.Generator, filled: bool, w: Real) -> None:
    w = max(w, 5) * (2.0 if filled else 1.0)
    pen.circle(50, 50, 46, width=w)
    a = np.radians(pick(rng, (45.0, 45.0, 135.0, 50.0)))
    dx, dy = 43 * np.cos(a), 43 * np.sin(a)
    pen.line([(50 - dx, 50 - dy), (50 + dx, 50 + dy)], w)


def _gift(pen: Pen, rng: np.random.Generator, filled: bool, w: Real) -> None:
    lid = between(rng, 34, 40)
    if filled:
        pen.box(14, lid + 16, 86, 92, 3)
        pen.box(8, lid, 92, lid + 14, 3)
        pen.line([(50, lid), (50, 92)], 6, tone=0)
    else:
        pen.box(14, lid + 14, 86, 92, 3, width=w)
        pen.box(8, lid, 92, lid + 16, 3, width=w)
        pen.line([(50, lid), (50, 92)], w)
    for side in (-1, 1):
        pen.line(
            [
                (50, lid),
                (50 + side * 12, lid - 22),
                (50 + side * 26, lid - 18),
                (50 + side * 22, lid - 3),
                (50, lid),
            ],
            w,
        )


def _tag(pen: Pen, rng: np.random.Generator, filled: bool, w: Real) -> None:
    cut = between(rng, 24, 34)
    body: list[Point] = [(10, 10), (10 + cut + 12, 10), (92, 60), (60, 92), (10, 22 + cut)]
    pen.shape(body, filled, w)
    pen.circle(27, 27, between(rng, 5, 8), tone=0 if filled else 255, width=0 if filled else w)


def _eye(pen: Pen, rng: np.random.Generator, filled: bool, w: Real) -> None:
    del filled
    lift = between(rng, 22, 30)
    x = np.linspace(6, 94, 25)
    bend = np.sin((x - 6) / 88 * np.pi)
    pen.line([(float(a), float(50 - lift * b)) for a, b in zip(x, bend, strict=True)], w)
    pen.line([(float(a), float(50 + lift * b)) for a, b in zip(x, bend, strict=True)], w)
    pen.circle(50, 50, 13, width=w)


def _clock(pen: Pen, rng: np.random.Generator, filled: bool, w: Real) -> None:
    if filled:
        pen.circle(50, 50, 45)
    else:
        pen.circle(50, 50, 45, width=w)
    tone = 0 if filled else 255
    a = between(rng, 0, 2 * np.pi)
    pen.line([(50, 22), (50, 50), (50 + 22 * np.cos(a), 50 + 22 * np.sin(a))], max(w, 4), tone=tone)


def _upload(pen: Pen, rng: np.random.Generator, filled: bool, w: Real) -> None:
    w = w * (1.8 if filled else 1.0)
    pen.line([(50, 66), (50, 14)], w)
    pen.line([(30, 34), (50, 14), (70, 34)], w)
    pen.line([(10, 62), (10, 88), (90, 88), (90, 62)], w)
    if chance(rng, 0.3):
        pen.line([(35, 76), (65, 76)], w)


def _plus(pen: Pen, rng: np.random.Generator, filled: bool, w: Real) -> None:
    w = w * (2.0 if filled else 1.0)
    if chance(rng, 0.6):
        pen.circle(50, 50, 46, width=w)
    reach = between(rng, 18, 27)
    pen.line([(50 - reach, 50), (50 + reach, 50)], w)
    pen.line([(50, 50 - reach), (50, 50 + reach)], w)


def _pin(pen: Pen, rng: np.random.Generator, filled: bool, w: Real) -> None:
    r = between(rng, 26, 32)
    a = np.radians(np.linspace(155, 385, 30))
    drop = [(50 + r * float(np.cos(t)), 38 + r * float(np.sin(t))) for t in a]
    pen.shape([*drop, (50.0, 95.0)], filled, w)
    pen.circle(50, 38, r * 0.38, tone=0 if filled else 255, width=0 if filled else w)


def _sad(pen: Pen, rng: np.random.Generator, filled: bool, w: Real) -> None:
    if filled:
        pen.circle(50, 50, 45)
    else:
        pen.circle(50, 50, 45, width=w)
    tone = 0 if filled else 255
    for x in (34.0, 66.0):
        pen.circle(x, 40, between(rng, 4, 6), tone=tone)
    if chance(rng, 0.6):
        pen.arc(50, 78, 20, 205, 335, max(w, 4), tone=tone)
    else:
        pen.line([(34, 68), (66, 68)], max(w, 4), tone=tone)


def _store(pen: Pen, rng: np.random.Generator, filled: bool, w: Real) -> None:
    n = whole(rng, 3, 5)
    pen.shape([(14, 10), (86, 10), (94, 36), (6, 36)], filled, w)
    step = 88 / n
    for i in range(n):
        pen.arc(6 + step * (i + 0.5), 36, step / 2, 0, 180, w)
    pen.line([(14, 44), (14, 92), (86, 92), (86, 44)], w)
    pen.box(24, 58, 48, 92, 0, width=w)
    pen.box(58, 58, 78, 76, 0, width=w)


def _search(pen: Pen, rng: np.random.Generator, filled: bool, w: Real) -> None:
    w = max(w, 4) * (1.6 if filled else 1.0)
    r = between(rng, 26, 33)
    pen.circle(42, 42, r, width=w)
    pen.line([(42 + r * 0.7, 42 + r * 0.7), (92, 92)], w)
    if chance(rng, 0.4):
        pen.line([(32, 32), (52, 52)], w)
        pen.line([(52, 32), (32, 52)], w)


def _cloud(pen: Pen, rng: np.random.Generator, filled: bool, w: Real) -> None:
    lobes = [(30.0, 60.0, 20.0), (50.0, 46.0, 25.0), (72.0, 60.0, 19.0)]
    for x, y, r in lobes:
        pen.circle(x, jitter(rng, y, 0.04), r)
    pen.box(28, 58, 74, 80, 4)
    if not filled:
        for x, y, r in lobes:
            pen.circle(x, y, r - w, tone=0)
        pen.box(30, 58, 72, 80 - w, 0, tone=0)


# The kinds of icon that stand-ins show; the first word of a family, "icon/camera".
MARKS: dict[str, tuple[Mark, ...]] = {
    "camera": (camera, camera, camera, shaded_camera), "picture": (picture,), "file": (file,),
    "box": (_box,),
    "bag": (_bag,), "cart": (_cart,), "hanger": (_hanger,), "question": (_question,),
    "alert": (_alert,), "ban": (_ban,), "gift": (_gift,), "tag": (_tag,), "hidden": (_eye,),
    "clock": (_clock,), "upload": (_upload, _plus), "place": (_pin,),
    "empty": (_sad, _search, _cloud),
    "shop": (_store,),
}  # fmt: skip


def cross_out(rng: np.random.Generator, mask: Image.Image, style: str) -> Image.Image:
    """A mask crossed out: a bar with a gap beside it, or a prohibition ring around the whole."""
    side = max(mask.size)
    pen = Pen(side)
    w = between(rng, 5, 9)
    if style == "ring":
        pen.circle(50, 50, 49, width=w)
        inner = Image.new("L", (side, side))
        share = between(rng, 0.55, 0.68)
        small = mask.resize(
            (max(1, round(mask.width * share)), max(1, round(mask.height * share))),
            Image.Resampling.BILINEAR,
        )
        inner.paste(small, ((side - small.width) // 2, (side - small.height) // 2))
        mask, reach = inner, 34.0
    else:
        square = Image.new("L", (side, side))
        square.paste(mask, ((side - mask.width) // 2, (side - mask.height) // 2))
        mask, reach = square, 44.0
    ends = [(50 - reach, 50 - reach), (50 + reach, 50 + reach)]
    if chance(rng, 0.35):
        ends = [(50 - reach, 50 + reach), (50 + reach, 50 - reach)]
    gap = Pen(side)
    gap.line(ends, w * between(rng, 1.6, 2.6))
    pen.line(ends, w)
    mask.paste(0, (0, 0), gap.mask())
    bar = pen.mask()
    mask.paste(255, (0, 0), bar)
    return mask


def draw_mark(rng: np.random.Generator, concept: str, side: int) -> Image.Image:
    """A mark of ``MARKS`` as an ink mask, (side, side)."""
    pen = Pen(side)
    pick(rng, MARKS[concept])(pen, rng, chance(rng, 0.45), between(rng, 2.5, 8.5))
    return pen.mask()
